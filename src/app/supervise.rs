//! One set of named tasks. None may end by itself: the first that does ends the process with its cause.
//!
//! On a signal everything is told to stop. Tasks that drain may finish within the grace, all others end at once.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// A task that ended although nobody asked it to.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Ended {
    /// It returned.
    #[error("task {0} ended unexpectedly")]
    Returned(&'static str),
    /// It panicked.
    #[error("task {0} panicked: {1}")]
    Panicked(&'static str, String),
}

/// The tasks of the process.
#[derive(Debug, Default)]
pub struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process should stop.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs `task` until the process stops; it is dropped then.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.spawn_draining(name, async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Runs `task`, which watches the stop token itself and may take its time.
    pub fn spawn_draining(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let span = tracing::info_span!("task", name);
        let handle = self.running.spawn(task.instrument(span));
        self.names.insert(handle.id(), name);
    }

    /// Waits for `signal` or for a task that ends by itself; then stops everything, within `grace`.
    ///
    /// # Errors
    /// A task ended by itself.
    pub async fn run(
        mut self,
        signal: impl Future<Output = ()>,
        grace: Duration,
    ) -> Result<(), Ended> {
        let outcome = tokio::select! {
            () = signal => Ok(()),
            ended = Self::next(&mut self.running) => Err(self.cause(ended)),
        };
        self.stop.cancel();
        let drained = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a task failed while stopping");
                }
            }
        };
        if tokio::time::timeout(grace, drained).await.is_err() {
            tracing::warn!(
                left = self.running.len(),
                grace_seconds = grace.as_secs(),
                "tasks did not finish within the grace and are dropped"
            );
            self.running.shutdown().await;
        }
        outcome
    }

    async fn next(running: &mut JoinSet<()>) -> Result<Id, JoinError> {
        match running.join_next_with_id().await {
            Some(ended) => ended.map(|(id, ())| id),
            // Without tasks there is nothing that could end.
            None => std::future::pending().await,
        }
    }

    fn cause(&self, ended: Result<Id, JoinError>) -> Ended {
        let name = |id: Id| self.names.get(&id).copied().unwrap_or("unknown");
        match ended {
            Ok(id) => Ended::Returned(name(id)),
            Err(error) => {
                let name = name(error.id());
                Ended::Panicked(name, panic_text(error))
            }
        }
    }
}

/// What a panic said.
fn panic_text(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned()),
        Err(error) => error.to_string(),
    }
}

/// Ends at the first SIGTERM or SIGINT after the call.
///
/// # Errors
/// The handlers cannot be installed.
pub fn termination() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const GRACE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_task_that_returns_ends_the_process_with_its_name() {
        let mut tasks = Tasks::new();
        tasks.spawn("forever", pending());
        tasks.spawn("short", ready(()));
        assert_eq!(
            tasks.run(pending(), GRACE).await,
            Err(Ended::Returned("short"))
        );
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_the_process_with_what_it_said() {
        let mut tasks = Tasks::new();
        tasks.spawn("forever", pending());
        tasks.spawn("bad", async { panic!("out of {}", "luck") });
        assert_eq!(
            tasks.run(pending(), GRACE).await,
            Err(Ended::Panicked("bad", "out of luck".to_owned()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_lets_draining_tasks_finish_and_drops_the_others() {
        let mut tasks = Tasks::new();
        let stop = tasks.stop_token();
        let (done, finished) = tokio::sync::oneshot::channel();
        tasks.spawn("forever", pending());
        tasks.spawn_draining("server", async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            done.send(()).expect("receiver");
        });
        assert_eq!(tasks.run(ready(()), GRACE).await, Ok(()));
        finished.await.expect("finished");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_finish_within_the_grace_is_dropped() {
        let mut tasks = Tasks::new();
        tasks.spawn_draining("stuck", pending());
        let before = tokio::time::Instant::now();
        assert_eq!(tasks.run(ready(()), GRACE).await, Ok(()));
        assert_eq!(before.elapsed(), GRACE);
    }
}
