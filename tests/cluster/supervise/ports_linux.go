package main

import (
	"fmt"
	"syscall"
)

// soReusePort is SO_REUSEPORT, which package syscall does not name on every Linux.
const soReusePort = 0xf

// reservePorts picks loopback ports and holds them until release: the sockets are bound with SO_REUSEPORT but do not
// listen, so the components, which bind the same way, can take the ports over and nobody else can.
func reservePorts(count int) (ports []int, release func(), err error) {
	var sockets []int
	release = func() {
		for _, socket := range sockets {
			_ = syscall.Close(socket)
		}
	}
	for range count {
		socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			release()
			return nil, nil, fmt.Errorf("reserve a port: %w", err)
		}
		sockets = append(sockets, socket)
		port, err := bindLoopback(socket)
		if err != nil {
			release()
			return nil, nil, fmt.Errorf("reserve a port: %w", err)
		}
		ports = append(ports, port)
	}
	return ports, release, nil
}

func bindLoopback(socket int) (int, error) {
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, soReusePort, 1); err != nil {
		return 0, err
	}
	// etcd sets both options, and the kernel wants every holder of a port to agree.
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	address, err := syscall.Getsockname(socket)
	if err != nil {
		return 0, err
	}
	inet, ok := address.(*syscall.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("expected an IPv4 address, found %T", address)
	}
	return inet.Port, nil
}
