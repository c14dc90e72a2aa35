package main

import (
	"fmt"
	"net"
	"net/netip"
)

func main() {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		panic(err)
	}
	fmt.Printf("{\"port\":%d}\n", c.LocalAddr().(*net.UDPAddr).Port)
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			panic(err)
		}
		c.WriteToUDPAddrPort(buf[:n], from)
	}
}
