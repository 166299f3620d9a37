//! sandfence: the fence around AI-agent sandboxes on Kubernetes.
//!
//! Pure layers, each using only those before it: [`model`] (words), [`api`] (resource types), [`schema`] (structural
//! schemas), [`cel`] (expressions).
//! `tests/layering.rs` holds the line.

pub mod api;
pub mod cel;
pub mod model;
pub mod schema;
