// Command supervise owns the processes that the tests start, so that none of them can outlive its user.
//
//	supervise control-plane   runs etcd, the API server, the controller manager, the scheduler and kwok, and ends them
//	                          when nobody is connected any more
//	supervise tether -- CMD   runs one command, and ends it when standard input closes
//
// Whoever uses a process holds a connection (or a pipe) to its supervisor: the kernel closes it however the user ends,
// by return, panic, Ctrl-C or SIGKILL. On Linux the children also die with the supervisor, by a parent-death signal.
//
// Only the standard library is used: this program builds in a second, before and apart from the control plane.
package main

import (
	"fmt"
	"os"
	"runtime"
)

// The parent-death signal is tied to the thread that starts a child, so every child is started by the main thread,
// which lives exactly as long as the process.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	var err error
	switch os.Args[1] {
	case "control-plane":
		err = runControlPlane(os.Args[2:])
	case "tether":
		err = runTether(os.Args[2:])
	default:
		usage()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "supervise %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: supervise control-plane FLAGS | supervise tether -- COMMAND [ARGUMENT]...")
	os.Exit(2)
}
