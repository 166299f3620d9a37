package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// pollInterval paces the questions to a starting component: small against a start of about three seconds.
	pollInterval = 40 * time.Millisecond
	// startLimit bounds the start. An idle machine needs about three seconds, a loaded one a minute.
	startLimit = 3 * time.Minute
	// logTail is how much of a log an error shows: the last words of a component name its problem.
	logTail = 2000
)

// plane is one control plane: its folder, its processes and the way to its API server.
type plane struct {
	folder string
	bin    string
	stages string
	// url of the API server.
	url  string
	api  *http.Client
	etcd string
	// ended gets the account of the first component that ends while the plane runs.
	ended chan error
	// running counts the processes that have not been reaped.
	running   sync.WaitGroup
	processes []*os.Process
	// start asks the main thread to start a command; see init in main.go.
	start func(name string, command *exec.Cmd) error
}

// path names a file of this run.
func (p *plane) path(elements ...string) string {
	return filepath.Join(append([]string{p.folder}, elements...)...)
}

// kubeconfig is the path of the administrator's credentials.
func (p *plane) kubeconfig() string { return p.path("admin.kubeconfig") }

// launch starts everything and returns when the cluster works: the API server is ready and the controllers have run.
func (p *plane) launch() error {
	deadline := time.Now().Add(startLimit)
	ports, release, err := reservePorts(3)
	if err != nil {
		return err
	}
	defer release()
	p.url = fmt.Sprintf("https://127.0.0.1:%d", ports[0])
	p.etcd = fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	if err := p.writeFiles(); err != nil {
		return err
	}
	if err := p.run("etcd", p.etcdArguments(ports[2])...); err != nil {
		return err
	}
	// The API server retries until etcd answers, so both start at once.
	if err := p.run("kube-apiserver", p.apiServerArguments(ports[0])...); err != nil {
		return err
	}
	if err := p.await("/readyz", deadline); err != nil {
		return err
	}
	if err := p.run("kube-controller-manager", p.controllerManagerArguments()...); err != nil {
		return err
	}
	if err := p.run("kube-scheduler", "--config="+p.path("scheduler.yaml"), "--secure-port=0"); err != nil {
		return err
	}
	if err := p.run("kwok", p.kwokArguments()...); err != nil {
		return err
	}
	// A controller has to make this one: once it is there, controllers act on what they watch.
	return p.await("/api/v1/namespaces/default/serviceaccounts/default", deadline)
}

func (p *plane) etcdArguments(peerPort int) []string {
	peer := fmt.Sprintf("http://127.0.0.1:%d", peerPort)
	return []string{
		"--name=test",
		"--data-dir=" + p.path("etcd"),
		"--listen-client-urls=" + p.etcd,
		"--advertise-client-urls=" + p.etcd,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=test=" + peer,
		"--socket-reuse-port=true",
		// The data is thrown away with the run.
		"--unsafe-no-fsync=true",
		"--log-level=warn",
	}
}

func (p *plane) apiServerArguments(port int) []string {
	return []string{
		"--etcd-servers=" + p.etcd,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--permit-port-sharing=true",
		"--cert-dir=" + p.path("secrets"),
		"--tls-cert-file=" + p.path("secrets", "apiserver.crt"),
		"--tls-private-key-file=" + p.path("secrets", "apiserver.key"),
		"--client-ca-file=" + p.path("secrets", "ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.path("secrets", "service-account.pub"),
		"--service-account-signing-key-file=" + p.path("secrets", "service-account.key"),
		"--authorization-mode=Node,RBAC",
		// As real clusters do, whose nodes need it: who may use it is for the policies to say.
		"--allow-privileged=true",
		"--service-cluster-ip-range=10.0.0.0/16",
		// A loopback address may not be the endpoint of a Service.
		"--endpoint-reconciler-type=none",
		"--egress-selector-config-file=" + p.path("egress.yaml"),
		// Load runs measure the product, not the fairness queues.
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=4000",
		"--max-mutating-requests-inflight=4000",
		"--audit-policy-file=" + p.path("audit-policy.yaml"),
		"--audit-log-path=" + p.path("logs", "audit.log"),
		// One file, however long the run.
		"--audit-log-maxsize=4000",
	}
}

func (p *plane) controllerManagerArguments() []string {
	return []string{
		"--kubeconfig=" + p.path("kube-controller-manager.kubeconfig"),
		"--authentication-kubeconfig=" + p.path("kube-controller-manager.kubeconfig"),
		"--authorization-kubeconfig=" + p.path("kube-controller-manager.kubeconfig"),
		"--service-account-private-key-file=" + p.path("secrets", "service-account.key"),
		"--root-ca-file=" + p.path("secrets", "ca.crt"),
		"--cluster-signing-cert-file=" + p.path("secrets", "ca.crt"),
		"--cluster-signing-key-file=" + p.path("secrets", "ca.key"),
		// As in a real cluster: every controller is a service account of kube-system.
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--concurrent-namespace-syncs=20",
	}
}

func (p *plane) kwokArguments() []string {
	return []string{
		"--config=" + p.path("stages.yaml"),
		"--kubeconfig=" + p.path("kwok.kubeconfig"),
		"--manage-all-nodes=true",
		"--cidr=10.244.0.0/16",
		"--node-ip=127.0.0.1",
		"--node-lease-duration-seconds=40",
	}
}

// run starts one component with a log of its own.
func (p *plane) run(name string, arguments ...string) error {
	log, err := os.Create(p.path("logs", name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(filepath.Join(p.bin, name), arguments...)
	command.Dir = p.folder
	command.Stdout, command.Stderr = log, log
	// Nothing of the caller's environment may change what a component does; proxies in particular.
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.folder, "TMPDIR=" + p.folder}
	command.SysProcAttr = childAttributes()
	if err := p.start(name, command); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return nil
}

// begin starts a command and watches for its end. The main thread calls it, which also calls kill.
func (p *plane) begin(name string, command *exec.Cmd) error {
	if err := command.Start(); err != nil {
		return err
	}
	p.processes = append(p.processes, command.Process)
	p.running.Add(1)
	go func() {
		defer p.running.Done()
		err := command.Wait()
		account := fmt.Errorf("%s ended unexpectedly (%s); the end of its log:\n%s", name, describe(err), p.tail(name))
		select {
		case p.ended <- account:
		default:
		}
	}()
	return nil
}

func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func (p *plane) tail(name string) string {
	content, err := os.ReadFile(p.path("logs", name+".log"))
	if err != nil {
		return err.Error()
	}
	if len(content) > logTail {
		content = content[len(content)-logTail:]
		if line := bytes.IndexByte(content, '\n'); line >= 0 {
			content = content[line+1:]
		}
	}
	return strings.TrimRight(string(content), "\n")
}

// await asks for a path of the API server until it answers 200.
func (p *plane) await(path string, deadline time.Time) error {
	last := errors.New("not asked yet")
	for time.Now().Before(deadline) {
		select {
		case err := <-p.ended:
			return err
		default:
		}
		if last = p.get(path); last == nil {
			return nil
		}
		time.Sleep(pollInterval)
	}
	return fmt.Errorf("the API server did not answer 200 to %s within %s: %w", path, startLimit, last)
}

func (p *plane) get(path string) error {
	response, err := p.api.Get(p.url + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, logTail))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return nil
}

// kill ends every process. Nothing of a run is worth an orderly stop: its data is deleted next.
func (p *plane) kill() {
	for _, process := range p.processes {
		_ = process.Kill()
	}
	p.running.Wait()
	dropData(p.folder)
}

// dropData deletes what a finished run has no use for; its logs and settings stay.
func dropData(folder string) {
	for _, name := range []string{"etcd", "secrets", "kubectl-cache"} {
		_ = os.RemoveAll(filepath.Join(folder, name))
	}
}

// writeFiles writes what the components read: secrets, credentials and configuration.
func (p *plane) writeFiles() error {
	if err := os.MkdirAll(p.path("secrets"), 0o700); err != nil {
		return err
	}
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	if err := authority.writeSecrets(p.path("secrets")); err != nil {
		return err
	}
	for name, subject := range map[string][]string{
		"admin":                   {"kubernetes-admin", "system:masters"},
		"kube-controller-manager": {"system:kube-controller-manager"},
		"kube-scheduler":          {"system:kube-scheduler"},
		"kwok":                    {"kwok", "system:masters", "system:nodes"},
	} {
		credentials, err := authority.client(subject[0], subject[1:]...)
		if err != nil {
			return err
		}
		if err := p.writeKubeconfig(name, authority.pem, credentials); err != nil {
			return err
		}
		if name == "admin" {
			if err := p.connect(authority.pem, credentials); err != nil {
				return err
			}
		}
	}
	if err := p.writeStages(); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"egress.yaml":       strings.ReplaceAll(egressConfiguration, "SOCKET", p.path("no-such-socket")),
		"audit-policy.yaml": auditPolicy,
		"scheduler.yaml":    strings.ReplaceAll(schedulerConfiguration, "KUBECONFIG", p.path("kube-scheduler.kubeconfig")),
	} {
		if err := os.WriteFile(p.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// egressConfiguration sends calls to Service addresses, Pods and nodes to a socket that nobody listens on: they fail
// at once, and no packet leaves the machine. Webhooks that are registered by URL are not affected.
const egressConfiguration = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: SOCKET
`

// auditPolicy records who asked for what, without bodies, for tests that count requests. The control plane's own
// requests are left out: they would be most of the log.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  users: [system:apiserver, system:kube-controller-manager, system:kube-scheduler, kwok]
- level: None
  userGroups: [system:serviceaccounts:kube-system]
- level: None
  nonResourceURLs: ["*"]
- level: Metadata
`

const schedulerConfiguration = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: KUBECONFIG
  qps: 1000
  burst: 2000
# Retries of a Pod that did not fit, as fast as the scheduler allows: nodes join while tests run.
podInitialBackoffSeconds: 1
podMaxBackoffSeconds: 2
`

func (p *plane) writeKubeconfig(name string, authority []byte, credentials pair) error {
	encoded := base64.StdEncoding.EncodeToString
	content := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: test
  context: {cluster: test, user: %s}
current-context: test
`, p.url, encoded(authority), name, encoded(credentials.certificate), encoded(credentials.key), name)
	return os.WriteFile(p.path(name+".kubeconfig"), []byte(content), 0o600)
}

// connect prepares the client for the supervisor's own questions.
func (p *plane) connect(authority []byte, credentials pair) error {
	certificate, err := tls.X509KeyPair(credentials.certificate, credentials.key)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	p.api = &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DialContext:     (&net.Dialer{Timeout: time.Second}).DialContext,
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}},
		},
	}
	return nil
}

// writeStages joins the stage files into the one file that kwok reads.
func (p *plane) writeStages() error {
	files, err := filepath.Glob(filepath.Join(p.stages, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no stage files (*.yaml) in %s", p.stages)
	}
	var joined bytes.Buffer
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		joined.WriteString("---\n")
		joined.Write(content)
	}
	return os.WriteFile(p.path("stages.yaml"), joined.Bytes(), 0o600)
}
