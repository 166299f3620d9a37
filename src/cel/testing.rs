//! Evaluation of single expressions for tests.

use super::env::{Env, EnvBuilder, Slot};
use super::plan::{Activation, Evaluation, PER_CALL_LIMIT, Program};
use super::value::{EvalError, Value};
use crate::model::json::Json;

/// Values by the names of variables.
pub(crate) struct Variables<'a> {
    slots: Vec<Option<Value<'a>>>,
    composed: Vec<Result<Value<'a>, EvalError>>,
}

impl<'a> Variables<'a> {
    /// The members of the object `json` as variables of `env`; declared ones that are not there have no value.
    pub(crate) fn new(env: &Env, json: &'a Json<'a>) -> Self {
        Self {
            slots: env
                .slots()
                .map(|name| json.get(name).map(Value::from))
                .collect(),
            composed: Vec::new(),
        }
    }

    /// Adds the next field of `variables`.
    pub(crate) fn field(mut self, value: Result<Value<'a>, EvalError>) -> Self {
        self.composed.push(value);
        self
    }
}

impl<'a> Activation<'a> for Variables<'a> {
    fn variable(&self, slot: Slot) -> Option<Value<'a>> {
        self.slots[usize::from(slot.0)].clone()
    }

    fn composed(&self, index: usize) -> Result<Value<'a>, EvalError> {
        self.composed[index].clone()
    }
}

/// Every variable and type that admission knows.
pub(crate) fn admission() -> EnvBuilder {
    Env::admission().params().authorizer()
}

/// Evaluates `program` with the members of `json` as variables.
pub(crate) fn eval<'a>(program: &'a Program, env: &Env, json: &'a Json<'a>) -> Evaluation<'a> {
    program.eval(&Variables::new(env, json), PER_CALL_LIMIT)
}

/// What an expression comes to, in one line: `type value`, `error: …` or `compile error: …` (the first message).
pub(crate) fn outcome(env: &Env, expression: &str, json: &Json<'_>) -> (String, u64) {
    let program = match env.compile(expression) {
        Ok(program) => program,
        Err(error) => return (format!("compile error: {}", error.issues[0].message), 0),
    };
    let evaluation = eval(&program, env, json);
    let text = match evaluation.value {
        Ok(value) => {
            let typed = value.to_typed();
            let value = typed.get("value").map(ToString::to_string);
            format!("{} {}", value_type(&typed), value.unwrap_or_default())
        }
        Err(error) => format!("error: {error}"),
    };
    (text, evaluation.cost)
}

fn value_type<'j>(typed: &'j Json<'_>) -> &'j str {
    typed.str_at(&["type"]).unwrap_or_default()
}
