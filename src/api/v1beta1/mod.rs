//! The stored version of the agent-sandbox kinds.
//!
//! Pod and volume claim specs stay the JSON they are: typed bindings would refuse a quantity written as a number and
//! drop fields they do not know. Times stay text: one odd time must not hide an object from its controller.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod claim;
mod sandbox;
mod template;
mod warm_pool;

pub use claim::*;
pub use sandbox::*;
pub use template::*;
pub use warm_pool::*;

/// Group of Sandbox.
pub const GROUP: &str = "agents.x-k8s.io";
/// Group of SandboxTemplate, SandboxClaim and SandboxWarmPool.
pub const EXTENSIONS_GROUP: &str = "extensions.agents.x-k8s.io";
/// The stored version.
pub const VERSION: &str = "v1beta1";

/// What a sandbox's Pod is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodTemplate {
    /// Labels and annotations of the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodMetadata>,
    /// A core/v1 PodSpec.
    pub spec: Value,
}

/// Labels and annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodMetadata {
    /// Labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// What a sandbox's persistent volume claim is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VolumeClaimTemplate {
    /// Name, labels and annotations; the claim is called `<name>-<sandbox>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<VolumeClaimMetadata>,
    /// A core/v1 PersistentVolumeClaimSpec.
    pub spec: Value,
}

/// Metadata of a volume claim template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeClaimMetadata {
    /// Also the name of the Pod's volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}
