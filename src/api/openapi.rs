//! Schemas of the built-in kinds, from the OpenAPI v3 documents that the Kubernetes 1.36.3 API server itself serves.
//!
//! `data/definitions.json` keeps, as compact JSON without descriptions, every definition reachable from [`ROOTS`], with
//! references intact; [`resolve`] turns one into a self-contained structural schema, in one of two [`Dialect`]s.
//!
//! A test holds them equal to what the API server under test publishes. Refresh, for another Kubernetes version only:
//! `SANDFENCE_REFRESH=1 cargo test --test crds definitions`, then the CRDs made from them.
//!
//! Pure: text in, values out. Depends on nothing inside the crate.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// The kinds whose definitions (and all they refer to) are kept.
pub const ROOTS: &[&str] = &[
    "core.v1.Pod",
    "core.v1.ServiceAccount",
    "core.v1.Service",
    "core.v1.PersistentVolumeClaim",
    "core.v1.ConfigMap",
    "core.v1.Secret",
    "core.v1.Namespace",
    "core.v1.PersistentVolume",
    "core.v1.ReplicationController",
    "core.v1.ResourceQuota",
    "core.v1.LimitRange",
    "apps.v1.Deployment",
    "apps.v1.ReplicaSet",
    "apps.v1.StatefulSet",
    "apps.v1.DaemonSet",
    "batch.v1.Job",
    "batch.v1.CronJob",
    "autoscaling.v2.HorizontalPodAutoscaler",
    "policy.v1.PodDisruptionBudget",
    "storage.v1.StorageClass",
    "networking.v1.NetworkPolicy",
    "networking.v1.Ingress",
    "rbac.v1.Role",
    "rbac.v1.ClusterRole",
    "rbac.v1.RoleBinding",
    "rbac.v1.ClusterRoleBinding",
];

/// The definitions as committed.
pub const DEFINITIONS: &str = include_str!("data/definitions.json");

/// The quantity pattern that generated CRDs carry; the API server itself parses quantities by hand.
pub const QUANTITY_PATTERN: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

/// What a member of a definition is kept for; everything else (descriptions, patch strategies, unions) says nothing
/// about structure.
const KEPT: &[&str] = &[
    "type",
    "format",
    "properties",
    "items",
    "additionalProperties",
    "required",
    "default",
    "enum",
    "$ref",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
];

/// Optional fields whose published default is the zero value of the Go type and no default of the API.
const NO_DEFAULT: &[(&str, &str)] = &[("rbac.v1.RoleRef", "apiGroup")];

/// Defaults that the API server's own code applies to its types, but that no CRD generator can read.
const NO_CRD_DEFAULT: &[(&str, &str)] = &[
    ("core.v1.AzureDiskVolumeSource", "cachingMode"),
    ("core.v1.AzureDiskVolumeSource", "kind"),
];

/// Keyword for the published zero value of a field that has no default. Built-in kinds only: the API server's merge
/// takes it for the value of an absent key of a list element.
pub const ZERO: &str = "x-sandfence-zero";

const OBJECT_META: &str = "meta.v1.ObjectMeta";
const QUANTITY: &str = "resource.Quantity";
const INT_OR_STRING: &str = "intstr.IntOrString";

/// How a definition is spelled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As in a CRD generated from the Go types: no enums, object metadata a bare object, quantities int-or-string with
    /// a pattern.
    Crd,
    /// As the API server has its own types: enums and object metadata spelled out, quantities any number or string.
    Native,
}

static TABLE: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    serde_json::from_str(DEFINITIONS).expect("committed definitions are JSON, held by a test")
});

/// The self-contained schema of definition `name`, such as `core.v1.PodSpec`; `None` when it is not kept.
#[must_use]
pub fn resolve(name: &str, dialect: Dialect) -> Option<Value> {
    TABLE
        .contains_key(name)
        .then(|| resolve_definition(name, dialect))
}

fn resolve_definition(name: &str, dialect: Dialect) -> Value {
    match (name, dialect) {
        (INT_OR_STRING, _) => int_or_string(),
        (QUANTITY, Dialect::Crd) => quantity(),
        (QUANTITY, Dialect::Native) => json!({ "oneOf": [{"type": "string"}, {"type": "number"}] }),
        (OBJECT_META, Dialect::Crd) => json!({ "type": "object" }),
        _ => TABLE.get(name).map_or(Value::Null, |definition| {
            spell_out(definition, name, dialect)
        }),
    }
}

/// Replaces references below `schema`, a part of definition `owner`.
fn spell_out(schema: &Value, owner: &str, dialect: Dialect) -> Value {
    let Value::Object(members) = schema else {
        return schema.clone();
    };
    let mut out = match members.get("$ref").and_then(Value::as_str) {
        Some(name) => match resolve_definition(name, dialect) {
            Value::Object(target) => target,
            _ => Map::new(),
        },
        None => Map::new(),
    };
    for (key, value) in members {
        match key.as_str() {
            "$ref" => {}
            "enum" if dialect == Dialect::Crd => {}
            "properties" => {
                let fields = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(field, part)| {
                        let mut part = spell_out(part, owner, dialect);
                        let published = published_default(members, field);
                        if let (Some(value), Some(part)) = (published, part.as_object_mut()) {
                            if is_default(members, owner, field, dialect) {
                                part.insert("default".to_owned(), value.clone());
                            } else if dialect == Dialect::Native {
                                part.insert(ZERO.to_owned(), value.clone());
                            }
                        }
                        (field.clone(), part)
                    });
                out.insert(key.clone(), Value::Object(fields.collect()));
            }
            "items" | "additionalProperties" => {
                out.insert(key.clone(), spell_out(value, owner, dialect));
            }
            "default" => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

/// A scalar that the documents give as default of a field; `{}`, which they give for every struct, says nothing.
fn published_default<'d>(definition: &'d Map<String, Value>, field: &str) -> Option<&'d Value> {
    let default = definition.get("properties")?.get(field)?.get("default")?;
    (!default.is_object()).then_some(default)
}

/// Whether a published default is one of the API. The documents also give the zero value of Go to every required field:
/// that is no default.
fn is_default(definition: &Map<String, Value>, owner: &str, field: &str, dialect: Dialect) -> bool {
    let required = definition
        .get("required")
        .and_then(Value::as_array)
        .is_some_and(|names| names.iter().any(|name| name == field));
    let excluded = NO_DEFAULT.contains(&(owner, field))
        || (dialect == Dialect::Crd && NO_CRD_DEFAULT.contains(&(owner, field)));
    !required && !excluded
}

/// A field that holds an integer or a string.
#[must_use]
pub fn int_or_string() -> Value {
    json!({ "anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true })
}

/// A quantity in a CRD.
#[must_use]
pub fn quantity() -> Value {
    json!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": QUANTITY_PATTERN,
        "x-kubernetes-int-or-string": true,
    })
}

/// Builds the content of `data/definitions.json` from served OpenAPI v3 documents.
///
/// # Errors
/// Names the definition that a root or a reference asks for and no document has.
pub fn reduce(documents: &[Value]) -> Result<BTreeMap<String, Value>, MissingDefinition> {
    let mut served = BTreeMap::new();
    for document in documents {
        let schemas = document.pointer("/components/schemas");
        for (name, schema) in schemas.and_then(Value::as_object).into_iter().flatten() {
            served.insert(short_name(name), schema);
        }
    }
    let mut kept = BTreeMap::new();
    let mut wanted: Vec<String> = ROOTS.iter().map(|&root| root.to_owned()).collect();
    while let Some(name) = wanted.pop() {
        if kept.contains_key(&name) {
            continue;
        }
        let Some(schema) = served.get(&name) else {
            return Err(MissingDefinition { name });
        };
        let reduced = reduce_schema(schema, &mut wanted);
        kept.insert(name, reduced);
    }
    Ok(kept)
}

/// A reference without its definition.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "no served OpenAPI document defines {name}: fetch the documents of all groups that ROOTS names from one API server"
)]
pub struct MissingDefinition {
    name: String,
}

/// `io.k8s.api.core.v1.PodSpec` becomes `core.v1.PodSpec`.
fn short_name(name: &str) -> String {
    let name = name.rsplit_once('/').map_or(name, |(_, last)| last);
    [
        "io.k8s.apimachinery.pkg.apis.",
        "io.k8s.apimachinery.pkg.api.",
        "io.k8s.apimachinery.pkg.util.",
        "io.k8s.api.",
    ]
    .iter()
    .find_map(|prefix| name.strip_prefix(prefix))
    .unwrap_or(name)
    .to_owned()
}

fn reduce_schema(schema: &Value, wanted: &mut Vec<String>) -> Value {
    let Value::Object(members) = schema else {
        return schema.clone();
    };
    let mut out = Map::new();
    // A reference with siblings is published as `allOf` with one entry.
    let reference = members.get("allOf").and_then(|all| all.get(0));
    let reference = reference
        .unwrap_or(schema)
        .get("$ref")
        .and_then(Value::as_str);
    if let Some(target) = reference {
        let target = short_name(target);
        wanted.push(target.clone());
        out.insert("$ref".to_owned(), Value::String(target));
    }
    for (key, value) in members {
        if !KEPT.contains(&key.as_str()) || key == "$ref" {
            continue;
        }
        let value = match key.as_str() {
            "properties" => value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(field, part)| (field.clone(), reduce_schema(part, wanted)))
                .collect::<Map<_, _>>()
                .into(),
            "items" | "additionalProperties" => reduce_schema(value, wanted),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}
