//! Our engine behind the requests of the reference oracle: what a scene declares and binds is the `eval` request
//! without its expression, and the answer has the oracle's members, so that the two compare as they are.

#![allow(
    dead_code,
    reason = "every test binary that compiles this uses a part of it"
)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sandfence::cel::env::{Env, EnvBuilder, Slot};
use sandfence::cel::lib::authz::{Attributes, Authorizer, AuthorizerValue, Decision, User};
use sandfence::cel::plan::{Activation, PER_CALL_LIMIT, Program};
use sandfence::cel::source::{CompileError, NOWHERE};
use sandfence::cel::types::Type;
use sandfence::cel::value::{EvalError, Value};
use sandfence::model::json::Json;
use serde_json::{Map, json};

/// The members that are compared, by name.
pub type Answer = Map<String, serde_json::Value>;

/// Members of the oracle's answers that say the same again or in another form.
const COMPARED: [&str; 6] = [
    "type",
    "typed",
    "error",
    "compileError",
    "cost",
    "variablesCost",
];

/// Variables that admission declares; all others are `dyn` unless a declaration gives them a type.
const STANDARD: [&str; 5] = [
    "object",
    "oldObject",
    "params",
    "request",
    "namespaceObject",
];

type Compiled = (String, Result<Program, CompileError>);

/// What expressions see.
pub struct Scene {
    request: serde_json::Value,
    document: Json<'static>,
    env: Env,
    programs: Vec<Compiled>,
}

impl Scene {
    /// From an `eval` request of the oracle without expression.
    pub fn new(request: serde_json::Value) -> Result<Self> {
        let document = Json::parse(&request.to_string())?.to_owned_json();
        let builder = declare(&request, &document)?;
        let (programs, env) = compose(&builder, &document);
        Ok(Self {
            request,
            document,
            env,
            programs,
        })
    }

    /// What the oracle is asked.
    pub fn request(&self, expression: &str) -> serde_json::Value {
        let mut request = self.request.clone();
        request["op"] = "eval".into();
        request["expression"] = expression.into();
        request
    }

    /// Whether the API server's code is said to panic.
    pub fn panics(&self) -> bool {
        self.request["panics"] == true
    }

    /// Whether it is said that both refuse in other words.
    pub fn differs(&self) -> bool {
        self.request["differs"].is_string()
    }

    fn members(&self, key: &str) -> impl Iterator<Item = (&str, &Json<'static>)> {
        let members = self.document.get(key).and_then(Json::as_object);
        members.into_iter().flat_map(|map| map.iter())
    }

    /// What we make of the same.
    pub fn answer(&self, expression: &str) -> Answer {
        let mut answer = Answer::new();
        let program = match self.env.compile(expression) {
            Ok(program) => program,
            Err(error) => {
                answer.insert("compileError".into(), compile_error(&error).into());
                return answer;
            }
        };
        answer.insert("type".into(), program.result_type().to_string().into());
        if self.request["checkOnly"] == true {
            return answer;
        }
        let variables = Variables {
            slots: self.slots(),
            memo: RefCell::new(vec![None; self.programs.len()]),
            programs: &self.programs,
            cost: Cell::new(0),
        };
        let evaluation = program.eval(&variables, PER_CALL_LIMIT);
        answer.insert("cost".into(), plain(&evaluation.cost.into()));
        if variables.cost.get() > 0 {
            answer.insert("variablesCost".into(), plain(&variables.cost.get().into()));
        }
        match evaluation.value {
            Ok(value) => answer.insert(
                "typed".into(),
                plain(&serde_json::Value::from(&value.to_typed())),
            ),
            Err(error) => answer.insert("error".into(), nameless(&error.to_string()).into()),
        };
        answer
    }

    /// The values of the variables; those that the API server always binds are null when not given.
    fn slots(&self) -> Vec<Option<Value<'_>>> {
        let mut slots = vec![None; self.env.slots().len()];
        let mut bind = |name: &str, value| {
            if let Some(Slot(at)) = self.env.slot(name) {
                slots[usize::from(at)] = Some(value);
            }
        };
        for name in STANDARD {
            bind(name, Value::Null);
        }
        for (name, value) in self.members("variables") {
            bind(name, Value::from(value));
        }
        for (name, value) in self.members("typedVariables") {
            if let Ok(value) = Value::from_typed(value) {
                bind(name, value);
            }
        }
        if let Some(answers) = self.document.get("authorizer") {
            let user = User {
                name: "user".to_owned(),
                ..User::default()
            };
            let value = AuthorizerValue::new(Arc::new(user), Arc::new(Always::of(answers)));
            bind("authorizer", Value::opaque(value));
        }
        slots
    }
}

/// An authorizer that answers everything alike.
#[derive(Debug)]
struct Always(Decision);

impl Always {
    fn of(answers: &Json<'_>) -> Self {
        let text = |key: &str| answers.str_at(&[key]).unwrap_or_default().to_owned();
        Self(Decision {
            allowed: text("decision") == "allow",
            reason: text("reason"),
            error: Some(text("error")).filter(|error| !error.is_empty()),
        })
    }
}

impl Authorizer for Always {
    fn check(&self, _: &Attributes) -> Decision {
        self.0.clone()
    }
}

/// The environment without the variables of a policy.
fn declare(request: &serde_json::Value, document: &Json<'_>) -> Result<EnvBuilder> {
    let flag = |name: &str| request[name] == true;
    let mut builder = Env::admission();
    if !flag("noParams") {
        builder = builder.params();
    }
    if !flag("noAuthorizer") {
        builder = builder.authorizer();
    }
    if flag("mutation") {
        builder = builder.mutation();
    }
    if let Some(container) = request["container"].as_str() {
        builder = builder.container(container);
    }
    let declarations = request["declarations"].as_object();
    for key in ["variables", "typedVariables", "declarations"] {
        let members = document.get(key).and_then(Json::as_object);
        for (name, _) in members.into_iter().flat_map(|map| map.iter()) {
            if STANDARD.contains(&name) {
                continue;
            }
            let declared = declarations.and_then(|types| types.get(name)?.as_str());
            let ty = declared.map_or(Ok(Type::Dyn), parse_type)?;
            builder = builder.variable(name, ty);
        }
    }
    Ok(builder)
}

/// Variables of a policy, compiled in order, and the environment that knows them all.
fn compose(builder: &EnvBuilder, document: &Json<'_>) -> (Vec<Compiled>, Env) {
    let mut fields: Vec<(String, Type)> = Vec::new();
    let mut programs = Vec::new();
    let variables = document.get("policyVariables").and_then(Json::as_array);
    for variable in variables.into_iter().flatten() {
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

/// Reads what `Type` prints: `map(string, list(int))`.
pub fn parse_type(text: &str) -> Result<Type> {
    let text = text.trim();
    let Some((name, rest)) = text.split_once('(') else {
        return Ok(match text {
            "dyn" => Type::Dyn,
            "null_type" => Type::Null,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "google.protobuf.Duration" => Type::Duration,
            "google.protobuf.Timestamp" => Type::Timestamp,
            "net.IP" | "net.CIDR" => Type::Opaque(text.into()),
            other => Type::Object(other.into()),
        });
    };
    let rest = rest.strip_suffix(')').context("no closing parenthesis")?;
    let parameters = split(rest)
        .into_iter()
        .map(parse_type)
        .collect::<Result<Vec<_>>>()?;
    Ok(match (name, parameters.as_slice()) {
        ("list", [element]) => Type::list(element.clone()),
        ("map", [key, value]) => Type::map(key.clone(), value.clone()),
        ("optional_type", [inner]) => Type::optional(inner.clone()),
        ("type", [_]) => Type::Object("type".into()),
        _ => bail!("no type {text:?}"),
    })
}

/// Parameters, separated at the commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// An error about a key without what tells two forms of one value in Go's memory: a sum of lists from a list, the null
/// of an object from that of an expression.
fn nameless(error: &str) -> String {
    error
        .replace("*types.concatList", "*types.baseList")
        .replace(
            "invalid qualifier type: <nil>",
            "invalid qualifier type: types.Null",
        )
}

/// The parts of an answer of the oracle that are compared; numbers without their form.
pub fn comparable(theirs: &serde_json::Value) -> Answer {
    let mut answer: Answer = COMPARED
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), plain(theirs.get(key)?))))
        .collect();
    if let Some(serde_json::Value::String(error)) = answer.get_mut("error") {
        *error = nameless(error);
    }
    answer
}

/// Numbers without their form, which the two sides write differently, and library values without text form by their
/// type alone.
pub fn plain(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => match items.as_slice() {
            // An entry that Go's map holds and does not find again.
            [key, _] if key["type"] == "double" && key["value"] == "NaN" => json!([key]),
            items => items.iter().map(plain).collect(),
        },
        serde_json::Value::Object(map) => {
            let ty = map.get("type").and_then(|ty| ty.as_str()).unwrap_or("");
            if ty.starts_with("kubernetes.authorization.") {
                return json!({ "type": ty });
            }
            // Go names its own types in the error about a constructed object with keys that are no texts, and puts the
            // error where the object would be.
            let constructed = ty == "Object" || ty.starts_with("Object.");
            if constructed && value.to_string().contains("fail to convert field") {
                return json!({ "type": ty, "value": "cannot be converted" });
            }
            map.iter()
                .map(|(key, value)| (key.clone(), plain(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        serde_json::Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

/// The text of a compile error as the API server gives it: those that the planner finds are not laid out.
pub fn compile_error(error: &CompileError) -> String {
    let planned = [
        "program instantiation failed",
        "unexpected compilation error",
    ];
    match error.issues.as_slice() {
        [issue]
            if issue.offset == NOWHERE
                && planned.iter().any(|start| issue.message.starts_with(start)) =>
        {
            issue.message.clone()
        }
        _ => error.to_string(),
    }
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
            Err(error) => {
                let text = compile_error(error);
                // Only what the checker refuses failed to compile in the words of the API server.
                let failed = if text.starts_with("program instantiation failed") {
                    ""
                } else {
                    "compilation failed: "
                };
                Err(EvalError::text(format!(
                    "composited variable {name:?} fails to compile: {failed}{text}"
                )))
            }
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
