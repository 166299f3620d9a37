//! The bindings that guardrail profiles stand for: one per policy and profile, named `<policy>-<profile>`.
//!
//! A profile with enforcement `Warn` or `Audit` binds no mutating policy: it must change nothing.

use crate::model::json::{Json, Map};
use crate::model::selector::{LabelSelector, Operator, Requirement};
use crate::model::verdict::Action;

use super::source::{
    ADMISSION_GROUP, Binding, MatchResources, NotFound, ParamPick, ParamRef, Policy, Profile,
};

/// The label with a namespace's own name, which the API server sets on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The bindings of a policy that takes profiles, sorted by name when the profiles are.
#[must_use]
pub fn bindings(policy: &Policy, profiles: &[Profile], exempt: &[String]) -> Vec<Binding> {
    profiles
        .iter()
        .filter(|profile| !policy.mutates() || profile.enforcement == Action::Deny)
        .map(|profile| Binding {
            name: format!("{}-{}", policy.name, profile.name),
            policy: policy.name.clone(),
            mutating: policy.mutates(),
            param_ref: Some(ParamRef {
                pick: ParamPick::Name(profile.name.clone()),
                namespace: None,
                not_found: NotFound::Deny,
            }),
            resources: Some(MatchResources {
                namespace_selector: covered(profile, exempt),
                ..MatchResources::default()
            }),
            actions: if policy.mutates() {
                Vec::new()
            } else {
                vec![profile.enforcement]
            },
            profile: Some(Box::new(profile.clone())),
        })
        .collect()
}

/// The profile's namespaces without the exempt ones.
fn covered(profile: &Profile, exempt: &[String]) -> LabelSelector {
    let mut selector = profile.namespaces.clone();
    if !exempt.is_empty() {
        selector.expressions.push(Requirement {
            key: NAMESPACE_NAME.to_owned(),
            operator: Operator::NotIn,
            values: exempt.to_vec(),
        });
    }
    selector
}

/// The binding as a manifest of the in-tree kinds; profile bindings restrict requests by namespace alone.
#[must_use]
pub fn manifest(binding: &Binding) -> Json<'static> {
    let kind = if binding.mutating {
        "MutatingAdmissionPolicyBinding"
    } else {
        "ValidatingAdmissionPolicyBinding"
    };
    let mut spec = Map::new();
    spec.insert("policyName", Json::from(binding.policy.clone()));
    if let Some(param_ref) = &binding.param_ref {
        spec.insert("paramRef", param_manifest(param_ref));
    }
    if let Some(resources) = &binding.resources {
        let selector = resources.namespace_selector.to_json();
        let resources = [("namespaceSelector", selector)].into_iter().collect();
        spec.insert("matchResources", Json::Object(resources));
    }
    if !binding.mutating {
        let actions = binding.actions.iter();
        let actions = actions.map(|action| Json::from(format!("{action:?}")));
        spec.insert("validationActions", Json::Array(actions.collect()));
    }
    let metadata = [("name", Json::from(binding.name.clone()))];
    let members = [
        ("apiVersion", Json::from(format!("{ADMISSION_GROUP}/v1"))),
        ("kind", Json::from(kind)),
        ("metadata", Json::Object(metadata.into_iter().collect())),
        ("spec", Json::Object(spec)),
    ];
    Json::Object(members.into_iter().collect())
}

fn param_manifest(param_ref: &ParamRef) -> Json<'static> {
    let mut out = Map::new();
    match &param_ref.pick {
        ParamPick::Name(name) => out.insert("name", Json::from(name.clone())),
        ParamPick::Selector(selector) => out.insert("selector", selector.to_json()),
    };
    if let Some(namespace) = &param_ref.namespace {
        out.insert("namespace", Json::from(namespace.clone()));
    }
    let action = format!("{:?}", param_ref.not_found);
    out.insert("parameterNotFoundAction", Json::from(action));
    Json::Object(out)
}
