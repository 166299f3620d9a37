//! Whether an object of a known kind is one that the API server would store: known fields, types and bounds, and the
//! expressions of its schema.
//!
//! The same answer for a profile in a file as for one in the cluster: nothing can be put in force here that could not
//! be applied there.

use std::collections::BTreeMap;

use crate::cel::cost::PER_CALL_LIMIT;
use crate::cel::env::{Env, Slot};
use crate::cel::plan::{Activation, Program};
use crate::cel::types::Type;
use crate::cel::value::{EvalError, Value};
use crate::model::fields::FieldError;
use crate::model::json::Json;
use crate::model::path::FieldPath;
use crate::schema::Structural;
use crate::schema::rules::Met;

/// Every mistake in `object`, as for a create: unknown fields first, then the schema's own checks, then, where those
/// hold, its expressions.
#[must_use]
pub fn check(schema: &Structural, object: &Json<'_>) -> Vec<FieldError> {
    let unknown = schema
        .unknown_fields(object)
        .into_iter()
        .map(|path| FieldError {
            path,
            message: "unknown field".to_owned(),
        });
    let invalid = schema.validate(object).into_iter().map(|error| FieldError {
        path: error.path,
        message: error.message,
    });
    let errors: Vec<FieldError> = unknown.chain(invalid).collect();
    if errors.is_empty() {
        expressions(schema, object)
    } else {
        errors
    }
}

/// The variables of a schema expression.
struct Selves<'a> {
    slot: Option<Slot>,
    value: &'a Json<'a>,
}

impl<'a> Activation<'a> for Selves<'a> {
    fn variable(&self, slot: Slot) -> Option<Value<'a>> {
        (self.slot == Some(slot)).then(|| Value::from(self.value))
    }

    fn composed(&self, _: usize) -> Result<Value<'a>, EvalError> {
        Err(EvalError::NoSuchOverload)
    }
}

/// Compiled expressions of one walk, by text; a rule of a list element is met once per element.
type Programs = BTreeMap<String, Result<Program, String>>;

fn expressions(schema: &Structural, object: &Json<'_>) -> Vec<FieldError> {
    let env = Env::builder()
        .variable("self", Type::Dyn)
        .variable("oldSelf", Type::Dyn)
        .build();
    let mut programs = Programs::new();
    let mut errors = Vec::new();
    schema.visit_rules(object, None, &mut |path, met| {
        // A transition rule says nothing about a new object.
        if !met.rule.expression.contains("oldSelf")
            && let Some(message) = broken(&env, &mut programs, &met)
        {
            errors.push(FieldError {
                path: blamed(path, &met),
                message,
            });
        }
    });
    errors
}

/// The message of a rule that does not hold.
fn broken(env: &Env, programs: &mut Programs, met: &Met<'_, '_, '_>) -> Option<String> {
    let text = &met.rule.expression;
    let program = programs
        .entry(text.clone())
        .or_insert_with(|| env.compile(text).map_err(|error| error.to_string()));
    let outcome = match program {
        Ok(program) => {
            let selves = Selves {
                slot: env.slot("self"),
                value: met.value,
            };
            program
                .eval(&selves, PER_CALL_LIMIT)
                .value
                .map_err(|error| error.to_string())
        }
        Err(error) => Err(error.clone()),
    };
    match outcome {
        Ok(Value::Bool(true)) => None,
        Ok(_) => Some(format!(
            "Invalid value: {}",
            met.rule.message.as_deref().unwrap_or(text)
        )),
        Err(error) => Some(format!(
            "Invalid value: rule {text:?} cannot be evaluated: {error}"
        )),
    }
}

/// The field a rule blames: its own place, or the one below it that `fieldPath` names.
fn blamed(path: &FieldPath, met: &Met<'_, '_, '_>) -> FieldPath {
    let below = met
        .rule
        .field_path
        .as_deref()
        .map(|text| text.trim_start_matches('.'));
    let mut path = path.clone();
    path.0.extend(
        below
            .and_then(FieldPath::parse_prefix)
            .into_iter()
            .flat_map(|below| below.0),
    );
    path
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
            (serde_json::json!({"usr": {}}), "spec.usr: unknown field"),
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
}
