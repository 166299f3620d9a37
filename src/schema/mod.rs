//! Structural schemas: what the API server does to an object before anyone judges it (prune, default, validate), and
//! what it does with an apply-style patch (merge).
//!
//! Depends on [`crate::model`]; only [`catalog`] also uses [`crate::api`], for the documents it parses. Pure.

pub mod catalog;
mod coerce;
mod default;
mod format;
mod merge;
mod prune;
pub mod rules;
pub mod structural;
mod trail;
mod typed;
mod validate;

pub use merge::MergeError;
pub use structural::{SchemaError, Structural};

#[cfg(test)]
mod tests;
