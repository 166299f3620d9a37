//! What a controller is to do next, as data.
//!
//! A plan is made from one look at an object and what belongs to it. Writes come first: as long as there are any, the
//! statement (the status) waits, because it tells what they came to. Whoever performs the writes looks again with their
//! results, until nothing is left to write.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::api::v1beta1::{EXTENSIONS_GROUP, GROUP, VERSION};

/// The kinds that controllers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `Pod`.
    Pod,
    /// `Service`.
    Service,
    /// `PersistentVolumeClaim`.
    VolumeClaim,
    /// `NetworkPolicy`.
    NetworkPolicy,
    /// `Sandbox`.
    Sandbox,
    /// `SandboxTemplate`.
    Template,
    /// `SandboxWarmPool`.
    WarmPool,
    /// `SandboxClaim`.
    Claim,
}

impl Kind {
    /// Group, version, kind and plural.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Pod => ("", "v1", "Pod", "pods"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::VolumeClaim => ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Self::NetworkPolicy => (
                "networking.k8s.io",
                "v1",
                "NetworkPolicy",
                "networkpolicies",
            ),
            Self::Sandbox => (GROUP, VERSION, "Sandbox", "sandboxes"),
            Self::Template => (
                EXTENSIONS_GROUP,
                VERSION,
                "SandboxTemplate",
                "sandboxtemplates",
            ),
            Self::WarmPool => (
                EXTENSIONS_GROUP,
                VERSION,
                "SandboxWarmPool",
                "sandboxwarmpools",
            ),
            Self::Claim => (EXTENSIONS_GROUP, VERSION, "SandboxClaim", "sandboxclaims"),
        }
    }

    /// The field manager that creations name: only the children of a Sandbox have one of their own (contract 3.5).
    #[must_use]
    pub const fn creator(self) -> Option<&'static str> {
        match self {
            Self::Pod | Self::Service | Self::VolumeClaim => Some("sandbox-controller"),
            _ => None,
        }
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name; empty for a creation that lets the API server choose one.
    pub name: String,
}

impl Target {
    /// The object of this kind and name.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// How an object is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// It is created as this document says. That it exists already is no failure but news.
    Create(Value),
    /// It is changed by a merge patch.
    Patch(Value),
    /// Its status is changed by a merge patch.
    Status(Value),
    /// The object of this uid is deleted.
    Delete {
        /// No other object of the same name is.
        uid: String,
        /// Whether it stays visible until its children are gone.
        foreground: bool,
    },
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// What is written.
    pub target: Target,
    /// How.
    pub write: Write,
    /// Writes of one step depend on each other: when one fails, the rest of its step is left out. Other steps go on.
    pub step: u8,
}

/// Writes of steps from this one on do not depend on each other: they are performed at once, in batches of 1, 2, 4, 8 and
/// so on, so that what cannot work is not tried a hundred times.
pub const IN_BATCHES: u8 = 16;

/// An event to publish about the object that the plan is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether something is wrong.
    pub warning: bool,
    /// Why, in one word.
    pub reason: &'static str,
    /// What was being done.
    pub action: &'static str,
    /// For people.
    pub note: String,
}

/// What is to be told about an object once its writes are done.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The merge patch of its status; absent where there is only an event to publish.
    pub status: Option<Value>,
    /// How long the telling may wait for more to tell: what is over in a moment needs no write of its own.
    pub patience: Duration,
    /// Events that go with it.
    pub events: Vec<Event>,
}

/// What to do about one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes, in order.
    pub actions: Vec<Action>,
    /// What to tell when there is nothing to write.
    pub statement: Option<Statement>,
    /// What stands in the way, in words: the object is looked at again even without news.
    pub obstacles: Vec<String>,
    /// A Sandbox that nobody else may take as long as the writes are under way.
    pub reserves: Option<String>,
    /// When to look again in any case.
    pub look_again: Option<Duration>,
}

/// The merge patch that turns one document into the other, field by field of the first level; `None` when nothing
/// differs.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Option<Value> {
    let none = Map::new();
    let before = before.as_object().unwrap_or(&none);
    let after = after.as_object().unwrap_or(&none);
    let set = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()));
    let removed = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    let patch: Map<String, Value> = set.chain(removed).collect();
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_sets_what_changed_and_removes_what_went() {
        let before = json!({"same": [1], "changed": "a", "gone": true});
        let after = json!({"same": [1], "changed": "b", "new": {"x": 1}});
        assert_eq!(
            difference(&before, &after),
            Some(json!({"changed": "b", "new": {"x": 1}, "gone": null}))
        );
        assert_eq!(difference(&after, &after), None);
        assert_eq!(difference(&Value::Null, &json!({})), None);
    }
}
