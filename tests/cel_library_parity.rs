//! The function libraries against the API server's own: values, types, errors and costs of every function over pools of
//! arguments.

#[path = "support/oracle.rs"]
mod oracle;

use std::sync::Arc;

use anyhow::{Context, Result};
use sandfence::cel::env::{Env, Slot};
use sandfence::cel::lib::authz::{Attributes, Authorizer, AuthorizerValue, Decision, User};
use sandfence::cel::plan::{Activation, PER_CALL_LIMIT};
use sandfence::cel::value::{EvalError, Value};
use sandfence::model::json::Json;
use serde_json::json;

/// Families of expressions: templates with one-letter variables, and what each variable stands for.
const FAMILIES: &str = include_str!("data/cel/libraries.json");

/// What `object` is.
const OBJECT: &str = r#"{"i": 3, "d": 1.5, "s": "str", "l": [1, 2, 3], "ls": ["a", "b"], "ld": [1.5, 2], "lm": [1, "x"],
    "e": [], "n": null, "m": {"a": 1}, "ll": [[1], [2]]}"#;

/// Allows everything.
#[derive(Debug)]
struct Generous;

impl Authorizer for Generous {
    fn check(&self, _: &Attributes) -> Decision {
        Decision {
            allowed: true,
            reason: "because".to_owned(),
            error: None,
        }
    }
}

/// The variables of an evaluation, by slot.
struct Variables<'a>(Vec<Option<Value<'a>>>);

impl<'a> Activation<'a> for Variables<'a> {
    fn variable(&self, slot: Slot) -> Option<Value<'a>> {
        self.0.get(usize::from(slot.0)).cloned().flatten()
    }

    fn composed(&self, _: usize) -> Result<Value<'a>, EvalError> {
        Err(EvalError::NoSuchOverload)
    }
}

/// The expressions of one family.
fn expressions(family: &serde_json::Value) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for template in family["templates"].as_array().context("no templates")? {
        let mut expanded = vec![template.as_str().context("no text")?.to_owned()];
        for (name, pool) in family.as_object().context("no object")? {
            let variable = format!("${name}");
            let pool = match pool {
                serde_json::Value::Array(pool)
                    if expanded.iter().any(|one| one.contains(&variable)) =>
                {
                    pool
                }
                _ => continue,
            };
            let texts: Vec<String> = pool
                .iter()
                .map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
                .collect();
            expanded = expanded
                .iter()
                .flat_map(|one| texts.iter().map(|text| one.replace(&variable, text)))
                .collect();
        }
        all.append(&mut expanded);
    }
    Ok(all)
}

/// What the oracle is asked.
fn request(expression: &str, object: &serde_json::Value) -> serde_json::Value {
    json!({
        "op": "eval",
        "expression": expression,
        "variables": {"object": object},
        "authorizer": {"decision": "allow", "reason": "because"},
        "mutation": true,
    })
}

/// What we make of the same.
fn ours(env: &Env, expression: &str, object: &Json<'_>) -> serde_json::Value {
    let program = match env.compile(expression) {
        Ok(program) => program,
        Err(error) => return json!({"compileError": error.to_string()}),
    };
    let authorizer = AuthorizerValue::new(Arc::new(User::default()), Arc::new(Generous));
    let values = env.slots().map(|name| match name {
        "object" => Some(Value::from(object)),
        "authorizer" => Some(Value::opaque(authorizer.clone())),
        _ => None,
    });
    let evaluation = program.eval(&Variables(values.collect()), PER_CALL_LIMIT);
    let ty = program.result_type().to_string();
    match evaluation.value {
        Ok(value) => json!({
            "type": ty,
            "typed": serde_json::Value::from(&value.to_typed()),
            "cost": evaluation.cost,
        }),
        Err(error) => json!({"type": ty, "error": error.to_string(), "cost": evaluation.cost}),
    }
}

/// The parts that count, in a form that compares: one kind of number, no untyped value, no text form of authorizers.
fn comparable(answer: &serde_json::Value) -> serde_json::Value {
    if let Some(error) = answer["compileError"].as_str() {
        // An error without a place: a pattern that does not compile.
        return json!(error.trim_start_matches("ERROR: <input>:-1:0: "));
    }
    let mut typed = answer["typed"].clone();
    if typed["type"]
        .as_str()
        .is_some_and(|ty| ty.starts_with("kubernetes.authorization."))
    {
        typed["value"] = serde_json::Value::Null;
    }
    json!([
        plain(&typed),
        answer["type"],
        answer["error"],
        answer["cost"]
    ])
}

fn plain(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn functions_give_what_the_api_server_gives() -> Result<()> {
    let families: Vec<serde_json::Value> = serde_json::from_str(FAMILIES)?;
    let object: serde_json::Value = serde_json::from_str(OBJECT)?;
    let parsed = Json::parse(OBJECT)?;
    let env = Env::admission().params().authorizer().mutation().build();
    let mut expressions_of_all = Vec::new();
    for family in &families {
        let name = family["name"].as_str().context("no name")?;
        expressions_of_all.extend(expressions(family)?.into_iter().map(|one| (name, one)));
    }
    let requests: Vec<_> = expressions_of_all
        .iter()
        .map(|(_, one)| request(one, &object))
        .collect();
    let answers = oracle::ask(&requests)?;
    let mut differences = Vec::new();
    for ((name, expression), answer) in expressions_of_all.iter().zip(&answers) {
        let theirs = comparable(answer);
        let ours = comparable(&ours(&env, expression, &parsed));
        if theirs != ours {
            differences.push(format!(
                "{name}: {expression}\n  API server: {theirs}\n  ours:       {ours}"
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} expressions differ, such as\n{}",
        differences.len(),
        requests.len(),
        differences[..differences.len().min(20)].join("\n")
    );
    Ok(())
}
