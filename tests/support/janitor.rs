//! Removes what a test made in the cluster, also when the test panics.
//!
//! A test's own runtime may be gone or blocked when its values are dropped, so a thread with a runtime of its own does
//! the requests; dropping waits for the answer.

use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::Client;
use tokio::sync::mpsc as queue;

/// Longer than any healthy API server takes to accept a deletion.
const LIMIT: Duration = Duration::from_secs(20);

/// Deletes objects by their path in the API.
#[derive(Clone, Debug)]
pub struct Janitor {
    orders: queue::UnboundedSender<Order>,
}

#[derive(Debug)]
struct Order {
    path: String,
    done: mpsc::Sender<()>,
}

impl Janitor {
    /// Starts the thread. It ends when the last clone is dropped.
    pub fn start(config: kube::Config) -> Result<Self> {
        let (orders, mut inbox) = queue::unbounded_channel::<Order>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("janitor".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let client = Client::try_from(config);
                    while let Some(order) = inbox.recv().await {
                        if let Ok(client) = &client {
                            delete(client, &order.path).await;
                        }
                        // The test may have stopped waiting.
                        let _ = order.done.send(());
                    }
                });
            })
            .context("start the janitor")?;
        Ok(Self { orders })
    }

    /// Deletes what the path names when the returned value is dropped.
    pub fn removal(&self, path: String) -> Removal {
        Removal {
            janitor: self.clone(),
            path,
        }
    }
}

async fn delete(client: &Client, path: &str) {
    let request = axum::http::Request::delete(path)
        .body(Vec::new())
        .expect("the path comes from a resource type and a name that the server accepted");
    match client.request_text(request).await {
        Ok(_) => {}
        // The test deleted it itself.
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => eprintln!("could not delete {path}: {error}"),
    }
}

/// Deletes one object when dropped.
#[derive(Debug)]
pub struct Removal {
    janitor: Janitor,
    path: String,
}

impl Drop for Removal {
    fn drop(&mut self) {
        let (done, answer) = mpsc::channel();
        let order = Order {
            path: std::mem::take(&mut self.path),
            done,
        };
        if self.janitor.orders.send(order).is_ok() {
            // Without an answer the control plane has gone, and the object with it.
            let _ = answer.recv_timeout(LIMIT);
        }
    }
}

/// A namespace of one test; deleted with everything in it when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    _removal: Removal,
}

impl Namespace {
    pub(super) fn new(name: String, janitor: &Janitor) -> Self {
        let removal = janitor.removal(format!("/api/v1/namespaces/{name}"));
        Self {
            name,
            _removal: removal,
        }
    }

    /// Its name: the topic and a random suffix.
    pub fn name(&self) -> &str {
        &self.name
    }
}
