package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// stopGrace is how long a tethered command may take to stop after SIGTERM: longer than the drain of the server under
// test, shorter than the patience of a test run.
const stopGrace = 10 * time.Second

// runTether runs a command until it ends or until standard input closes, and passes its exit code on.
func runTether(arguments []string) error {
	if len(arguments) < 2 || arguments[0] != "--" {
		usage()
	}
	command := exec.Command(arguments[1], arguments[2:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = childAttributes()
	if err := command.Start(); err != nil {
		return err
	}

	released := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(released)
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()

	select {
	case err := <-ended:
		return exitWith(err)
	case <-released:
	case <-signals:
	}
	_ = command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		return exitWith(err)
	case <-time.After(stopGrace):
		_ = command.Process.Kill()
		return exitWith(<-ended)
	}
}

// exitWith ends this process as the command ended: with its code, or 128 and the number of the signal.
func exitWith(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(exit.ExitCode())
	return nil
}
