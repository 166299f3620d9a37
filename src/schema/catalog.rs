//! The kinds whose schema is known without a cluster: those of this list, and those of CRDs that someone brings.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::structural::{Additional, Kind, SchemaError, Structural};
use crate::api::crds;
use crate::api::openapi::{Dialect, resolve};
use crate::model::gvk::Scope::{Cluster, Namespaced};
use crate::model::gvk::{Gvk, Gvr, Scope, split_api_version};

/// A known kind.
pub struct Entry {
    /// Its name.
    pub gvk: Gvk,
    /// Its resource.
    pub gvr: Gvr,
    /// Whether its objects live in a namespace.
    pub scope: Scope,
    schema: LazyLock<Arc<Structural>, Box<dyn FnOnce() -> Arc<Structural> + Send>>,
}

impl Entry {
    /// Its schema; parsed on first use.
    #[must_use]
    pub fn schema(&self) -> &Structural {
        &self.schema
    }

    /// The same, to keep.
    #[must_use]
    pub fn shared_schema(&self) -> Arc<Structural> {
        Arc::clone(&self.schema)
    }
}

/// The known kinds, with those of some CRDs.
#[derive(Default)]
pub struct Kinds {
    brought: Vec<Entry>,
}

impl Kinds {
    /// Adds the kinds of a CRD, in place of those of the same name.
    ///
    /// # Errors
    /// Why the schema of one of its versions cannot be used; then none of them is added.
    pub fn add_crd(&mut self, crd: &Value) -> Result<(), SchemaError> {
        let mut added = Vec::new();
        for (gvk, gvr, scope, schema) in served(crd) {
            let schema = Arc::new(of_custom(schema)?);
            added.push(Entry {
                gvk,
                gvr,
                scope,
                schema: LazyLock::new(Box::new(move || schema)),
            });
        }
        self.brought
            .retain(|known| added.iter().all(|entry| entry.gvk != known.gvk));
        self.brought.extend(added);
        Ok(())
    }

    /// A known kind.
    #[must_use]
    pub fn entry(&self, gvk: &Gvk) -> Option<&Entry> {
        let brought = self.brought.iter().find(|entry| entry.gvk == *gvk);
        brought.or_else(|| entry(gvk))
    }

    /// All known kinds, each once.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let replaced = |entry: &Entry| self.brought.iter().any(|own| own.gvk == entry.gvk);
        let listed = entries().iter().filter(move |entry| !replaced(entry));
        listed.chain(&self.brought)
    }
}

/// Built-in kinds: API version, kind, plural, scope.
const NATIVE: &[(&str, &str, &str, Scope)] = &[
    ("v1", "Pod", "pods", Namespaced),
    ("v1", "ServiceAccount", "serviceaccounts", Namespaced),
    ("v1", "Service", "services", Namespaced),
    (
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        Namespaced,
    ),
    ("v1", "ConfigMap", "configmaps", Namespaced),
    ("v1", "Secret", "secrets", Namespaced),
    ("v1", "Namespace", "namespaces", Cluster),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "networkpolicies",
        Namespaced,
    ),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", Namespaced),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "clusterroles",
        Cluster,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rolebindings",
        Namespaced,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        Cluster,
    ),
    ("v1", "PersistentVolume", "persistentvolumes", Cluster),
    (
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        Namespaced,
    ),
    ("v1", "ResourceQuota", "resourcequotas", Namespaced),
    ("v1", "LimitRange", "limitranges", Namespaced),
    ("apps/v1", "Deployment", "deployments", Namespaced),
    ("apps/v1", "ReplicaSet", "replicasets", Namespaced),
    ("apps/v1", "StatefulSet", "statefulsets", Namespaced),
    ("apps/v1", "DaemonSet", "daemonsets", Namespaced),
    ("batch/v1", "Job", "jobs", Namespaced),
    ("batch/v1", "CronJob", "cronjobs", Namespaced),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        Namespaced,
    ),
    (
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        Namespaced,
    ),
    (
        "storage.k8s.io/v1",
        "StorageClass",
        "storageclasses",
        Cluster,
    ),
    ("networking.k8s.io/v1", "Ingress", "ingresses", Namespaced),
];

/// The definition of a built-in kind: the first word of the group, the version and the kind.
fn definition(api_version: &str, kind: &str) -> String {
    let (group, version) = split_api_version(api_version);
    let word = match group.split('.').next() {
        None | Some("") => "core",
        Some(word) => word,
    };
    format!("{word}.{version}.{kind}")
}

const INVARIANT: &str =
    "schemas of the catalog are committed or generated here and parse, held by a test";

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut entries: Vec<Entry> = NATIVE
        .iter()
        .map(|&(api_version, kind, plural, scope)| Entry {
            gvk: Gvk::new(api_version, kind),
            gvr: Gvr::new(api_version, plural),
            scope,
            schema: LazyLock::new(Box::new(move || {
                Arc::new(native(&definition(api_version, kind)))
            })),
        })
        .collect();
    for document in crds::all(&crds::Options::default()) {
        entries.extend(of_crd(&document));
    }
    entries
});

fn native(definition: &str) -> Structural {
    let schema = resolve(definition, Dialect::Native).unwrap_or_default();
    Structural::parse(&schema).expect(INVARIANT)
}

/// One entry per version of a CRD of this project's.
fn of_crd(document: &Value) -> Vec<Entry> {
    served(document)
        .map(|(gvk, gvr, scope, schema)| {
            let schema = schema.clone();
            Entry {
                gvk,
                gvr,
                scope,
                schema: LazyLock::new(Box::new(move || {
                    Arc::new(of_custom(&schema).expect(INVARIANT))
                })),
            }
        })
        .collect()
}

/// Kind, resource, scope and schema of each version of a CRD that is served.
fn served(document: &Value) -> impl Iterator<Item = (Gvk, Gvr, Scope, &Value)> {
    let text = move |pointer: &str| {
        document
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let scope = match text("/spec/scope") {
        "Cluster" => Scope::Cluster,
        _ => Scope::Namespaced,
    };
    let versions = document.pointer("/spec/versions").and_then(Value::as_array);
    let served = |version: &&Value| version.get("served").and_then(Value::as_bool) != Some(false);
    versions
        .into_iter()
        .flatten()
        .filter(served)
        .map(move |version| {
            let name = version.get("name").and_then(Value::as_str);
            let api_version = format!("{}/{}", text("/spec/group"), name.unwrap_or_default());
            let schema = version.pointer("/schema/openAPIV3Schema");
            (
                Gvk::new(&api_version, text("/spec/names/kind")),
                Gvr::new(&api_version, text("/spec/names/plural")),
                scope,
                schema.unwrap_or(&Value::Null),
            )
        })
}

/// The schema of a kind that a CRD defines.
fn of_custom(schema: &Value) -> Result<Structural, SchemaError> {
    let mut root = Structural::parse(schema)?;
    complete(&mut root, true);
    Ok(root)
}

/// Adds what every resource, also an embedded one, has and the schema of a CRD need not say. What metadata holds, it
/// cannot say.
fn complete(schema: &mut Structural, is_resource: bool) {
    let further = match &mut schema.additional {
        Additional::Schema(below) => Some(below.as_mut()),
        Additional::None | Additional::Any => None,
    };
    let fields = schema.fields.iter_mut().map(|field| &mut field.schema);
    for below in fields.chain(schema.items.as_deref_mut()).chain(further) {
        complete(below, below.embedded);
    }
    if !is_resource {
        return;
    }
    for name in ["apiVersion", "kind"] {
        if schema.field(name).is_none() {
            let text = Structural {
                kind: Kind::String,
                ..Default::default()
            };
            schema.set_field(name, text);
        }
    }
    schema.set_field("metadata", native("meta.v1.ObjectMeta"));
}

/// All known kinds.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The schema of a kind.
#[must_use]
pub fn get(gvk: &Gvk) -> Option<&'static Structural> {
    entry(gvk).map(Entry::schema)
}

/// The resource of a kind, and whether its objects live in a namespace.
#[must_use]
pub fn resource_of(gvk: &Gvk) -> Option<(Gvr, Scope)> {
    entry(gvk).map(|entry| (entry.gvr.clone(), entry.scope))
}

/// The kind behind a resource.
#[must_use]
pub fn kind_of(gvr: &Gvr) -> Option<Gvk> {
    entries()
        .iter()
        .find(|entry| entry.gvr == *gvr)
        .map(|entry| entry.gvk.clone())
}

/// A known kind.
#[must_use]
pub fn entry(gvk: &Gvk) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.gvk == *gvk)
}
