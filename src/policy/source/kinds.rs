//! Objects that are no policy: parameters of any kind, unless their type shows that a policy was meant. A policy whose
//! kind is mistyped must not pass for a parameter that nobody asks for.

use crate::model::fields::{Field, FieldErrors};
use crate::model::gvk::split_api_version;
use crate::model::near;

use super::super::diagnostic::{Diagnostic, Sourced};
use super::{ADMISSION_GROUP, OWN_GROUP, PROFILE_KIND};

/// The kinds of the two groups that policies live in; those that are no policies may still be parameters.
const KINDS: [(&str, &[&str]); 2] = [
    (
        ADMISSION_GROUP,
        &[
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration",
        ],
    ),
    (
        OWN_GROUP,
        &["SandboxPolicy", PROFILE_KIND, "PolicyException"],
    ),
];

/// Refuses what has no type at all, and what has nearly the type of a policy.
pub fn check(sourced: &Sourced) -> Vec<Diagnostic> {
    let errors = FieldErrors::default();
    let root = Field::root(&sourced.object, &errors);
    if sourced.object.as_object().is_none() {
        root.fail("expected an object with apiVersion and kind");
    } else {
        check_type(&root);
    }
    let subject = sourced.subject();
    let errors = errors.into_vec();
    let diagnostics = errors
        .iter()
        .map(|error| Diagnostic::field(&subject, &sourced.origin, error));
    diagnostics.collect()
}

fn check_type(root: &Field<'_>) {
    let (version_field, kind_field) = (root.key("apiVersion"), root.key("kind"));
    let (version, kind) = (version_field.required_text(), kind_field.required_text());
    let (Some(version), Some(kind)) = (version, kind) else {
        // The mistake is most likely the key itself.
        let keys = root.value().and_then(|value| value.as_object());
        for (key, _) in keys.into_iter().flat_map(|keys| keys.iter()) {
            let meant = near::nearest(key, ["apiVersion", "kind"]);
            if let Some(meant) = meant.filter(|meant| !root.key(meant).is_set()) {
                root.key(key).fail(format!("did you mean {meant:?}?"));
            }
        }
        return;
    };
    let (group, _) = split_api_version(version);
    if let Some((_, kinds)) = KINDS.iter().find(|(name, _)| *name == group) {
        if !kinds.contains(&kind) {
            let hint = near::hint(kind, kinds.iter().copied());
            let known = kinds.join(", ");
            let hint = if hint.is_empty() {
                format!("; kinds of {group}: {known}")
            } else {
                hint
            };
            kind_field.fail(format!("unknown kind {kind:?}{hint}"));
        }
        return;
    }
    let meant = near::nearest(group, KINDS.iter().map(|(name, _)| *name));
    let nearby = KINDS.iter().find(|(name, _)| Some(*name) == meant);
    if let Some((name, kinds)) = nearby
        && (kinds.contains(&kind) || near::nearest(kind, kinds.iter().copied()).is_some())
    {
        version_field.fail(format!("unknown group {group:?}, did you mean {name:?}?"));
    }
}
