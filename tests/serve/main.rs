//! `sandfence serve` as a process, against a real API server: registered by URL, called over TLS.

#[path = "../support/mod.rs"]
mod support;

mod harness;
mod objects;
mod registration;
mod start;
