//! Which of several replicas writes: the one that holds a Lease, renews it, and gives it back when it stops.
//!
//! Whether a lease has run out is judged by the time since its last change was seen here, never by the clock of another
//! machine. A holder that cannot renew stops writing before anybody else may start.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::client::{self, ClientError};
use crate::telemetry::metrics::Metrics;

/// Name of the lease, upstream's: two controllers of the same sandboxes exclude each other.
pub const NAME: &str = "a3317529.agent-sandbox.x-k8s.io";
/// How long a lease counts after its last renewal. A crash is noticed within this; the target is five seconds.
const DURATION: Duration = Duration::from_secs(4);
/// Time between renewals.
const RENEW: Duration = Duration::from_secs(1);
/// Time without a successful renewal after which the holder stops writing, before the others may begin.
const DEADLINE: Duration = Duration::from_secs(3);
/// Pause between two attempts to take a lease that others want as well.
const RETRY: Duration = Duration::from_millis(500);

/// What to do about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is free, or ours.
    Take,
    /// It is somebody's for so much longer.
    Wait(Duration),
}

/// What to do about a lease whose last change was seen so long ago.
fn step(lease: Option<&LeaseSpec>, identity: &str, unchanged: Duration) -> Step {
    let Some(lease) = lease else {
        return Step::Take;
    };
    let holder = lease.holder_identity.as_deref().unwrap_or_default();
    let seconds = lease.lease_duration_seconds.unwrap_or_default();
    let lasts = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    match lasts.checked_sub(unchanged) {
        Some(left) if !holder.is_empty() && holder != identity && !left.is_zero() => {
            Step::Wait(left)
        }
        _ => Step::Take,
    }
}

/// The lease as its holder writes it.
fn held(before: Option<LeaseSpec>, identity: &str, now: Timestamp) -> LeaseSpec {
    let before = before.unwrap_or_default();
    let ours = before.holder_identity.as_deref() == Some(identity);
    let transitions = before.lease_transitions.unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: before
            .acquire_time
            .filter(|_| ours)
            .or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if ours || before.holder_identity.is_none() {
            transitions
        } else {
            transitions.saturating_add(1)
        }),
        ..before
    }
}

/// Takes part in the election.
pub struct Elector {
    api: Api<Lease>,
    namespace: String,
    identity: String,
    metrics: Metrics,
    leading: watch::Sender<bool>,
}

impl Elector {
    /// An elector of this identity that tells `leading`.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: String,
        identity: String,
        metrics: Metrics,
        leading: watch::Sender<bool>,
    ) -> Self {
        Self {
            api: Api::namespaced(client, &namespace),
            namespace,
            identity,
            metrics,
            leading,
        }
    }

    /// Takes part until `stop`; then, once `quiet` says that nothing is being written any more, gives the lease back.
    pub async fn run(self, stop: CancellationToken, quiet: CancellationToken) {
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let taken = tokio::select! {
                () = stop.cancelled() => break,
                taken = self.take() => taken,
            };
            match taken {
                Ok(lease) => {
                    backoff.reset();
                    self.hold(lease, &stop, &quiet).await;
                }
                Err(error) => {
                    self.failed(&error);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(backoff.next_pause()) => {}
                    }
                }
            }
        }
    }

    fn failed(&self, error: &ClientError) {
        self.metrics.lease_failures.inc();
        tracing::warn!(%error, lease = NAME, namespace = self.namespace, "leader election");
    }

    fn lead(&self, leading: bool) {
        self.metrics.leader.set(i64::from(leading));
        if self.leading.send_replace(leading) != leading {
            tracing::info!(
                leading,
                identity = self.identity,
                lease = NAME,
                namespace = self.namespace,
                "leader election"
            );
        }
    }

    /// Waits for the lease and takes it.
    async fn take(&self) -> Result<Lease, ClientError> {
        let mut changes = watch_object(self.api.clone(), NAME)
            .backoff(Backoff::default())
            .boxed();
        let mut seen: Option<(Option<Lease>, Instant)> = None;
        loop {
            let pause = match &seen {
                None => None,
                Some((lease, since)) => {
                    let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
                    match step(spec, &self.identity, since.elapsed()) {
                        Step::Wait(left) => Some(left),
                        Step::Take => match self.write(lease.clone()).await {
                            Ok(lease) => return Ok(lease),
                            // Somebody was faster; the watch tells who.
                            Err(error) if error.code() == Some(409) => Some(RETRY),
                            Err(error) => return Err(error),
                        },
                    }
                }
            };
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(lease)) => seen = Some((lease, Instant::now())),
                    Some(Err(cause)) => self.failed(&ClientError::Watch {
                        what: format!("watch the lease {}/{NAME}", self.namespace),
                        cause,
                    }),
                    None => tokio::time::sleep(RETRY).await,
                },
                () = sleep(pause) => {}
            }
        }
    }

    /// Writes the lease as ours.
    async fn write(&self, lease: Option<Lease>) -> Result<Lease, ClientError> {
        let what = format!("write the lease {}/{NAME}", self.namespace);
        let exists = lease.is_some();
        let mut lease = lease.unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        lease.spec = Some(held(lease.spec, &self.identity, Timestamp::now()));
        let params = PostParams::default();
        if exists {
            client::call(what, self.api.replace(NAME, &params, &lease)).await
        } else {
            client::call(what, self.api.create(&params, &lease)).await
        }
    }

    /// Leads as long as the lease can be renewed.
    async fn hold(&self, mut lease: Lease, stop: &CancellationToken, quiet: &CancellationToken) {
        self.lead(true);
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.stop_leading(lease, quiet).await,
                () = tokio::time::sleep(RENEW) => {}
            }
            let asked = Instant::now();
            let left = DEADLINE.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(left, self.write(Some(lease.clone()))).await {
                Ok(Ok(written)) => {
                    lease = written;
                    renewed = asked;
                    continue;
                }
                Ok(Err(error)) => {
                    self.failed(&error);
                    // It was taken from us, or is not there any more.
                    if matches!(error.code(), Some(404 | 409)) {
                        break;
                    }
                }
                Err(_elapsed) => break,
            }
            if renewed.elapsed() + RENEW >= DEADLINE {
                break;
            }
        }
        self.lead(false);
    }

    /// Gives the lease back as soon as nothing is being written any more, renewing it meanwhile.
    async fn stop_leading(&self, mut lease: Lease, quiet: &CancellationToken) {
        loop {
            tokio::select! {
                () = quiet.cancelled() => break,
                () = tokio::time::sleep(RENEW) => match self.write(Some(lease.clone())).await {
                    Ok(written) => lease = written,
                    Err(error) => return self.failed(&error),
                },
            }
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        let what = format!("release the lease {}/{NAME}", self.namespace);
        let params = PostParams::default();
        let release = self.api.replace(NAME, &params, &lease);
        match client::call(what, release).await {
            Ok(_) => self.lead(false),
            Err(error) => self.failed(&error),
        }
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// An identity that no other process has, which tells people where it runs.
#[must_use]
pub fn identity() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "sandfence".to_owned());
    let chance =
        RandomState::new().hash_one((std::process::id(), Timestamp::now().as_nanosecond()));
    format!("{host}_{chance:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(4),
            lease_transitions: Some(3),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn section_8_2_a_lease_is_taken_when_it_is_free_ours_or_run_out() {
        let second = Duration::from_secs(1);
        for (lease, unchanged, expected) in [
            (None, second, Step::Take),
            (Some(spec("")), Duration::ZERO, Step::Take),
            (Some(spec("me")), Duration::ZERO, Step::Take),
            (Some(spec("other")), second, Step::Wait(3 * second)),
            (Some(spec("other")), 4 * second, Step::Take),
        ] {
            assert_eq!(
                step(lease.as_ref(), "me", unchanged),
                expected,
                "{lease:?} {unchanged:?}"
            );
        }
    }

    #[test]
    fn section_8_2_a_taken_lease_counts_the_change_and_a_renewed_one_keeps_its_beginning() {
        let (first, later) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + RENEW);
        let taken = held(Some(spec("other")), "me", first);
        assert_eq!(
            (
                taken.holder_identity.as_deref(),
                taken.lease_transitions,
                taken.acquire_time.as_ref()
            ),
            (Some("me"), Some(4), Some(&MicroTime(first)))
        );
        let renewed = held(Some(taken), "me", later);
        assert_eq!(
            (
                renewed.lease_transitions,
                renewed.acquire_time,
                renewed.renew_time
            ),
            (Some(4), Some(MicroTime(first)), Some(MicroTime(later)))
        );
        assert_eq!(held(None, "me", first).lease_transitions, Some(0));
    }
}
