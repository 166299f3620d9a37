//! The persistent volume claims of a Sandbox, and the volumes through which its Pod sees them.

use serde_json::{Value, json};

use super::{name_of, namespace_of, owned_by_sandbox};
use crate::api::keys::{labels, name_hash};
use crate::api::v1beta1::{Sandbox, VolumeClaimTemplate};

/// The claims to create, in the order of the templates.
#[must_use]
pub fn claims(sandbox: &Sandbox) -> Vec<Value> {
    templates(sandbox)
        .iter()
        .map(|template| {
            let given = template.metadata.clone().unwrap_or_default();
            let mut labels = given.labels.unwrap_or_default();
            labels.insert(
                labels::SANDBOX_NAME_HASH.to_owned(),
                name_hash(name_of(sandbox)),
            );
            let mut metadata = json!({
                "name": claim_name(sandbox, template),
                "namespace": namespace_of(sandbox),
                "labels": labels,
                "ownerReferences": [owned_by_sandbox(sandbox)],
            });
            if let Some(annotations) = given.annotations.filter(|given| !given.is_empty()) {
                metadata["annotations"] = json!(annotations);
            }
            json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata,
                "spec": template.spec,
            })
        })
        .collect()
}

/// Names of the claims.
pub fn names(sandbox: &Sandbox) -> impl Iterator<Item = String> {
    templates(sandbox)
        .iter()
        .map(|template| claim_name(sandbox, template))
}

/// Appends a volume for every claim to a Pod spec, in place of volumes of the same name.
pub(super) fn inject(sandbox: &Sandbox, spec: &mut Value) {
    for template in templates(sandbox) {
        let volume = json!({
            "name": volume_name(template),
            "persistentVolumeClaim": {"claimName": claim_name(sandbox, template)},
        });
        match spec.get_mut("volumes").and_then(Value::as_array_mut) {
            Some(volumes) => {
                volumes.retain(|other| other["name"] != volume["name"]);
                volumes.push(volume);
            }
            None => spec["volumes"] = json!([volume]),
        }
    }
}

fn templates(sandbox: &Sandbox) -> &[VolumeClaimTemplate] {
    sandbox
        .spec
        .volume_claim_templates
        .as_deref()
        .unwrap_or_default()
}

fn volume_name(template: &VolumeClaimTemplate) -> &str {
    let metadata = template.metadata.as_ref();
    metadata
        .and_then(|metadata| metadata.name.as_deref())
        .unwrap_or_default()
}

fn claim_name(sandbox: &Sandbox, template: &VolumeClaimTemplate) -> String {
    format!("{}-{}", volume_name(template), name_of(sandbox))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reference, sandbox};
    use super::*;

    #[test]
    fn section_4_7_a_claim_is_named_and_labelled_after_its_sandbox() {
        let sandbox = sandbox(
            &json!({}),
            &json!({"volumeClaimTemplates": [
                {"metadata": {"name": "data", "labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": {"volumeMode": "Block"}},
                {"metadata": {"name": "tmp"}, "spec": {}},
            ]}),
        );
        let metadata = |name: &str, labels: Value| json!({"name": name, "namespace": "team", "labels": labels, "ownerReferences": [reference()]});
        let hash = "agents.x-k8s.io/sandbox-name-hash";
        let mut first = metadata("data-my-sandbox", json!({"a": "b", hash: "374de8f5"}));
        first["annotations"] = json!({"c": "d"});
        let claim = |metadata: Value, spec: Value| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec});
        assert_eq!(
            claims(&sandbox),
            [
                claim(first, json!({"volumeMode": "Block"})),
                claim(
                    metadata("tmp-my-sandbox", json!({hash: "374de8f5"})),
                    json!({})
                ),
            ]
        );
    }

    #[test]
    fn section_4_4_claims_replace_volumes_of_their_name_and_leave_the_others_in_order() {
        let sandbox = sandbox(
            &json!({}),
            &json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]}),
        );
        let mine =
            json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-my-sandbox"}});
        let mut spec =
            json!({"volumes": [{"name": "z"}, {"name": "data", "emptyDir": {}}, {"name": "a"}]});
        inject(&sandbox, &mut spec);
        assert_eq!(
            spec,
            json!({"volumes": [{"name": "z"}, {"name": "a"}, mine]})
        );
        let mut bare = json!({});
        inject(&sandbox, &mut bare);
        assert_eq!(bare, json!({"volumes": [mine]}));
    }
}
