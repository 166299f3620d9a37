//! Structured logs on standard error.

use clap::ValueEnum;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line, for collectors.
    #[default]
    Json,
    /// Plain text, for people.
    Text,
}

/// The least severe line that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Lost work only.
    Error,
    /// Also what needs attention.
    Warn,
    /// Also changes of state and denials.
    #[default]
    Info,
    /// Also every request and decision.
    Debug,
    /// Everything that libraries say as well.
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// Where the Kubernetes client reports each failed call as an error. Whoever made the call gets the same error, and says
/// once what could not be done.
const CALLS: &str = "kube_client::client::builder";

/// Which lines pass: our own at `level`; those of libraries at `warn` at most, unless everything was asked for. At
/// debug level HTTP libraries would print request heads, which may carry credentials.
#[must_use]
pub fn filter(level: LogLevel) -> Targets {
    let own = LevelFilter::from(level);
    let others = if level == LogLevel::Trace {
        own
    } else {
        own.min(LevelFilter::WARN)
    };
    let calls = if level == LogLevel::Trace {
        own
    } else {
        LevelFilter::OFF
    };
    Targets::new()
        .with_target("sandfence", own)
        .with_target(CALLS, calls)
        .with_default(others)
}

/// Sends the logs of this process to standard error.
///
/// # Errors
/// A subscriber is already in place.
pub fn init(format: LogFormat, level: LogLevel) -> Result<(), TryInitError> {
    let registry = tracing_subscriber::registry().with(filter(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Json => registry
            .with(
                lines
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false),
            )
            .try_init(),
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_stay_quiet_unless_everything_is_asked_for() {
        let debug = filter(LogLevel::Debug);
        assert!(debug.would_enable("sandfence::webhook", &Level::DEBUG));
        assert!(!debug.would_enable("hyper::proto", &Level::INFO));
        assert!(debug.would_enable("hyper::proto", &Level::WARN));
        assert!(!debug.would_enable("kube_client::client::builder", &Level::ERROR));
        let error = filter(LogLevel::Error);
        assert!(!error.would_enable("kube_client", &Level::WARN));
        let trace = filter(LogLevel::Trace);
        assert!(trace.would_enable("hyper::proto", &Level::TRACE));
        assert!(trace.would_enable("kube_client::client::builder", &Level::ERROR));
    }
}
