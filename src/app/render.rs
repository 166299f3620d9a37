//! The objects of an installation, made by the same functions that the running program uses.

use serde_json::Value;

pub use crate::cluster::registration::Options;

use crate::cluster::registration::{interests_of, webhooks_for};
use crate::policy::set::Set;

/// The mutating and the validating webhook configuration that `set` needs.
#[must_use]
pub fn webhooks(set: &Set, options: &Options) -> Vec<Value> {
    let made = webhooks_for(&interests_of(set), options);
    vec![made.mutating, made.validating]
}
