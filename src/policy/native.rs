//! Policies and profiles as objects of the API server's own kinds, which enforces them without anything else running.
//!
//! In-tree objects stay as they are written. A `SandboxPolicy` becomes a policy and a binding, a profile stays the
//! parameter that it is and gets a binding for each policy that takes profiles, with the exempt namespaces taken out.

use crate::model::json::{Json, Map};

use super::diagnostic::Sourced;
use super::presets::profile_name;
use super::profiles::manifest;
use super::set::Set;
use super::source::{ADMISSION_GROUP, Binding, OWN_GROUP};

/// Fields of a `SandboxPolicy` that mean the same in the in-tree kinds.
const SHARED: [&str; 9] = [
    "auditAnnotations",
    "failurePolicy",
    "matchConditions",
    "matchConstraints",
    "mutations",
    "paramKind",
    "reinvocationPolicy",
    "validations",
    "variables",
];

/// What reports say about a policy: fields of a `SandboxPolicy`, annotations of the in-tree kinds.
const ABOUT: [&str; 5] = ["category", "controls", "remediation", "severity", "title"];

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Native {
    /// Parameters, then policies, then bindings, each by kind and name.
    pub objects: Vec<Json<'static>>,
    /// What the API server cannot do, one sentence each.
    pub notes: Vec<String>,
}

/// The objects behind a set, which was built of `objects`.
#[must_use]
pub fn native(objects: &[Sourced], set: &Set) -> Native {
    let mut out = Native::default();
    let mut left = Vec::new();
    let guarded = set.policies().any(|policy| policy.takes_profiles());
    for sourced in objects {
        // A profile that nothing takes is a parameter of nothing.
        if !guarded && profile_name(sourced).is_some() {
            continue;
        }
        let text = |key: &str| sourced.object.str_at(&[key]).unwrap_or_default();
        let own = text("apiVersion").starts_with(OWN_GROUP) && text("kind") == "SandboxPolicy";
        if !own {
            out.objects.push(sourced.object.clone());
        } else if looks_up(&sourced.object) {
            let name = sourced.object.str_at(&["metadata", "name"]);
            left.push(name.unwrap_or_default().to_owned());
        } else {
            out.objects.push(policy(&sourced.object));
        }
    }
    for name in &left {
        out.notes.push(format!(
            "SandboxPolicy/{name} is left out: it has lookups, which the API server's own policies do not"
        ));
    }
    let made = |binding: &&Binding| {
        let of_own = || {
            let policy = set.policy(&binding.policy, binding.mutating);
            binding.name == binding.policy
                && policy.is_some_and(|policy| policy.kind == "SandboxPolicy")
        };
        !left.contains(&binding.policy) && (binding.profile.is_some() || of_own())
    };
    for binding in set.bindings().filter(made) {
        let binding = manifest(binding);
        if !out.objects.iter().any(|one| key(one) == key(&binding)) {
            out.objects.push(binding);
        }
    }
    out.objects.sort_by(|a, b| key(a).cmp(&key(b)));
    out
}

/// What objects are sorted and told apart by.
fn key<'o>(object: &'o Json<'static>) -> (u8, &'o str, &'o str, &'o str) {
    let text = |keys: &[&str]| object.str_at(keys).unwrap_or_default();
    let kind = text(&["kind"]);
    let admission = text(&["apiVersion"]).starts_with(ADMISSION_GROUP);
    let rank = match (admission, kind.ends_with("Binding")) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    };
    let name = text(&["metadata", "name"]);
    (rank, kind, text(&["metadata", "namespace"]), name)
}

fn looks_up(object: &Json<'static>) -> bool {
    let lookups = object.at(&["spec", "lookups"]).and_then(Json::as_array);
    lookups.is_some_and(|lookups| !lookups.is_empty())
}

/// A `SandboxPolicy` as policy of the in-tree kinds.
fn policy(object: &Json<'static>) -> Json<'static> {
    let given = object.get("spec").and_then(Json::as_object);
    let field = |key: &str| {
        given
            .and_then(|spec| spec.get(key))
            .filter(|one| !one.is_null())
    };
    let mutates = field("mutations").is_some();
    let mut spec: Map<'static> = SHARED
        .iter()
        .filter_map(|key| Some((*key, field(key)?.clone())))
        .collect();
    if mutates && !spec.contains_key("reinvocationPolicy") {
        // Required there.
        spec.insert("reinvocationPolicy", Json::from("Never"));
    }
    let mut metadata = match object.get("metadata") {
        Some(Json::Object(metadata)) => metadata.clone(),
        _ => Map::new(),
    };
    let about: Vec<(String, Json<'static>)> = ABOUT
        .iter()
        .filter_map(|key| Some((format!("sandfence.dev/{key}"), about(field(key)?)?)))
        .collect();
    if !about.is_empty()
        && let Json::Object(annotations) =
            metadata.entry_or("annotations", Json::Object(Map::new()))
    {
        for (key, value) in about {
            annotations.insert(key, value);
        }
    }
    let kind = if mutates {
        "MutatingAdmissionPolicy"
    } else {
        "ValidatingAdmissionPolicy"
    };
    let members = [
        ("apiVersion", Json::from(format!("{ADMISSION_GROUP}/v1"))),
        ("kind", Json::from(kind)),
        ("metadata", Json::Object(metadata)),
        ("spec", Json::Object(spec)),
    ];
    Json::Object(members.into_iter().collect())
}

/// The text of an annotation: lists are separated by commas.
fn about(value: &Json<'static>) -> Option<Json<'static>> {
    match value {
        Json::String(_) => Some(value.clone()),
        Json::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            Some(Json::from(items.join(", ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::set::Settings;
    use super::*;
    use crate::model::yaml_out::to_yaml_stream;

    const OBJECTS: &str = "\
apiVersion: sandfence.dev/v1alpha1
kind: SandboxPolicy
metadata: {name: own}
spec:
  severity: High
  controls: [C-1, C-2]
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validationActions: [Warn]
  validations: [{expression: 'true'}]
---
apiVersion: sandfence.dev/v1alpha1
kind: SandboxPolicy
metadata: {name: guard}
spec:
  paramKind: {apiVersion: sandfence.dev/v1alpha1, kind: GuardrailProfile}
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  mutations:
  - {patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{}'}}
---
apiVersion: sandfence.dev/v1alpha1
kind: GuardrailProfile
metadata: {name: strict}
spec: {}
";

    const NATIVE: &str = "\
---
apiVersion: sandfence.dev/v1alpha1
kind: GuardrailProfile
metadata:
  name: strict
spec: {}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata:
  name: guard
spec:
  matchConstraints:
    resourceRules:
    - apiGroups:
      - \"\"
      apiVersions:
      - v1
      operations:
      - CREATE
      resources:
      - pods
  mutations:
  - applyConfiguration:
      expression: Object{}
    patchType: ApplyConfiguration
  paramKind:
    apiVersion: sandfence.dev/v1alpha1
    kind: GuardrailProfile
  reinvocationPolicy: Never
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  annotations:
    sandfence.dev/controls: C-1, C-2
    sandfence.dev/severity: High
  name: own
spec:
  matchConstraints:
    resourceRules:
    - apiGroups:
      - \"\"
      apiVersions:
      - v1
      operations:
      - CREATE
      resources:
      - pods
  validations:
  - expression: \"true\"
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: guard-strict
spec:
  matchResources:
    namespaceSelector:
      matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: NotIn
        values:
        - kube-system
        - kube-public
        - kube-node-lease
        - sandfence-system
  paramRef:
    name: strict
    parameterNotFoundAction: Deny
  policyName: guard
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: own
spec:
  policyName: own
  validationActions:
  - Warn
";

    #[test]
    fn own_kinds_become_in_tree_objects_with_their_bindings() {
        let objects = Sourced::read("p.yaml", OBJECTS).expect("YAML");
        let set = Set::build(objects.clone(), &Settings::default()).expect("valid");
        let made = native(&objects, &set);
        assert_eq!(to_yaml_stream(&made.objects), NATIVE);
        assert_eq!(made.notes, [""; 0]);
    }

    #[test]
    fn a_profile_that_no_policy_takes_is_left_out() {
        let mut objects = Sourced::read("p.yaml", OBJECTS).expect("YAML");
        objects.retain(|one| one.object.str_at(&["metadata", "name"]) != Some("guard"));
        let set = Set::build(objects.clone(), &Settings::default()).expect("valid");
        let made = native(&objects, &set).objects;
        let kinds: Vec<Option<&str>> = made.iter().map(|one| one.str_at(&["kind"])).collect();
        let expected = [
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ];
        assert_eq!(kinds, expected.map(Some));
    }
}
