//! The kinds whose schema is known without a cluster.

use std::sync::LazyLock;

use serde_json::Value;

use super::structural::Structural;
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
    schema: LazyLock<Structural, Box<dyn FnOnce() -> Structural + Send>>,
}

impl Entry {
    /// Its schema; parsed on first use.
    #[must_use]
    pub fn schema(&self) -> &Structural {
        &self.schema
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
            schema: LazyLock::new(Box::new(move || native(&definition(api_version, kind)))),
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

/// One entry per version of a CRD.
fn of_crd(document: &Value) -> Vec<Entry> {
    let text = |pointer: &str| {
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
    versions
        .into_iter()
        .flatten()
        .map(|version| {
            let name = version
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let api_version = format!("{}/{name}", text("/spec/group"));
            let schema = version
                .pointer("/schema/openAPIV3Schema")
                .cloned()
                .unwrap_or_default();
            Entry {
                gvk: Gvk::new(&api_version, text("/spec/names/kind")),
                gvr: Gvr::new(&api_version, text("/spec/names/plural")),
                scope,
                schema: LazyLock::new(Box::new(move || {
                    let mut root = Structural::parse(&schema).expect(INVARIANT);
                    // A CRD says only that there is metadata; what it holds is the same for every kind.
                    root.set_field("metadata", native("meta.v1.ObjectMeta"));
                    root
                })),
            }
        })
        .collect()
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
