package main

import (
	"runtime"
	"strings"
	"time"
)

func main() {
	tasks, awaits, pause := arg("tasks"), arg("awaits"), time.Duration(0)
	if tasks == 0 {
		tasks, awaits, pause = arg("n"), 1, time.Second
	}
	text := strings.Repeat("x", awaits)
	t0 := start()
	done := make(chan int)
	for i := 0; i < tasks; i++ {
		go func() {
			n := 0
			strings.Map(func(r rune) rune {
				if pause > 0 {
					time.Sleep(pause)
				} else {
					runtime.Gosched()
				}
				n++
				return r
			}, text)
			done <- n
		}()
	}
	sum := 0
	for i := 0; i < tasks; i++ {
		sum += <-done
	}
	report(t0, tasks*awaits, sum, nil)
}
