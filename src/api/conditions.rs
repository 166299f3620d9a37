//! The condition of a status, and the types and reasons of the agent-sandbox API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One aspect of an object's state. Times stay as written, so that reading and writing back changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The generation of the spec that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed, RFC 3339.
    pub last_transition_time: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people; may be empty.
    pub message: String,
}

/// Condition types.
pub mod types {
    /// The object is usable.
    pub const READY: &str = "Ready";
    /// The sandbox's Pod is gone on request.
    pub const SUSPENDED: &str = "Suspended";
    /// The sandbox's Pod has ended by itself.
    pub const FINISHED: &str = "Finished";
    /// Mirrors the Pod's condition of the same name.
    pub const POD_SCHEDULED: &str = "PodScheduled";
}

/// Condition reasons.
pub mod reasons {
    /// Suspended: `NotSuspended`.
    pub const NOT_SUSPENDED: &str = "NotSuspended";
    /// Suspended: `PodStateUnknown`.
    pub const POD_STATE_UNKNOWN: &str = "PodStateUnknown";
    /// Suspended: `PodTerminated`.
    pub const POD_TERMINATED: &str = "PodTerminated";
    /// Suspended: `PodNotOwned`.
    pub const POD_NOT_OWNED: &str = "PodNotOwned";
    /// Suspended: `PodTerminating`.
    pub const POD_TERMINATING: &str = "PodTerminating";
    /// Finished and Ready: `PodSucceeded`.
    pub const POD_SUCCEEDED: &str = "PodSucceeded";
    /// Finished and Ready: `PodFailed`.
    pub const POD_FAILED: &str = "PodFailed";
    /// PodScheduled: `PodScheduled`.
    pub const POD_SCHEDULED: &str = "PodScheduled";
    /// PodScheduled: `PodSchedulingUnknown`.
    pub const POD_SCHEDULING_UNKNOWN: &str = "PodSchedulingUnknown";
    /// Ready of a sandbox: `MultiplePods`.
    pub const MULTIPLE_PODS: &str = "MultiplePods";
    /// Ready of a sandbox: `ReconcilerError`.
    pub const RECONCILER_ERROR: &str = "ReconcilerError";
    /// Ready of a sandbox: `SandboxSuspended`.
    pub const SANDBOX_SUSPENDED: &str = "SandboxSuspended";
    /// Ready of a sandbox: `DependenciesReady`.
    pub const DEPENDENCIES_READY: &str = "DependenciesReady";
    /// Ready of a sandbox: `DependenciesNotReady`.
    pub const DEPENDENCIES_NOT_READY: &str = "DependenciesNotReady";
    /// Ready of a sandbox: `SandboxExpired`.
    pub const SANDBOX_EXPIRED: &str = "SandboxExpired";
}

/// The schema of one condition as the agent-sandbox CRDs have it.
#[must_use]
pub fn condition_schema() -> Value {
    json!({
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": { "type": "string", "format": "date-time" },
            "message": { "type": "string", "maxLength": 32768 },
            "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
            "type": {
                "type": "string",
                "maxLength": 316,
                "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            },
        },
    })
}

/// Conditions of our own kinds: as above, and keyed by type.
pub(crate) fn condition_list(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": condition_schema(),
    })
}
