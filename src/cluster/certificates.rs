//! The self-issued certificate: decided by `tls::rotate`, kept in a Secret so that all replicas serve the same one.
//!
//! Every replica looks at the Secret once a minute. Whoever finds that something is due writes it, guarded by the
//! resource version; whoever loses that race reads what the winner wrote. Outside a cluster the bundle is kept in
//! memory. What is in use stays in use while the Secret cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use rustls::crypto::CryptoProvider;
use thiserror::Error;

use super::backoff::Backoff;
use super::client::{self, ClientError};
use super::registration::NAME;
use crate::telemetry::metrics::ReasonLabels;
use crate::tls::issue::IssueError;
use crate::tls::load::{self, PART, Sinks};
use crate::tls::material::{self, MaterialError};
use crate::tls::rotate::{self, Bundle, Profile, Step};

/// How often the Secret is looked at: far more often than [`Profile::overlap`], so that no replica is late.
const LOOK: Duration = Duration::from_secs(60);
/// Attempts in one look when others write at the same time.
const RACES: usize = 5;

/// Why there is no certificate, or why the one in use was not renewed.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The Secret cannot be read or written.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing could be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// What was read or issued cannot be served.
    #[error("the serving certificate cannot be used: {0}")]
    Material(#[from] MaterialError),
    /// Others kept writing the Secret.
    #[error("secret {0} changed {RACES} times while it was being written")]
    Contended(String),
}

impl CertificateError {
    const fn word(&self) -> &'static str {
        match self {
            Self::Client(_) => "api",
            Self::Issue(_) => "issue",
            Self::Material(error) => error.word(),
            Self::Contended(_) => "contended",
        }
    }
}

/// Where the bundle lives.
pub enum Keep {
    /// In this process.
    Memory,
    /// In a Secret.
    Secret {
        /// Client with rights on it.
        client: Client,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Issues, renews, shares and installs.
pub struct Keeper {
    keep: Keep,
    profile: Profile,
    provider: Arc<CryptoProvider>,
    sinks: Sinks,
    clock: fn() -> Timestamp,
    used: Option<Bundle>,
    last_error: Option<String>,
}

impl Keeper {
    /// Starts with nothing in use.
    #[must_use]
    pub fn new(
        keep: Keep,
        profile: Profile,
        provider: Arc<CryptoProvider>,
        sinks: Sinks,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            keep,
            profile,
            provider,
            sinks,
            clock,
            used: None,
            last_error: None,
        }
    }

    /// Looks now and once a minute, for ever; sooner after a failure.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    backoff.reset();
                    self.last_error = None;
                    LOOK
                }
                Err(error) => {
                    self.report(&error);
                    backoff.next_pause()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// The bundle cannot be read, issued, written or used; what was in use stays in use.
    pub async fn look(&mut self) -> Result<(), CertificateError> {
        let bundle = match &self.keep {
            Keep::Memory => self.in_memory()?,
            Keep::Secret {
                client,
                namespace,
                name,
            } => {
                let api = Api::namespaced(client.clone(), namespace);
                self.in_secret(&api, name).await?
            }
        };
        self.install(bundle)
    }

    fn in_memory(&self) -> Result<Bundle, CertificateError> {
        let now = (self.clock)();
        let step = rotate::next(self.used.as_ref(), &self.profile, now);
        Ok(rotate::perform(
            &step,
            self.used.clone(),
            &self.profile,
            now,
        )?)
    }

    async fn in_secret(&self, api: &Api<Secret>, name: &str) -> Result<Bundle, CertificateError> {
        for _race in 0..RACES {
            let now = (self.clock)();
            let found = client::call(format!("get secret {name}"), api.get_opt(name)).await?;
            let current = found.as_ref().and_then(bundle_of);
            let step = rotate::next(current.as_ref(), &self.profile, now);
            if let (Step::Keep, Some(current)) = (&step, &current) {
                return Ok(current.clone());
            }
            let bundle = rotate::perform(&step, current, &self.profile, now)?;
            match write(api, name, found, &bundle).await {
                Ok(()) => {
                    tracing::info!(secret = name, ?step, "certificates written");
                    return Ok(bundle);
                }
                // Somebody else was faster: what they wrote counts.
                Err(error) if error.code() == Some(409) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CertificateError::Contended(name.to_owned()))
    }

    fn install(&mut self, bundle: Bundle) -> Result<(), CertificateError> {
        if self.used.as_ref() == Some(&bundle) {
            return Ok(());
        }
        let serving = material::serving(
            &bundle.serving.certificate,
            &bundle.serving.key,
            &self.provider,
            (self.clock)(),
        )?;
        // The registration first: the API server must trust before it meets the new certificate.
        self.sinks.authority.send_replace(Some(bundle.ca_bundle()));
        load::install(
            &serving,
            &self.sinks.resolver,
            &self.sinks.metrics,
            &self.sinks.readiness,
        );
        self.used = Some(bundle);
        Ok(())
    }

    fn report(&mut self, error: &CertificateError) {
        let text = error.to_string();
        let now = (self.clock)();
        let usable = self.used.as_ref().is_some_and(|bundle| {
            material::facts("tls.crt", &bundle.serving.certificate)
                .is_ok_and(|facts| now < facts.not_after)
        });
        if !usable {
            self.sinks.readiness.waiting(PART, text.clone());
        }
        if self.last_error.as_ref() != Some(&text) {
            self.sinks
                .metrics
                .certificate_failures
                .get_or_create_owned(&ReasonLabels {
                    reason: error.word(),
                })
                .inc();
            tracing::error!(error = %text, keeps = usable, "certificates not renewed");
            self.last_error = Some(text);
        }
    }
}

fn bundle_of(secret: &Secret) -> Option<Bundle> {
    let data = secret.data.as_ref()?;
    Bundle::from_entries(|key| {
        data.get(key)
            .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
    })
}

async fn write(
    api: &Api<Secret>,
    name: &str,
    found: Option<Secret>,
    bundle: &Bundle,
) -> Result<(), ClientError> {
    let secret = secret_of(name, found, bundle);
    let params = PostParams {
        field_manager: Some(NAME.to_owned()),
        ..PostParams::default()
    };
    let replaces = secret.metadata.resource_version.is_some();
    if replaces {
        client::call(
            format!("replace secret {name}"),
            api.replace(name, &params, &secret),
        )
        .await?;
    } else {
        client::call(
            format!("create secret {name}"),
            api.create(&params, &secret),
        )
        .await?;
    }
    Ok(())
}

/// The Secret to write: the one found keeps everything that is not ours, its resource version guards the write.
fn secret_of(name: &str, found: Option<Secret>, bundle: &Bundle) -> Secret {
    let mut secret = found.unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([
                ("app.kubernetes.io/name".to_owned(), NAME.to_owned()),
                ("app.kubernetes.io/managed-by".to_owned(), NAME.to_owned()),
            ])),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    });
    let data = secret.data.get_or_insert_default();
    for (key, text) in bundle.to_entries() {
        data.insert(key, ByteString(text.into_bytes()));
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::SECRET;
    use crate::telemetry::metrics::Metrics;
    use crate::telemetry::readiness::Readiness;
    use crate::tls::resolver::{Resolver, provider};
    use tokio::sync::watch;

    fn keeper() -> (Keeper, watch::Receiver<Option<String>>, Arc<Readiness>) {
        let (authority, bundles) = watch::channel(None);
        let readiness = Arc::new(Readiness::new(&[PART]));
        let sinks = Sinks {
            resolver: Arc::new(Resolver::default()),
            metrics: Metrics::new(),
            readiness: Arc::clone(&readiness),
            authority,
        };
        let keeper = Keeper::new(
            Keep::Memory,
            Profile::new(vec!["localhost".to_owned()]),
            provider(),
            sinks,
            Timestamp::now,
        );
        (keeper, bundles, readiness)
    }

    #[tokio::test]
    async fn in_memory_the_first_look_installs_and_the_second_changes_nothing() {
        let (mut keeper, mut bundles, readiness) = keeper();
        keeper.look().await.expect("issued");
        assert!(keeper.sinks.resolver.is_loaded());
        assert!(readiness.is_ready());
        let first = bundles.borrow_and_update().clone().expect("bundle");
        assert!(first.contains("BEGIN CERTIFICATE"));
        keeper.look().await.expect("kept");
        assert!(!bundles.has_changed().expect("open"));
    }

    #[test]
    fn a_secret_that_is_there_keeps_its_other_entries_and_its_version() {
        let profile = Profile::new(vec!["localhost".to_owned()]);
        let bundle = rotate::perform(&Step::Replace("test"), None, &profile, Timestamp::now())
            .expect("issued");
        let found = Secret {
            metadata: ObjectMeta {
                resource_version: Some("7".to_owned()),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(
                "other".to_owned(),
                ByteString(b"x".to_vec()),
            )])),
            ..Secret::default()
        };
        let written = secret_of(SECRET, Some(found), &bundle);
        assert_eq!(written.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(
            written
                .data
                .as_ref()
                .expect("data")
                .keys()
                .collect::<Vec<_>>(),
            ["ca.crt", "ca.key", "other", "tls.crt", "tls.key"]
        );
        assert_eq!(bundle_of(&written), Some(bundle));
    }

    #[test]
    fn a_secret_without_the_three_entries_is_no_bundle() {
        assert_eq!(bundle_of(&Secret::default()), None);
    }
}
