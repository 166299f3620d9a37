//! A mounted directory with `tls.crt`, `tls.key` and, for the registration, `ca.crt`.
//!
//! The pair in use stays in use until a new one is complete, fits and is in time: whatever is found meanwhile is
//! reported and counted, never served. The end of the pair in use is watched too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use thiserror::Error;
use tokio::sync::watch;

use super::material::{self, MaterialError, Serving};
use super::resolver::Resolver;
use crate::config::files::Changes;
use crate::telemetry::metrics::{Metrics, ReasonLabels};
use crate::telemetry::readiness::Readiness;

/// Name of the readiness part that the certificate fills.
pub const PART: &str = "certificate";

/// How often the directory is read even without a notification.
const POLL: Duration = Duration::from_secs(30);

/// Largest file read: a long chain is a few tens of kilobytes.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Why the directory gives no usable pair.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is too large to be what it should be.
    #[error("{path} has {size} bytes, more than a certificate can have ({FILE_LIMIT})")]
    Size {
        /// Which.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// What was read cannot be used.
    #[error("in {path}: {source}")]
    Material {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        source: MaterialError,
    },
}

impl LoadError {
    const fn word(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Size { .. } => "size",
            Self::Material { source, .. } => source.word(),
        }
    }
}

/// The texts of the directory.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    certificate: String,
    key: String,
    authority: Option<String>,
}

/// Reads the directory once.
///
/// # Errors
/// `tls.crt` or `tls.key` is missing, unreadable or too large; so is a `ca.crt` that exists.
pub fn read(directory: &Path) -> Result<Files, LoadError> {
    let text = |name: &str| {
        let path = directory.join(name);
        let size = std::fs::metadata(&path).map(|data| data.len());
        match size {
            Ok(size) if size > FILE_LIMIT => Err(LoadError::Size { path, size }),
            Ok(_) => {
                std::fs::read_to_string(&path).map_err(|source| LoadError::Read { path, source })
            }
            Err(source) => Err(LoadError::Read { path, source }),
        }
    };
    let authority = match text("ca.crt") {
        Ok(pem) => Some(pem),
        Err(LoadError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            None
        }
        Err(error) => return Err(error),
    };
    Ok(Files {
        certificate: text("tls.crt")?,
        key: text("tls.key")?,
        authority,
    })
}

/// Reads the directory and checks the pair.
///
/// # Errors
/// As [`read`]; also when the pair is damaged, mismatched or out of time.
pub fn load(
    directory: &Path,
    provider: &CryptoProvider,
    now: Timestamp,
) -> Result<(Files, Serving), LoadError> {
    let files = read(directory)?;
    let wrap = |source| LoadError::Material {
        path: directory.to_owned(),
        source,
    };
    if let Some(pem) = &files.authority {
        material::certificates("ca.crt", pem).map_err(wrap)?;
    }
    let serving = material::serving(&files.certificate, &files.key, provider, now).map_err(wrap)?;
    Ok((files, serving))
}

/// Puts a pair to use and reports it.
pub fn install(serving: &Serving, resolver: &Resolver, metrics: &Metrics, readiness: &Readiness) {
    resolver.swap(Arc::clone(&serving.key));
    // whole seconds stay exact for 285 million years
    metrics
        .certificate_expiry
        .set(serving.facts.not_after.as_second() as f64);
    readiness.ready(PART);
    tracing::info!(
        subject = %serving.facts.subject,
        names = ?serving.facts.names,
        not_after = %serving.facts.not_after,
        "serving certificate in use"
    );
}

/// Follows a directory.
pub struct Follower {
    directory: PathBuf,
    provider: Arc<CryptoProvider>,
    resolver: Arc<Resolver>,
    metrics: Metrics,
    readiness: Arc<Readiness>,
    authority: watch::Sender<Option<String>>,
    clock: fn() -> Timestamp,
    used: Option<(Files, Serving)>,
    last_error: Option<String>,
}

/// The parts of the process that following a directory touches.
pub struct Sinks {
    /// Where the pair is put to use.
    pub resolver: Arc<Resolver>,
    /// Where failures are counted.
    pub metrics: Metrics,
    /// Where the state shows.
    pub readiness: Arc<Readiness>,
    /// Where the bundle for the registration goes.
    pub authority: watch::Sender<Option<String>>,
}

impl Follower {
    /// Starts with nothing loaded.
    #[must_use]
    pub fn new(
        directory: PathBuf,
        provider: Arc<CryptoProvider>,
        sinks: Sinks,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            directory,
            provider,
            resolver: sinks.resolver,
            metrics: sinks.metrics,
            readiness: sinks.readiness,
            authority: sinks.authority,
            clock,
            used: None,
            last_error: None,
        }
    }

    /// Looks once: takes a new pair when there is a good one, else keeps what is in use and says why.
    pub fn look(&mut self) {
        let now = (self.clock)();
        match load(&self.directory, &self.provider, now) {
            Ok((files, serving)) => {
                self.last_error = None;
                if self.used.as_ref().is_none_or(|(used, _)| *used != files) {
                    // The registration first: the API server must trust before it meets the new certificate.
                    self.authority.send_replace(files.authority.clone());
                    install(&serving, &self.resolver, &self.metrics, &self.readiness);
                    self.used = Some((files, serving));
                }
            }
            Err(error) => self.report(&error, now),
        }
    }

    fn report(&mut self, error: &LoadError, now: Timestamp) {
        let expired = self
            .used
            .as_ref()
            .is_none_or(|(_, serving)| now >= serving.facts.not_after);
        if expired {
            self.readiness.waiting(PART, error.to_string());
        }
        let text = error.to_string();
        if self.last_error.as_ref() != Some(&text) {
            self.metrics
                .certificate_failures
                .get_or_create_owned(&ReasonLabels {
                    reason: error.word(),
                })
                .inc();
            tracing::error!(error = %text, keeps = !expired, "certificate not used");
            self.last_error = Some(text);
        }
    }

    /// Looks now and on every change, for ever.
    pub async fn run(mut self) {
        let mut changes = Changes::watch(std::slice::from_ref(&self.directory), POLL);
        loop {
            self.look();
            changes.changed().await;
        }
    }
}

#[cfg(test)]
mod tests;
