//! The objects of an installation, made by the same functions that the running program uses.

use serde_json::Value;

pub use crate::cluster::registration::Options;

use crate::api::crds;
use crate::cluster::conversion;
use crate::cluster::registration::{interests_of, webhooks_for};
use crate::config::settings::Endpoint;
use crate::policy::set::Set;

/// The CRDs, converted between versions by the webhook at the endpoint, checked against the authorities in the PEM text.
#[must_use]
pub fn crds_with_webhook(endpoint: &Endpoint, ca_bundle: Option<&str>) -> Vec<Value> {
    crds::all(&crds::Options {
        conversion: conversion::settings(endpoint, ca_bundle),
    })
}

/// The mutating and the validating webhook configuration that `set` needs.
#[must_use]
pub fn webhooks(set: &Set, options: &Options) -> Vec<Value> {
    let made = webhooks_for(&interests_of(set), options);
    vec![made.mutating, made.validating]
}
