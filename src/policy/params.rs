//! Parameter objects: found in the snapshot by kind, namespace, name and labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::gvk::{Gvk, Scope};
use crate::model::json::Json;

use super::source::{NotFound, ParamPick, ParamRef};

/// Namespace of namespaced parameter files that name none: where `kubectl` would put them.
const DEFAULT_NAMESPACE: &str = "default";

/// Scopes of built-in kinds that are used as parameters.
const BUILT_IN: [(&str, &str, Scope); 9] = [
    ("", "ConfigMap", Scope::Namespaced),
    ("", "LimitRange", Scope::Namespaced),
    ("", "Namespace", Scope::Cluster),
    ("", "Node", Scope::Cluster),
    ("", "Pod", Scope::Namespaced),
    ("", "ResourceQuota", Scope::Namespaced),
    ("", "Secret", Scope::Namespaced),
    ("", "Service", Scope::Namespaced),
    ("", "ServiceAccount", Scope::Namespaced),
];

/// One parameter object.
#[derive(Clone, Debug)]
pub struct Param {
    /// `namespace/name`, or the name alone.
    pub id: String,
    /// The object.
    pub object: Arc<Json<'static>>,
}

/// All parameter objects of a set.
#[derive(Clone, Debug, Default)]
pub struct Params {
    kinds: BTreeMap<Gvk, Kind>,
}

#[derive(Clone, Debug)]
struct Kind {
    scope: Scope,
    /// By namespace (empty for cluster-scoped kinds) and name.
    objects: BTreeMap<(String, String), Param>,
}

/// What a binding evaluates with.
#[derive(Debug)]
pub enum Resolved<'s> {
    /// Once, `params` undeclared or null.
    Without,
    /// Once for each; none admits silently.
    Each(Vec<&'s Param>),
}

impl Params {
    /// Builds the snapshot. `scopes` tells the scope of kinds that are not built in; a kind that it does not name is
    /// namespaced when one of its objects names a namespace.
    #[must_use]
    pub fn new(objects: Vec<Json<'static>>, scopes: &BTreeMap<(String, String), Scope>) -> Self {
        let mut by_kind: BTreeMap<Gvk, Vec<Json<'static>>> = BTreeMap::new();
        for object in objects {
            let text = |key: &str| object.str_at(&[key]).unwrap_or_default();
            let kind = Gvk::new(text("apiVersion"), text("kind"));
            by_kind.entry(kind).or_default().push(object);
        }
        let kinds = by_kind.into_iter().map(|(kind, objects)| {
            let scope = scope_of(&kind, scopes).unwrap_or_else(|| {
                let namespaced = objects
                    .iter()
                    .any(|object| !namespace_of(object).is_empty());
                if namespaced {
                    Scope::Namespaced
                } else {
                    Scope::Cluster
                }
            });
            (kind, Kind::new(scope, objects))
        });
        Self {
            kinds: kinds.collect(),
        }
    }

    /// Whether `param_ref` picks the same objects for every request.
    #[must_use]
    pub fn is_fixed(&self, kind: &Gvk, param_ref: &ParamRef) -> bool {
        param_ref.namespace.is_some()
            || self
                .kinds
                .get(kind)
                .is_none_or(|kind| kind.scope == Scope::Cluster)
    }

    /// The objects that `param_ref` picks for a request in `namespace` (empty for the whole cluster).
    ///
    /// # Errors
    /// The texts of the API server: a namespaced kind without a namespace, a namespace for a cluster-scoped kind, or
    /// no object under `parameterNotFoundAction: Deny`.
    pub fn resolve(
        &self,
        kind: Option<&Gvk>,
        param_ref: Option<&ParamRef>,
        namespace: &str,
    ) -> Result<Resolved<'_>, &'static str> {
        let (Some(kind), Some(param_ref)) = (kind, param_ref) else {
            return Ok(Resolved::Without);
        };
        let picked = match self.kinds.get(kind) {
            Some(kind) => kind.pick(param_ref, namespace)?,
            None => Vec::new(),
        };
        if picked.is_empty() && param_ref.not_found == NotFound::Deny {
            return Err("no params found for policy binding with `Deny` parameterNotFoundAction");
        }
        Ok(Resolved::Each(picked))
    }
}

fn scope_of(kind: &Gvk, scopes: &BTreeMap<(String, String), Scope>) -> Option<Scope> {
    let key = (kind.group.clone(), kind.kind.clone());
    let built_in = || {
        BUILT_IN
            .iter()
            .find(|(group, name, _)| *group == kind.group && *name == kind.kind)
            .map(|(_, _, scope)| *scope)
    };
    scopes.get(&key).copied().or_else(built_in)
}

fn namespace_of<'j>(object: &'j Json<'_>) -> &'j str {
    object
        .str_at(&["metadata", "namespace"])
        .unwrap_or_default()
}

impl Kind {
    fn new(scope: Scope, objects: Vec<Json<'static>>) -> Self {
        let place = |object: Json<'static>| {
            let name = object
                .str_at(&["metadata", "name"])
                .unwrap_or_default()
                .to_owned();
            let namespace = match (scope, namespace_of(&object)) {
                (Scope::Cluster, _) => "",
                (Scope::Namespaced, "") => DEFAULT_NAMESPACE,
                (Scope::Namespaced, namespace) => namespace,
            }
            .to_owned();
            let id = if namespace.is_empty() {
                name.clone()
            } else {
                format!("{namespace}/{name}")
            };
            let object = Arc::new(object);
            ((namespace, name), Param { id, object })
        };
        Self {
            scope,
            objects: objects.into_iter().map(place).collect(),
        }
    }

    fn pick(&self, param_ref: &ParamRef, namespace: &str) -> Result<Vec<&Param>, &'static str> {
        let namespace = match (self.scope, param_ref.namespace.as_deref()) {
            (Scope::Cluster, Some(_)) => {
                return Err(
                    "paramRef.namespace must not be provided for a cluster-scoped `paramKind`",
                );
            }
            (Scope::Cluster, None) => "",
            (Scope::Namespaced, Some(namespace)) => namespace,
            (Scope::Namespaced, None) if namespace.is_empty() => {
                return Err(
                    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
                );
            }
            (Scope::Namespaced, None) => namespace,
        };
        let picked = match &param_ref.pick {
            ParamPick::Name(name) => {
                let key = (namespace.to_owned(), name.clone());
                self.objects.get(&key).into_iter().collect()
            }
            ParamPick::Selector(selector) => self
                .objects
                .range((namespace.to_owned(), String::new())..)
                .take_while(|((place, _), _)| place == namespace)
                .map(|(_, param)| param)
                .filter(|param| {
                    let labels = param.object.at(&["metadata", "labels"]);
                    selector.matches(labels.and_then(Json::as_object))
                })
                .collect(),
        };
        Ok(picked)
    }
}
