//! What an operator sees of the process: logs, metrics and readiness.
//!
//! Depends on nothing inside the crate. Components receive their handles by value; there is no global besides the
//! subscriber that `tracing` itself keeps. Payloads never reach a log line, a label or a reason.

pub mod logs;
pub mod metrics;
pub mod readiness;
