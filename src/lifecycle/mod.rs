//! What the lifecycle controllers want: the children of sandboxes and templates, and when things end.
//!
//! Pure; depends on [`crate::model`] and [`crate::api`]. Functions take the object as read and return documents to
//! create or merge patches to send; `None` means that nothing differs and nothing is to be written. Time comes as an
//! argument. Same input, same output; everything is sorted.
//!
//! [`pod`], [`service`], [`volume`] are the children of a Sandbox, [`network`] is the one of a SandboxTemplate with the
//! defaults that templates give to Pods, [`status`] has the conditions of a Sandbox, [`expiry`] tells when sandboxes and
//! claims end. [`observed`] is what is seen of other objects, [`plan`] what is to be done; [`sandbox`],
//! [`template`], [`warm_pool`] and [`claim`] turn the one into the other. [`blueprint`] is what templates make sandboxes
//! of, [`pick`] which of them a claim takes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::v1beta1::{self, Sandbox};
use crate::model::gvk::split_api_version;

pub mod blueprint;
pub mod claim;
pub mod expiry;
pub mod network;
pub mod observed;
pub mod pick;
pub mod plan;
pub mod pod;
pub mod sandbox;
pub mod service;
pub mod status;
pub mod template;
pub mod volume;
pub mod warm_pool;

/// Labels or annotations.
pub type Texts = BTreeMap<String, String>;

/// The entry of `metadata.ownerReferences` that makes a Sandbox the controller of its children.
#[must_use]
pub fn owned_by_sandbox(sandbox: &Sandbox) -> Value {
    owner(
        v1beta1::GROUP,
        "Sandbox",
        sandbox.metadata.name.as_deref(),
        sandbox.metadata.uid.as_deref(),
    )
}

fn owner(group: &str, kind: &str, name: Option<&str>, uid: Option<&str>) -> Value {
    json!({
        "apiVersion": format!("{group}/{}", v1beta1::VERSION),
        "kind": kind,
        "name": name.unwrap_or_default(),
        "uid": uid.unwrap_or_default(),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

fn name_of(sandbox: &Sandbox) -> &str {
    sandbox.metadata.name.as_deref().unwrap_or_default()
}

fn namespace_of(sandbox: &Sandbox) -> &str {
    sandbox.metadata.namespace.as_deref().unwrap_or_default()
}

/// Kind of the controller of a Sandbox, if it is one of the extension kinds, whatever the version.
fn extension_owner(sandbox: &Sandbox) -> Option<&str> {
    let owners = sandbox.metadata.owner_references.as_deref()?;
    let controller = owners.iter().find(|owner| owner.controller == Some(true))?;
    let (group, _) = split_api_version(&controller.api_version);
    (group == v1beta1::EXTENSIONS_GROUP).then_some(controller.kind.as_str())
}

/// The merge patch entries that turn `present` into `wanted`.
fn changes(present: &Texts, wanted: &Texts) -> Map<String, Value> {
    let set = wanted
        .iter()
        .filter(|(key, value)| present.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    let removed = present
        .keys()
        .filter(|key| !wanted.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    set.chain(removed).collect()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A Sandbox `box` of this spec, with more metadata.
    pub(crate) fn sandbox(metadata: &Value, spec: &Value) -> Sandbox {
        let mut object = json!({
            "apiVersion": "agents.x-k8s.io/v1beta1",
            "kind": "Sandbox",
            "metadata": {"name": "my-sandbox", "namespace": "team", "uid": "u-1"},
            "spec": {"podTemplate": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
        });
        for (part, more) in [("metadata", metadata), ("spec", spec)] {
            for (key, value) in more.as_object().expect("object") {
                object[part][key] = value.clone();
            }
        }
        serde_json::from_value(object).expect("a Sandbox")
    }

    pub(crate) fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// The owner reference of the Sandbox that [`sandbox`] makes.
    pub(crate) fn reference() -> Value {
        json!({
            "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox", "name": "my-sandbox", "uid": "u-1",
            "controller": true, "blockOwnerDeletion": true,
        })
    }
}
