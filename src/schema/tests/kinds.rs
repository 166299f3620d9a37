//! Typed structs against the schemas of their kinds.

use super::*;

/// Typed structs and schemas name the same fields: what a struct writes, its schema knows, and nothing of what a
/// complete object holds is lost on the way through the struct.
#[test]
fn typed_kinds_lose_nothing() {
    fn round<T: serde::Serialize + serde::de::DeserializeOwned>(
        api_version: &str,
        kind: &str,
        object: Value,
    ) {
        let mut object = object;
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        object["metadata"] = json!({"name": "a", "labels": {"x": "y"}});
        let typed: T = serde_json::from_value(object.clone()).expect(kind);
        assert_eq!(serde_json::to_value(&typed).expect(kind), object);
        let schema = catalog::get(&Gvk::new(api_version, kind)).expect("known");
        let json = Json::from(object);
        assert_eq!(schema.unknown_fields(&json), [], "{kind}");
        let errors: Vec<String> = schema
            .validate(&json)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{kind}");
    }
    use crate::api::{v1alpha1, v1beta1};
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "DependenciesReady", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 3,
    });
    let template = json!({
        "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": 2}}}], "schedulingGroup": {"podGroupName": "g"}},
    });
    let claims = json!([{"metadata": {"name": "v", "labels": {}, "annotations": {}}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}]);
    let beta = "agents.x-k8s.io/v1beta1";
    let extensions = "extensions.agents.x-k8s.io/v1beta1";
    round::<v1beta1::Sandbox>(
        beta,
        "Sandbox",
        json!({
            "spec": {
                "podTemplate": template, "volumeClaimTemplates": claims, "service": true,
                "shutdownTime": "2026-01-01T00:00:00Z", "shutdownPolicy": "Delete", "operatingMode": "Suspended",
            },
            "status": {"conditions": [condition], "service": "s", "serviceFQDN": "f", "selector": "x", "podIPs": ["1.2.3.4"], "nodeName": "n"},
        }),
    );
    round::<v1alpha1::Sandbox>(
        "agents.x-k8s.io/v1alpha1",
        "Sandbox",
        json!({
            "spec": {
                "podTemplate": template, "volumeClaimTemplates": claims, "service": false,
                "shutdownTime": "2026-01-01T00:00:00Z", "shutdownPolicy": "Retain", "replicas": 0,
            },
            "status": {"conditions": [condition], "service": "s", "serviceFQDN": "f", "selector": "x", "podIPs": ["1.2.3.4"], "replicas": 1},
        }),
    );
    let policies = json!({
        "podTemplate": template, "volumeClaimTemplates": claims, "service": true,
        "networkPolicy": {"ingress": [{"from": [{"podSelector": {}}]}], "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]},
        "networkPolicyManagement": "Unmanaged", "envVarsInjectionPolicy": "Overrides",
    });
    round::<v1alpha1::SandboxTemplate>(
        "extensions.agents.x-k8s.io/v1alpha1",
        "SandboxTemplate",
        json!({"spec": policies}),
    );
    let mut newer = policies;
    newer["volumeClaimTemplatesPolicy"] = json!("Allowed");
    round::<v1beta1::SandboxTemplate>(extensions, "SandboxTemplate", json!({"spec": newer}));
    let lifecycle = json!({"shutdownTime": "2026-01-01T00:00:00Z", "ttlSecondsAfterFinished": 5, "shutdownPolicy": "DeleteForeground"});
    let env = json!([{"name": "A", "value": "b", "containerName": "c"}]);
    let metadata = json!({"labels": {"a": "b"}, "annotations": {}});
    let status = json!({"conditions": [condition], "sandbox": {"name": "s", "podIPs": []}});
    round::<v1beta1::SandboxClaim>(
        extensions,
        "SandboxClaim",
        json!({
            "spec": {"warmPoolRef": {"name": "p"}, "lifecycle": lifecycle, "additionalPodMetadata": metadata, "env": env, "volumeClaimTemplates": claims},
            "status": status,
        }),
    );
    round::<v1alpha1::SandboxClaim>(
        "extensions.agents.x-k8s.io/v1alpha1",
        "SandboxClaim",
        json!({
            "spec": {"sandboxTemplateRef": {"name": "t"}, "warmpool": "none", "lifecycle": lifecycle, "additionalPodMetadata": metadata, "env": env},
            "status": status,
        }),
    );
    let strategy = json!({"type": "Recreate"});
    round::<v1beta1::SandboxWarmPool>(
        extensions,
        "SandboxWarmPool",
        json!({
            "spec": {"replicas": 3, "sandboxTemplateRef": {"name": "t"}, "updateStrategy": strategy},
            "status": {"replicas": 3, "readyReplicas": 1, "selector": "x", "observedGeneration": 2},
        }),
    );
    round::<v1alpha1::SandboxWarmPool>(
        "extensions.agents.x-k8s.io/v1alpha1",
        "SandboxWarmPool",
        json!({
            "spec": {"replicas": 3, "sandboxTemplateRef": {"name": "t"}, "updateStrategy": strategy},
            "status": {"replicas": 3, "readyReplicas": 1, "selector": "x"},
        }),
    );
}

/// The committed examples of our own kinds set every field: the schema knows and accepts them, the typed structs keep
/// them, and no field of the schema is missing from them.
#[test]
fn examples_of_own_kinds_are_complete_and_accepted() {
    fn fields_of(schema: &Structural, path: &str, found: &mut Vec<String>) {
        for field in &schema.fields {
            let path = format!("{path}.{}", field.name);
            fields_of(&field.schema, &path, found);
            found.push(path);
        }
        if let Some(items) = &schema.items {
            fields_of(items, path, found);
        }
    }
    fn given(value: &Json<'_>, path: &str, found: &mut Vec<String>) {
        match value {
            Json::Object(map) => {
                for (key, member) in map.iter() {
                    let path = format!("{path}.{key}");
                    given(member, &path, found);
                    found.push(path);
                }
            }
            Json::Array(items) => items.iter().for_each(|item| given(item, path, found)),
            _ => {}
        }
    }
    fn check<T: serde::Serialize + serde::de::DeserializeOwned>(texts: &[&str]) {
        let (mut known, mut set) = (Vec::new(), Vec::new());
        for text in texts {
            let object = Json::parse(text).expect("JSON");
            let typed: T = object.decode().expect("typed");
            assert_eq!(Json::from(serde_json::to_value(&typed).expect("typed")), {
                let mut object = object.to_owned_json();
                schema_of(&object).default(&mut object);
                object
            });
            let schema = schema_of(&object);
            assert_eq!(schema.unknown_fields(&object), []);
            assert_eq!(schema.validate(&object), []);
            fields_of(schema.field("spec").expect("spec"), "spec", &mut known);
            given(object.get("spec").expect("spec"), "spec", &mut set);
        }
        known.retain(|field| !set.contains(field));
        // Set by the selectors of the profile already; in a policy and an exception they would say nothing more.
        known.retain(|field| {
            !field.contains("elector.match") && !field.ends_with(".tolerationSeconds")
        });
        known.retain(|field| {
            ![
                "spec.lookups.objectName",
                "spec.paramRef.name",
                "spec.paramRef.namespace",
                "spec.resources.pod.default.ephemeral-storage",
                "spec.permanent",
            ]
            .contains(&field.as_str())
        });
        assert_eq!(known, Vec::<String>::new(), "fields without an example");
    }
    fn schema_of(object: &Json<'_>) -> &'static Structural {
        let text = |key| object.str_at(&[key]).expect("type");
        catalog::get(&Gvk::new(text("apiVersion"), text("kind"))).expect("known")
    }
    use crate::api::{GuardrailProfile, PolicyException, SandboxPolicy};
    check::<GuardrailProfile>(&[include_str!(
        "../../../tests/data/api/guardrail-profile.json"
    )]);
    check::<SandboxPolicy>(&[
        include_str!("../../../tests/data/api/sandbox-policy-validating.json"),
        include_str!("../../../tests/data/api/sandbox-policy-mutating.json"),
    ]);
    check::<PolicyException>(&[include_str!(
        "../../../tests/data/api/policy-exception.json"
    )]);
}

/// A CRD that claims the known kind `Sandbox` for another resource.
fn crd(versions: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": "agents.x-k8s.io",
            "scope": "Cluster",
            "names": {"kind": "Sandbox", "plural": "boxes"},
            "versions": versions,
        },
    })
}

fn version(name: &str, served: bool, schema: Value) -> Value {
    json!({"name": name, "served": served, "schema": {"openAPIV3Schema": schema}})
}

#[test]
fn the_kinds_of_a_crd_take_the_place_of_known_ones_and_are_completed() {
    let schema = json!({
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": ["Sandbox"]},
            "spec": {"type": "array", "items": {"type": "object", "x-kubernetes-embedded-resource": true}},
        },
    });
    let mut kinds = catalog::Kinds::default();
    let before = kinds.entries().count();
    let versions = json!([
        version("v1beta1", true, schema.clone()),
        version("v2", true, schema),
        version("v3", false, Value::Null),
    ]);
    kinds.add_crd(&crd(versions.clone())).expect("schemas");
    kinds.add_crd(&crd(versions)).expect("the same again");
    assert_eq!(kinds.entries().count(), before + 1);
    let gvk = Gvk::new("agents.x-k8s.io/v1beta1", "Sandbox");
    let entry = kinds.entry(&gvk).expect("known");
    assert_eq!(entry.gvr, Gvr::new("agents.x-k8s.io/v1beta1", "boxes"));
    assert_eq!(entry.scope, Scope::Cluster);
    let names = |schema: &Structural| {
        let names = schema.fields.iter().map(|field| field.name.to_string());
        names.collect::<Vec<_>>()
    };
    let root = entry.schema();
    assert_eq!(names(root), ["apiVersion", "kind", "metadata", "spec"]);
    let kind = root.field("kind").and_then(|kind| kind.checks.as_ref());
    assert_eq!(kind.map(|checks| checks.values.len()), Some(1));
    let spec = root.field("spec").and_then(|spec| spec.items.as_deref());
    let item = spec.expect("items");
    assert_eq!(names(item), ["apiVersion", "kind", "metadata"]);
    for resource in [root, item] {
        let metadata = resource.field("metadata").expect("added");
        assert!(metadata.field("labels").is_some());
    }
    for (api_version, known) in [("agents.x-k8s.io/v2", true), ("agents.x-k8s.io/v3", false)] {
        let gvk = Gvk::new(api_version, "Sandbox");
        assert_eq!(kinds.entry(&gvk).is_some(), known, "{gvk}");
    }
}

#[test]
fn a_crd_with_a_schema_that_cannot_be_read_adds_nothing() {
    let mut kinds = catalog::Kinds::default();
    let versions = json!([
        version("v8", true, json!({"type": "object"})),
        version(
            "v9",
            true,
            json!({"type": "object", "properties": {"spec": {"type": "thing"}}})
        ),
    ]);
    let error = kinds.add_crd(&crd(versions)).expect_err("no such type");
    assert_eq!(
        error.to_string(),
        "schema.properties[spec]: type: expected one JSON type, found \"thing\""
    );
    assert!(
        kinds
            .entry(&Gvk::new("agents.x-k8s.io/v8", "Sandbox"))
            .is_none()
    );
    for nothing in [json!({}), json!({"spec": {"versions": 1}}), json!([])] {
        kinds.add_crd(&nothing).expect("no versions");
    }
}
