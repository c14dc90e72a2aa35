package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

func main() {
	files, rounds, atOnce := arg("files"), arg("rounds"), arg("limit")
	root, err := os.MkdirTemp("", "bench-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	for i := 0; i < files; i++ {
		if err := os.WriteFile(fmt.Sprintf("%s/%d", root, i), []byte(strings.Repeat("x", 1024)), 0o600); err != nil {
			panic(err)
		}
	}
	t0 := start()
	check := 0
	for r := 0; r < rounds; r++ {
		names := make(chan int)
		var all sync.WaitGroup
		var lock sync.Mutex
		for w := 0; w < atOnce; w++ {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range names {
					b, err := os.ReadFile(fmt.Sprintf("%s/%d", root, i))
					if err != nil {
						panic(err)
					}
					lock.Lock()
					check += len(b)
					lock.Unlock()
				}
			}()
		}
		for i := 0; i < files; i++ {
			names <- i
		}
		close(names)
		all.Wait()
	}
	report(t0, files*rounds, check, nil)
}
