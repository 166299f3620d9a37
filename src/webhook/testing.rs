//! What tests of several modules need: sets from YAML, reviews, snapshots.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admit::{Namespaces, Snapshots};
use crate::model::json::Json;
use crate::model::yaml;
use crate::policy::diagnostic::{Diagnostic, Sourced};
use crate::policy::set::{Set, Settings};

/// Denies sandboxes without `spec.ok`, and adds a label to those that have none.
pub(crate) const POLICIES: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: ok-required}
spec:
  matchConstraints:
    resourceRules:
      - apiGroups: [agents.x-k8s.io]
        apiVersions: ["*"]
        operations: [CREATE, UPDATE]
        resources: [sandboxes]
  validations:
    - expression: has(object.spec.ok) && object.spec.ok == true
      message: spec.ok must be true
      reason: Forbidden
    - expression: namespaceObject == null || !has(namespaceObject.metadata.labels) || !('closed' in namespaceObject.metadata.labels)
      message: the namespace is closed
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec: {policyName: ok-required, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: labelled}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
      - apiGroups: [agents.x-k8s.io]
        apiVersions: ["*"]
        operations: [CREATE]
        resources: [sandboxes]
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: >-
          has(object.metadata.labels) ? [JSONPatch{op: "test", path: "/kind", value: object.kind}]
          : [JSONPatch{op: "add", path: "/metadata/labels", value: {"fenced": "yes"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: labelled}
spec: {policyName: labelled}
"#;

/// A set of the policies in `text`.
pub(crate) fn set(text: &str) -> Result<Set, Vec<Diagnostic>> {
    let documents = yaml::read("test.yaml", text).expect("YAML");
    let objects = documents.into_iter().map(Sourced::from).collect();
    Set::build(objects, &Settings::default())
}

/// Loaded snapshots: [`POLICIES`], an open namespace and a closed one.
pub(crate) fn snapshots() -> Arc<Snapshots> {
    let snapshots = Snapshots::default();
    snapshots
        .set
        .store(Some(Arc::new(set(POLICIES).expect("compiles"))));
    let namespace = |name: &str, labels: Value| {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        (name.to_owned(), Arc::new(Json::from(object)))
    };
    let namespaces = Namespaces::from([
        namespace("open", json!({})),
        namespace("closed", json!({"closed": ""})),
    ]);
    snapshots.namespaces.store(Some(Arc::new(namespaces)));
    Arc::new(snapshots)
}

/// A review that creates a sandbox with `spec` in `namespace`.
pub(crate) fn review(namespace: &str, spec: Value) -> Value {
    let resource =
        json!({"group": "agents.x-k8s.io", "version": "v1beta1", "resource": "sandboxes"});
    let kind = json!({"group": "agents.x-k8s.io", "version": "v1beta1", "kind": "Sandbox"});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource,
            "name": "box", "namespace": namespace, "operation": "CREATE",
            "userInfo": {"username": "ann"},
            "object": {
                "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
                "metadata": {"name": "box", "namespace": namespace},
                "spec": spec
            },
            "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
        }
    })
}
