package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"syscall"
	"time"
)

const (
	// helloLimit bounds the first line of a client: it is written before anything else.
	helloLimit = 5 * time.Second
	// firstClientLimit is how long the first client may take: it started this process and connects at once.
	firstClientLimit = 30 * time.Second
	// checkInterval paces the look at whether anybody still needs the control plane.
	checkInterval = 500 * time.Millisecond
	// keptRuns is how many finished runs keep their logs.
	keptRuns = 5
)

// hello is the first and only line that a client writes.
type hello struct {
	// Run is the name that the client expects: a port may have gone to another run since the client read of it.
	Run string `json:"run"`
	// Owner is the process that started the client, cargo for a test binary.
	Owner int `json:"owner"`
}

// notice is a line that a client reads: "starting" when it is counted, then "ready" or "failed".
type notice struct {
	State      string `json:"state"`
	Kubeconfig string `json:"kubeconfig,omitempty"`
	Server     string `json:"server,omitempty"`
	Message    string `json:"message,omitempty"`
}

// whereabouts is the state file, by which clients find a running supervisor.
type whereabouts struct {
	Run     string `json:"run"`
	Folder  string `json:"folder"`
	Address string `json:"address"`
	PID     int    `json:"pid"`
}

// control counts the clients of one control plane. All fields belong to the main goroutine.
type control struct {
	plane     *plane
	state     string
	run       string
	grace     time.Duration
	clients   map[net.Conn]struct{}
	owners    map[int]struct{}
	idleSince time.Time
	// last is what a client is told when it arrives after the start has ended.
	last *notice
}

type arrival struct {
	connection net.Conn
	owner      int
}

type startRequest struct {
	name    string
	command *exec.Cmd
	result  chan error
}

// runControlPlane starts a control plane and serves it to whoever connects, until nobody needs it.
func runControlPlane(arguments []string) error {
	flags := flag.NewFlagSet("control-plane", flag.ExitOnError)
	bin := flags.String("bin", "", "folder of the binaries")
	stages := flags.String("stages", "", "folder of the stage files for kwok")
	folder := flags.String("folder", "", "folder of this run, which must exist")
	state := flags.String("state", "", "file that tells clients where to connect")
	grace := flags.Duration("grace", 10*time.Second, "how long to wait for the next client")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	for name, value := range map[string]string{"bin": *bin, "stages": *stages, "folder": *folder, "state": *state} {
		if value == "" {
			return fmt.Errorf("--%s is required", name)
		}
	}
	lock, err := lockRun(*folder)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.MkdirAll(filepath.Join(*folder, "logs"), 0o755); err != nil {
		return err
	}
	pruneRuns(*folder)

	starts := make(chan startRequest)
	c := &control{
		plane: &plane{
			folder: *folder, bin: *bin, stages: *stages,
			ended: make(chan error, 1),
			start: func(name string, command *exec.Cmd) error {
				request := startRequest{name: name, command: command, result: make(chan error, 1)}
				starts <- request
				return <-request.result
			},
		},
		state: *state, run: filepath.Base(*folder), grace: *grace,
		clients: map[net.Conn]struct{}{}, owners: map[int]struct{}{}, idleSince: time.Now(),
	}
	return c.serve(starts)
}

func (c *control) serve(starts chan startRequest) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := c.announce(listener.Addr().String()); err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	arrivals, departures := make(chan arrival), make(chan net.Conn)
	go c.accept(listener, arrivals, departures)
	launched := make(chan error, 1)
	go func() { launched <- c.plane.launch() }()
	// Whoever started this process waits for the line, then connects.
	fmt.Println("listening")
	_ = os.Stdout.Close()

	began := time.Now()
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	var failure error
	for failure == nil {
		var ended <-chan error
		if c.last != nil {
			ended = c.plane.ended
		}
		select {
		case request := <-starts:
			request.result <- c.plane.begin(request.name, request.command)
		case failure = <-launched:
			if failure == nil {
				log.Printf("ready after %s at %s", time.Since(began).Round(time.Millisecond), c.plane.url)
				c.tell(notice{State: "ready", Kubeconfig: c.plane.kubeconfig(), Server: c.plane.url})
			}
		case failure = <-ended:
		case arrived := <-arrivals:
			c.join(arrived)
		case left := <-departures:
			c.leave(left)
		case received := <-signals:
			log.Printf("ending on %s", received)
			return c.end(listener)
		case now := <-ticker.C:
			if reason := c.unneeded(now); reason != "" {
				log.Printf("ending: %s", reason)
				return c.end(listener)
			}
		}
	}
	c.fail(failure)
	_ = c.end(listener)
	return failure
}

// end lets nobody in any more, then ends the processes. Returning ends this process and with it the connections.
func (c *control) end(listener net.Listener) error {
	c.withdraw()
	_ = listener.Close()
	c.plane.kill()
	return nil
}

// fail tells every client, and leaves the account where a failing test finds it.
func (c *control) fail(failure error) {
	log.Printf("failed: %v", failure)
	if err := os.WriteFile(c.plane.path("FAILED"), []byte(failure.Error()+"\n"), 0o644); err != nil {
		log.Printf("could not write the account: %v", err)
	}
	c.tell(notice{State: "failed", Message: failure.Error()})
}

// accept turns connections into arrivals and departures.
func (c *control) accept(listener net.Listener, arrivals chan<- arrival, departures chan<- net.Conn) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			_ = connection.SetReadDeadline(time.Now().Add(helloLimit))
			reader := bufio.NewReader(connection)
			line, err := reader.ReadBytes('\n')
			var greeting hello
			if err != nil || json.Unmarshal(line, &greeting) != nil || greeting.Run != c.run {
				_ = connection.Close()
				return
			}
			_ = connection.SetReadDeadline(time.Time{})
			arrivals <- arrival{connection: connection, owner: greeting.Owner}
			// A client writes nothing more; the read ends when the client does.
			_, _ = reader.ReadByte()
			departures <- connection
		}()
	}
}

func (c *control) join(arrived arrival) {
	c.clients[arrived.connection] = struct{}{}
	c.owners[arrived.owner] = struct{}{}
	write(arrived.connection, notice{State: "starting"})
	if c.last != nil {
		write(arrived.connection, *c.last)
	}
}

func (c *control) leave(connection net.Conn) {
	_ = connection.Close()
	delete(c.clients, connection)
	c.idleSince = time.Now()
}

func (c *control) tell(news notice) {
	c.last = &news
	for client := range c.clients {
		write(client, news)
	}
}

// write drops what a client that has gone can no longer read: its departure follows.
func write(connection net.Conn, news notice) {
	line, err := json.Marshal(news)
	if err != nil {
		log.Printf("could not encode a notice: %v", err)
		return
	}
	_ = connection.SetWriteDeadline(time.Now().Add(helloLimit))
	_, _ = connection.Write(append(line, '\n'))
}

// unneeded says why the control plane can end, or nothing while somebody needs it or the next client may yet come.
func (c *control) unneeded(now time.Time) string {
	if len(c.clients) > 0 {
		return ""
	}
	grace := c.grace
	if len(c.owners) == 0 {
		grace = firstClientLimit
	}
	if now.Sub(c.idleSince) >= grace {
		return fmt.Sprintf("no client for %s", grace)
	}
	if len(c.owners) == 0 {
		return ""
	}
	for owner := range c.owners {
		if alive(owner) {
			return ""
		}
	}
	return "the processes that started the clients have ended"
}

func alive(pid int) bool {
	return syscall.Kill(pid, 0) != syscall.ESRCH
}

// announce writes the state file in one step, so that no client reads half of it.
func (c *control) announce(address string) error {
	content, err := json.Marshal(whereabouts{Run: c.run, Folder: c.plane.folder, Address: address, PID: os.Getpid()})
	if err != nil {
		return err
	}
	draft := c.plane.path("state.json")
	if err := os.WriteFile(draft, content, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, c.state)
}

// withdraw removes the state file unless another run has replaced it.
func (c *control) withdraw() {
	content, err := os.ReadFile(c.state)
	if err != nil {
		return
	}
	var current whereabouts
	if json.Unmarshal(content, &current) == nil && current.Run == c.run {
		_ = os.Remove(c.state)
	}
}

// lockRun marks a run as alive; the kernel releases the lock with the process.
func lockRun(folder string) (*os.File, error) {
	lock, err := os.Create(filepath.Join(folder, "lock"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("the run folder %s is in use: %w", folder, err)
	}
	return lock, nil
}

// pruneRuns deletes the oldest finished runs beside this one, and the data of those whose supervisor was killed.
func pruneRuns(folder string) {
	runs, err := filepath.Glob(filepath.Join(filepath.Dir(folder), "run-*"))
	if err != nil {
		return
	}
	var finished []string
	for _, run := range runs {
		if run == folder {
			continue
		}
		if lock, err := lockRun(run); err == nil {
			_ = lock.Close()
			dropData(run)
			finished = append(finished, run)
		}
	}
	// Names start with the time of the run.
	sort.Strings(finished)
	for index := 0; index < len(finished)-keptRuns; index++ {
		_ = os.RemoveAll(finished[index])
	}
}
