//! Whether an object of a known kind is one that the API server would store: known fields, types and bounds, and the
//! expressions of its schema.
//!
//! The same answer for a profile in a file as for one in the cluster: nothing can be put in force here that could not
//! be applied there.

use crate::api::openapi::QUANTITY_PATTERN;
use crate::model::fields::FieldError;
use crate::model::json::Json;
use crate::model::near;
use crate::model::path::{FieldPath, Step};
use crate::schema::Structural;

/// Every mistake in `object`, as for a create with strict field validation: unknown fields, then the schema's own
/// checks and, where those hold, its expressions.
#[must_use]
pub fn check(schema: &Structural, object: &Json<'_>) -> Vec<FieldError> {
    let unknown = schema
        .unknown_fields(object)
        .into_iter()
        .map(|path| FieldError {
            message: format!("unknown field{}", suggestion(schema, &path)),
            path,
        });
    let invalid = schema
        .check(object, None)
        .into_iter()
        .map(|error| FieldError {
            path: error.path,
            message: explain(error.message),
        });
    unknown.chain(invalid).collect()
}

/// The field of the same object that an unknown one was most likely meant to be, as [`near::hint`].
fn suggestion(schema: &Structural, path: &FieldPath) -> String {
    let Some((Step::Key(unknown), parents)) = path.0.split_last() else {
        return String::new();
    };
    let parent = parents.iter().try_fold(schema, |schema, step| match step {
        Step::Key(key) => schema.member(key),
        Step::Index(_) => schema.items.as_deref(),
    });
    let fields = parent.into_iter().flat_map(|parent| &parent.fields);
    near::hint(unknown, fields.map(|field| &*field.name))
}

/// The API server's sentence, and what would pass where it only shows a pattern that nobody reads.
fn explain(mut message: String) -> String {
    if message.ends_with(&format!("'{QUANTITY_PATTERN}'")) {
        message.push_str("; write a quantity such as 500m, 2 or 4Gi");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gvk::Gvk;
    use crate::owned_json;
    use crate::schema::catalog;

    fn mistakes(spec: serde_json::Value) -> Vec<String> {
        let schema =
            catalog::get(&Gvk::new("sandfence.dev/v1alpha1", "GuardrailProfile")).expect("known");
        let object = owned_json!({
            "apiVersion": "sandfence.dev/v1alpha1", "kind": "GuardrailProfile",
            "metadata": {"name": "p"}, "spec": spec,
        });
        check(schema, &object)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn impossible_profiles_are_refused_with_the_field() {
        let none: [&str; 0] = [];
        assert_eq!(
            mistakes(serde_json::json!({"resources": {"maxVolumeSize": "12Gi"}})),
            none
        );
        let cases = [
            (
                serde_json::json!({"resources": {"maxVolumeSize": "12Foo"}}),
                "spec.resources.maxVolumeSize: ",
            ),
            (
                serde_json::json!({"user": {"minUID": 0}}),
                "spec.user.minUID: ",
            ),
            (
                serde_json::json!({"usr": {}}),
                "spec.usr: unknown field, did you mean \"user\"?",
            ),
            (
                serde_json::json!({"ports": {"allowed": [{"from": 1, "to": 2, "form": 1}]}}),
                "spec.ports.allowed[0].form: unknown field, did you mean \"from\"?",
            ),
            (
                serde_json::json!({"weather": {}}),
                "spec.weather: unknown field",
            ),
            (
                serde_json::json!({"ports": {"allowed": [{"from": 9, "to": 8}]}}),
                "spec.ports.allowed[0]",
            ),
            (
                serde_json::json!({"network": {"forbidEgressTo": ["10.0.0.0/99"]}}),
                "spec.network.forbidEgressTo",
            ),
        ];
        for (spec, start) in cases {
            let found = mistakes(spec.clone());
            assert!(
                found.len() == 1 && found[0].starts_with(start),
                "{spec}: {found:?}"
            );
        }
    }

    #[test]
    fn a_quantity_that_is_none_is_explained() {
        let found = mistakes(serde_json::json!({"resources": {"maxVolumeSize": "12Gib"}}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("spec.resources.maxVolumeSize: Invalid value: \"12Gib\"")
                && found[0].ends_with("'; write a quantity such as 500m, 2 or 4Gi"),
            "{found:?}"
        );
    }
}
