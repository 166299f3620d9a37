//! `PolicyException`: who need not keep which rules, why, with whose consent and until when.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{LabelSelector, OBJECT_NAME};

/// An exception from policies. It counts only in the namespaces that the settings name.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "sandfence.dev",
    version = "v1alpha1",
    kind = "PolicyException",
    plural = "policyexceptions",
    singular = "policyexception",
    namespaced,
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.expiresAt) != (has(self.permanent) && self.permanent)",
    "message": "an exception either ends (expiresAt) or is permanent (permanent: true)",
    "fieldPath": ".expiresAt",
}]))]
pub struct PolicyExceptionSpec {
    /// Names of the policies excepted from.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253), regex(pattern = OBJECT_NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub policies: Vec<String>,
    /// Rules of these policies, by name or by position from 0. Absent: every rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 63), regex(pattern = super::common::NAMESPACE)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub rules: Option<Vec<String>>,
    /// The requests excepted. Absent: every object in the exception's own namespace.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<ExceptionMatch>,
    /// Why.
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"\S"))]
    pub reason: String,
    /// Who agreed. Absent: nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"\S"))]
    pub approved_by: Option<String>,
    /// When the exception ends (RFC 3339). Absent: see permanent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: Option<String>,
    /// `true`: the exception never ends. Absent: it ends at expiresAt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
}

/// The requests excepted; all conditions given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionMatch {
    /// Namespaces of the objects, or `*` for all (cluster-scoped objects too). Absent: the exception's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 63), regex(pattern = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub namespaces: Option<Vec<String>>,
    /// Kinds of the objects, such as `Sandbox`. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 63), regex(pattern = super::common::KIND)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub kinds: Option<Vec<String>>,
    /// Names of the objects; a `*` at the end stands for any rest. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?(\*|-\*)?$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub names: Option<Vec<String>>,
    /// The objects, by their labels. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Names of the users who send the request. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub users: Option<Vec<String>>,
}
