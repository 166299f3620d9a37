//go:build !linux

package main

import (
	"fmt"
	"net"
)

// reservePorts picks loopback ports that were free a moment ago; another process could still take one.
func reservePorts(count int) (ports []int, release func(), err error) {
	var listeners []net.Listener
	defer func() {
		for _, listener := range listeners {
			_ = listener.Close()
		}
	}()
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, fmt.Errorf("reserve a port: %w", err)
		}
		listeners = append(listeners, listener)
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, func() {}, nil
}
