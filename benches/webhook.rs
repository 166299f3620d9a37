//! Reviews per second over TLS with kept connections, the server on one thread; latency at half that rate.
//!
//! Clients and server talk over loopback with the shipped guardrails and one Sandbox of about three kilobytes. The
//! server's thread is measured by its processor time as well, so that a busy machine does not blur what a review costs.
//! Every run is bounded in count and time. Without `--bench` (as `cargo test` calls it) a few requests prove that the
//! bench itself works.
#![allow(missing_docs, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sandfence::config::settings::Limits;
use sandfence::model::json::Json;
use sandfence::model::yaml;
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::packs;
use sandfence::policy::set::{Set, Settings};
use sandfence::telemetry::metrics::Metrics;
use sandfence::telemetry::readiness::Readiness;
use sandfence::tls::material;
use sandfence::tls::resolver::{Resolver, provider, server_config};
use sandfence::tls::rotate::{self, Bundle, Profile, Step};
use sandfence::webhook::admit::{Admitted, Hook, Namespaces, Snapshots, Unknown, admit};
use sandfence::webhook::router::{Hooks, router};
use sandfence::webhook::server::{Server, bind};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

/// Connections of HTTP/1.1, and requests in flight on the one connection of HTTP/2.
const AT_ONCE: usize = 16;

/// Bounds of one run.
#[derive(Clone, Copy)]
struct Bounds {
    count: usize,
    time: Duration,
}

/// One way to ask.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    http2: bool,
    path: &'static str,
    image: Option<&'static str>,
    expected: &'static str,
}

const BAD_IMAGE: Option<&str> = Some("docker.io/library/agent:latest");

const CASES: [Case; 4] = [
    Case {
        name: "HTTP/2 validate, allowed",
        http2: true,
        path: "/validate",
        image: None,
        expected: "\"allowed\":true",
    },
    Case {
        name: "HTTP/2 validate, denied",
        http2: true,
        path: "/validate",
        image: BAD_IMAGE,
        expected: "\"allowed\":false",
    },
    Case {
        name: "HTTP/2 mutate",
        http2: true,
        path: "/mutate",
        image: None,
        expected: "\"allowed\":true",
    },
    Case {
        name: "HTTP/1.1 validate, allowed",
        http2: false,
        path: "/validate",
        image: None,
        expected: "\"allowed\":true",
    },
];

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let bounds = if measured {
        Bounds {
            count: 40_000,
            time: Duration::from_secs(10),
        }
    } else {
        Bounds {
            count: 50,
            time: Duration::from_secs(10),
        }
    };
    let bundle = bundle();
    let stop = CancellationToken::new();
    let (address, processor, server) = start_server(&bundle, stop.clone());
    let clients = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    println!(
        "{:<28} {:>6} {:>10} {:>12} {:>10} {:>9} {:>9} {:>9}",
        "review", "bytes", "reviews/s", "us of core", "per core", "p50 us", "p99 us", "at rate"
    );
    judge_alone(bounds);
    for case in CASES {
        clients.block_on(run(case, bounds, address, &bundle, &processor));
    }
    println!(
        "targets: 10000 per core, p99 under 3000 us at half that rate; resident, clients included: {} MB",
        resident_megabytes()
    );
    stop.cancel();
    server.join().unwrap();
}

/// Bytes to answer on one thread without any HTTP: what is left of a review is transport.
fn judge_alone(bounds: Bounds) {
    let snapshots = snapshots();
    let body = review(None).to_string();
    let processor = Processor::of_this_thread();
    let answer = || {
        let admitted = admit(Hook::Validate, body.as_bytes(), &snapshots, Unknown::Report).unwrap();
        match admitted {
            Admitted::Answered(answered) => serde_json::to_vec(&answered.review).unwrap(),
            Admitted::UnknownNamespace(name) => panic!("namespace {name} is not known"),
        }
    };
    for _warm in 0..bounds.count / 10 {
        assert!(!answer().is_empty());
    }
    let (before, started) = (processor.nanoseconds(), Instant::now());
    for _round in 0..bounds.count {
        assert!(!answer().is_empty());
    }
    let count = bounds.count as f64;
    let cost = (processor.nanoseconds() - before) as f64 / 1_000.0 / count;
    println!(
        "{:<28} {:>6} {:>10.0} {cost:>12.1} {:>10.0}",
        "decode, judge, answer",
        body.len(),
        count / started.elapsed().as_secs_f64(),
        1_000_000.0 / cost.max(0.001),
    );
}

async fn run(
    case: Case,
    bounds: Bounds,
    address: SocketAddr,
    bundle: &Bundle,
    processor: &Processor,
) {
    let body = Bytes::from(review(case.image).to_string());
    let size = body.len();
    let senders = connect(case, address, bundle).await;
    let ask = Ask { case, body };
    // Warm: connections, allocator, branch predictors.
    closed_loop(
        &senders,
        &ask,
        Bounds {
            count: bounds.count / 10,
            ..bounds
        },
    )
    .await;
    let before = processor.nanoseconds();
    let started = Instant::now();
    let done = closed_loop(&senders, &ask, bounds).await;
    let elapsed = started.elapsed().as_secs_f64();
    let cost = (processor.nanoseconds() - before) as f64 / 1_000.0 / done as f64;
    let rate = done as f64 / elapsed;
    let half = (rate / 2.0).max(1.0);
    let mut latencies = open_loop(&senders, &ask, bounds, half).await;
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_micros();
    println!(
        "{:<28} {size:>6} {rate:>10.0} {cost:>12.1} {:>10.0} {:>9} {:>9} {half:>9.0}",
        case.name,
        1_000_000.0 / cost.max(0.001),
        at(0.5),
        at(0.99),
    );
}

/// As many requests as fit the bounds, each worker one at a time. How many were answered.
async fn closed_loop(senders: &[Sender], ask: &Ask, bounds: Bounds) -> usize {
    let end = Instant::now() + bounds.time;
    let each = bounds.count.div_ceil(senders.len());
    let workers = senders.iter().map(|sender| async move {
        let mut sender = sender.clone_handle();
        let mut done = 0;
        while done < each && Instant::now() < end {
            ask.send(&mut sender).await;
            done += 1;
        }
        done
    });
    futures::future::join_all(workers).await.iter().sum()
}

/// Requests at a fixed rate; latency counts from the moment a request was due, so that a stall is not hidden.
async fn open_loop(senders: &[Sender], ask: &Ask, bounds: Bounds, rate: f64) -> Vec<Duration> {
    let start = Instant::now() + Duration::from_millis(10);
    let end = start + bounds.time;
    let workers = senders
        .iter()
        .enumerate()
        .map(|(index, sender)| async move {
            let mut sender = sender.clone_handle();
            let mut latencies = Vec::new();
            for round in 0..bounds.count.div_ceil(senders.len()) {
                let turn = (round * senders.len() + index) as f64;
                let due = start + Duration::from_secs_f64(turn / rate);
                if due > end {
                    break;
                }
                tokio::time::sleep_until(due).await;
                ask.send(&mut sender).await;
                latencies.push(due.elapsed());
            }
            latencies
        });
    futures::future::join_all(workers).await.concat()
}

/// What is asked.
struct Ask {
    case: Case,
    body: Bytes,
}

impl Ask {
    async fn send(&self, sender: &mut Handle<'_>) {
        let request = Request::post(format!("https://localhost{}?timeout=5s", self.case.path))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(self.body.clone()))
            .unwrap();
        let response = sender.send(request).await;
        assert_eq!(response.status(), 200);
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&answer).unwrap();
        assert!(text.contains(self.case.expected), "{text}");
    }
}

/// One worker's way to the server.
enum Sender {
    One(tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

enum Handle<'a> {
    One(&'a tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    fn clone_handle(&self) -> Handle<'_> {
        match self {
            Self::One(sender) => Handle::One(sender),
            Self::Two(sender) => Handle::Two(sender.clone()),
        }
    }
}

impl Handle<'_> {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        match self {
            Self::One(sender) => {
                let mut sender = sender.lock().await;
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
            Self::Two(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
        }
    }
}

async fn connect(case: Case, address: SocketAddr, bundle: &Bundle) -> Vec<Sender> {
    let protocol: &[u8] = if case.http2 { b"h2" } else { b"http/1.1" };
    let connector = connector(bundle, protocol);
    let handshake = || async {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TokioIo::new(connector.connect(name, stream).await.unwrap())
    };
    let mut senders = Vec::new();
    if case.http2 {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), handshake().await)
            .await
            .unwrap();
        tokio::spawn(connection);
        senders.extend((0..AT_ONCE).map(|_| Sender::Two(sender.clone())));
    } else {
        for _connection in 0..AT_ONCE {
            let (sender, connection) = http1::handshake(handshake().await).await.unwrap();
            tokio::spawn(connection);
            senders.push(Sender::One(tokio::sync::Mutex::new(sender)));
        }
    }
    senders
}

fn connector(bundle: &Bundle, protocol: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for authority in material::certificates("ca.crt", &bundle.ca_bundle()).unwrap() {
        roots.add(authority).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn bundle() -> Bundle {
    let profile = Profile::new(vec!["localhost".to_owned()]);
    rotate::perform(&Step::Replace("bench"), None, &profile, Timestamp::now()).unwrap()
}

/// The server on a thread of its own; its address, its processor time and its end.
fn start_server(
    bundle: &Bundle,
    stop: CancellationToken,
) -> (SocketAddr, Processor, std::thread::JoinHandle<()>) {
    let resolver = Arc::new(Resolver::default());
    let pair = &bundle.serving;
    let serving =
        material::serving(&pair.certificate, &pair.key, &provider(), Timestamp::now()).unwrap();
    resolver.swap(serving.key);
    let tls = TlsAcceptor::from(Arc::new(server_config(resolver, provider()).unwrap()));
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            tell.send((listener.local_addr().unwrap(), Processor::of_this_thread()))
                .unwrap();
            let metrics = Metrics::new();
            let readiness = Arc::new(Readiness::new(&[]));
            let hooks = Hooks::new(snapshots(), Limits::default(), metrics.clone(), readiness);
            let server = Server {
                listener,
                tls: Some(tls),
                router: router(hooks),
                limits: Limits::default(),
                metrics,
            };
            server.run(stop).await;
        });
    });
    let (address, processor) = told.recv().unwrap();
    (address, processor, thread)
}

/// Processor time of one thread, from the kernel.
struct Processor {
    path: String,
}

impl Processor {
    fn of_this_thread() -> Self {
        let link = std::fs::read_link("/proc/thread-self").unwrap();
        Self {
            path: format!("/proc/{}/stat", link.display()),
        }
    }

    /// User and system time; ticks are a hundredth of a second on every Linux.
    fn nanoseconds(&self) -> u64 {
        let text = std::fs::read_to_string(&self.path).unwrap();
        let after_name = text.rsplit(')').next().unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        ticks * 10_000_000
    }
}

fn resident_megabytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes / 1_024)
}

/// The shipped policies with one profile, and the namespace of the review.
fn snapshots() -> Arc<Snapshots> {
    let wanted = |path: &str| !path.contains("/profiles/") || path.ends_with("restricted.yaml");
    let objects = packs::FILES
        .iter()
        .filter(|(path, _)| wanted(path))
        .flat_map(|(path, text)| yaml::read(path, text).unwrap())
        .map(Sourced::from)
        .collect();
    let set = Set::build(objects, &Settings::default()).unwrap();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "team-a", "labels": {"kubernetes.io/metadata.name": "team-a"}}
    });
    let snapshots = Snapshots::default();
    snapshots.set.store(Some(Arc::new(set)));
    snapshots.namespaces.store(Some(Arc::new(Namespaces::from([(
        "team-a".to_owned(),
        Arc::new(Json::from(namespace)),
    )]))));
    Arc::new(snapshots)
}

fn container(name: &str, image: &str) -> Value {
    let variables: Vec<Value> = (0..6)
        .map(|n| json!({"name": format!("AGENT_SETTING_{n}"), "value": "a value of some length"}))
        .collect();
    json!({
        "name": name,
        "image": image,
        "command": ["/usr/local/bin/agent"],
        "args": ["--listen", "0.0.0.0:8888", "--workspace", "/workspace"],
        "env": variables,
        "ports": [{"containerPort": 8888, "protocol": "TCP"}],
        "resources": {"limits": {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "4Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}
        },
        "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}, {"name": "tmp", "mountPath": "/tmp"}]
    })
}

/// A review as the API server sends it when a Sandbox is created.
fn review(image: Option<&str>) -> Value {
    const GOOD: &str = "registry.example.com/agents/runner@sha256:4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce";
    let resource =
        json!({"group": "agents.x-k8s.io", "version": "v1beta1", "resource": "sandboxes"});
    let kind = json!({"group": "agents.x-k8s.io", "version": "v1beta1", "kind": "Sandbox"});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "0df28fbd-5f5f-11e8-bc74-36e6bb280816",
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": "research-agent", "namespace": "team-a", "operation": "CREATE",
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": {
                "apiVersion": "agents.x-k8s.io/v1beta1",
                "kind": "Sandbox",
                "metadata": {"name": "research-agent", "namespace": "team-a", "labels": {"app": "research", "team": "a"}},
                "spec": {
                    "podTemplate": {
                        "metadata": {"labels": {"app": "research"}},
                        "spec": {
                            "runtimeClassName": "gvisor",
                            "automountServiceAccountToken": false,
                            "securityContext": {
                                "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}
                            },
                            "containers": [container("agent", image.unwrap_or(GOOD)), container("browser", GOOD)],
                            "volumes": [
                                {"name": "workspace", "emptyDir": {"sizeLimit": "1Gi"}},
                                {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}
                            ]
                        }
                    }
                }
            },
            "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
        }
    })
}
