//! The expressions of a schema (`x-kubernetes-validations`), evaluated: what the API server refuses beyond types and
//! bounds is refused offline as well.
//!
//! Values are seen without their declared types: text with a time format is text. Field names are escaped as in the
//! API server (`namespace` is `__namespace__`). No cost limit but that of one evaluation applies.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::env::{Env, Slot};
use super::names::escape;
use super::plan::{Activation, PER_CALL_LIMIT, Program};
use super::source::CompileError;
use super::types::Type;
use super::value::{EvalError, Value};
use crate::model::fields::FieldError;
use crate::model::json::{Json, Map};
use crate::model::path::{FieldPath, Step};
use crate::schema::Structural;
use crate::schema::rules::Met;
use crate::schema::structural::{Kind, Rule};

static ENV: LazyLock<Env> = LazyLock::new(|| {
    Env::builder()
        .variable("self", Type::Dyn)
        .variable("oldSelf", Type::Dyn)
        .build()
});

impl Structural {
    /// All mistakes in `object`: those of [`Structural::validate`] or, when there are none, the expressions that do not
    /// hold. Rules about a change are checked against `old`, where there is an old value.
    #[must_use]
    pub fn check(&self, object: &Json<'_>, old: Option<&Json<'_>>) -> Vec<FieldError> {
        let mistakes = self.validate(object);
        if mistakes.is_empty() {
            broken_rules(self, object, old)
        } else {
            mistakes
        }
    }
}

/// Rules by their text: the elements of a list share theirs.
type Programs<'w> = HashMap<&'w str, Result<Program, CompileError>>;

fn broken_rules(schema: &Structural, object: &Json<'_>, old: Option<&Json<'_>>) -> Vec<FieldError> {
    let object = object.to_owned_json();
    let old = old.map(Json::to_owned_json);
    let mut programs = Programs::new();
    let mut broken = Vec::new();
    schema.visit_rules(&object, old.as_ref(), &mut |path, met| {
        broken.extend(broken_rule(path, &met, &mut programs));
    });
    broken
}

fn broken_rule<'w>(
    path: &FieldPath,
    met: &Met<'w, '_, '_>,
    programs: &mut Programs<'w>,
) -> Option<FieldError> {
    let about_change = met.rule.expression.contains("oldSelf");
    if met.value.is_null() || (about_change && met.old.is_none()) {
        return None;
    }
    let this = escaped(met.schema, met.value);
    let old = met.old.map(|old| escaped(met.schema, old));
    let variables = Variables {
        this: &this,
        old: old.as_deref(),
    };
    let message = || {
        let stated = met
            .rule
            .message_expression
            .as_deref()
            .and_then(|text| variables.text(text));
        let stated = stated.or_else(|| met.rule.message.clone());
        stated.unwrap_or_else(|| format!("failed rule: {}", met.rule.expression))
    };
    let program = programs
        .entry(&met.rule.expression)
        .or_insert_with(|| ENV.compile(&met.rule.expression));
    let problem = match program {
        Err(error) => Some(format!("rule compile error: {error}")),
        Ok(program) => match variables.eval(program) {
            Ok(Value::Bool(true)) => return None,
            Ok(Value::Bool(false)) => None,
            Ok(other) => Some(format!(
                "expected bool, found {} evaluating rule: {}",
                other.type_name(),
                message()
            )),
            Err(error) => Some(format!("{error} evaluating rule: {}", message())),
        },
    };
    let message = match problem {
        Some(problem) => format!("Invalid value: {:?}: {problem}", type_name(met.schema.kind)),
        None => refusal(met.rule, met.value, &message()),
    };
    let path = blamed(path, met.rule.field_path.as_deref());
    Some(FieldError { path, message })
}

/// What is said about a rule that does not hold; only scalars are shown.
fn refusal(rule: &Rule, value: &Json<'_>, message: &str) -> String {
    let shown = match value {
        Json::Array(_) | Json::Object(_) => String::new(),
        scalar if rule.field_path.is_none() => format!(": {scalar}"),
        _ => String::new(),
    };
    match rule.reason.as_deref() {
        Some("FieldValueRequired") => format!("Required value: {message}"),
        Some("FieldValueForbidden") => format!("Forbidden: {message}"),
        Some("FieldValueDuplicate") => format!("Duplicate value{shown}: {message}"),
        _ => format!("Invalid value{shown}: {message}"),
    }
}

/// The type of a schema as the API server's messages name it.
const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::Any | Kind::IntOrString | Kind::NumberOrString => "",
    }
}

/// `path` with the rule's own `fieldPath` (`.a.b`, `['a']`) behind it.
fn blamed(path: &FieldPath, below: Option<&str>) -> FieldPath {
    let mut steps = path.0.clone();
    let mut rest = below.unwrap_or_default();
    while !rest.is_empty() {
        let quoted = rest
            .strip_prefix("['")
            .and_then(|rest| rest.split_once("']"));
        let (key, after) = quoted.unwrap_or_else(|| {
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()))
        });
        if key.is_empty() {
            break;
        }
        steps.push(Step::Key(key.to_owned()));
        rest = after;
    }
    FieldPath(steps)
}

struct Variables<'v> {
    this: &'v Json<'v>,
    old: Option<&'v Json<'v>>,
}

impl<'v> Activation<'v> for Variables<'v> {
    fn variable(&self, slot: Slot) -> Option<Value<'v>> {
        if Some(slot) == ENV.slot("self") {
            return Some(Value::from(self.this));
        }
        self.old.map(Value::from)
    }

    fn composed(&self, _: usize) -> Result<Value<'v>, EvalError> {
        Err(EvalError::text("rules of a schema have no variables"))
    }
}

impl<'v> Variables<'v> {
    fn eval<'a>(&self, program: &'a Program) -> Result<Value<'a>, EvalError>
    where
        'v: 'a,
    {
        let variables: &dyn Activation<'a> = &Variables {
            this: self.this,
            old: self.old,
        };
        program.eval(variables, PER_CALL_LIMIT).value
    }

    /// The text that a message expression gives; none when it fails or gives nothing to read.
    fn text(&self, expression: &str) -> Option<String> {
        let program = ENV.compile(expression).ok()?;
        match self.eval(&program) {
            Ok(Value::String(text)) if !text.trim().is_empty() && !text.contains('\n') => {
                Some(text.to_string())
            }
            _ => None,
        }
    }
}

/// A field name as expressions write it; one that they cannot write stays.
fn escaped_name(name: &str) -> Cow<'_, str> {
    escape(name).unwrap_or(Cow::Borrowed(name))
}

/// `value` with the names of its declared fields escaped; keys of maps stay.
fn escaped<'v>(schema: &Structural, value: &'v Json<'v>) -> Cow<'v, Json<'v>> {
    if !needs_escapes(schema) {
        return Cow::Borrowed(value);
    }
    match value {
        Json::Object(map) => {
            let members: Map<'v> = map
                .iter()
                .map(|(key, member)| {
                    let name = match schema.field(key) {
                        Some(_) => escaped_name(key).into_owned(),
                        None => key.to_owned(),
                    };
                    let member = match schema.member(key) {
                        Some(schema) => escaped(schema, member).into_owned(),
                        None => member.clone(),
                    };
                    (name, member)
                })
                .collect();
            Cow::Owned(Json::Object(members))
        }
        Json::Array(items) => match &schema.items {
            Some(schema) => Cow::Owned(Json::Array(
                items
                    .iter()
                    .map(|item| escaped(schema, item).into_owned())
                    .collect(),
            )),
            None => Cow::Borrowed(value),
        },
        _ => Cow::Borrowed(value),
    }
}

/// Whether any declared field at or below `schema` has a name that expressions write otherwise.
fn needs_escapes(schema: &Structural) -> bool {
    use crate::schema::structural::Additional;
    let below = match &schema.additional {
        Additional::Schema(schema) => needs_escapes(schema),
        Additional::None | Additional::Any => false,
    };
    below
        || schema.items.as_deref().is_some_and(needs_escapes)
        || schema.fields.iter().any(|field| {
            matches!(escaped_name(&field.name), Cow::Owned(_)) || needs_escapes(&field.schema)
        })
}

#[cfg(test)]
mod tests;
