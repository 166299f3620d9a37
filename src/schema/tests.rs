//! Schemas against what a 1.36.3 API server answered to the same objects.

use serde_json::{Value, json};

use super::*;
use crate::model::gvk::{Gvk, Gvr, Scope};
use crate::model::json::Json;
use crate::owned_json;

mod kinds;
mod merging;
mod validating;

fn sandbox() -> &'static Structural {
    catalog::get(&Gvk::new("agents.x-k8s.io/v1beta1", "Sandbox")).expect("known")
}

fn pod() -> &'static Structural {
    catalog::get(&Gvk::new("v1", "Pod")).expect("known")
}

fn profile() -> &'static Structural {
    catalog::get(&Gvk::new("sandfence.dev/v1alpha1", "GuardrailProfile")).expect("known")
}

#[test]
fn every_kind_of_the_catalog_parses_and_names_its_resource() {
    let found: Vec<(String, String, Scope)> = catalog::entries()
        .iter()
        .map(|entry| {
            assert_eq!(
                entry.schema().kind,
                structural::Kind::Object,
                "{}",
                entry.gvk
            );
            assert!(
                entry
                    .schema()
                    .field("metadata")
                    .is_some_and(|meta| meta.field("labels").is_some())
            );
            (entry.gvk.to_string(), entry.gvr.to_string(), entry.scope)
        })
        .collect();
    let (cluster, namespaced) = (Scope::Cluster, Scope::Namespaced);
    let want = [
        ("v1, Kind=Pod", "pods/v1", namespaced),
        ("v1, Kind=ServiceAccount", "serviceaccounts/v1", namespaced),
        ("v1, Kind=Service", "services/v1", namespaced),
        (
            "v1, Kind=PersistentVolumeClaim",
            "persistentvolumeclaims/v1",
            namespaced,
        ),
        ("v1, Kind=ConfigMap", "configmaps/v1", namespaced),
        ("v1, Kind=Secret", "secrets/v1", namespaced),
        ("v1, Kind=Namespace", "namespaces/v1", cluster),
        (
            "networking.k8s.io/v1, Kind=NetworkPolicy",
            "networkpolicies.networking.k8s.io/v1",
            namespaced,
        ),
        (
            "rbac.authorization.k8s.io/v1, Kind=Role",
            "roles.rbac.authorization.k8s.io/v1",
            namespaced,
        ),
        (
            "rbac.authorization.k8s.io/v1, Kind=ClusterRole",
            "clusterroles.rbac.authorization.k8s.io/v1",
            cluster,
        ),
        (
            "rbac.authorization.k8s.io/v1, Kind=RoleBinding",
            "rolebindings.rbac.authorization.k8s.io/v1",
            namespaced,
        ),
        (
            "rbac.authorization.k8s.io/v1, Kind=ClusterRoleBinding",
            "clusterrolebindings.rbac.authorization.k8s.io/v1",
            cluster,
        ),
        ("v1, Kind=PersistentVolume", "persistentvolumes/v1", cluster),
        (
            "v1, Kind=ReplicationController",
            "replicationcontrollers/v1",
            namespaced,
        ),
        ("v1, Kind=ResourceQuota", "resourcequotas/v1", namespaced),
        ("v1, Kind=LimitRange", "limitranges/v1", namespaced),
        (
            "apps/v1, Kind=Deployment",
            "deployments.apps/v1",
            namespaced,
        ),
        (
            "apps/v1, Kind=ReplicaSet",
            "replicasets.apps/v1",
            namespaced,
        ),
        (
            "apps/v1, Kind=StatefulSet",
            "statefulsets.apps/v1",
            namespaced,
        ),
        ("apps/v1, Kind=DaemonSet", "daemonsets.apps/v1", namespaced),
        ("batch/v1, Kind=Job", "jobs.batch/v1", namespaced),
        ("batch/v1, Kind=CronJob", "cronjobs.batch/v1", namespaced),
        (
            "autoscaling/v2, Kind=HorizontalPodAutoscaler",
            "horizontalpodautoscalers.autoscaling/v2",
            namespaced,
        ),
        (
            "policy/v1, Kind=PodDisruptionBudget",
            "poddisruptionbudgets.policy/v1",
            namespaced,
        ),
        (
            "storage.k8s.io/v1, Kind=StorageClass",
            "storageclasses.storage.k8s.io/v1",
            cluster,
        ),
        (
            "networking.k8s.io/v1, Kind=Ingress",
            "ingresses.networking.k8s.io/v1",
            namespaced,
        ),
        (
            "agents.x-k8s.io/v1beta1, Kind=Sandbox",
            "sandboxes.agents.x-k8s.io/v1beta1",
            namespaced,
        ),
        (
            "agents.x-k8s.io/v1alpha1, Kind=Sandbox",
            "sandboxes.agents.x-k8s.io/v1alpha1",
            namespaced,
        ),
        (
            "extensions.agents.x-k8s.io/v1beta1, Kind=SandboxClaim",
            "sandboxclaims.extensions.agents.x-k8s.io/v1beta1",
            namespaced,
        ),
        (
            "extensions.agents.x-k8s.io/v1alpha1, Kind=SandboxClaim",
            "sandboxclaims.extensions.agents.x-k8s.io/v1alpha1",
            namespaced,
        ),
        (
            "extensions.agents.x-k8s.io/v1beta1, Kind=SandboxTemplate",
            "sandboxtemplates.extensions.agents.x-k8s.io/v1beta1",
            namespaced,
        ),
        (
            "extensions.agents.x-k8s.io/v1alpha1, Kind=SandboxTemplate",
            "sandboxtemplates.extensions.agents.x-k8s.io/v1alpha1",
            namespaced,
        ),
        (
            "extensions.agents.x-k8s.io/v1beta1, Kind=SandboxWarmPool",
            "sandboxwarmpools.extensions.agents.x-k8s.io/v1beta1",
            namespaced,
        ),
        (
            "extensions.agents.x-k8s.io/v1alpha1, Kind=SandboxWarmPool",
            "sandboxwarmpools.extensions.agents.x-k8s.io/v1alpha1",
            namespaced,
        ),
        (
            "sandfence.dev/v1alpha1, Kind=GuardrailProfile",
            "guardrailprofiles.sandfence.dev/v1alpha1",
            cluster,
        ),
        (
            "sandfence.dev/v1alpha1, Kind=SandboxPolicy",
            "sandboxpolicies.sandfence.dev/v1alpha1",
            cluster,
        ),
        (
            "sandfence.dev/v1alpha1, Kind=PolicyException",
            "policyexceptions.sandfence.dev/v1alpha1",
            namespaced,
        ),
    ]
    .map(|(kind, resource, scope)| (kind.to_owned(), resource.to_owned(), scope));
    assert_eq!(found, want);

    let pods = Gvr::new("v1", "pods");
    assert_eq!(catalog::kind_of(&pods), Some(Gvk::new("v1", "Pod")));
    assert_eq!(
        catalog::resource_of(&Gvk::new("v1", "Pod")),
        Some((pods, namespaced))
    );
    assert!(catalog::get(&Gvk::new("v1", "Node")).is_none());
}

#[test]
fn pruning_drops_what_the_schema_does_not_know_and_says_where() {
    let mut object = owned_json!({
        "apiVersion": "agents.x-k8s.io/v1beta1",
        "kind": "Sandbox",
        "metadata": {"name": "a", "odd": 1},
        "extra": {"deep": true},
        "spec": {
            "replicas": 1,
            "podTemplate": {
                "metadata": {"labels": {"any": "x"}, "name": "no"},
                "spec": {
                    "containers": [
                        {"name": "c", "imagee": "i", "ports": [{"containerPort": 80, "x": null}]},
                        "not an object",
                    ],
                    "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {}}, "spec": {}}}}],
                },
            },
        },
    });
    let before = object.clone();
    let dropped: Vec<String> = sandbox()
        .prune_reporting(&mut object)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        dropped,
        [
            "extra",
            "spec.podTemplate.metadata.name",
            "spec.podTemplate.spec.containers[0].imagee",
            "spec.podTemplate.spec.containers[0].ports[0].x",
            "spec.podTemplate.spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.labels",
            "spec.replicas",
        ]
    );
    assert_eq!(
        object,
        owned_json!({
            "apiVersion": "agents.x-k8s.io/v1beta1",
            "kind": "Sandbox",
            "metadata": {"name": "a", "odd": 1},
            "spec": {
                "podTemplate": {
                    "metadata": {"labels": {"any": "x"}},
                    "spec": {
                        "containers": [
                            {"name": "c", "ports": [{"containerPort": 80}]},
                            "not an object",
                        ],
                        "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {}, "spec": {}}}}],
                    },
                },
            },
        })
    );
    let again: Vec<String> = sandbox()
        .unknown_fields(&before)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(again, dropped);
}

#[test]
fn preserved_parts_keep_unknown_fields_but_prune_known_ones() {
    let schema = Structural::parse(&json!({
        "type": "object",
        "properties": {
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
                "known": {"type": "object", "properties": {"a": {"type": "string"}}},
            }},
            "open": {"type": "object", "additionalProperties": true},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "embedded": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
        },
    }))
    .expect("structural");
    let mut object = owned_json!({
        "free": {"x": {"y": 1}, "known": {"a": "1", "b": "2"}},
        "open": {"x": {"y": 1}},
        "map": {"k": {"a": "1", "b": "2"}},
        "embedded": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": {"x": 1}, "status": {}},
    });
    schema.prune(&mut object);
    assert_eq!(
        object,
        owned_json!({
            "free": {"x": {"y": 1}, "known": {"a": "1"}},
            "open": {"x": {"y": 1}},
            "map": {"k": {"a": "1"}},
            "embedded": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": {}},
        })
    );
}

#[test]
fn defaults_are_filled_in_as_the_api_server_does() {
    let mut object = owned_json!({
        "spec": {
            "operatingMode": null,
            "service": null,
            "podTemplate": {"spec": {
                "containers": [{
                    "name": null,
                    "ports": [{"containerPort": 80}],
                    "env": [null, {"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}],
                    "resources": {"limits": {"cpu": null, "memory": "1Gi"}},
                }],
                "volumes": [{"name": "v", "configMap": {}, "iscsi": {"targetPortal": "p", "iqn": "q", "lun": 0}}],
                "imagePullSecrets": [{}],
            }},
        },
    });
    sandbox().default(&mut object);
    assert_eq!(
        object,
        owned_json!({
            "spec": {
                "operatingMode": "Running",
                "shutdownPolicy": "Retain",
                "podTemplate": {"spec": {
                    "containers": [{
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "env": [null, {"name": "A", "valueFrom": {"secretKeyRef": {"key": "k", "name": ""}}}],
                        "resources": {"limits": {"memory": "1Gi"}},
                    }],
                    "volumes": [{
                        "name": "v",
                        "configMap": {"name": ""},
                        "iscsi": {"targetPortal": "p", "iqn": "q", "lun": 0, "iscsiInterface": "default"},
                    }],
                    "imagePullSecrets": [{"name": ""}],
                }},
            },
        })
    );
    let claim = catalog::get(&Gvk::new(
        "extensions.agents.x-k8s.io/v1beta1",
        "SandboxClaim",
    ))
    .expect("known");
    for (given, want) in [
        (
            json!({"spec": {"lifecycle": {}}}),
            json!({"spec": {"lifecycle": {"shutdownPolicy": "Retain"}}}),
        ),
        (json!({"spec": {}}), json!({"spec": {}})),
    ] {
        let mut object = Json::from(given);
        claim.default(&mut object);
        assert_eq!(object, Json::from(want));
    }
}

#[test]
fn nullable_nulls_stay_and_defaults_are_defaulted_too() {
    let schema = Structural::parse(&json!({
        "type": "object",
        "properties": {
            "kept": {"type": "string", "nullable": true, "default": "x"},
            "nested": {"type": "object", "default": {}, "properties": {"a": {"type": "integer", "default": 3}}},
            "list": {"type": "array", "items": {"type": "integer", "default": 7}},
            "map": {"type": "object", "additionalProperties": {"type": "integer", "default": 9}},
        },
    }))
    .expect("structural");
    let mut object = owned_json!({"kept": null, "list": [null, 1], "map": {"k": null}});
    schema.default(&mut object);
    assert_eq!(
        object,
        owned_json!({"kept": null, "nested": {"a": 3}, "list": [7, 1], "map": {"k": 9}})
    );
}

#[test]
fn integral_doubles_become_integers_where_numbers_belong() {
    let schema = Structural::parse(&json!({
        "type": "object",
        "properties": {
            "n": {"type": "number"},
            "i": {"type": "integer"},
            "s": {"type": "array", "items": {"type": "number"}},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    }))
    .expect("structural");
    let mut object = owned_json!({"n": 1.0, "i": 2.0, "s": [1.5, -3.0, 1e300], "any": {"x": 1.0}});
    schema.coerce(&mut object);
    assert_eq!(
        object,
        owned_json!({"n": 1, "i": 2, "s": [1.5, -3, 1e300], "any": {"x": 1.0}})
    );
}

#[test]
fn schemas_that_are_not_understood_are_refused_with_their_place() {
    for (schema, want) in [
        (json!([]), "schema: expected an object, found []"),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": ["string", "null"]}}}}),
            r#"schema.properties[a].items: type: expected one JSON type, found ["string","null"]"#,
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "array", "x-kubernetes-list-type": "map"}}),
            "schema.additionalProperties: x-kubernetes-list-map-keys: a list of type map needs keys",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "bag"}),
            "schema: x-kubernetes-list-type: expected atomic, set or map, found bag",
        ),
        (
            json!({"required": "a"}),
            r#"schema: required: expected a list of names, found "a""#,
        ),
        (
            json!({"x-kubernetes-validations": [{"message": "m"}]}),
            "schema: x-kubernetes-validations: every entry needs a rule",
        ),
    ] {
        assert_eq!(
            Structural::parse(&schema).expect_err("refused").to_string(),
            want
        );
    }
    let pattern = Structural::parse(&json!({"type": "string", "pattern": "("}))
        .expect_err("refused")
        .to_string();
    assert!(
        pattern.starts_with("schema: pattern \"(\": regex parse error"),
        "{pattern}"
    );
    let mut deep = json!({"type": "object"});
    for _ in 0..120 {
        deep = json!({"type": "array", "items": deep});
    }
    let error = Structural::parse(&deep).expect_err("refused");
    assert_eq!(error.problem, "nested deeper than 100 levels");
}

#[test]
fn rules_are_met_with_the_value_and_the_correlated_old_value() {
    let schema = Structural::parse(&json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": "root", "message": "m", "fieldPath": ".x", "reason": "FieldValueInvalid"}],
        "properties": {
            "keyed": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {
                "type": "object",
                "x-kubernetes-validations": [{"rule": "item"}],
                "properties": {"name": {"type": "string"}, "n": {"type": "integer", "x-kubernetes-validations": [{"rule": "n"}]}},
            }},
            "plain": {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "plain"}]}},
        },
    }))
    .expect("structural");
    let object = owned_json!({"keyed": [{"name": "b", "n": 1}, {"name": "new"}], "plain": ["x"]});
    let old = owned_json!({"keyed": [{"name": "a"}, {"name": "b", "n": 2}], "plain": ["x"]});
    let mut met = Vec::new();
    schema.visit_rules(&object, Some(&old), &mut |path, rule| {
        let old = rule.old.map(ToString::to_string);
        met.push((
            path.to_string(),
            rule.rule.expression.clone(),
            rule.value.to_string(),
            old,
        ));
    });
    let entry = |path: &str, rule: &str, value: &Json<'_>, old: Option<Json<'static>>| {
        (
            path.to_owned(),
            rule.to_owned(),
            value.to_string(),
            old.map(|old| old.to_string()),
        )
    };
    assert_eq!(
        met,
        [
            entry("", "root", &object, Some(old.clone())),
            entry(
                "keyed[0]",
                "item",
                &owned_json!({"name": "b", "n": 1}),
                Some(owned_json!({"name": "b", "n": 2}))
            ),
            entry("keyed[0].n", "n", &owned_json!(1), Some(owned_json!(2))),
            entry("keyed[1]", "item", &owned_json!({"name": "new"}), None),
            entry("plain[0]", "plain", &owned_json!("x"), None),
        ]
    );
    assert_eq!(schema.rules[0].field_path.as_deref(), Some(".x"));
}
