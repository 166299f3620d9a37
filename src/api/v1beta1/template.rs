//! `SandboxTemplate`: what claims and warm pools make sandboxes from.

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PodTemplate, VolumeClaimTemplate};

/// The blueprint and the rules around it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "extensions.agents.x-k8s.io",
    version = "v1beta1",
    kind = "SandboxTemplate",
    plural = "sandboxtemplates",
    singular = "sandboxtemplate",
    shortname = "sandboxtemplate",
    namespaced,
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct SandboxTemplateSpec {
    /// The Pod.
    pub pod_template: PodTemplate,
    /// The volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_claim_templates: Option<Vec<VolumeClaimTemplate>>,
    /// Copied to sandboxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<bool>,
    /// Rules of the managed NetworkPolicy; absent takes the built-in ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicyRules>,
    /// Whether there is a managed NetworkPolicy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy_management: Option<NetworkPolicyManagement>,
    /// Whether claims may set environment variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_vars_injection_policy: Option<InjectionPolicy>,
    /// Whether claims may bring volume claim templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_claim_templates_policy: Option<InjectionPolicy>,
}

/// Rules of a NetworkPolicy, networking.k8s.io/v1 as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkPolicyRules {
    /// What may come in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Vec<Value>>,
    /// What may go out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<Value>>,
}

/// Whether the controller keeps a NetworkPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkPolicyManagement {
    /// It does.
    #[default]
    Managed,
    /// It does not.
    Unmanaged,
}

/// What a claim may bring along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InjectionPolicy {
    /// Only what the template does not have.
    Allowed,
    /// Anything; the claim wins.
    Overrides,
    /// Nothing.
    #[default]
    Disallowed,
}
