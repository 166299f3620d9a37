//! Paths, methods, bodies and answers of the HTTPS server: a tower service that tests call without a socket.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use axum::routing::{get, post};
use futures::FutureExt as _;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::admit::{Admitted, Answered, Hook, Snapshots, Unknown, admit};
use super::convert::{self, Converted};
use super::health;
use super::reject::{Cause, Rejection, json};
use super::respond::Outcome;
use crate::config::settings::Limits;
use crate::telemetry::metrics::{Metrics, ReasonLabels, ReviewLabels, WebhookLabels};
use crate::telemetry::readiness::Readiness;

/// What is kept of the API server's patience for the way back: its clock started before ours.
const MARGIN: Duration = Duration::from_millis(200);
/// Shortest time for a request, whatever the query says.
const SHORTEST: Duration = Duration::from_millis(500);
/// Longest time for a conversion. The API server gives up after 30 s, and an object that cannot be converted cannot be
/// read at all: better late than never.
const CONVERSION_PATIENCE: Duration = Duration::from_secs(25);
/// How long a namespace that is not in the snapshot is waited for: watches bring it within milliseconds.
const NAMESPACE_WAIT: Duration = Duration::from_secs(1);
/// Large reviews worked on at once, beside the workers: each may hold one core for a while.
const LARGE_AT_ONCE: usize = 4;

/// What the handlers share.
pub struct Hooks {
    /// What decisions are made with.
    pub snapshots: Arc<Snapshots>,
    /// Limits of one request.
    pub limits: Limits,
    /// Where reviews are counted.
    pub metrics: Metrics,
    /// What the probes say.
    pub readiness: Arc<Readiness>,
    large: Arc<Semaphore>,
    /// Bytes that bodies may still take.
    bodies: Arc<Semaphore>,
}

impl Hooks {
    /// Handlers over `snapshots`.
    #[must_use]
    pub fn new(
        snapshots: Arc<Snapshots>,
        limits: Limits,
        metrics: Metrics,
        readiness: Arc<Readiness>,
    ) -> Self {
        Self {
            snapshots,
            limits,
            metrics,
            readiness,
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            bodies: Arc::new(Semaphore::new(limits.bodies)),
        }
    }
}

type Shared = Arc<Hooks>;

/// Label of the metrics of conversion, where [`Hook`] names the others.
const CONVERT: &str = "convert";

/// The routes of the HTTPS server: the webhooks and the probes.
pub fn router(hooks: Hooks) -> Router {
    let readiness = Arc::clone(&hooks.readiness);
    let hooks = Arc::new(hooks);
    Router::new()
        .route("/mutate", post(mutate))
        .route("/validate", post(validate))
        .route("/convert", post(convert))
        .method_not_allowed_fallback(wrong_method)
        .with_state(hooks)
        .merge(health::probes(readiness))
        .route("/", get(|| async { "sandfence admission webhook\n" }))
        .fallback(not_found)
}

async fn mutate(State(hooks): State<Shared>, request: Request<Body>) -> Response<Body> {
    handle(hooks, Hook::Mutate, request).await
}

async fn validate(State(hooks): State<Shared>, request: Request<Body>) -> Response<Body> {
    handle(hooks, Hook::Validate, request).await
}

async fn convert(State(hooks): State<Shared>, request: Request<Body>) -> Response<Body> {
    let span = tracing::info_span!(
        "conversion",
        objects = tracing::field::Empty,
        seconds = tracing::field::Empty,
    );
    let answer = async {
        match conversion(&hooks, request).await {
            Ok(converted) => json(StatusCode::OK, converted.body),
            Err(rejection) => reject(&hooks, rejection),
        }
    };
    answer.instrument(span).await
}

/// Converts a review. A list of thousands of objects comes as one: bodies above the usual limit are read one at a time
/// for each slot of the large ones, so that what they hold in memory is bounded.
async fn conversion(hooks: &Shared, request: Request<Body>) -> Result<Converted, Rejection> {
    let limits = &hooks.limits;
    check_head(request.headers(), limits.conversion_body)?;
    let deadline = Instant::now() + patience(request.uri(), CONVERSION_PATIENCE);
    let large = announced(request.headers()).is_some_and(|length| length > limits.body as u64);
    let (slot, limit) = if large {
        (Some(slot(hooks, deadline).await?), limits.conversion_body)
    } else {
        (None, limits.body)
    };
    let (body, _held) = read_body(request.into_body(), hooks, limit, deadline).await?;
    let started = std::time::Instant::now();
    let converted = if body.len() <= limits.inline_body {
        convert::answer(&body)?
    } else {
        let slot = match slot {
            Some(slot) => slot,
            None => self::slot(hooks, deadline).await?,
        };
        beside(slot, deadline, move || convert::answer(&body)).await?
    };
    hooks.count_conversion(&converted, started.elapsed());
    Ok(converted)
}

async fn wrong_method(State(hooks): State<Shared>, request: Request<Body>) -> Response<Body> {
    let rejection = Rejection::new(
        Cause::Method,
        format!(
            "{} {}: expected POST",
            request.method(),
            request.uri().path()
        ),
    );
    reject(&hooks, rejection)
}

async fn not_found(uri: Uri) -> Response<Body> {
    Rejection::new(
        Cause::NotFound,
        format!(
            "{}: expected /mutate, /validate, /convert, /healthz or /readyz",
            uri.path()
        ),
    )
    .into_response()
}

fn reject(hooks: &Hooks, rejection: Rejection) -> Response<Body> {
    hooks
        .metrics
        .rejected
        .get_or_create_owned(&ReasonLabels {
            reason: rejection.cause.word(),
        })
        .inc();
    tracing::warn!(
        reason = rejection.cause.word(),
        error = %rejection.message,
        "review refused before it was judged"
    );
    rejection.into_response()
}

async fn handle(hooks: Shared, hook: Hook, request: Request<Body>) -> Response<Body> {
    let span = tracing::info_span!(
        "review",
        webhook = hook.word(),
        uid = tracing::field::Empty,
        kind = tracing::field::Empty,
        operation = tracing::field::Empty,
        namespace = tracing::field::Empty,
        name = tracing::field::Empty,
        allowed = tracing::field::Empty,
        mutated = tracing::field::Empty,
        code = tracing::field::Empty,
        seconds = tracing::field::Empty,
    );
    let answer = async {
        // A panic outside of the judge, which catches its own, is ours; the peer still gets an answer.
        let result = AssertUnwindSafe(review(Arc::clone(&hooks), hook, request))
            .catch_unwind()
            .await;
        match result {
            Ok(Ok(response)) => response,
            Ok(Err(rejection)) => reject(&hooks, rejection),
            Err(_panic) => json(
                StatusCode::INTERNAL_SERVER_ERROR,
                b"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\
                  \"message\":\"sandfence failed while answering; its log has the details\",\
                  \"reason\":\"InternalError\",\"code\":500}"
                    .to_vec(),
            ),
        }
    };
    answer.instrument(span).await
}

async fn review(
    hooks: Shared,
    hook: Hook,
    request: Request<Body>,
) -> Result<Response<Body>, Rejection> {
    check_head(request.headers(), hooks.limits.body)?;
    let deadline = Instant::now() + patience(request.uri(), hooks.limits.request);
    let (body, _held) = read_body(request.into_body(), &hooks, hooks.limits.body, deadline).await?;
    let started = std::time::Instant::now();
    let answered = match judge(&hooks, hook, &body, deadline, Unknown::Report).await? {
        Admitted::Answered(answered) => answered,
        Admitted::UnknownNamespace(name) => {
            let until = deadline.min(Instant::now() + NAMESPACE_WAIT);
            let known = hooks.snapshots.namespace_known(&name);
            let _judged_either_way = tokio::time::timeout_at(until, known).await;
            match judge(&hooks, hook, &body, deadline, Unknown::Accept).await? {
                Admitted::Answered(answered) => answered,
                Admitted::UnknownNamespace(name) => {
                    let message = format!("namespace {name:?} is not known");
                    return Err(Rejection::new(Cause::NotReady, message));
                }
            }
        }
    };
    let response = respond(&answered)?;
    hooks.count(hook, &answered, started.elapsed());
    Ok(response)
}

/// Judges here, or a large review beside the workers.
async fn judge(
    hooks: &Shared,
    hook: Hook,
    body: &Bytes,
    deadline: Instant,
    unknown: Unknown,
) -> Result<Admitted, Rejection> {
    if body.len() <= hooks.limits.inline_body {
        return admit(hook, body, &hooks.snapshots, unknown);
    }
    let snapshots = Arc::clone(&hooks.snapshots);
    let body = body.clone();
    let slot = slot(hooks, deadline).await?;
    beside(slot, deadline, move || {
        admit(hook, &body, &snapshots, unknown)
    })
    .await
}

/// Waits for the right to work on a large review.
async fn slot(hooks: &Shared, deadline: Instant) -> Result<OwnedSemaphorePermit, Rejection> {
    let overloaded = || {
        Rejection::new(
            Cause::Overloaded,
            format!(
                "{LARGE_AT_ONCE} large reviews are being judged and none ended in time: try again"
            ),
        )
    };
    tokio::time::timeout_at(deadline, Arc::clone(&hooks.large).acquire_owned())
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or_else(overloaded)
}

/// Works on a thread of its own, so that probes and small reviews are answered meanwhile.
async fn beside<T: Send + 'static>(
    slot: OwnedSemaphorePermit,
    deadline: Instant,
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    let span = tracing::Span::current();
    let working = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        span.in_scope(work)
    });
    match tokio::time::timeout_at(deadline, working).await {
        Ok(Ok(answered)) => answered,
        // The judge catches its own panics; a task ends otherwise only with the runtime.
        Ok(Err(_)) => Err(Rejection::new(Cause::NotReady, "the process is stopping")),
        Err(_elapsed) => Err(Rejection::new(
            Cause::Timeout,
            "the review was not answered in the time that the API server gives",
        )),
    }
}

fn respond(answered: &Answered) -> Result<Response<Body>, Rejection> {
    let status = match answered.outcome {
        // With an HTTP error the API server applies the failurePolicy of the registration; who reads the body finds a
        // well-formed review all the same.
        Outcome::Error => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    let body = serde_json::to_vec(&answered.review).map_err(|error| {
        Rejection::new(Cause::NotReady, format!("cannot write the answer: {error}"))
    })?;
    Ok(json(status, body))
}

impl Hooks {
    fn count(&self, hook: Hook, answered: &Answered, elapsed: Duration) {
        let webhook = hook.word();
        self.metrics
            .reviews
            .get_or_create_owned(&ReviewLabels {
                webhook,
                operation: answered.operation.as_str(),
                outcome: answered.outcome.word(),
            })
            .inc();
        self.metrics
            .review_seconds
            .get_or_create_owned(&WebhookLabels { webhook })
            .observe(elapsed.as_secs_f64());
        match answered.outcome {
            Outcome::Error => tracing::error!("review could not be judged"),
            // Not the message: policies put values of the object into it.
            Outcome::Denied => tracing::info!(by = ?answered.review.denied_by, "review denied"),
            Outcome::Allowed | Outcome::Mutated => tracing::debug!("review allowed"),
        }
    }
}

impl Hooks {
    fn count_conversion(&self, converted: &Converted, elapsed: Duration) {
        let span = tracing::Span::current();
        span.record("objects", converted.objects);
        span.record("seconds", elapsed.as_secs_f64());
        self.metrics
            .reviews
            .get_or_create_owned(&ReviewLabels {
                webhook: CONVERT,
                operation: "CONVERT",
                outcome: converted.word(),
            })
            .inc();
        self.metrics
            .review_seconds
            .get_or_create_owned(&WebhookLabels { webhook: CONVERT })
            .observe(elapsed.as_secs_f64());
        match &converted.failure {
            Some(problem) => tracing::error!(%problem, "objects could not be converted"),
            None => tracing::debug!("objects converted"),
        }
    }
}

fn check_head(headers: &HeaderMap, limit: usize) -> Result<(), Rejection> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or("?"));
    let essence = given.map(|value| value.split(';').next().unwrap_or_default().trim());
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Err(Rejection::new(
            Cause::ContentType,
            format!(
                "Content-Type: expected application/json, found {}",
                given.unwrap_or("none")
            ),
        ));
    }
    match announced(headers) {
        Some(length) if length > limit as u64 => Err(too_large(&format!("{length} bytes"), limit)),
        _ => Ok(()),
    }
}

/// The length that the head announces.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok())
}

fn too_large(found: &str, limit: usize) -> Rejection {
    Rejection::new(
        Cause::TooLarge,
        format!("the body has {found}, at most {limit} bytes are read"),
    )
}

/// How long a request may take: what the API server says in `?timeout=5s`, less a margin for the way back.
fn patience(uri: &Uri, longest: Duration) -> Duration {
    uri.query()
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(|value| value.strip_suffix('s'))
        .and_then(|seconds| seconds.parse::<u32>().ok())
        .map_or(longest, |seconds| {
            Duration::from_secs(seconds.into())
                .saturating_sub(MARGIN)
                .clamp(SHORTEST, longest)
        })
}

/// The body, and its share of the memory for bodies, to be kept as long as the body is. Those who may send more than
/// the usual limit hold a slot instead.
async fn read_body(
    mut body: Body,
    hooks: &Hooks,
    limit: usize,
    deadline: Instant,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Rejection> {
    let sharing = limit <= hooks.limits.body;
    let mut parts: Vec<Bytes> = Vec::new();
    let mut length = 0;
    let mut held: Option<OwnedSemaphorePermit> = None;
    while let Some(part) = next_part(&mut body, deadline).await? {
        length += part.len();
        if length > limit {
            return Err(too_large("more than that", limit));
        }
        if sharing {
            let share = take_share(hooks, part.len(), deadline).await?;
            match &mut held {
                Some(held) => held.merge(share),
                None => held = Some(share),
            }
        }
        parts.push(part);
    }
    let body = match <[Bytes; 1]>::try_from(parts) {
        Ok([whole]) => whole,
        Err(parts) => parts.concat().into(),
    };
    Ok((body, held))
}

/// The next octets of a body; `None` at its end.
async fn next_part(body: &mut Body, deadline: Instant) -> Result<Option<Bytes>, Rejection> {
    loop {
        match tokio::time::timeout_at(deadline, body.frame()).await {
            Ok(None) => return Ok(None),
            // Trailers say nothing.
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(_) => continue,
            },
            Ok(Some(Err(error))) => {
                return Err(Rejection::new(
                    Cause::Truncated,
                    format!("the body ended before it was complete: {error}"),
                ));
            }
            Err(_elapsed) => {
                return Err(Rejection::new(
                    Cause::Timeout,
                    "the body did not arrive in the time that the API server gives",
                ));
            }
        }
    }
}

/// A share of the memory for bodies; waits until others are done with theirs.
async fn take_share(
    hooks: &Hooks,
    octets: usize,
    deadline: Instant,
) -> Result<OwnedSemaphorePermit, Rejection> {
    let octets = u32::try_from(octets).unwrap_or(u32::MAX);
    let share = Arc::clone(&hooks.bodies).acquire_many_owned(octets);
    tokio::time::timeout_at(deadline, share)
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| {
            Rejection::new(
                Cause::Overloaded,
                format!(
                    "other bodies take all of the {} bytes there are for them: try again",
                    hooks.limits.bodies
                ),
            )
        })
}

#[cfg(test)]
mod tests;
