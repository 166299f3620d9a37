//! `SandboxTemplate`: what claims and warm pools make sandboxes from.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use crate::api::v1beta1::{
    InjectionPolicy, NetworkPolicyManagement, NetworkPolicyRules, PodTemplate, VolumeClaimTemplate,
};

/// The blueprint and the rules around it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "extensions.agents.x-k8s.io",
    version = "v1alpha1",
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
}
