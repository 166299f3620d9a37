//! The client: no hidden retries, a deadline for every call, a bound on calls at once.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use thiserror::Error;
use tower::limit::ConcurrencyLimitLayer;

/// Time for one call that is no watch. The API server answers in milliseconds or is in trouble.
pub const CALL: Duration = Duration::from_secs(10);
/// Time to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// Time to write a request.
const WRITE: Duration = Duration::from_secs(30);
/// Calls at once, counted until the head of the answer: each holds a connection of its own (the client speaks
/// HTTP/1.1), and a restarted API server must not be met by hundreds of them.
const CALLS: usize = 16;

/// An error with what is behind it, each once: the libraries' own texts end at "client error", or repeat their causes.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

/// Why a client cannot be made or a call failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig {path}: {}", causes(.cause))]
    Kubeconfig {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        cause: kube::config::KubeconfigError,
    },
    /// No kubeconfig was named, and there is none in the environment and no cluster around.
    #[error("found no cluster to talk to: {}; name one with --kubeconfig", causes(.0))]
    Infer(kube::config::InferConfigError),
    /// Certificates or keys of the kubeconfig cannot be used.
    #[error("cannot make a client: {}", causes(.0))]
    Build(kube::Error),
    /// The API server said no or cannot be reached.
    #[error("{what}: {}", causes(.cause))]
    Call {
        /// What was attempted.
        what: String,
        /// Why it failed.
        cause: kube::Error,
    },
    /// A watch was interrupted.
    #[error("{what}: {}", causes(.cause))]
    Watch {
        /// What was watched.
        what: String,
        /// Why.
        cause: kube::runtime::watcher::Error,
    },
    /// No answer in time.
    #[error("{what}: no answer within {} s", CALL.as_secs())]
    Deadline {
        /// What was attempted.
        what: String,
    },
}

impl ClientError {
    /// The status of the API server, if it answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Call {
                cause: kube::Error::Api(status),
                ..
            } => Some(status.code),
            _ => None,
        }
    }
}

/// A client for the cluster of `kubeconfig`, else of the environment, else of the one around the process.
///
/// # Errors
/// There is no usable configuration. Whether the API server answers is not tried.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ClientError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => Config::infer().await.map_err(ClientError::Infer)?,
    };
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    // Fifteen retries with pauses up to a quarter of an hour hide an outage; loops here have their own backoff.
    config.default_retry = false;
    // The API server notes who asked, and derives the field manager of plain writes from it.
    let agent = HeaderValue::from_static(concat!("sandfence/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    // Without user and path: all that a reader of "connection refused" needs.
    tracing::info!(
        host = config.cluster_url.host().unwrap_or_default(),
        port = config.cluster_url.port_u16(),
        "using the API server"
    );
    let builder = ClientBuilder::try_from(config).map_err(ClientError::Build)?;
    Ok(builder
        .with_layer(&ConcurrencyLimitLayer::new(CALLS))
        .build())
}

async fn from_file(path: &Path) -> Result<Config, ClientError> {
    let wrap = |cause| ClientError::Kubeconfig {
        path: path.to_owned(),
        cause,
    };
    let file = Kubeconfig::read_from(path).map_err(wrap)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(wrap)
}

/// One call with a deadline; `what` says it in the error.
///
/// # Errors
/// The call failed or took too long.
pub async fn call<T>(
    what: impl Into<String>,
    future: impl Future<Output = kube::Result<T>>,
) -> Result<T, ClientError> {
    match tokio::time::timeout(CALL, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(cause)) => Err(ClientError::Call {
            what: what.into(),
            cause,
        }),
        Err(_elapsed) => Err(ClientError::Deadline { what: what.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_kubeconfig_is_named() {
        let error = connect(Some(Path::new("/nonexistent/kubeconfig")))
            .await
            .err()
            .expect("error");
        assert!(
            error
                .to_string()
                .starts_with("cannot use the kubeconfig /nonexistent/kubeconfig: "),
            "{error}"
        );
    }

    #[test]
    fn every_cause_is_told_once() {
        #[derive(Debug, Error)]
        #[error("{text}")]
        struct Layer {
            text: &'static str,
            source: Option<Box<Layer>>,
        }
        let layer = |text, source: Option<Layer>| Layer {
            text,
            source: source.map(Box::new),
        };
        let refused = || Some(layer("connection refused", None));
        let connect = || Some(layer("tcp connect error", refused()));
        assert_eq!(
            causes(&layer("client error", connect())),
            "client error: tcp connect error: connection refused"
        );
        assert_eq!(
            causes(&layer("read: connection refused", refused())),
            "read: connection refused"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_answers_ends_with_what_it_was() {
        let error = call(
            "list namespaces",
            std::future::pending::<kube::Result<()>>(),
        )
        .await
        .expect_err("deadline");
        assert_eq!(error.to_string(), "list namespaces: no answer within 10 s");
    }
}
