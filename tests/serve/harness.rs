//! What the tests of a running server have in common.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

pub use super::support::serving::{PATIENCE, Serving, eventually, get, serve};

/// Denies ConfigMaps with `data.bad` and labels all of them.
pub const POLICIES: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-bad}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}
  matchConditions:
    - {name: ours, expression: "!object.metadata.name.startsWith('kube-')"}
  validations:
    - expression: "!has(object.data) || !('bad' in object.data)"
      message: data.bad is not wanted
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec: {policyName: no-bad, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: labelled}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  matchConditions:
    - {name: ours, expression: "!object.metadata.name.startsWith('kube-')"}
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration:
        expression: >-
          Object{metadata: Object.metadata{labels: {"fenced": "yes"}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: labelled}
spec: {policyName: labelled}
"#;

pub fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(folder)?;
    std::fs::write(&path, text)?;
    Ok(path)
}

pub fn config_map(name: &str, data: Value) -> Result<ConfigMap> {
    Ok(serde_json::from_value(
        json!({"metadata": {"name": name}, "data": data}),
    )?)
}

pub fn entries(configuration: Option<&ValidatingWebhookConfiguration>) -> Vec<String> {
    configuration
        .and_then(|configuration| configuration.webhooks.as_ref())
        .into_iter()
        .flatten()
        .map(|entry| entry.name.clone())
        .collect()
}

pub fn status_of(error: kube::Error) -> Result<(u16, String)> {
    match error {
        kube::Error::Api(status) => Ok((status.code, status.message.clone())),
        other => bail!("expected an answer of the API server, found {other}"),
    }
}
