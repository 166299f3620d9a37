//! Objects of the cluster that cannot be used although somebody stored them: written before the webhook was there, or
//! for another version. They must not keep the others from being loaded, and must not open the fence either.
//!
//! What an object is about decides. Where that can be told, whatever it should judge is refused with a configuration
//! error, as the API server refuses what a policy matches that it cannot set up: whatever the actions of its bindings,
//! unless its `failurePolicy` is `Ignore`. Where it cannot be told, the object is left out. Both are reported.

#[cfg(test)]
mod tests;

use std::fmt;

use super::diagnostic::{Diagnostic, Sourced};
use super::source::{FailurePolicy, Item, Policy};
use crate::model::verdict::Action;

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// What the object is about is refused.
    Refuses,
    /// What the object is about passes: its `failurePolicy` is `Ignore`.
    Ignores,
    /// The object counts for nothing: it denies nothing, or nobody can tell what it is about.
    LeftOut,
}

/// An object that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What follows.
    pub effect: Effect,
    /// What is wrong, with the fields.
    pub mistakes: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Refuses => "what it matches is refused",
            Effect::Ignores => "what it matches passes (failurePolicy Ignore)",
            Effect::LeftOut => "it counts for nothing",
        };
        write!(f, "{}: {}: {effect}", self.subject(), self.mistakes)
    }
}

impl Fault {
    /// Of an object as it was read.
    #[must_use]
    pub fn new(sourced: &Sourced, effect: Effect, mistakes: &[Diagnostic]) -> Self {
        let text = |keys: &[&str]| sourced.object.str_at(keys).unwrap_or_default().to_owned();
        Self {
            kind: text(&["kind"]),
            name: text(&["metadata", "name"]),
            effect,
            mistakes: list(mistakes),
        }
    }

    /// Of a policy whose expressions do not compile.
    #[must_use]
    pub fn of_policy(policy: &Policy, mistakes: &[Diagnostic]) -> Self {
        Self {
            kind: policy.kind.to_owned(),
            name: policy.name.clone(),
            effect: of_failure(policy.failure),
            mistakes: list(mistakes),
        }
    }

    /// `kind/name`.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// Field and message of each mistake.
fn list(mistakes: &[Diagnostic]) -> String {
    let texts: Vec<String> = mistakes
        .iter()
        .map(|mistake| match mistake.field.as_str() {
            "" => mistake.message.clone(),
            field => format!("{field}: {}", mistake.message),
        })
        .collect();
    texts.join("; ")
}

const fn of_failure(failure: FailurePolicy) -> Effect {
    match failure {
        FailurePolicy::Fail => Effect::Refuses,
        FailurePolicy::Ignore => Effect::Ignores,
    }
}

/// What follows when `item`, as far as it could be read, has these mistakes.
#[must_use]
pub fn effect(item: &Item, mistakes: &[Diagnostic]) -> Effect {
    let wrong = |field: &str| {
        mistakes
            .iter()
            .any(|mistake| mistake.field.starts_with(field))
    };
    match item {
        Item::Policy(policy, _) if !wrong("spec.matchConstraints") => of_failure(policy.failure),
        Item::Profile(profile)
            if profile.enforcement == Action::Deny && !wrong("spec.namespaceSelector") =>
        {
            Effect::Refuses
        }
        _ => Effect::LeftOut,
    }
}
