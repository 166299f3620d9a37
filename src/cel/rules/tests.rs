use serde_json::{Value as Tree, json};

use super::*;
use crate::model::gvk::Gvk;
use crate::schema::catalog;

fn mistakes(kind: &str, spec: Tree) -> Vec<String> {
    let schema = catalog::get(&Gvk::new("sandfence.dev/v1alpha1", kind)).expect("known");
    let object = Json::from(json!({"spec": spec}));
    schema
        .check(&object, None)
        .iter()
        .map(|error| format!("{}: {}", error.path.dotted(), error.message))
        .collect()
}

/// The texts are those that a 1.36.3 API server gives; `tests/crds.rs` holds the server to them.
#[test]
fn impossible_profiles_are_refused_without_a_cluster() {
    for (spec, want) in [
        (
            json!({"network": {"forbidEgressTo": ["10.0.0.0/8", "10.0.0.1/8"]}}),
            r#"spec.network.forbidEgressTo[1]: Invalid value: "10.0.0.1/8": must be a network in canonical form, such as 10.0.0.0/8 or fd00::/8"#,
        ),
        (
            json!({"ports": {"allowed": [{"from": 443}, {"from": 80, "to": 79}]}}),
            "spec.ports.allowed[1].to: Invalid value: must not be below from",
        ),
        (
            json!({"runtimeClass": {"required": "a", "allowed": ["b"]}}),
            "spec.runtimeClass.required: Invalid value: must be one of the allowed runtime classes",
        ),
        (
            json!({"resources": {"container": {"max": {"cpu": 0, "memory": "1Gi"}}}}),
            "spec.resources.container.max.cpu: Invalid value: 0: must be more than zero",
        ),
        (
            json!({"resources": {"maxVolumeSize": "-1Gi"}}),
            r#"spec.resources.maxVolumeSize: Invalid value: "-1Gi": must be more than zero"#,
        ),
        (
            json!({"resources": {"pod": {"default": {"ephemeral-storage": "1Gi"}}}}),
            "spec.resources.pod.default: Invalid value: a Pod has no ephemeral-storage limit of its own: give the default to containers",
        ),
        (
            json!({"lifetime": {"maxLifetime": "0s"}}),
            r#"spec.lifetime.maxLifetime: Invalid value: "0s": must be more than zero"#,
        ),
        (
            json!({"user": {"dropCapabilities": ["CAP_SYS_ADMIN"]}}),
            "spec.user.dropCapabilities: Invalid value: capabilities are written without CAP_, as in NET_RAW",
        ),
    ] {
        assert_eq!(mistakes("GuardrailProfile", spec.clone()), [want], "{spec}");
    }
}

#[test]
fn escaped_field_names_and_the_committed_examples_hold() {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]});
    let spec = json!({
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "true"}],
        "lookups": [{"name": "x", "apiVersion": "v1", "kind": "Pod", "objectName": "a", "namespace": "*"}],
    });
    assert_eq!(
        mistakes("SandboxPolicy", spec),
        [
            "spec.lookups[0].namespace: Invalid value: a name is looked up in one namespace: '*' needs a selector"
        ]
    );
    for (kind, text) in [
        (
            "GuardrailProfile",
            include_str!("../../../tests/data/api/guardrail-profile.json"),
        ),
        (
            "SandboxPolicy",
            include_str!("../../../tests/data/api/sandbox-policy-validating.json"),
        ),
        (
            "SandboxPolicy",
            include_str!("../../../tests/data/api/sandbox-policy-mutating.json"),
        ),
        (
            "PolicyException",
            include_str!("../../../tests/data/api/policy-exception.json"),
        ),
    ] {
        let object: Tree = serde_json::from_str(text).expect("JSON");
        assert_eq!(
            mistakes(kind, object["spec"].clone()),
            Vec::<String>::new(),
            "{kind}"
        );
    }
}

#[test]
fn every_rule_of_the_catalog_compiles() {
    fn rules(schema: &Structural, found: &mut Vec<String>) {
        found.extend(schema.rules.iter().map(|rule| rule.expression.clone()));
        schema
            .fields
            .iter()
            .for_each(|field| rules(&field.schema, found));
        schema.items.iter().for_each(|items| rules(items, found));
        if let crate::schema::structural::Additional::Schema(below) = &schema.additional {
            rules(below, found);
        }
    }
    let mut found = Vec::new();
    for entry in catalog::entries() {
        rules(entry.schema(), &mut found);
    }
    assert!(found.len() > 30, "{}", found.len());
    for expression in found {
        if let Err(error) = ENV.compile(&expression) {
            panic!("{expression}: {error}");
        }
    }
}

#[test]
fn rules_about_a_change_need_an_old_value() {
    let schema = catalog::get(&Gvk::new("agents.x-k8s.io/v1beta1", "Sandbox")).expect("known");
    let sandbox = |claims: Tree| {
        let mut spec = json!({"podTemplate": {"spec": {"containers": []}}});
        if !claims.is_null() {
            spec["volumeClaimTemplates"] = claims;
        }
        Json::from(json!({"spec": spec}))
    };
    let (none, one) = (
        sandbox(Tree::Null),
        sandbox(json!([{"metadata": {"name": "a"}, "spec": {}}])),
    );
    let other = sandbox(json!([{"metadata": {"name": "b"}, "spec": {}}]));
    let refused = ["spec: Invalid value: volumeClaimTemplates is immutable".to_owned()];
    for (old, new, want) in [
        (None, &one, &[][..]),
        (Some(&one), &one, &[]),
        (Some(&none), &none, &[]),
        (Some(&one), &other, &refused),
        (Some(&none), &one, &refused),
        (Some(&one), &none, &refused),
    ] {
        let found: Vec<String> = schema
            .check(new, old)
            .iter()
            .map(|error| format!("{}: {}", error.path.dotted(), error.message))
            .collect();
        assert_eq!(found, want);
    }
}

#[test]
fn messages_reasons_and_paths_follow_the_rule() {
    let schema = Structural::parse(&json!({"type": "object", "properties": {
        "a": {"type": "integer", "x-kubernetes-validations": [
            {"rule": "self > 1", "messageExpression": "'found ' + string(self)", "message": "unused", "reason": "FieldValueForbidden"},
            {"rule": "self > 2", "messageExpression": "''", "message": "used", "reason": "FieldValueRequired"},
            {"rule": "self > 3"},
            {"rule": "self / 0 == 1", "message": "never"},
            {"rule": "oops", "message": "never"},
        ]},
        "o": {"type": "object", "properties": {"x": {"type": "string"}}, "x-kubernetes-validations": [
            {"rule": "false", "message": "m", "fieldPath": ".x['y.z'].w", "reason": "FieldValueDuplicate"},
        ]},
    }}))
    .expect("structural");
    let object = Json::from(json!({"a": 1, "o": {}}));
    let found: Vec<String> = schema
        .check(&object, None)
        .iter()
        .map(|error| format!("{}: {}", error.path.dotted(), error.message))
        .collect();
    let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
    let compile = found.remove(4);
    assert!(
        compile.starts_with("a: Invalid value: \"integer\": rule compile error: "),
        "{compile}"
    );
    assert_eq!(
        found,
        [
            "a: Forbidden: found 1",
            "a: Required value: used",
            "a: Invalid value: 1: failed rule: self > 3",
            "a: Invalid value: \"integer\": division by zero evaluating rule: never",
            "o.x.y.z.w: Duplicate value: m",
        ]
    );
}
