//! The real control plane for tests: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl 1.36.3 and
//! kwok 0.8.0, built from source once by the Go module in `tests/cluster/`.
//!
//! ```no_run
//! mod support;
//!
//! #[tokio::test]
//! async fn a_pod_runs() -> anyhow::Result<()> {
//!     let cluster = support::Cluster::shared().await?;
//!     let namespace = cluster.namespace("pods").await?;
//!     // …objects in namespace.name(), through cluster.client() or cluster.kubectl(…)
//!     Ok(())
//! }
//! ```
//!
//! Who owns what: the control plane belongs to a supervisor process (`tests/cluster/supervise`), which counts the
//! connections of its users and ends everything when the last one has gone and no other follows. A test binary holds
//! one connection for its whole life, so no way of ending it can leave a process behind. The binaries of one
//! `cargo test` share one control plane and use a namespace each; a test that changes the whole cluster (webhooks,
//! conversion) takes one of its own with [`Cluster::dedicated`].
//!
//! Everything listens on loopback at ports that the kernel picks. Logs stay under
//! `target/control-plane/run-*/logs`; the folder is in the output of every test that used the cluster.

#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary compiles this module and uses a part of it"
)]

mod audit;
mod binaries;
mod cluster;
mod janitor;
mod plane;
mod process;
pub mod serving;
mod wait;

pub use audit::{AuditedRequest, Mark};
pub use cluster::{Cluster, Output};
pub use janitor::{Namespace, Removal};
pub use process::Tethered;
