//! What controllers see of the objects around theirs: the fields that decide, and nothing else, so that a cluster full
//! of Pods fits into little memory.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Texts;
use crate::api::keys::labels;

/// A Pod.
#[derive(Resource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[resource(inherit = k8s_openapi::api::core::v1::Pod)]
pub struct Pod {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Where it runs.
    #[serde(default)]
    pub spec: PodPlace,
    /// How it does.
    #[serde(default)]
    pub status: PodReport,
}

/// What counts of a Pod's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodPlace {
    /// Its node, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
}

/// What counts of a Pod's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodReport {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    #[serde(default)]
    pub phase: String,
    /// Its conditions.
    #[serde(default)]
    pub conditions: Vec<PodCondition>,
    /// Its addresses.
    #[serde(default, rename = "podIPs")]
    pub pod_ips: Vec<PodAddress>,
}

/// A condition of a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodCondition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// Why, in one word.
    #[serde(default)]
    pub reason: String,
    /// Why.
    #[serde(default)]
    pub message: String,
}

/// An address of a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodAddress {
    /// It.
    pub ip: String,
}

impl Pod {
    /// One of its conditions.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&PodCondition> {
        self.status.conditions.iter().find(|c| c.kind == kind)
    }
}

/// A Service.
#[derive(Resource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[resource(inherit = k8s_openapi::api::core::v1::Service)]
pub struct Service {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its spec as it is.
    #[serde(default)]
    pub spec: Value,
}

/// A persistent volume claim.
#[derive(Resource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[resource(inherit = k8s_openapi::api::core::v1::PersistentVolumeClaim)]
pub struct VolumeClaim {
    /// Its metadata.
    pub metadata: ObjectMeta,
}

/// A network policy.
#[derive(Resource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[resource(inherit = k8s_openapi::api::networking::v1::NetworkPolicy)]
pub struct NetworkPolicy {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its spec as it is.
    #[serde(default)]
    pub spec: Value,
}

/// Whose an object is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ownership<'a> {
    /// The asker's.
    Ours,
    /// Nobody's.
    Nobodys,
    /// Controlled by this one.
    Others(&'a OwnerReference),
}

/// Whose an object is, asked by the object of this uid: the controlling owner alone decides, by its uid.
#[must_use]
pub fn ownership<'a>(metadata: &'a ObjectMeta, uid: &str) -> Ownership<'a> {
    match controller(metadata) {
        None => Ownership::Nobodys,
        Some(owner) if owner.uid == uid => Ownership::Ours,
        Some(owner) => Ownership::Others(owner),
    }
}

/// The controlling owner.
#[must_use]
pub fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

/// Whether a Sandbox of this name hash may take an object that nobody owns.
#[must_use]
pub fn adoptable(metadata: &ObjectMeta, hash: &str) -> bool {
    label(metadata, labels::ADOPTABLE) == Some("true")
        || label(metadata, labels::SANDBOX_NAME_HASH) == Some(hash)
}

/// The value of a label.
#[must_use]
pub fn label<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// The value of an annotation; an empty one is none.
#[must_use]
pub fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let value = metadata.annotations.as_ref()?.get(key)?;
    (!value.is_empty()).then_some(value)
}

/// Name, or nothing for an object that has none yet.
#[must_use]
pub fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

/// Uid, or nothing for an object that was never stored.
#[must_use]
pub fn uid(metadata: &ObjectMeta) -> &str {
    metadata.uid.as_deref().unwrap_or_default()
}

/// Whether the object is on its way out.
#[must_use]
pub fn terminating(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_some()
}

/// Labels, or none.
#[must_use]
pub fn texts(map: Option<&Texts>) -> Texts {
    map.cloned().unwrap_or_default()
}
