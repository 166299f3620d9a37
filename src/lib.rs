//! sandfence: the fence around AI-agent sandboxes on Kubernetes.
//!
//! Pure layers, each using only those before it: [`model`] (words), [`api`] (resource types), [`schema`] (structural
//! schemas), [`cel`] (expressions), [`policy`] (the judge), [`lifecycle`] (what the children of sandboxes and templates
//! should be), [`report`] (what people and machines read). Effects around them: [`config`], [`telemetry`], [`tls`], [`cluster`] (what the API server knows), [`webhook`] (what it asks),
//! [`controllers`] (what is done about sandboxes), [`app`]
//! (the server's parts connected), [`cli`] (the command line). Who may use whom: the table in `tests/layering.rs`, which
//! fails on any other edge.

pub mod api;
pub mod app;
pub mod cel;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod controllers;
pub mod lifecycle;
pub mod model;
pub mod policy;
pub mod report;
pub mod schema;
pub mod telemetry;
pub mod tls;
pub mod webhook;
