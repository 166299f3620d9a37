//! Sets and requests for tests.

use std::sync::Arc;

use crate::model::gvk::{Gvk, Gvr};
use crate::model::json::Json;
use crate::model::request::{Operation, Request};
use crate::model::yaml;

use super::diagnostic::Sourced;
use super::set::{Set, Settings};

/// The objects of a YAML text, as file `p.yaml`.
pub fn sources(text: &str) -> Vec<Sourced> {
    let documents = yaml::read("p.yaml", text).expect("valid YAML");
    documents.into_iter().map(Sourced::from).collect()
}

/// A set of a YAML text.
pub fn set(text: &str) -> Set {
    match Set::build(sources(text), &Settings::default()) {
        Ok(set) => set,
        Err(diagnostics) => {
            let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"))
        }
    }
}

/// What is wrong with a YAML text, one line each.
pub fn mistakes(text: &str) -> Vec<String> {
    match Set::build(sources(text), &Settings::default()) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.iter().map(ToString::to_string).collect(),
    }
}

/// A JSON document.
pub fn json(text: &str) -> Json<'static> {
    Json::parse(text).expect("valid JSON").to_owned_json()
}

/// A namespace with its own name and more labels.
pub fn namespace(name: &str, labels: &[(&str, &str)]) -> Arc<Json<'static>> {
    let own = [("kubernetes.io/metadata.name", name)];
    let labels = own.iter().chain(labels);
    let labels = labels.map(|(key, value)| ((*key).to_owned(), Json::from((*value).to_owned())));
    let mut namespace = crate::owned_json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": "u-1"}
    });
    if let Some(Json::Object(metadata)) = namespace.get_mut("metadata") {
        metadata.insert("labels", Json::Object(labels.collect()));
    }
    Arc::new(namespace)
}

/// A ConfigMap that is created in namespace `ns`, which has the label `env=test`.
pub fn create(object: &str) -> Request<'static> {
    let object = json(object);
    let mut request = Request::create(Gvr::new("v1", "configmaps"), object);
    request.kind = Gvk::new("v1", "ConfigMap");
    request.namespace = "ns".to_owned();
    request.namespace_object = Some(namespace("ns", &[("env", "test")]));
    request.user.username = "ann".to_owned();
    request.user.groups = vec!["dev".to_owned()];
    request.options = crate::owned_json!({"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"});
    request
}

/// That ConfigMap, changed.
pub fn update(old: &str, new: &str) -> Request<'static> {
    Request {
        operation: Operation::Update,
        old_object: json(old),
        ..create(new)
    }
}

/// A validating policy `p` over all ConfigMaps, with further spec lines, and a binding `b` with these actions.
pub fn policy(spec: &str, actions: &str) -> String {
    let spec = spec.trim_matches('\n').replace('\n', "\n  ");
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: p}}
spec:
  matchConstraints:
    resourceRules:
    - {{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [configmaps, namespaces]}}
  {spec}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: b}}
spec: {{policyName: p, validationActions: [{actions}]}}
"
    )
}
