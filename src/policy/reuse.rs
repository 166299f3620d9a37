//! What is evaluated once and used again: outcomes that depend on parameters only, known when the set is built, and
//! outcomes that several policies ask for, known once the first has asked.
//!
//! An outcome is kept with its cost and with the variables that it asked for, and whoever uses it is charged for all of
//! them: budgets run out exactly where they would if everything was evaluated again.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use crate::cel::env::Slot;
use crate::cel::plan::{Activation, PER_CALL_LIMIT, Program};
use crate::cel::value::{EvalError, List, Map, Str, Value};
use crate::model::json::Json;

use super::activation::{MAX_LOOKS, shallow};
use super::compile::{Expression, Programs, Slots, Work};
use super::set::Bound;

/// Variables that a set of them can name. Outcomes of policies with more are not kept.
const MOST_VARIABLES: usize = u64::BITS as usize;

/// Levels and elements of the largest value that is kept with a set. A value may hold one part many times over, each
/// time at no cost, and a copy holds them all: without a bound it could take any amount of memory. What a parameter
/// object decides is short; what is not is evaluated when it is asked for.
const KEPT_LEVELS: usize = 50;
const KEPT_ELEMENTS: usize = 10_000;

/// A set of variables, by index.
pub type Variables = u64;

/// What the outcome of an expression depends on, also through variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// `object`, `oldObject` or `request`
    pub request: bool,
    /// `params`
    pub params: bool,
    /// What may differ between two uses in one request, or cannot be followed.
    pub other: bool,
    /// The variables that it names itself, in the order of its program.
    pub variables: Vec<usize>,
    /// Levels of variables that use one another, this one included.
    pub levels: u32,
}

/// An outcome that is kept.
#[derive(Clone, Debug)]
pub struct Kept<'p> {
    /// What came out; `None` when it is cheaper to find again than to keep.
    pub outcome: Option<Result<Value<'p>, EvalError>>,
    /// Its cost, without that of variables.
    pub cost: u64,
    /// The variables that it asked for.
    pub asked: Variables,
}

/// Outcomes of the expressions of one policy with one parameter object, by [`Expression::place`].
#[derive(Clone, Debug, Default)]
pub struct Presets(Vec<Option<Kept<'static>>>);

/// Outcomes that the policies of one request have in common, by [`Expression::shared`].
#[derive(Debug)]
pub struct Shared<'p>(RefCell<Vec<Option<Kept<'p>>>>);

// === Uses ===

impl Uses {
    /// Of a program, given those of the variables before it.
    pub(super) fn new(program: &Program, slots: &Slots, variables: &[Uses]) -> Self {
        let mut uses = Self {
            variables: program.composed(),
            levels: 1,
            ..Self::default()
        };
        let requested = [slots.object, slots.old_object, slots.request];
        for slot in program.slots() {
            if Some(slot) == slots.params {
                uses.params = true;
            } else if requested.contains(&Some(slot)) {
                uses.request = true;
            } else {
                uses.other = true;
            }
        }
        for index in &uses.variables {
            // A later variable of the same name replaced the one that was meant: what that depends on is not known yet.
            uses.other |= *index >= MOST_VARIABLES;
            match variables.get(*index) {
                Some(variable) => {
                    uses.levels = uses.levels.max(variable.levels.saturating_add(1));
                    uses.request |= variable.request;
                    uses.params |= variable.params;
                    uses.other |= variable.other;
                }
                None => uses.other = true,
            }
        }
        uses
    }

    /// Whether parameters alone decide.
    const fn is_preset(&self) -> bool {
        !self.request && !self.other
    }

    /// Whether any policy that asks gets the same.
    const fn is_shareable(&self) -> bool {
        self.request && !self.params && !self.other
    }
}

// === Presets ===

impl Presets {
    /// Evaluates what `params` alone decides.
    pub(super) fn new(programs: &Programs, params: &Json<'static>) -> Self {
        let mut out = Self(vec![None; programs.places]);
        let mut looks = MAX_LOOKS;
        let mut known = ParamsOnly {
            slots: &programs.slots,
            params,
            variables: Vec::with_capacity(programs.variables.len()),
            asked: Cell::new(0),
        };
        for (name, expression) in &programs.variables {
            let kept = out.evaluate(expression, &known, &mut looks);
            known
                .variables
                .push(kept.map(|outcome| outcome.map_err(|error| in_variable(name, &error))));
        }
        for expression in programs.conditions.iter().chain(rules(programs)) {
            out.evaluate(expression, &known, &mut looks);
        }
        out
    }

    /// Evaluates and keeps one expression.
    fn evaluate<'p>(
        &mut self,
        expression: &'p Expression,
        known: &ParamsOnly<'p>,
        looks: &mut usize,
    ) -> Option<Result<Value<'p>, EvalError>> {
        if !expression.uses.is_preset() {
            return None;
        }
        known.asked.set(0);
        let evaluation = expression.program.eval(known, PER_CALL_LIMIT);
        let value = evaluation
            .value
            .and_then(|value| shallow(value, &expression.uses, looks));
        let mut elements = KEPT_ELEMENTS;
        let outcome = match &value {
            Ok(value) => owned(value, KEPT_LEVELS, &mut elements).map(Ok),
            Err(error) => Some(Err(error.clone())),
        };
        self.0[expression.place] = Some(Kept {
            outcome,
            cost: evaluation.cost,
            asked: known.asked.get(),
        });
        Some(value)
    }

    /// What is known of an expression.
    #[must_use]
    pub fn get(&self, expression: &Expression) -> Option<&Kept<'static>> {
        self.0.get(expression.place)?.as_ref()
    }
}

/// Evaluates with parameters and the variables that they decide.
struct ParamsOnly<'p> {
    slots: &'p Slots,
    params: &'p Json<'static>,
    variables: Vec<Option<Result<Value<'p>, EvalError>>>,
    asked: Cell<Variables>,
}

impl<'p> Activation<'p> for ParamsOnly<'p> {
    fn variable(&self, slot: Slot) -> Option<Value<'p>> {
        (Some(slot) == self.slots.params).then(|| Value::from(self.params))
    }

    fn composed(&self, index: usize) -> Result<Value<'p>, EvalError> {
        self.asked.set(self.asked.get() | bit(index));
        match self.variables.get(index) {
            Some(Some(outcome)) => outcome.clone(),
            _ => Err(EvalError::text("unknown variable")),
        }
    }
}

/// A value that borrows nothing, of at most so many levels and elements; `None` for larger ones, and for parts of
/// documents, which are found faster than copied.
fn owned(value: &Value<'_>, levels: usize, elements: &mut usize) -> Option<Value<'static>> {
    *elements = elements.checked_sub(1)?;
    let inner = levels.checked_sub(1)?;
    Some(match value {
        Value::Null => Value::Null,
        Value::Bool(value) => Value::Bool(*value),
        Value::Int(value) => Value::Int(*value),
        Value::Uint(value) => Value::Uint(*value),
        Value::Double(value) => Value::Double(*value),
        Value::String(Str::Shared(text)) => Value::from(text.clone()),
        Value::String(Str::Borrowed(text)) => Value::from(Arc::<str>::from(*text)),
        Value::Bytes(octets) => Value::Bytes(octets.clone()),
        Value::Duration(nanos) => Value::Duration(*nanos),
        Value::Timestamp(instant) => Value::Timestamp(*instant),
        Value::Type(ty) => Value::Type(ty.clone()),
        Value::Opaque(value) => Value::Opaque(value.clone()),
        Value::Optional(None) => Value::Optional(None),
        Value::Optional(Some(value)) => Value::some(owned(value, inner, elements)?),
        Value::List(List::Made(items)) => {
            let items = items.iter().map(|item| owned(item, inner, elements));
            Value::list(items.collect::<Option<_>>()?)
        }
        Value::Map(Map::Made(entries)) => {
            let entries = entries.iter().map(|(key, value)| {
                Some((owned(key, inner, elements)?, owned(value, inner, elements)?))
            });
            Value::Map(Map::Made(Arc::new(entries.collect::<Option<_>>()?)))
        }
        Value::List(_) | Value::Map(_) | Value::Struct(_) => return None,
    })
}

// === Shared ===

impl<'p> Shared<'p> {
    /// For one request, with room for `count` outcomes.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(RefCell::new(vec![None; count]))
    }

    /// What is known of an expression, with the variables as this policy numbers them.
    #[must_use]
    pub fn get(&self, expression: &Expression) -> Option<Kept<'p>> {
        let mut kept = self.0.borrow().get(expression.shared?)?.clone()?;
        let named = expression.uses.variables.iter().enumerate();
        kept.asked = named
            .filter(|(at, _)| kept.asked & bit(*at) != 0)
            .fold(0, |asked, (_, index)| asked | bit(*index));
        Some(kept)
    }

    /// Keeps an outcome for others.
    pub fn keep(
        &self,
        expression: &Expression,
        outcome: &Result<Value<'p>, EvalError>,
        (cost, asked): (u64, Variables),
    ) {
        let Some(shared) = expression.shared else {
            return;
        };
        let named = expression.uses.variables.iter().enumerate();
        let asked = named
            .filter(|(_, index)| asked & bit(**index) != 0)
            .fold(0, |asked, (at, _)| asked | bit(at));
        if let Some(place) = self.0.borrow_mut().get_mut(shared) {
            *place = Some(Kept {
                outcome: Some(outcome.clone()),
                cost,
                asked,
            });
        }
    }
}

/// The set of one variable.
#[must_use]
pub const fn bit(index: usize) -> Variables {
    if index < MOST_VARIABLES {
        1 << index
    } else {
        0
    }
}

/// The error of a variable as those who use it see it.
#[must_use]
pub fn in_variable(name: &str, error: &EvalError) -> EvalError {
    EvalError::text(format!(
        "composited variable {name:?} fails to evaluate: {error}"
    ))
}

/// Finds expressions that mean the same in several policies, and numbers them. Returns how many there are.
pub(super) fn share(policies: &mut [Bound]) -> usize {
    let mut classes: HashMap<(String, Vec<usize>), usize> = HashMap::new();
    let mut members: Vec<usize> = Vec::new();
    for bound in policies.iter_mut() {
        let mut variables: Vec<Option<usize>> = Vec::new();
        for expression in bound.programs.shareable() {
            let class = class_of(expression, &variables).map(|key| {
                let next = classes.len();
                *classes.entry(key).or_insert(next)
            });
            if let Some(class) = class {
                members.resize(members.len().max(class + 1), 0);
                members[class] += 1;
            }
            expression.shared = class;
            variables.push(class);
        }
    }
    // Only what at least two ask for is worth keeping.
    let mut count = 0;
    let numbers: Vec<Option<usize>> = members
        .iter()
        .map(|members| {
            (*members > 1).then(|| {
                count += 1;
                count - 1
            })
        })
        .collect();
    for bound in policies {
        for expression in bound.programs.shareable() {
            expression.shared = expression.shared.and_then(|class| numbers[class]);
        }
    }
    count
}

/// The text of an expression, and the classes of the variables that it names.
fn class_of(expression: &Expression, variables: &[Option<usize>]) -> Option<(String, Vec<usize>)> {
    if !expression.uses.is_shareable() {
        return None;
    }
    let named = expression.uses.variables.iter();
    let named = named.map(|index| variables.get(*index).copied().flatten());
    Some((expression.text.clone(), named.collect::<Option<_>>()?))
}

fn rules(programs: &Programs) -> impl Iterator<Item = &Expression> {
    let rules = match &programs.work {
        Work::Validate { rules, .. } => rules.as_slice(),
        Work::Mutate { .. } | Work::Unusable(_) => &[],
    };
    rules.iter().map(|rule| &rule.expression)
}

impl Programs {
    /// What may be shared: variables first, by index, then conditions and rules.
    fn shareable(&mut self) -> impl Iterator<Item = &mut Expression> {
        let rules = match &mut self.work {
            Work::Validate { rules, .. } => rules.as_mut_slice(),
            Work::Mutate { .. } | Work::Unusable(_) => &mut [],
        };
        let variables = self.variables.iter_mut().map(|(_, expression)| expression);
        variables
            .chain(&mut self.conditions)
            .chain(rules.iter_mut().map(|rule| &mut rule.expression))
    }
}
