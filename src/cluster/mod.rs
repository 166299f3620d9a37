//! The API server as a client sees it: watched kinds, snapshots for the judge, certificates and registration.
//!
//! Depends on the pure modules, `config`, `telemetry` and `tls`. Everything here runs beside the admission path, never
//! on it: readers get immutable snapshots. Every call has a deadline, every loop a backoff, and no failure of the API
//! server ends the process or loses what was loaded before.

pub mod apply;
pub mod backoff;
pub mod cache;
pub mod certificates;
pub mod client;
pub mod conversion;
pub mod execute;
pub mod lease;
pub mod policies;
pub mod registration;
pub mod watch;
