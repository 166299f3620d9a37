//! The lifecycle of sandboxes on the real control plane, by `sandfence serve`. Every scenario names the clause of the
//! contract that it shows.

#[path = "../support/mod.rs"]
mod support;

mod budget;
mod claim;
mod crash;
mod election;
mod expiry;
mod failures;
mod harness;
mod pool;
mod running;
mod service;
mod suspend;
mod template;
mod volumes;
