//! sandfence: the fence around AI-agent sandboxes on Kubernetes.
//!
//! Pure layers, each using only those before it: [`model`] (words), [`cel`] (expressions).
//! `tests/layering.rs` holds the line.

pub mod cel;
pub mod model;
pub mod policy;
