//! What expressions see while a request is judged: objects borrowed from the request, variables evaluated on first use
//! and remembered, every cost charged to the budget of the phase.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use crate::cel::env::Slot;
use crate::cel::lib::authz::{Authorizer, AuthorizerValue, ResourceAccess, User};
use crate::cel::plan::{Activation, PER_CALL_LIMIT};
use crate::cel::value::{EvalError, MAX_LEVELS, Value};
use crate::model::gvk::{Gvk, Gvr};
use crate::model::json::{Json, Map};
use crate::model::request::{Request, UserInfo};

use super::compile::{Expression, Programs};
use super::reuse::{Presets, Shared, Uses, Variables, bit, in_variable};

/// The text of the API server when a phase costs more than its budget.
pub const EXHAUSTED: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// A phase ran out of its budget: nothing further is evaluated in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// What answers questions that the request and the set cannot.
#[derive(Clone, Debug, Default)]
pub struct Resolvers {
    /// Who may do what; without it `authorizer` has no value, which is an error to the expression.
    pub authorizer: Option<Arc<dyn Authorizer>>,
}

/// What all phases of one request share, made on first use.
pub struct Scope<'r> {
    /// The request.
    pub request: &'r Request<'r>,
    resolvers: &'r Resolvers,
    authorizer: OnceCell<Option<AuthorizerValue>>,
    view: OnceCell<Json<'r>>,
    namespace: OnceCell<Option<Json<'static>>>,
}

/// The metadata of a namespace that expressions see.
const NAMESPACE_METADATA: [&str; 12] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "name",
    "namespace",
    "resourceVersion",
    "uid",
];

impl<'r> Scope<'r> {
    /// For one request.
    #[must_use]
    pub const fn new(request: &'r Request<'r>, resolvers: &'r Resolvers) -> Self {
        Self {
            request,
            resolvers,
            authorizer: OnceCell::new(),
            view: OnceCell::new(),
            namespace: OnceCell::new(),
        }
    }

    /// The variable `request`.
    fn view(&self) -> &Json<'r> {
        self.view.get_or_init(|| request_view(self.request))
    }

    /// The authorizer, asking for the request's user.
    fn authorizer(&self) -> Option<&AuthorizerValue> {
        let make = || {
            let authorizer = self.resolvers.authorizer.as_ref()?;
            let user = &self.request.user;
            let user = User {
                name: user.username.clone(),
                uid: user.uid.clone(),
                groups: user.groups.clone(),
                extra: user.extra.clone(),
            };
            Some(AuthorizerValue::new(Arc::new(user), Arc::clone(authorizer)))
        };
        self.authorizer.get_or_init(make).as_ref()
    }

    /// What the request itself is about.
    fn resource_access(&self) -> ResourceAccess {
        let request = self.request;
        ResourceAccess {
            group: request.resource.group.clone(),
            resource: request.resource.resource.clone(),
            subresource: request.sub_resource.clone().unwrap_or_default(),
            namespace: request.namespace.clone(),
            name: request.name.clone(),
            ..ResourceAccess::default()
        }
    }

    /// The namespace as it is, unless the request has none of its own.
    fn namespace(&self) -> Option<&Json<'r>> {
        let about_namespace = self.request.kind.group.is_empty()
            && self.request.kind.kind == "Namespace"
            && self.request.kind.version == "v1";
        let namespace = self.request.namespace_object.as_deref();
        namespace.filter(|_| !about_namespace)
    }

    /// The namespace with declared fields only.
    fn declared_namespace(&self) -> Option<&Json<'r>> {
        let whole = self.namespace()?;
        let metadata = whole.get("metadata").and_then(Json::as_object)?;
        if metadata
            .iter()
            .all(|(key, _)| NAMESPACE_METADATA.contains(&key))
        {
            return Some(whole);
        }
        let filtered = self.namespace.get_or_init(|| {
            let mut copy = whole.to_owned_json();
            if let Some(Json::Object(metadata)) = copy.get_mut("metadata") {
                metadata.retain(|key, _| NAMESPACE_METADATA.contains(&key));
            }
            Some(copy)
        });
        filtered.as_ref()
    }
}

fn texts<'r, const N: usize>(entries: [(&'static str, &'r str); N]) -> Json<'r> {
    let entries = entries.into_iter();
    Json::Object(entries.map(|(key, text)| (key, Json::from(text))).collect())
}

fn kind_view(kind: &Gvk) -> Json<'_> {
    texts([
        ("group", &kind.group),
        ("kind", &kind.kind),
        ("version", &kind.version),
    ])
}

fn resource_view(resource: &Gvr) -> Json<'_> {
    texts([
        ("group", &resource.group),
        ("resource", &resource.resource),
        ("version", &resource.version),
    ])
}

fn user_view(user: &UserInfo) -> Json<'_> {
    let list = |items: &'_ [String]| {
        let items = items.iter().map(|item| Json::from(item.clone()));
        Json::Array(items.collect())
    };
    let mut out = Map::new();
    if !user.extra.is_empty() {
        let extra = user.extra.iter();
        let extra = extra.map(|(key, values)| (key.as_str(), list(values)));
        out.insert("extra", Json::Object(extra.collect()));
    }
    if !user.groups.is_empty() {
        let groups = user.groups.iter();
        let groups = groups.map(|group| Json::from(group.as_str()));
        out.insert("groups", Json::Array(groups.collect()));
    }
    for (key, text) in [("uid", &user.uid), ("username", &user.username)] {
        if !text.is_empty() {
            out.insert(key, Json::from(text.as_str()));
        }
    }
    Json::Object(out)
}

/// `request` as the API server presents it: empty texts are absent.
fn request_view<'r>(request: &'r Request<'r>) -> Json<'r> {
    let asked_kind = request.request_kind.as_ref().unwrap_or(&request.kind);
    let asked = request
        .request_resource
        .as_ref()
        .unwrap_or(&request.resource);
    let subresource = request.sub_resource.as_deref().unwrap_or_default();
    let asked_subresource = match &request.request_resource {
        Some(_) => request.request_sub_resource.as_deref().unwrap_or_default(),
        None => subresource,
    };
    let mut out = Map::new();
    out.insert("dryRun", Json::Bool(request.dry_run));
    out.insert("kind", kind_view(&request.kind));
    for (key, text) in [
        ("name", request.name.as_str()),
        ("namespace", &request.namespace),
        ("operation", request.operation.as_str()),
    ] {
        if !text.is_empty() {
            out.insert(key, Json::from(text));
        }
    }
    // Not declared, and still there for those who ask the request as a value of any type.
    out.insert("object", Json::Null);
    out.insert("oldObject", Json::Null);
    out.insert("uid", Json::from(""));
    out.insert("options", request.options.clone());
    out.insert("requestKind", kind_view(asked_kind));
    out.insert("requestResource", resource_view(asked));
    if !asked_subresource.is_empty() {
        out.insert("requestSubResource", Json::from(asked_subresource));
    }
    out.insert("resource", resource_view(&request.resource));
    if !subresource.is_empty() {
        out.insert("subResource", Json::from(subresource));
    }
    out.insert("userInfo", user_view(&request.user));
    Json::Object(out)
}

/// Which namespace a phase shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceView {
    /// `null`: match conditions.
    Null,
    /// Declared fields: validations, messages, mutations.
    Declared,
    /// As stored: audit annotations.
    Whole,
}

/// What a phase evaluates with.
#[derive(Clone, Copy)]
pub struct Inputs<'m, 'p, 'r> {
    /// Shared by the request.
    pub scope: &'p Scope<'r>,
    /// The programs of the policy.
    pub programs: &'p Programs,
    /// The new object; mutations change it on the way.
    pub object: &'p Json<'p>,
    /// The parameter object; `None` is null.
    pub params: Option<&'p Json<'static>>,
    /// Which namespace is shown.
    pub namespace: NamespaceView,
    /// Whether `authorizer` has a value.
    pub authorizer: bool,
    /// What the parameter object alone decides.
    pub presets: Option<&'p Presets>,
    /// What the policies of the request have in common, while they judge the same object.
    pub shared: Option<&'m Shared<'p>>,
}

/// Levels of variables that use one another. The error of the innermost is told again by all others, so that its text
/// grows with each.
pub const MAX_CHAIN: u32 = 250;

/// Up to this many levels the values of variables cannot nest deep enough to matter, and are not looked at.
pub const SHALLOW_CHAIN: u32 = 2;

/// Elements of values of variables that are looked at in one phase for how deep they nest.
pub const MAX_LOOKS: usize = 1_000_000;

/// Stack that must be left when variables use one another, and size of a new segment.
const RED_ZONE: usize = 256 * 1024;
const SEGMENT: usize = 2 * 1024 * 1024;

/// One phase of evaluating one policy: its own memory of variables, its own budget.
pub struct Phase<'m, 'p, 'r> {
    inputs: Inputs<'m, 'p, 'r>,
    memory: RefCell<Vec<Memo<'p>>>,
    /// The variables that the expression under way asked for.
    asked: Cell<Variables>,
    /// Cost of variables since it was last charged.
    pending: Cell<u64>,
    budget: u64,
    /// Levels of variables under evaluation.
    level: Cell<u32>,
    /// What is left of [`MAX_LOOKS`].
    looks: Cell<usize>,
}

/// A variable of a phase.
#[derive(Clone, Debug)]
enum Memo<'p> {
    Unknown,
    Running,
    /// Its cost was charged, its value is not at hand.
    Charged(u64),
    Known(Result<Value<'p>, EvalError>, u64),
}

impl<'m, 'p, 'r> Phase<'m, 'p, 'r> {
    /// A fresh phase.
    #[must_use]
    pub fn new(inputs: Inputs<'m, 'p, 'r>, budget: u64) -> Self {
        Self {
            inputs,
            memory: RefCell::new(Vec::new()),
            asked: Cell::new(0),
            pending: Cell::new(0),
            budget,
            level: Cell::new(0),
            looks: Cell::new(MAX_LOOKS),
        }
    }

    /// What is left to spend.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.budget
    }

    /// Evaluates one expression. The inner error is the API server's text.
    ///
    /// # Errors
    /// The budget is spent.
    pub fn run(
        &mut self,
        expression: &'p Expression,
    ) -> Result<Result<Value<'p>, String>, Exhausted> {
        let (value, cost) = self.outcome(expression);
        for cost in [self.pending.take(), cost] {
            self.budget = self.budget.checked_sub(cost).ok_or(Exhausted)?;
        }
        Ok(value.map_err(|error| {
            format!(
                "expression '{}' resulted in error: {error}",
                expression.text
            )
        }))
    }

    /// The variables that messages use.
    #[must_use]
    pub fn message_variables(&self) -> &'p [usize] {
        &self.inputs.programs.message_variables
    }

    /// What the variable cost in this phase; `None` when nothing asked for it.
    #[must_use]
    pub fn cost(&self, variable: usize) -> Option<u64> {
        match self.memory.borrow().get(variable) {
            Some(Memo::Known(_, cost) | Memo::Charged(cost)) => Some(*cost),
            _ => None,
        }
    }

    /// The outcome of an expression and its own cost: kept from before, or evaluated now. The cost of its variables is
    /// pending afterwards.
    fn outcome(&self, expression: &'p Expression) -> (Result<Value<'p>, EvalError>, u64) {
        if let Some(kept) = self.inputs.presets.and_then(|known| known.get(expression))
            && let Some(outcome) = &kept.outcome
        {
            self.charge(kept.asked);
            return (outcome.clone(), kept.cost);
        }
        if let Some(shared) = self.inputs.shared
            && let Some(kept) = shared.get(expression)
            && let Some(outcome) = kept.outcome
        {
            self.charge(kept.asked);
            return (outcome, kept.cost);
        }
        let before = self.asked.replace(0);
        let evaluation = expression.program.eval(self, PER_CALL_LIMIT);
        let asked = self.asked.replace(before);
        if let Some(shared) = self.inputs.shared {
            shared.keep(expression, &evaluation.value, (evaluation.cost, asked));
        }
        (evaluation.value, evaluation.cost)
    }

    /// As [`Phase::outcome`] of a variable, unless too many wait for it.
    fn nested(&self, expression: &'p Expression) -> (Result<Value<'p>, EvalError>, u64) {
        let level = self.level.get();
        if level >= MAX_CHAIN {
            return (Err(too_long()), 0);
        }
        self.level.set(level + 1);
        let outcome = stacker::maybe_grow(RED_ZONE, SEGMENT, || self.outcome(expression));
        self.level.set(level);
        outcome
    }

    /// Charges variables that somebody asked for in another phase as if it had been in this one.
    fn charge(&self, mut variables: Variables) {
        while variables != 0 {
            let index = variables.trailing_zeros() as usize;
            variables &= variables - 1;
            if self.cost(index).is_some() {
                continue;
            }
            let Some((_, expression)) = self.inputs.programs.variables.get(index) else {
                continue;
            };
            match self.inputs.presets.and_then(|known| known.get(expression)) {
                Some(kept) => {
                    self.pend(kept.cost);
                    self.set(index, Memo::Charged(kept.cost));
                    self.charge(kept.asked);
                }
                // It is kept as well, or evaluated again: its error is part of what is kept of those who asked.
                None => drop(self.composed(index)),
            }
        }
    }

    fn pend(&self, cost: u64) {
        self.pending.set(self.pending.get().saturating_add(cost));
    }

    fn set(&self, index: usize, memo: Memo<'p>) {
        let mut memory = self.memory.borrow_mut();
        if memory.len() <= index {
            memory.resize(
                self.inputs.programs.variables.len().max(index + 1),
                Memo::Unknown,
            );
        }
        memory[index] = memo;
    }
}

impl<'p> Activation<'p> for Phase<'_, 'p, '_> {
    fn variable(&self, slot: Slot) -> Option<Value<'p>> {
        let Inputs {
            scope,
            programs,
            object,
            params,
            namespace,
            authorizer,
            ..
        } = self.inputs;
        let slots = &programs.slots;
        let slot = Some(slot);
        let or_null = |json: Option<&'p Json<'p>>| Some(json.map_or(Value::Null, Value::from));
        if slot == slots.object {
            Some(Value::from(object))
        } else if slot == slots.old_object {
            or_null(Some(&scope.request.old_object))
        } else if slot == slots.request {
            or_null(Some(scope.view()))
        } else if slot == slots.params {
            or_null(params)
        } else if slot == slots.namespace {
            or_null(match namespace {
                NamespaceView::Null => None,
                NamespaceView::Declared => scope.declared_namespace(),
                NamespaceView::Whole => scope.namespace(),
            })
        } else if slot == slots.authorizer && authorizer {
            scope.authorizer().cloned().map(Value::opaque)
        } else if slot == slots.resource_check && authorizer {
            let access = scope.resource_access();
            scope
                .authorizer()
                .map(|value| Value::opaque(value.request_resource(access)))
        } else {
            None
        }
    }

    fn composed(&self, index: usize) -> Result<Value<'p>, EvalError> {
        self.asked.set(self.asked.get() | bit(index));
        let mut charged = None;
        match self.memory.borrow().get(index) {
            Some(Memo::Known(value, _)) => return value.clone(),
            Some(Memo::Running) => {
                return Err(EvalError::text("a variable refers to itself"));
            }
            Some(Memo::Charged(cost)) => charged = Some(*cost),
            Some(Memo::Unknown) | None => {}
        }
        let Some((name, expression)) = self.inputs.programs.variables.get(index) else {
            return Err(EvalError::text("unknown variable"));
        };
        self.set(index, Memo::Running);
        let (value, cost) = self.nested(expression);
        if charged.is_none() {
            self.pend(cost);
        }
        let mut looks = self.looks.get();
        let value = value
            .and_then(|value| shallow(value, &expression.uses, &mut looks))
            .map_err(|error| in_variable(name, &error));
        self.looks.set(looks);
        self.set(index, Memo::Known(value.clone(), cost));
        value
    }
}

/// The value of a variable, unless it nests too deep; `looks` is how many of its elements may be looked at to tell.
///
/// # Errors
/// It nests too deep, or its variables use one another too deep.
pub fn shallow<'p>(
    value: Value<'p>,
    uses: &Uses,
    looks: &mut usize,
) -> Result<Value<'p>, EvalError> {
    if uses.levels <= SHALLOW_CHAIN {
        return Ok(value);
    }
    if uses.levels > MAX_CHAIN {
        return Err(too_long());
    }
    if value.nests_within(MAX_LEVELS, looks) {
        return Ok(value);
    }
    Err(EvalError::text(format!(
        "the value nests deeper than {MAX_LEVELS} levels, or is too large for that to be told"
    )))
}

fn too_long() -> EvalError {
    EvalError::text(format!(
        "variables use one another more than {MAX_CHAIN} levels deep"
    ))
}
