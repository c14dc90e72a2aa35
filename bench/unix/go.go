package main

import (
	"fmt"
	"net"
	"os"
)

func handle(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 65536)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func main() {
	l, err := net.Listen("unix", fmt.Sprintf("/tmp/neap-bench-%d.sock", os.Getpid()))
	if err != nil {
		panic(err)
	}
	fmt.Printf("{\"port\":%d}\n", os.Getpid())
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go handle(c)
	}
}
