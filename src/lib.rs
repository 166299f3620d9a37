//! sandfence: the fence around AI-agent sandboxes on Kubernetes.
//!
//! Pure layers, each using only those before it: [`model`] (words), [`cel`] (expressions).
//! `tests/layering.rs` holds the line.

pub mod cel;
pub mod cluster;
pub mod config;
pub mod model;
pub mod telemetry;
pub mod tls;
pub mod webhook;
