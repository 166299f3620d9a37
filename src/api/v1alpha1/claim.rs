//! `SandboxClaim`: the wish for a sandbox made from a template.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use crate::api::v1beta1::{
    ClaimEnvVar, ClaimLifecycle, NameReference, PodMetadata, SandboxClaimStatus,
};

/// What is wished for.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "extensions.agents.x-k8s.io",
    version = "v1alpha1",
    kind = "SandboxClaim",
    plural = "sandboxclaims",
    singular = "sandboxclaim",
    shortname = "sandboxclaim",
    status = "SandboxClaimStatus",
    namespaced,
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct SandboxClaimSpec {
    /// The template.
    pub sandbox_template_ref: NameReference,
    /// `none`, `default` or the name of a pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmpool: Option<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<ClaimLifecycle>,
    /// Labels and annotations for the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_pod_metadata: Option<PodMetadata>,
    /// Environment variables for the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<ClaimEnvVar>>,
}
