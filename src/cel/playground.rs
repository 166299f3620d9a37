//! One expression with given variables, outside any policy: what `sandfence eval` runs and conformance suites drive.
//!
//! A [`Setting`] says what an expression may use; [`Setting::answer`] compiles and evaluates it as the API server does in
//! an admission policy. `question` reads requests of suites, `batch` answers their lines, `literal` and `plain` write
//! values. Pure: callers read files and write answers.

pub mod batch;
mod literal;
mod plain;
mod question;
pub mod review;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Output;

use super::env::objects::STANDARD;
use super::env::{Env, Slot};
use super::lib::authz::table::Table;
use super::lib::authz::{AuthorizerValue, ResourceAccess, User};
use super::plan::{Activation, Evaluation, PER_CALL_LIMIT, Program};
use super::source::{CompileError, NOWHERE, Position};
use super::types::Type;
use super::value::{EvalError, List, MAX_LEVELS, Value};
use crate::model::names;

/// The variable that a table of answers stands behind.
const AUTHORIZER: &str = "authorizer";
/// What the request itself is about, to be asked for.
const REQUEST_RESOURCE: &str = "authorizer.requestResource";
/// What policy variables are fields of.
const VARIABLES: &str = "variables";

/// Variables with values: what an environment can number is more, what anyone tries is less.
const MAX_VARIABLES: usize = 10_000;

/// Levels of policy variables that use one another, as in `policy`.
const MAX_CHAIN: u32 = 250;

/// Elements of the value of a policy variable that are looked at for how deep they nest.
const MAX_LOOKS: usize = 1_000_000;

/// Stack that must be left when variables of a policy use one another, and size of a new segment.
const RED_ZONE: usize = 256 * 1024;
const SEGMENT: usize = 2 * 1024 * 1024;

/// What an expression is tried with.
///
/// `object`, `oldObject`, `request`, `namespaceObject` and `params` are always declared, with the types that admission
/// gives them, and null when they have no value here. `authorizer` is declared and has a value with a table only. Other
/// variables are declared by having a value, of type `dyn`.
#[derive(Clone, Debug, Default)]
pub struct Setting<'a> {
    values: BTreeMap<String, Value<'a>>,
    policy_variables: Vec<(String, String)>,
    authorizer: Option<Arc<Table>>,
    container: String,
    mutation: bool,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As an expression that makes it, laid out for people.
    Literal,
    /// As JSON, without its type.
    Plain,
    /// As JSON with its type: `{"type": T, "value": V}`.
    Typed,
}

/// What an expression came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It does not compile.
    Refused(Refusal),
    /// It was evaluated.
    Evaluated {
        /// The value in the form asked for, or the API server's text of why there is none.
        outcome: Result<Output, String>,
        /// Its type as the checker knows it.
        ty: String,
        /// Cost units of the expression.
        cost: u64,
        /// Cost units of the policy variables it used.
        variables_cost: u64,
    },
}

/// Why an expression does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The API server's text, with source lines and carets.
    pub text: String,
    /// Its issues one by one.
    pub issues: Vec<Issue>,
}

/// One thing wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where, unless it is about the expression as a whole.
    pub position: Option<Position>,
    /// What, in the API server's words.
    pub message: String,
    /// What would be right: accepted signatures, known names.
    pub notes: Vec<String>,
}

impl<'a> Setting<'a> {
    /// Gives the variable `name` a value.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn set(&mut self, name: &str, value: Value<'a>) -> Result<(), String> {
        if matches!(name, AUTHORIZER | REQUEST_RESOURCE) {
            return Err(format!("{name} has its value from an authorizer table"));
        }
        for part in name.split('.') {
            names::identifier(part).map_err(|rule| format!("{name:?} {rule}"))?;
        }
        if self.values.len() >= MAX_VARIABLES {
            return Err(format!("at most {MAX_VARIABLES} variables can have values"));
        }
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// Whether the variable `name` has a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Adds a variable of a policy: `variables.<name>` to the expression and to the variables after it.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn policy_variable(&mut self, name: &str, expression: &str) -> Result<(), String> {
        names::identifier(name).map_err(|rule| format!("{name:?} {rule}"))?;
        if self.has(VARIABLES) {
            return Err(format!(
                "{VARIABLES} has a value of its own; give either that or its fields"
            ));
        }
        self.policy_variables
            .push((name.to_owned(), expression.to_owned()));
        Ok(())
    }

    /// Answers what `authorizer` is asked.
    pub fn authorize(&mut self, table: Table) {
        self.authorizer = Some(Arc::new(table));
    }

    /// Looks names up in the namespace `name` first.
    pub fn container(&mut self, name: &str) {
        name.clone_into(&mut self.container);
    }

    /// Allows what only mutations may use: `Object{}`, `JSONPatch{}`, `jsonpatch.escapeKey`.
    pub fn allow_mutation(&mut self) {
        self.mutation = true;
    }

    /// Compiles and evaluates `expression`.
    #[must_use]
    pub fn answer(&self, expression: &str, form: Form) -> Answer {
        let (policy_variables, env) = self.declare();
        let program = match env.compile(expression) {
            Ok(program) => program,
            Err(error) => return Answer::Refused(Refusal::new(&env, &error)),
        };
        let variables = Variables {
            slots: self.bind(&env),
            memory: RefCell::new(vec![Memory::Unknown; policy_variables.len()]),
            programs: &policy_variables,
            cost: Cell::new(0),
            level: Cell::new(0),
        };
        let Evaluation { value, cost } = program.eval(&variables, PER_CALL_LIMIT);
        Answer::Evaluated {
            outcome: value
                .map_err(|error| error.to_string())
                .and_then(|value| write(&value, form)),
            ty: program.result_type().to_string(),
            cost,
            variables_cost: variables.cost.get(),
        }
    }

    /// The policy variables, compiled in order, and the environment that knows them all.
    fn declare(&self) -> (Vec<Compiled>, Env) {
        let mut builder = Env::admission().params().authorizer();
        if self.mutation {
            builder = builder.mutation();
        }
        if !self.container.is_empty() {
            builder = builder.container(&self.container);
        }
        for name in self.values.keys() {
            if !STANDARD.contains(&name.as_str()) {
                builder = builder.variable(name, Type::Dyn);
            }
        }
        if self.policy_variables.is_empty() {
            return (Vec::new(), builder.build());
        }
        let mut fields: Vec<(String, Type)> = Vec::new();
        let mut programs = Vec::new();
        for (name, expression) in &self.policy_variables {
            let env = builder.clone().composed(&fields).build();
            let program = env.compile(expression);
            let ty = match &program {
                Ok(program) => program.result_type().clone(),
                Err(_) => Type::Dyn,
            };
            fields.push((name.clone(), ty));
            programs.push((name.clone(), program));
        }
        (programs, builder.composed(&fields).build())
    }

    /// The values by slot.
    fn bind<'p>(&'p self, env: &Env) -> Vec<Option<Value<'p>>> {
        let value = |name: &str| -> Option<Value<'p>> {
            if let Some(value) = self.values.get(name) {
                return Some(value.clone());
            }
            match name {
                AUTHORIZER => self.authorizer().map(Value::opaque),
                REQUEST_RESOURCE => {
                    let access = self.resource_access();
                    self.authorizer()
                        .map(|value| Value::opaque(value.request_resource(access)))
                }
                name => STANDARD.contains(&name).then_some(Value::Null),
            }
        };
        env.slots().map(value).collect()
    }

    /// The authorizer, asking for the user of the request.
    fn authorizer(&self) -> Option<AuthorizerValue> {
        let table = self.authorizer.clone()?;
        let user = User {
            name: self.request_text(&["userInfo", "username"]),
            uid: self.request_text(&["userInfo", "uid"]),
            groups: texts(self.request(&["userInfo", "groups"]).as_ref()),
            extra: BTreeMap::new(),
        };
        Some(AuthorizerValue::new(Arc::new(user), table))
    }

    fn resource_access(&self) -> ResourceAccess {
        ResourceAccess {
            group: self.request_text(&["resource", "group"]),
            resource: self.request_text(&["resource", "resource"]),
            subresource: self.request_text(&["subResource"]),
            namespace: self.request_text(&["namespace"]),
            name: self.request_text(&["name"]),
            ..ResourceAccess::default()
        }
    }

    fn request_text(&self, path: &[&str]) -> String {
        let value = self.request(path);
        let text = value.as_ref().and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }

    /// A member of `request`.
    fn request(&self, path: &[&str]) -> Option<Value<'a>> {
        let request = self.values.get("request")?.clone();
        path.iter().try_fold(request, |value, key| match &value {
            Value::Map(map) => map.find(&Value::from(*key)),
            _ => None,
        })
    }
}

fn texts(value: Option<&Value<'_>>) -> Vec<String> {
    let list = match value {
        Some(Value::List(list)) => list.clone(),
        _ => List::Json(&[]),
    };
    list.iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// A value in the form asked for.
fn write(value: &Value<'_>, form: Form) -> Result<Output, String> {
    plain::measure(value)?;
    Ok(match form {
        Form::Literal => Output::from(literal::text(value)),
        Form::Plain => plain::json(value),
        Form::Typed => Output::from(&value.to_typed()),
    })
}

impl Refusal {
    fn new(env: &Env, error: &CompileError) -> Self {
        let issues = error.issues.iter().map(|issue| Issue {
            position: error.position(issue),
            message: issue.message.clone(),
            notes: env.hints(error, issue),
        });
        Self {
            text: refusal_text(error),
            issues: issues.collect(),
        }
    }
}

/// How issues begin that arise after checking; the API server does not lay them out.
const UNPLANNED: &str = "program instantiation failed: ";

/// The text of the API server.
fn refusal_text(error: &CompileError) -> String {
    match error.issues.as_slice() {
        [issue] if issue.offset == NOWHERE && issue.message.starts_with(UNPLANNED) => {
            issue.message.clone()
        }
        _ => error.to_string(),
    }
}

/// A policy variable.
type Compiled = (String, Result<Program, CompileError>);

/// What is known of a policy variable.
#[derive(Clone)]
enum Memory<'p> {
    Unknown,
    Known(Result<Value<'p>, EvalError>),
}

/// Values of variables during one evaluation.
struct Variables<'p> {
    slots: Vec<Option<Value<'p>>>,
    programs: &'p [Compiled],
    memory: RefCell<Vec<Memory<'p>>>,
    cost: Cell<u64>,
    /// Levels of policy variables under evaluation.
    level: Cell<u32>,
}

impl<'p> Variables<'p> {
    /// Evaluates a policy variable, unless too many wait for it or its value nests too deep.
    fn nested(&self, program: &'p Program) -> Evaluation<'p> {
        let level = self.level.get();
        if level >= MAX_CHAIN {
            return Evaluation {
                value: Err(EvalError::text(format!(
                    "variables use one another more than {MAX_CHAIN} levels deep"
                ))),
                cost: 0,
            };
        }
        self.level.set(level + 1);
        let Evaluation { value, cost } =
            stacker::maybe_grow(RED_ZONE, SEGMENT, || program.eval(self, PER_CALL_LIMIT));
        self.level.set(level);
        let value = value.and_then(|value| {
            let mut looks = MAX_LOOKS;
            if value.nests_within(MAX_LEVELS, &mut looks) {
                Ok(value)
            } else {
                Err(EvalError::text(format!(
                    "the value nests deeper than {MAX_LEVELS} levels, or is too large for that to be told"
                )))
            }
        });
        Evaluation { value, cost }
    }
}

impl<'p> Activation<'p> for Variables<'p> {
    fn variable(&self, slot: Slot) -> Option<Value<'p>> {
        self.slots.get(usize::from(slot.0)).cloned().flatten()
    }

    fn composed(&self, index: usize) -> Result<Value<'p>, EvalError> {
        if let Some(Memory::Known(outcome)) = self.memory.borrow().get(index) {
            return outcome.clone();
        }
        let Some((name, program)) = self.programs.get(index) else {
            return Err(EvalError::text("unknown variable"));
        };
        let outcome = match program {
            Err(error) => Err(EvalError::text(format!(
                "composited variable {name:?} fails to compile: compilation failed: {}",
                refusal_text(error)
            ))),
            Ok(program) => {
                let Evaluation { value, cost } = self.nested(program);
                self.cost.set(self.cost.get().saturating_add(cost));
                value.map_err(|error| {
                    EvalError::text(format!(
                        "composited variable {name:?} fails to evaluate: {error}"
                    ))
                })
            }
        };
        if let Some(place) = self.memory.borrow_mut().get_mut(index) {
            *place = Memory::Known(outcome.clone());
        }
        outcome
    }
}

impl Answer {
    /// The members of the answer as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Map<String, Output> {
        let mut out = serde_json::Map::new();
        match self {
            Self::Refused(refusal) => {
                out.insert("compileError".into(), refusal.text.as_str().into());
                let issues = refusal.issues.iter().map(Issue::to_json);
                out.insert("issues".into(), issues.collect());
            }
            Self::Evaluated {
                outcome,
                ty,
                cost,
                variables_cost,
            } => {
                match outcome {
                    Ok(value) => out.insert("value".into(), value.clone()),
                    Err(error) => out.insert("error".into(), error.as_str().into()),
                };
                out.insert("type".into(), ty.as_str().into());
                out.insert("cost".into(), (*cost).into());
                if *variables_cost > 0 {
                    out.insert("variablesCost".into(), (*variables_cost).into());
                }
            }
        }
        out
    }
}

impl Issue {
    fn to_json(&self) -> Output {
        let mut out = serde_json::Map::new();
        if let Some(Position { line, column }) = self.position {
            out.insert("line".into(), line.into());
            out.insert("column".into(), column.into());
        }
        out.insert("message".into(), self.message.as_str().into());
        if !self.notes.is_empty() {
            out.insert("notes".into(), self.notes.clone().into());
        }
        out.into()
    }
}
