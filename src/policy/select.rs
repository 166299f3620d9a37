//! Which policies a request needs: an index by resource and operation, then the matching rules of the API server.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::model::gvk::Gvr;
use crate::model::json::{Json, Map};
use crate::model::request::{Operation, Request};
use crate::model::selector::LabelSelector;

use super::source::{ADMISSION_GROUP, MatchResources, ResourceRule, RuleScope};

/// Kinds that no API-sourced policy applies to: a policy must not be able to lock out its own repair.
const POLICY_RESOURCES: [&str; 4] = [
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
];

/// Questions about who may do what: answering them is not a change.
const REVIEWS: [(&str, &[&str]); 2] = [
    (
        "authentication.k8s.io",
        &["selfsubjectreviews", "tokenreviews"],
    ),
    (
        "authorization.k8s.io",
        &[
            "localsubjectaccessreviews",
            "selfsubjectaccessreviews",
            "selfsubjectrulesreviews",
            "subjectaccessreviews",
        ],
    ),
];

/// Whether policies never see this request.
#[must_use]
pub fn is_exempt(request: &Request<'_>) -> bool {
    let Gvr {
        group, resource, ..
    } = &request.resource;
    if group == ADMISSION_GROUP {
        return POLICY_RESOURCES.contains(&resource.as_str());
    }
    REVIEWS
        .iter()
        .any(|(name, resources)| name == group && resources.contains(&resource.as_str()))
}

/// Policies by resource and operation: a request that nothing matches is answered by two look-ups.
#[derive(Clone, Debug, Default)]
pub struct Index {
    by_resource: HashMap<String, [Vec<u32>; 4]>,
    /// Policies whose rules name every resource.
    any: [Vec<u32>; 4],
}

impl Index {
    /// Indexes policies by their position.
    #[must_use]
    pub fn new<'p>(policies: impl IntoIterator<Item = &'p MatchResources>) -> Self {
        let mut index = Self::default();
        for (at, constraints) in (0_u32..).zip(policies) {
            for rule in &constraints.rules {
                index.insert(at, rule);
            }
        }
        index
    }

    fn insert(&mut self, at: u32, rule: &ResourceRule) {
        for resource in &rule.resources {
            let base = resource.split('/').next().unwrap_or_default();
            let lists = if base == "*" {
                &mut self.any
            } else {
                self.by_resource.entry(base.to_owned()).or_default()
            };
            for operation in rule.operations.iter() {
                let list = &mut lists[operation as usize];
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        }
    }

    /// Positions of the policies that may match, ascending.
    pub fn candidates(
        &self,
        resource: &str,
        operation: Operation,
    ) -> impl Iterator<Item = usize> + '_ {
        let named: &[u32] = self
            .by_resource
            .get(resource)
            .map_or(&[], |lists| &lists[operation as usize]);
        let any = self.any[operation as usize].as_slice();
        Merge { named, any }
    }
}

/// Two ascending lists as one, without duplicates.
struct Merge<'i> {
    named: &'i [u32],
    any: &'i [u32],
}

impl Iterator for Merge<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let next = match (self.named.first(), self.any.first()) {
            (Some(a), Some(b)) => *a.min(b),
            (Some(a), None) => *a,
            (None, Some(b)) => *b,
            (None, None) => return None,
        };
        for list in [&mut self.named, &mut self.any] {
            if let [first, rest @ ..] = *list
                && *first == next
            {
                *list = rest;
            }
        }
        Some(next as usize)
    }
}

/// What matching needs of a request, looked at once.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'r> {
    request: &'r Request<'r>,
    object_labels: Option<&'r Map<'r>>,
    old_labels: Option<&'r Map<'r>>,
    namespace: NamespaceLabels<'r>,
}

/// The labels that namespace selectors see.
#[derive(Clone, Copy, Debug)]
enum NamespaceLabels<'r> {
    /// The request concerns the whole cluster: every selector matches.
    Cluster,
    /// The namespace is not known.
    Unknown,
    /// Its labels.
    Known(Option<&'r Map<'r>>),
}

fn labels<'r>(object: &'r Json<'r>) -> Option<&'r Map<'r>> {
    object.at(&["metadata", "labels"]).and_then(Json::as_object)
}

/// Namespaces live in no namespace, whatever a request about one says.
fn is_namespaces(resource: &Gvr) -> bool {
    resource.group.is_empty() && resource.version == "v1" && resource.resource == "namespaces"
}

impl<'r> Facts<'r> {
    /// Looks at the request.
    #[must_use]
    pub fn new(request: &'r Request<'r>) -> Self {
        Self {
            request,
            object_labels: labels(&request.object),
            old_labels: labels(&request.old_object),
            namespace: namespace_labels(request),
        }
    }

    /// Whether a request is one of those described.
    ///
    /// # Errors
    /// A namespace selector had to be tested and the namespace is not known: `namespaces "x" not found`.
    pub fn matches(&self, wanted: &MatchResources) -> Result<bool, String> {
        let in_namespace = self.namespace_matches(&wanted.namespace_selector);
        if in_namespace == Some(false) || !self.object_matches(&wanted.object_selector) {
            return Ok(false);
        }
        let any = |rules: &[ResourceRule]| {
            rules
                .iter()
                .any(|rule| self.rule_matches(rule, wanted.exact))
        };
        if any(&wanted.excludes) || !(wanted.rules.is_empty() || any(&wanted.rules)) {
            return Ok(false);
        }
        match in_namespace {
            Some(_) => Ok(true),
            None => Err(format!(
                "namespaces \"{}\" not found",
                self.request.namespace
            )),
        }
    }

    /// Why a request is none of those described, for people; only for those that [`Facts::matches`] says so of.
    pub(super) fn why_not(&self, wanted: &MatchResources) -> String {
        let any = |rules: &[ResourceRule]| {
            rules
                .iter()
                .any(|rule| self.rule_matches(rule, wanted.exact))
        };
        if !wanted.rules.is_empty() && !any(&wanted.rules) {
            let request = self.request;
            let sub = request.sub_resource.as_deref();
            let sub = sub.map(|sub| format!("/{sub}")).unwrap_or_default();
            let operation = request.operation;
            return format!(
                "no rule is about {operation} of {}{sub}",
                request.resource.resource
            );
        }
        if any(&wanted.excludes) {
            return "an excludeResourceRule takes it out".to_owned();
        }
        if self.namespace_matches(&wanted.namespace_selector) == Some(false) {
            return format!(
                "its namespaceSelector does not match the namespace {}",
                self.request.namespace
            );
        }
        "its objectSelector does not match".to_owned()
    }

    /// Whether the request is in a namespace with these labels; `None`: cannot be told.
    pub(super) fn namespace_matches(&self, selector: &LabelSelector) -> Option<bool> {
        if selector.is_empty() {
            return Some(true);
        }
        match self.namespace {
            NamespaceLabels::Cluster => Some(true),
            NamespaceLabels::Known(labels) => Some(selector.matches(labels)),
            NamespaceLabels::Unknown => None,
        }
    }

    fn object_matches(&self, selector: &LabelSelector) -> bool {
        let request = self.request;
        let one = |object: &Json<'_>, labels| {
            object.get("metadata").is_some() && selector.matches(labels)
        };
        selector.is_empty()
            || one(&request.object, self.object_labels)
            || one(&request.old_object, self.old_labels)
    }

    /// The resource as the webhook sees it, and as the client used it: the API server converts between versions that
    /// share storage, so a rule on either is meant. `Exact` means the client's own.
    fn rule_matches(&self, rule: &ResourceRule, exact: bool) -> bool {
        let request = self.request;
        let subresource = request.sub_resource.as_deref().unwrap_or_default();
        let asked = request.request_resource.as_ref();
        let asked_subresource = request
            .request_sub_resource
            .as_deref()
            .filter(|_| asked.is_some())
            .unwrap_or(subresource);
        let seen = match (exact, asked) {
            (true, Some(asked)) => self.covers(rule, asked, asked_subresource),
            _ => {
                self.covers(rule, &request.resource, subresource)
                    || asked.is_some_and(|asked| self.covers(rule, asked, asked_subresource))
            }
        };
        seen && (rule.names.is_empty() || rule.names.contains(&request.name))
    }

    fn covers(&self, rule: &ResourceRule, resource: &Gvr, subresource: &str) -> bool {
        let listed = |list: &[String], item: &str| list.iter().any(|one| one == "*" || one == item);
        let cluster = is_namespaces(resource) || self.request.namespace.is_empty();
        let in_scope = match rule.scope {
            RuleScope::All => true,
            RuleScope::Cluster => cluster,
            RuleScope::Namespaced => !cluster,
        };
        in_scope
            && rule.operations.contains(self.request.operation)
            && listed(&rule.groups, &resource.group)
            && listed(&rule.versions, &resource.version)
            && rule.resources.iter().any(|entry| {
                let (name, sub) = entry.split_once('/').unwrap_or((entry, ""));
                (name == "*" || name == resource.resource) && (sub == "*" || sub == subresource)
            })
    }
}

fn namespace_labels<'r>(request: &'r Request<'r>) -> NamespaceLabels<'r> {
    if request.resource.resource == "namespaces" {
        // Incoming labels decide while a namespace is created or changed, stored ones for anything else about it.
        let changes = matches!(request.operation, Operation::Create | Operation::Update);
        if changes && request.sub_resource.is_none() {
            return NamespaceLabels::Known(labels(&request.object));
        }
        return match &request.namespace_object {
            Some(namespace) => NamespaceLabels::Known(labels(namespace)),
            None if !request.old_object.is_null() => {
                NamespaceLabels::Known(labels(&request.old_object))
            }
            None => NamespaceLabels::Unknown,
        };
    }
    if request.namespace.is_empty() {
        return NamespaceLabels::Cluster;
    }
    match &request.namespace_object {
        Some(namespace) => NamespaceLabels::Known(labels(namespace)),
        None => NamespaceLabels::Unknown,
    }
}
