//! Sockets: accepting, TLS, HTTP/1.1 and HTTP/2, limits and drain.
//!
//! Every connection is bounded in number, in the time of its handshake, in the time of each request head and in the
//! time without any request, so that a slow peer costs one slot for a while and nothing else. Handshakes run beside
//! the accept loop. At the connection cap the loop stops accepting: peers wait in the backlog of the kernel instead of
//! being cut off.
//!
//! On the signal to stop, nothing new is accepted, idle connections close, and requests in flight finish; whoever
//! holds the returned future decides how long that may take.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::config::settings::Limits;
use crate::telemetry::metrics::{Metrics, ReasonLabels};

/// Pause after the kernel refused to hand out a connection (out of file descriptors): trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Largest request head: the API server sends about one kilobyte.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers in a request head.
const HEAD_COUNT: usize = 64;
/// How often a silent HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// Time given to a connection to close by itself after it was asked to.
const LINGER: Duration = Duration::from_secs(5);

/// A socket with what is served on it.
pub struct Server {
    /// Where connections come from.
    pub listener: TcpListener,
    /// TLS; plain HTTP/1.1 without.
    pub tls: Option<TlsAcceptor>,
    /// What answers.
    pub router: Router,
    /// Limits of each connection.
    pub limits: Limits,
    /// Where connections are counted.
    pub metrics: Metrics,
}

/// Binds `address`.
///
/// # Errors
/// The address is taken or not ours; the message names it.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

impl Server {
    /// Serves until `stop`, then drains. Ends only then.
    pub async fn run(self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        let shared = Arc::new(Shared {
            tls: self.tls,
            router: self.router,
            limits: self.limits,
            metrics: self.metrics,
        });
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = connections.join_next(), if !connections.is_empty() => report(ended),
                (slot, accepted) = accept(&self.listener, &slots, &shared.metrics) => {
                    match accepted {
                        Ok((stream, peer)) => {
                            let span = tracing::debug_span!("connection", %peer);
                            let task = Arc::clone(&shared).connection(stream, slot, stop.clone());
                            connections.spawn(task.instrument(span));
                        }
                        Err(error) => {
                            tracing::warn!(%error, "cannot accept a connection");
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        }
        drop(self.listener);
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection task failed");
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    metrics: &Metrics,
) -> (
    Option<OwnedSemaphorePermit>,
    io::Result<(TcpStream, SocketAddr)>,
) {
    if slots.available_permits() == 0 {
        refused(metrics, "cap");
    }
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    (slot, listener.accept().await)
}

fn refused(metrics: &Metrics, reason: &'static str) {
    metrics
        .connections_refused
        .get_or_create_owned(&ReasonLabels { reason })
        .inc();
}

struct Shared {
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    metrics: Metrics,
}

/// Counts an open connection for as long as it lives.
struct Open(Metrics);

impl Open {
    fn new(metrics: &Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

impl Shared {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        _slot: Option<OwnedSemaphorePermit>,
        stop: CancellationToken,
    ) {
        let _open = Open::new(&self.metrics);
        // Answers are one write each; waiting to fill a segment only adds latency.
        let _without = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.serve(TokioIo::new(stream), false, stop).await;
        };
        let handshake = tokio::time::timeout(self.limits.handshake, tls.accept(stream));
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            done = handshake => match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "TLS handshake failed");
                    return refused(&self.metrics, "handshake");
                }
                Err(_elapsed) => return refused(&self.metrics, "handshake_timeout"),
            },
        };
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        self.serve(TokioIo::new(stream), http2, stop).await;
    }

    async fn serve<S>(&self, io: TokioIo<S>, http2: bool, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::new());
        let service = TowerToHyperService::new(Counted {
            inner: self.router.clone(),
            activity: Arc::clone(&activity),
        });
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(self.limits.streams)
                .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
                .keep_alive_interval(PING)
                .keep_alive_timeout(PING);
            let connection = pin!(builder.serve_connection(io, service));
            let close = |connection: std::pin::Pin<&mut http2::Connection<_, _, _>>| {
                connection.graceful_shutdown();
            };
            self.drive(connection, close, &activity, stop).await;
        } else {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.header)
                .max_headers(HEAD_COUNT)
                .max_header_size(HEAD_BYTES);
            let connection = pin!(builder.serve_connection(io, service));
            let close = |connection: std::pin::Pin<&mut http1::Connection<_, _>>| {
                connection.graceful_shutdown();
            };
            self.drive(connection, close, &activity, stop).await;
        }
    }

    /// Runs a connection until it ends, is idle for too long, or the process stops.
    async fn drive<C>(
        &self,
        mut connection: std::pin::Pin<&mut C>,
        close: impl Fn(std::pin::Pin<&mut C>),
        activity: &Activity,
        stop: CancellationToken,
    ) where
        C: Future<Output = hyper::Result<()>>,
    {
        let why = tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                    if error.is_timeout() {
                        refused(&self.metrics, "header_timeout");
                    }
                }
                return;
            }
            () = stop.cancelled() => "stop",
            () = activity.idle_for(self.limits.idle) => "idle",
        };
        close(connection.as_mut());
        if why == "idle" {
            refused(&self.metrics, why);
            let _lingers = tokio::time::timeout(LINGER.min(self.limits.idle), connection).await;
        } else {
            let _error = connection.await;
        }
    }
}

/// When a connection last had a request, and how many it has now.
struct Activity {
    epoch: Instant,
    running: AtomicUsize,
    last_ms: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self {
            epoch: Instant::now(),
            running: AtomicUsize::new(0),
            last_ms: AtomicU64::new(0),
        }
    }

    fn touch(&self) {
        let elapsed = self.epoch.elapsed().as_millis();
        self.last_ms.store(
            u64::try_from(elapsed).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    /// Waits until there was no request for `limit`.
    async fn idle_for(&self, limit: Duration) {
        loop {
            let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
            let busy = self.running.load(Ordering::Relaxed) > 0;
            let from = if busy { self.epoch.elapsed() } else { last };
            let until = self.epoch + from + limit;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A service that notes when requests begin and end.
#[derive(Clone)]
struct Counted {
    inner: Router,
    activity: Arc<Activity>,
}

/// Ends the count also when a request is dropped half-way.
struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.touch();
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl tower::Service<Request<Incoming>> for Counted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        self.activity.running.fetch_add(1, Ordering::Relaxed);
        self.activity.touch();
        let running = Running(Arc::clone(&self.activity));
        let answer = tower::Service::call(&mut self.inner, request);
        Box::pin(async move {
            let _running = running;
            answer.await
        })
    }
}

#[cfg(test)]
mod tests;
