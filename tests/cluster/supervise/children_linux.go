package main

import "syscall"

// childAttributes makes a child die with its supervisor, even when the supervisor is killed outright.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
