//! Evaluation against the API server's own code: type, value, error and cost of every expression of a corpus.

#[path = "support/oracle.rs"]
mod oracle;

use std::cell::{Cell, RefCell};

use anyhow::{Context, Result};
use sandfence::cel::env::{Env, EnvBuilder, Slot};
use sandfence::cel::plan::{Activation, PER_CALL_LIMIT, Program};
use sandfence::cel::source::CompileError;
use sandfence::cel::source::NOWHERE;
use sandfence::cel::types::Type;
use sandfence::cel::value::{EvalError, Value};
use sandfence::model::json::Json;
use serde_json::{Map, json};

/// One expression a line; `mutation` and `policy` say what it may use.
const CORPUS: &str = include_str!("data/cel/eval.jsonl");
/// Values of variables, plain and typed, and variables of a policy.
const FIXTURE: &str = include_str!("data/cel/eval-variables.json");

/// Variables that admission declares; all others are `dyn`.
const STANDARD: [&str; 5] = [
    "object",
    "oldObject",
    "params",
    "request",
    "namespaceObject",
];

type Answer = Map<String, serde_json::Value>;

#[test]
fn the_corpus_evaluates_as_in_the_api_server() -> Result<()> {
    let fixture: serde_json::Value = serde_json::from_str(FIXTURE)?;
    let cases: Vec<serde_json::Value> = CORPUS
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let requests: Vec<serde_json::Value> =
        cases.iter().map(|case| request(case, &fixture)).collect();
    let answers = oracle::ask(&requests)?;
    let document = Json::parse(FIXTURE)?;
    let mut different = Vec::new();
    for (case, theirs) in cases.iter().zip(&answers) {
        let expression = case["expression"].as_str().context("an expression")?;
        let flag = |name: &str| case[name].as_bool().unwrap_or(false);
        let ours = answer(&document, expression, flag("mutation"), flag("policy"));
        let theirs = comparable(theirs);
        if ours != theirs {
            different.push(format!(
                "{expression}\n  server: {theirs:?}\n  ours:   {ours:?}"
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {} differ:\n{}",
        different.len(),
        cases.len(),
        different.join("\n")
    );
    Ok(())
}

fn request(case: &serde_json::Value, fixture: &serde_json::Value) -> serde_json::Value {
    let mut request = json!({
        "op": "eval",
        "expression": case["expression"],
        "variables": fixture["variables"],
        "typedVariables": fixture["typedVariables"],
    });
    if case["policy"] == true {
        request["policyVariables"] = fixture["policyVariables"].clone();
    }
    if case["mutation"] == true {
        request["mutation"] = true.into();
    }
    request
}

/// The parts of an answer of the oracle that are compared; numbers without their form.
fn comparable(theirs: &serde_json::Value) -> Answer {
    [
        "type",
        "typed",
        "error",
        "compileError",
        "cost",
        "variablesCost",
    ]
    .into_iter()
    .filter_map(|key| Some((key.to_owned(), plain(theirs.get(key)?))))
    .collect()
}

/// Integral doubles as integers: the two sides write them differently.
#[allow(clippy::cast_possible_truncation)]
fn plain(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.iter().map(plain).collect(),
        serde_json::Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect::<Map<_, _>>()
            .into(),
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() < 1e15 => {
                (double as i64).into()
            }
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// The text of a compile error as the API server gives it: errors without a place are not laid out.
fn compile_error(error: &CompileError) -> String {
    match error.issues.as_slice() {
        [issue] if issue.offset == NOWHERE => issue.message.clone(),
        _ => error.to_string(),
    }
}

type Compiled = (String, Result<Program, CompileError>);

/// Variables of a policy, compiled in order, and the environment that knows them all.
fn compose(builder: &EnvBuilder, fixture: &Json<'_>, policy: bool) -> (Vec<Compiled>, Env) {
    let mut fields: Vec<(String, Type)> = Vec::new();
    let mut programs = Vec::new();
    let variables = fixture.get("policyVariables").and_then(Json::as_array);
    for variable in variables.filter(|_| policy).into_iter().flatten() {
        let name = variable.str_at(&["name"]).unwrap_or_default().to_owned();
        let env = builder.clone().composed(&fields).build();
        let program = env.compile(variable.str_at(&["expression"]).unwrap_or_default());
        let ty = program
            .as_ref()
            .map_or(Type::Dyn, |program| program.result_type().clone());
        fields.push((name.clone(), ty));
        programs.push((name, program));
    }
    (programs, builder.clone().composed(&fields).build())
}

fn answer(fixture: &Json<'_>, expression: &str, mutation: bool, policy: bool) -> Answer {
    let mut builder = Env::admission().params().authorizer();
    if mutation {
        builder = builder.mutation();
    }
    let members = |key: &str| {
        fixture
            .get(key)
            .and_then(Json::as_object)
            .into_iter()
            .flat_map(|map| map.iter())
    };
    for (name, _) in members("variables").chain(members("typedVariables")) {
        if !STANDARD.contains(&name) {
            builder = builder.variable(name, Type::Dyn);
        }
    }
    let (programs, env) = compose(&builder, fixture, policy);
    let mut answer = Answer::new();
    let program = match env.compile(expression) {
        Ok(program) => program,
        Err(error) => {
            answer.insert("compileError".into(), compile_error(&error).into());
            return answer;
        }
    };
    let mut slots = vec![None; env.slots().len()];
    for name in STANDARD {
        if let Some(Slot(at)) = env.slot(name) {
            slots[usize::from(at)] = Some(Value::Null);
        }
    }
    for (name, value) in members("variables") {
        if let Some(Slot(at)) = env.slot(name) {
            slots[usize::from(at)] = Some(Value::from(value));
        }
    }
    for (name, value) in members("typedVariables") {
        if let (Some(Slot(at)), Ok(value)) = (env.slot(name), Value::from_typed(value)) {
            slots[usize::from(at)] = Some(value);
        }
    }
    let variables = Variables {
        slots,
        memo: RefCell::new(vec![None; programs.len()]),
        programs: &programs,
        cost: Cell::new(0),
    };
    let evaluation = program.eval(&variables, PER_CALL_LIMIT);
    answer.insert("type".into(), program.result_type().to_string().into());
    answer.insert("cost".into(), evaluation.cost.into());
    if variables.cost.get() > 0 {
        answer.insert("variablesCost".into(), variables.cost.get().into());
    }
    match evaluation.value {
        Ok(value) => answer.insert(
            "typed".into(),
            plain(&serde_json::Value::from(&value.to_typed())),
        ),
        Err(error) => answer.insert("error".into(), error.to_string().into()),
    };
    answer
}

type Outcome<'a> = Result<Value<'a>, EvalError>;

/// Variables of a policy are evaluated on first use and remembered.
struct Variables<'a> {
    slots: Vec<Option<Value<'a>>>,
    programs: &'a [Compiled],
    memo: RefCell<Vec<Option<Outcome<'a>>>>,
    cost: Cell<u64>,
}

impl<'a> Activation<'a> for Variables<'a> {
    fn variable(&self, slot: Slot) -> Option<Value<'a>> {
        self.slots[usize::from(slot.0)].clone()
    }

    fn composed(&self, index: usize) -> Outcome<'a> {
        if let Some(known) = &self.memo.borrow()[index] {
            return known.clone();
        }
        let (name, program) = &self.programs[index];
        let outcome = match program {
            Err(error) => Err(EvalError::text(format!(
                "composited variable {name:?} fails to compile: compilation failed: {}",
                compile_error(error)
            ))),
            Ok(program) => {
                let evaluation = program.eval(self, PER_CALL_LIMIT);
                self.cost.set(self.cost.get() + evaluation.cost);
                evaluation.value.map_err(|error| {
                    EvalError::text(format!(
                        "composited variable {name:?} fails to evaluate: {error}"
                    ))
                })
            }
        };
        self.memo.borrow_mut()[index] = Some(outcome.clone());
        outcome
    }
}
