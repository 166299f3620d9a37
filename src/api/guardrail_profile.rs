//! `GuardrailProfile`: the typed front of the guardrail policies, and the `params` object they read.
//!
//! The documentation of a field says what its absence means; the API server refuses every profile that could not mean
//! anything (a quantity that is none, a port range that is empty, a required runtime class that is not allowed).

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{LabelSelector, OBJECT_NAME, positive_quantity};

/// Pod Security allows user identifiers up to this; the kernel's own limit is one above it.
const MAX_UID: i64 = 2_147_483_647;
/// A user as the API server names it, such as `system:serviceaccount:agent-sandbox-system:agent-sandbox-controller`.
const USER: &str = r"^\S+$";
/// A capability by its kernel name without prefix, or `ALL`.
const CAPABILITY: &str = r"^[A-Z][A-Z0-9_]*$";
/// `host`, `host:port` or either with the leading part of a repository path.
const REGISTRY: &str =
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$";
/// A tag as registries allow it.
const TAG: &str = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$";
/// Hours, minutes, seconds and milliseconds, as in `24h` or `1h30m`.
const DURATION: &str = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$";

/// What sandboxes in the chosen namespaces must look like. Every block and every field may be absent, and is then not
/// enforced.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "sandfence.dev",
    version = "v1alpha1",
    kind = "GuardrailProfile",
    plural = "guardrailprofiles",
    singular = "guardrailprofile",
    shortname = "gp",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct GuardrailProfileSpec {
    /// The namespaces that the profile covers, by their labels. Absent or empty: every namespace except the exempt ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// What happens to a request that breaks the profile. Absent: Deny.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// The users that run sandboxes, service accounts of controllers as a rule: they alone may write what ties objects
    /// together, such as reserved labels, owners and status. Absent: the service accounts of this product and of
    /// agent-sandbox in their usual namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 253), regex(pattern = USER)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub controllers: Option<Vec<String>>,
    /// The isolation runtime. Absent: any runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<RuntimeClassGuard>,
    /// The identity of a sandbox towards the Kubernetes API. Absent: any identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityGuard>,
    /// User, privileges and capabilities of the processes in a sandbox. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserGuard>,
    /// Access to the node. Absent: any access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostGuard>,
    /// Compute, storage and pool size. Absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceGuard>,
    /// The network of a sandbox. Absent: not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkGuard>,
    /// Where images come from. Absent: any image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageGuard>,
    /// How long a sandbox lives. Absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<LifetimeGuard>,
    /// Which ports containers may declare. Absent: any port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<PortGuard>,
}

/// What happens to a request that breaks a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Enforcement {
    /// The request is refused.
    #[default]
    Deny,
    /// The request passes, the user sees a warning.
    Warn,
    /// The request passes, the audit log and the reports show it.
    Audit,
}

/// The isolation runtime of sandbox Pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.required) || !has(self.allowed) || self.required in self.allowed",
        "message": "must be one of the allowed runtime classes",
        "fieldPath": ".required",
    },
    {
        "rule": "!has(self.scheduling) || has(self.required)",
        "message": "is added together with the required runtime class: set required as well",
        "fieldPath": ".scheduling",
    },
]))]
pub struct RuntimeClassGuard {
    /// The RuntimeClass that is set where none is, and without which a sandbox is refused. Absent: none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub required: Option<String>,
    /// The RuntimeClasses that a sandbox may name; naming none is refused unless `required` sets one. Absent: with
    /// `required` that one only, without it any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 253), regex(pattern = OBJECT_NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub allowed: Option<Vec<String>>,
    /// Node selection that is added together with the required runtime class. Absent: none is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
}

/// Node selection of the runtime's nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// Node labels to add to the Pod's node selector. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::common::label_map", extend("maxProperties" = 32))]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Tolerations to add to the Pod. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub tolerations: Option<Vec<Toleration>>,
}

/// A taint that a sandbox Pod bears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.operator) && self.operator == 'Exists' ? !has(self.value) || self.value == '' : has(self.key) && self.key != ''",
        "message": "operator Exists takes no value; without it a key is needed",
    },
    {
        "rule": "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "message": "needs effect NoExecute",
        "fieldPath": ".tolerationSeconds",
    },
]))]
pub struct Toleration {
    /// The taint's key. Absent: every key, with operator Exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317), regex(pattern = super::common::LABEL_KEY))]
    pub key: Option<String>,
    /// How the taint's value is compared. Absent: Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value. Absent: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = super::common::LABEL_VALUE))]
    pub value: Option<String>,
    /// The taint's effect. Absent: every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// How long a NoExecute taint is borne. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// How a taint's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// Key and value are equal.
    Equal,
    /// The key exists.
    Exists,
}

/// What a taint does to a Pod that does not bear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// The Pod is not placed.
    NoSchedule,
    /// The Pod is placed elsewhere if possible.
    PreferNoSchedule,
    /// The Pod is evicted.
    NoExecute,
}

/// The identity of a sandbox towards the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityGuard {
    /// `false`: no service account token is mounted; set where unset, refused where true. True or absent: the sandbox
    /// chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Refuse projected volumes that hold a service account token. Absent: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbid_projected_tokens: Option<bool>,
    /// The service accounts that a sandbox may run as; naming none counts as `default`. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 253), regex(pattern = OBJECT_NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub allowed_service_accounts: Option<Vec<String>>,
    /// Refuse every RoleBinding and ClusterRoleBinding that names a service account of a sandbox Pod, or a group that
    /// contains it. Absent: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect_bindings: Option<bool>,
}

/// User, privileges and capabilities of the processes in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserGuard {
    /// Every container must run as another user than root. Absent: root is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// The lowest numeric user that a container may name. Absent: any.
    #[serde(default, rename = "minUID", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_UID))]
    pub min_uid: Option<i64>,
    /// `false`: no process may gain privileges; set where unset, refused where true. True or absent: the sandbox
    /// chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
    /// Every container's root file system must be read-only. Absent: it may be writable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,
    /// The system call filter. Absent: any, also none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<SeccompProfile>,
    /// Capabilities that every container must drop. Absent: none need be dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 64), regex(pattern = CAPABILITY)),
        extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = [{
            "rule": "self.all(name, !name.startsWith('CAP_'))",
            "message": "capabilities are written without CAP_, as in NET_RAW",
        }])
    )]
    pub drop_capabilities: Option<Vec<String>>,
    /// The capabilities that a container may add; an empty list allows none. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 64), regex(pattern = CAPABILITY)),
        extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = [{
            "rule": "self.all(name, !name.startsWith('CAP_'))",
            "message": "capabilities are written without CAP_, as in NET_BIND_SERVICE",
        }])
    )]
    pub allowed_capabilities: Option<Vec<String>>,
}

/// The system call filter of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SeccompProfile {
    /// Set where unset; the runtime's own filter and filters of the node pass.
    RuntimeDefault,
    /// Only filters of the node pass; none is set, since a filter has a name.
    Localhost,
}

/// Access of a sandbox to its node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostGuard {
    /// Refuse the node's network, process and IPC namespaces and its ports. Absent: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbid_namespaces: Option<bool>,
    /// Refuse hostPath volumes. Absent: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbid_host_path: Option<bool>,
    /// Refuse raw block volumes and device claims. Absent: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbid_devices: Option<bool>,
    /// Refuse sysctls. Absent: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbid_sysctls: Option<bool>,
    /// The least masked /proc that a container may ask for. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proc_mount: Option<ProcMount>,
}

/// How much of /proc a container sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProcMount {
    /// Only the runtime's masked view passes.
    Default,
    /// Any view passes.
    Unmasked,
}

/// Bounds on compute, storage and pool size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceGuard {
    /// The resources that every container must limit. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub require_limits: Option<Vec<ResourceName>>,
    /// Bounds and defaults of each container's limits. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ResourceBounds>,
    /// Bounds on the sum of the containers' limits and on the Pod's own limits, and defaults of the latter. Absent:
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "!has(self.default) || !has(self.default.ephemeral__dash__storage)",
        "message": "a Pod has no ephemeral-storage limit of its own: give the default to containers",
        "fieldPath": ".default",
    }]))]
    pub pod: Option<ResourceBounds>,
    /// The largest volume that a sandbox may claim or use as scratch space. Absent: any size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive_quantity")]
    pub max_volume_size: Option<Quantity>,
    /// The most sandboxes that a warm pool may keep. Absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_replicas: Option<i32>,
}

/// A resource that can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceName {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Scratch space on the node.
    EphemeralStorage,
}

/// Upper bounds and defaults of limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceBounds {
    /// The highest limits allowed. Absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<ResourceQuantities>,
    /// Limits that are set where none are. Absent: none are set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ResourceQuantities>,
}

/// A quantity per resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceQuantities {
    /// Processor time, as in `500m` or `2`. Absent: says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive_quantity")]
    pub cpu: Option<Quantity>,
    /// Memory, as in `512Mi`. Absent: says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive_quantity")]
    pub memory: Option<Quantity>,
    /// Scratch space, as in `1Gi`. Absent: says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive_quantity")]
    pub ephemeral_storage: Option<Quantity>,
}

/// A quantity as written: a whole number, or text such as `1.5Gi`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
}

/// The network of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkGuard {
    /// Refuse templates that opt out of the managed NetworkPolicy. Absent: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_managed: Option<bool>,
    /// Networks that no egress rule of a template may reach, in canonical form. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "cidr_list")]
    pub forbid_egress_to: Option<Vec<String>>,
    /// Refuse every edit and deletion of a template's NetworkPolicy by anyone but the controller. Absent: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect_policies: Option<bool>,
}

/// Where images come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageGuard {
    /// Registries, or leading parts of repository paths, that images may come from, compared at path boundaries.
    /// Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 255), regex(pattern = REGISTRY)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub allowed_registries: Option<Vec<String>>,
    /// Every image must be pinned by digest. Absent: tags are enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_digest: Option<bool>,
    /// Tags that no image may have; an image with neither tag nor digest counts as `latest`. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 128), regex(pattern = TAG)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub forbid_tags: Option<Vec<String>>,
}

/// How long a sandbox lives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LifetimeGuard {
    /// Every sandbox must say when it ends. Absent: it may live for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_shutdown_time: Option<bool>,
    /// The longest life of a sandbox, as in `24h` or `1h30m`. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 32),
        regex(pattern = DURATION),
        extend("x-kubernetes-validations" = [{
            "rule": "duration(self) > duration('0s')",
            "message": "must be more than zero",
        }])
    )]
    pub max_lifetime: Option<String>,
}

/// Which ports containers may declare.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PortGuard {
    /// Ranges of ports that a container may declare; an empty list allows none. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed: Option<Vec<PortRange>>,
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.to) || self.from <= self.to",
    "message": "must not be below from",
    "fieldPath": ".to",
}]))]
pub struct PortRange {
    /// The first port.
    #[schemars(range(min = 1, max = 65535))]
    pub from: i32,
    /// The last port. Absent: the first port alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub to: Option<i32>,
}

/// Networks; the format checks the notation, the rule that no host bits are set.
fn cidr_list(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 256,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "format": "cidr",
            "maxLength": 43,
            "x-kubernetes-validations": [{
                "rule": "isCIDR(self) && string(cidr(self).masked()) == self",
                "message": "must be a network in canonical form, such as 10.0.0.0/8 or fd00::/8",
            }],
        },
    })
}
