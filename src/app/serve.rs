//! `sandfence serve`: the webhook with everything it needs around it.
//!
//! Listening comes first, so that probes answer from the start; then certificates, namespaces, policies and, when all
//! of them are there, the registration. Only a mistake in the settings ends the start: an API server that cannot be
//! reached is tried again until it can, and the probe says so.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use serde::Serialize;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

use super::controllers;
use super::supervise::{Ended, Tasks, termination};
use crate::cluster::apply::{self, Applier};
use crate::cluster::cache::{self, Loader};
use crate::cluster::certificates::{Keep, Keeper};
use crate::cluster::client::{self, ClientError};
use crate::cluster::conversion::{self, Converter};
use crate::cluster::policies::Origins;
use crate::cluster::registration::Interest;
use crate::cluster::watch::Follower;
use crate::config::settings::{CertificateSource, Limits, Settings};
use crate::model::gvk::Gvk;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::readiness::Readiness;
use crate::tls::load::{self, Sinks};
use crate::tls::resolver::{self, Resolver};
use crate::tls::rotate::Profile;
use crate::webhook::admit::Snapshots;
use crate::webhook::health;
use crate::webhook::router::{self, Hooks};
use crate::webhook::server::{self, Server};

/// Readiness part that a stopping process takes away.
const PROCESS: &str = "process";

/// Why serving did not start, or ended.
#[derive(Debug, Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(io::Error),
    /// The file for the addresses cannot be written.
    #[error("cannot write {path}: {source}")]
    Addresses {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot install signal handlers: {0}")]
    Signals(io::Error),
    /// There is no cluster to talk to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A part of the process ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Where the process listens, as written to the addresses file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// HTTPS: webhooks.
    pub webhook: SocketAddr,
    /// Plain HTTP: probes and metrics.
    pub metrics: SocketAddr,
}

/// What all parts share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) client: Client,
    pub(super) metrics: Metrics,
    readiness: Arc<Readiness>,
    snapshots: Arc<Snapshots>,
    resolver: Arc<Resolver>,
}

/// The two sockets.
struct Listeners {
    webhook: TcpListener,
    metrics: TcpListener,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// The settings cannot work, or a part of the process ended by itself.
pub async fn run(mut settings: Settings) -> Result<(), ServeError> {
    let signal = termination().map_err(ServeError::Signals)?;
    let client = client::connect(settings.kubeconfig.as_deref()).await?;
    let listeners = Listeners {
        webhook: server::bind(settings.webhook_bind)
            .await
            .map_err(ServeError::Listen)?,
        metrics: server::bind(settings.metrics_bind)
            .await
            .map_err(ServeError::Listen)?,
    };
    let addresses = listeners.addresses().map_err(ServeError::Listen)?;
    settings.endpoint = settings.endpoint.with_port(addresses.webhook.port());
    if let Some(path) = &settings.addresses_file {
        write_addresses(path, addresses).map_err(|source| ServeError::Addresses {
            path: path.display().to_string(),
            source,
        })?;
    }
    tracing::info!(
        webhook = %addresses.webhook,
        metrics = %addresses.metrics,
        endpoint = %settings.endpoint,
        "listening"
    );
    let grace = settings.drain;
    let readiness = Arc::new(Readiness::new(&[
        cache::POLICIES,
        cache::PROFILES,
        cache::NAMESPACES,
        load::PART,
    ]));
    let shared = Shared {
        settings,
        client,
        metrics: Metrics::new(),
        readiness: Arc::clone(&readiness),
        snapshots: Arc::default(),
        resolver: Arc::default(),
    };
    let mut tasks = Tasks::new();
    shared.spawn_servers(&mut tasks, listeners)?;
    let authority = shared.spawn_certificates(&mut tasks);
    let interests = shared.spawn_snapshots(&mut tasks);
    if let Some(settings) = &shared.settings.controllers {
        controllers::spawn(&shared, &mut tasks, settings);
    }
    if shared.settings.register {
        shared.spawn_conversion(&mut tasks, authority.clone());
        shared.spawn_registration(&mut tasks, interests, authority);
    }
    let stopping = async move {
        signal.await;
        readiness.waiting(PROCESS, "stopping");
    };
    tasks.run(stopping, grace).await?;
    tracing::info!("stopped");
    Ok(())
}

impl Listeners {
    fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            webhook: self.webhook.local_addr()?,
            metrics: self.metrics.local_addr()?,
        })
    }
}

/// Written beside and renamed, so that whoever waits for the file never reads half of it.
fn write_addresses(path: &Path, addresses: Addresses) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, serde_json::to_vec(&addresses)?)?;
    std::fs::rename(&beside, path)
}

impl Shared {
    fn spawn_servers(&self, tasks: &mut Tasks, listeners: Listeners) -> Result<(), ServeError> {
        let tls = resolver::server_config(Arc::clone(&self.resolver), resolver::provider())?;
        let hooks = Hooks::new(
            Arc::clone(&self.snapshots),
            self.settings.limits,
            self.metrics.clone(),
            Arc::clone(&self.readiness),
        );
        let webhook = Server {
            listener: listeners.webhook,
            tls: Some(TlsAcceptor::from(Arc::new(tls))),
            router: router::router(hooks),
            limits: self.settings.limits,
            metrics: self.metrics.clone(),
        };
        let plain = Server {
            listener: listeners.metrics,
            tls: None,
            router: health::router(Arc::clone(&self.readiness), self.metrics.clone()),
            limits: Limits {
                connections: PROBE_CONNECTIONS,
                ..self.settings.limits
            },
            metrics: self.metrics.clone(),
        };
        tasks.spawn_draining("webhook-server", webhook.run(tasks.stop_token()));
        tasks.spawn_draining("metrics-server", plain.run(tasks.stop_token()));
        Ok(())
    }

    fn spawn_certificates(&self, tasks: &mut Tasks) -> watch::Receiver<Option<String>> {
        let (authority, bundles) = watch::channel(None);
        let sinks = Sinks {
            resolver: Arc::clone(&self.resolver),
            metrics: self.metrics.clone(),
            readiness: Arc::clone(&self.readiness),
            authority,
        };
        let provider = resolver::provider();
        let keep = match &self.settings.certificate {
            CertificateSource::Directory(directory) => {
                let follower =
                    load::Follower::new(directory.clone(), provider, sinks, Timestamp::now);
                tasks.spawn("certificates", follower.run());
                return bundles;
            }
            CertificateSource::Memory => Keep::Memory,
            CertificateSource::Secret { name, namespace } => Keep::Secret {
                client: self.client.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
            },
        };
        let names = self
            .settings
            .endpoint
            .certificate_names(&self.settings.cluster_domain);
        let keeper = Keeper::new(keep, Profile::new(names), provider, sinks, Timestamp::now);
        tasks.spawn("certificates", keeper.run());
        bundles
    }

    fn spawn_snapshots(&self, tasks: &mut Tasks) -> watch::Receiver<Option<Arc<Vec<Interest>>>> {
        let (follower, views) = Follower::new(
            self.client.clone(),
            Gvk::new("v1", "Namespace"),
            self.metrics.clone(),
            Arc::new(Notify::new()),
        );
        tasks.spawn("namespaces-watch", follower.run());
        tasks.spawn(
            "namespaces",
            cache::follow_namespaces(
                views,
                (
                    Arc::clone(&self.snapshots.namespaces),
                    Arc::clone(&self.snapshots.namespaces_changed),
                ),
                Arc::clone(&self.readiness),
            ),
        );
        let (sender, interests) = watch::channel(None);
        let loader = Loader::new(
            Origins {
                paths: self.settings.policies.clone(),
                profiles: self.settings.profiles.clone(),
                exempt_namespaces: self.settings.all_exempt_namespaces(),
            },
            self.client.clone(),
            cache::Sinks {
                set: Arc::clone(&self.snapshots.set),
                interests: sender,
                readiness: Arc::clone(&self.readiness),
                metrics: self.metrics.clone(),
            },
        );
        tasks.spawn("policies", loader.run());
        interests
    }

    fn spawn_conversion(&self, tasks: &mut Tasks, authority: watch::Receiver<Option<String>>) {
        let present = conversion::DEFINITIONS.map(|name| {
            let (follower, views) = Follower::new(
                self.client.clone(),
                conversion::gvk(),
                self.metrics.clone(),
                Arc::new(Notify::new()),
            );
            let follower = follower.named(name).lightened(conversion::lighten);
            tasks.spawn("definition-watch", follower.run());
            views
        });
        let converter = Converter::new(
            self.client.clone(),
            self.settings.endpoint.clone(),
            conversion::Inputs { authority, present },
            Arc::clone(&self.readiness),
            self.metrics.clone(),
        );
        tasks.spawn("conversion", converter.run());
    }

    fn spawn_registration(
        &self,
        tasks: &mut Tasks,
        interests: watch::Receiver<Option<Arc<Vec<Interest>>>>,
        authority: watch::Receiver<Option<String>>,
    ) {
        let present = apply::KINDS.map(|kind| {
            let (follower, views) = Follower::new(
                self.client.clone(),
                apply::gvk(kind),
                self.metrics.clone(),
                Arc::new(Notify::new()),
            );
            tasks.spawn("registration-watch", follower.named(apply::OBJECT).run());
            views
        });
        let applier = Applier::new(
            self.client.clone(),
            (
                self.settings.endpoint.clone(),
                self.settings.exempt_namespaces.clone(),
            ),
            apply::Inputs {
                interests,
                authority,
                present,
            },
            Arc::clone(&self.readiness),
            self.metrics.clone(),
        );
        tasks.spawn("registration", applier.run());
    }
}

/// Connections of probes and scrapers at once.
const PROBE_CONNECTIONS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_file_is_complete_or_absent() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("addresses.json");
        let addresses = Addresses {
            webhook: "127.0.0.1:1234".parse().expect("address"),
            metrics: "[::1]:5".parse().expect("address"),
        };
        write_addresses(&path, addresses).expect("written");
        assert_eq!(
            std::fs::read_to_string(&path).expect("file"),
            r#"{"webhook":"127.0.0.1:1234","metrics":"[::1]:5"}"#
        );
        assert_eq!(std::fs::read_dir(dir.path()).expect("directory").count(), 1);
    }
}
