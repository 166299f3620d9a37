//go:build !linux

package main

import "syscall"

// childAttributes has nothing to set where the kernel knows no parent-death signal.
func childAttributes() *syscall.SysProcAttr { return nil }
