use std::error::Error as _;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Version;
use axum::routing::get;
use http_body_util::{BodyExt as _, Empty};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, oneshot};
use tokio_rustls::client::TlsStream;

use super::*;
use crate::tls::resolver::{Resolver, provider, server_config};
use crate::tls::rotate::Bundle;
use crate::tls::testing;

/// Longer than anything here takes, shorter than a stuck build.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    bundle: Bundle,
    resolver: Arc<Resolver>,
    metrics: Metrics,
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

/// A server over `router` with `limits`; it ends with the test.
async fn start(router: Router, limits: Limits) -> Running {
    let bundle = testing::bundle();
    let resolver = Arc::new(Resolver::default());
    resolver.swap(testing::serving(&bundle.serving).key);
    let config = server_config(Arc::clone(&resolver), provider()).expect("configuration");
    let listener = bind("127.0.0.1:0".parse().expect("address"))
        .await
        .expect("bound");
    let address = listener.local_addr().expect("address");
    let metrics = Metrics::new();
    let stop = CancellationToken::new();
    let (done, ended) = oneshot::channel();
    let server = Server {
        listener,
        tls: Some(TlsAcceptor::from(Arc::new(config))),
        router,
        limits,
        metrics: metrics.clone(),
    };
    let token = stop.clone();
    tokio::spawn(async move {
        server.run(token).await;
        let _gone = done.send(());
    });
    Running {
        address,
        bundle,
        resolver,
        metrics,
        stop,
        ended,
    }
}

impl Running {
    async fn tls(&self, protocols: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        testing::handshake(&testing::client(&self.bundle, protocols), stream).await
    }

    fn refused(&self, reason: &'static str) -> u64 {
        self.metrics
            .connections_refused
            .get_or_create_owned(&ReasonLabels { reason })
            .get()
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

async fn http1(
    stream: TlsStream<TcpStream>,
) -> hyper::client::conn::http1::SendRequest<Empty<Bytes>> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}

async fn http2(
    stream: TlsStream<TcpStream>,
) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn get_root() -> Request<Empty<Bytes>> {
    Request::get("https://localhost/")
        .header("host", "localhost")
        .body(Empty::new())
        .expect("request")
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.expect("body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

/// Reads until the peer closes.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    // Closing with unread bytes of ours shows as a reset.
    let _closed_either_way = tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("closed in time");
    rest
}

#[tokio::test]
async fn both_http_versions_are_served_and_http2_is_preferred() {
    let server = start(hello(), Limits::default()).await;
    let stream = server.tls(&[b"h2", b"http/1.1"]).await.expect("handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let response = http2(stream)
        .await
        .send_request(get_root())
        .await
        .expect("answer");
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(text(response).await, "hello");
    for protocols in [&[&b"http/1.1"[..]][..], &[]] {
        let stream = server.tls(protocols).await.expect("handshake");
        let mut sender = http1(stream).await;
        for _kept_alive in 0..2 {
            let response = sender.send_request(get_root()).await.expect("answer");
            assert_eq!(response.version(), Version::HTTP_11);
            assert_eq!(text(response).await, "hello");
        }
    }
}

#[tokio::test]
async fn a_peer_that_does_not_handshake_is_cut_off_and_holds_up_nobody() {
    let limits = Limits {
        handshake: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = start(hello(), limits).await;
    let mut silent = TcpStream::connect(server.address).await.expect("connected");
    let stream = server.tls(&[]).await.expect("others are served meanwhile");
    let response = http1(stream)
        .await
        .send_request(get_root())
        .await
        .expect("answer");
    assert_eq!(text(response).await, "hello");
    assert_eq!(until_closed(&mut silent).await, b"");
    assert_eq!(server.refused("handshake_timeout"), 1);
    let mut noise = TcpStream::connect(server.address).await.expect("connected");
    noise
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("written");
    until_closed(&mut noise).await;
    assert_eq!(server.refused("handshake"), 1);
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let limits = Limits {
        header: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = start(hello(), limits).await;
    let mut stream = server.tls(&[]).await.expect("handshake");
    stream
        .write_all(b"POST /validate HTTP/1.1\r\nHost: loc")
        .await
        .expect("written");
    until_closed(&mut stream).await;
    assert_eq!(server.refused("header_timeout"), 1);
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let server = start(hello(), Limits::default()).await;
    let mut stream = server.tls(&[]).await.expect("handshake");
    let head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "a".repeat(HEAD_BYTES)
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let answer = until_closed(&mut stream).await;
    assert!(
        String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 431 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let limits = Limits {
        idle: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = start(hello(), limits).await;
    let mut never_speaks = server.tls(&[b"h2"]).await.expect("handshake");
    until_closed(&mut never_speaks).await;
    let mut sender = http2(server.tls(&[b"h2"]).await.expect("handshake")).await;
    let response = sender.send_request(get_root()).await.expect("answer");
    assert_eq!(text(response).await, "hello");
    let closed = async {
        while sender.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed)
        .await
        .expect("closed in time");
    assert_eq!(server.refused("idle"), 2);
}

#[tokio::test]
async fn at_the_cap_peers_wait_until_a_slot_is_free() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = start(hello(), limits).await;
    let mut first = http1(server.tls(&[]).await.expect("handshake")).await;
    text(first.send_request(get_root()).await.expect("answer")).await;
    assert_eq!(server.metrics.connections.get(), 1);
    let second = server.tls(&[]);
    tokio::pin!(second);
    assert!(
        futures::poll!(second.as_mut()).is_pending(),
        "no slot, no handshake"
    );
    drop(first);
    let stream = tokio::time::timeout(PATIENCE, second)
        .await
        .expect("in time")
        .expect("handshake");
    let response = http1(stream)
        .await
        .send_request(get_root())
        .await
        .expect("answer");
    assert_eq!(text(response).await, "hello");
    assert!(server.refused("cap") >= 1);
}

#[tokio::test]
async fn stopping_finishes_requests_in_flight_and_accepts_no_more() {
    let (started, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&started), Arc::clone(&release));
    let slow = get(move || {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            tell.notify_one();
            wait.notified().await;
            "finished"
        }
    });
    let server = start(Router::new().route("/", slow), Limits::default()).await;
    for protocols in [&[&b"h2"[..]][..]] {
        let mut sender = http2(server.tls(protocols).await.expect("handshake")).await;
        let request = tokio::spawn(async move { sender.send_request(get_root()).await });
        started.notified().await;
        server.stop.cancel();
        let refused = async {
            while TcpStream::connect(server.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, refused)
            .await
            .expect("listener closed");
        release.notify_one();
        let response = request.await.expect("task").expect("answer");
        assert_eq!(text(response).await, "finished");
    }
    tokio::time::timeout(PATIENCE, server.ended)
        .await
        .expect("in time")
        .expect("drained");
    assert_eq!(server.metrics.connections.get(), 0);
}

#[tokio::test]
async fn a_swapped_certificate_is_shown_to_new_peers_and_keeps_old_connections() {
    let mut server = start(hello(), Limits::default()).await;
    let stream = server.tls(&[]).await.expect("handshake");
    let before = testing::shown(&stream);
    let mut kept = http1(stream).await;
    let next = testing::bundle();
    server.resolver.swap(testing::serving(&next.serving).key);
    assert!(
        server.tls(&[]).await.is_err(),
        "the old authority does not know the new certificate"
    );
    server.bundle = next;
    let stream = server.tls(&[]).await.expect("handshake");
    assert_ne!(testing::shown(&stream), before);
    let response = kept.send_request(get_root()).await.expect("still open");
    assert_eq!(text(response).await, "hello");
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let taken = bind("127.0.0.1:0".parse().expect("address"))
        .await
        .expect("bound");
    let address = taken.local_addr().expect("address");
    let error = bind(address).await.expect_err("taken");
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen on {address}: ")),
        "{error}"
    );
}

/// How many handlers run, and the most that ever did.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One handler in the crowd.
struct Member(Arc<Crowd>);

impl Member {
    fn of(crowd: &Arc<Crowd>) -> Self {
        let now = crowd.now.fetch_add(1, Ordering::SeqCst) + 1;
        crowd.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(crowd))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_flood_of_streams_runs_no_more_handlers_than_allowed_and_is_answered() {
    let crowd = Arc::new(Crowd::default());
    let shared = Arc::clone(&crowd);
    let handler = get(move || {
        let member = Member::of(&shared);
        async move {
            tokio::task::yield_now().await;
            drop(member);
            "hello"
        }
    });
    let limits = Limits {
        streams: 8,
        ..Limits::default()
    };
    let server = start(Router::new().route("/", handler), limits).await;
    let sender = http2(server.tls(&[b"h2"]).await.expect("handshake")).await;
    let flood = (0..500).map(|_| {
        let mut sender = sender.clone();
        async move {
            match sender.send_request(get_root()).await {
                Ok(response) => text(response).await,
                // What a peer sends before it knows the limit is refused, and may be sent again.
                Err(error) => error.source().map(ToString::to_string).unwrap_or_default(),
            }
        }
    });
    let answers = tokio::time::timeout(PATIENCE, futures::future::join_all(flood))
        .await
        .expect("in time");
    let refused = answers.iter().filter(|answer| *answer != "hello");
    for answer in refused {
        assert!(answer.contains("refused"), "{answer}");
    }
    let most = crowd.most.load(Ordering::SeqCst);
    assert!((1..=8).contains(&most), "{most}");
    let mut sender = sender;
    let again = sender.send_request(get_root()).await.expect("answer");
    assert_eq!(text(again).await, "hello");
}

#[tokio::test]
async fn requests_that_are_reset_at_once_leave_nothing_running() {
    let crowd = Arc::new(Crowd::default());
    let shared = Arc::clone(&crowd);
    let endless = get(move || {
        let member = Member::of(&shared);
        async move {
            std::future::pending::<()>().await;
            drop(member);
            "never"
        }
    });
    let router = Router::new()
        .route("/", endless)
        .route("/healthz", get(|| async { "ok" }));
    let server = start(router, Limits::default()).await;
    let mut sender = http2(server.tls(&[b"h2"]).await.expect("handshake")).await;
    for _ in 0..2_000 {
        // Whether the server ends the connection for it or bears with it is its choice.
        if sender.ready().await.is_err() {
            break;
        }
        let mut request = Box::pin(sender.send_request(get_root()));
        let _not_waited_for = futures::poll!(request.as_mut());
        drop(request);
    }
    drop(sender);
    let mut other = http1(server.tls(&[]).await.expect("handshake")).await;
    let probe = Request::get("/healthz")
        .header("host", "localhost")
        .body(Empty::new())
        .expect("request");
    let answer = other.send_request(probe).await.expect("others are served");
    assert_eq!(text(answer).await, "ok");
    let ended = async {
        while crowd.now.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("every handler ended with its stream");
}

#[tokio::test]
async fn an_oversized_http2_head_is_refused() {
    let server = start(hello(), Limits::default()).await;
    let mut sender = http2(server.tls(&[b"h2"]).await.expect("handshake")).await;
    let request = Request::get("https://localhost/")
        .header("x-long", "a".repeat(HEAD_BYTES))
        .body(Empty::new())
        .expect("request");
    match sender.send_request(request).await {
        Ok(response) => assert_eq!(response.status(), 431),
        Err(error) => assert!(!error.is_canceled(), "{error}"),
    }
    let mut sender = http2(server.tls(&[b"h2"]).await.expect("handshake")).await;
    let response = sender.send_request(get_root()).await.expect("answer");
    assert_eq!(text(response).await, "hello");
}
