//! Calls of functions: choice of the signature, guard of its parameters, cost.

use super::{Machine, Outcome, counted, is_fatal};
use crate::cel::cost;
use crate::cel::lib::operators::refused;
use crate::cel::lib::{Cost, Overload, regex};
use crate::cel::plan::binding::{self, Guard};
use crate::cel::plan::{Call, DispatchCost, OpId, Target};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Value};

impl<'a> Machine<'_, 'a> {
    pub(super) fn call(&mut self, call: &'a Call) -> Outcome<'a> {
        let ops = self.plan.span(call.args);
        // Few arguments stay on the stack.
        match ops.len() {
            0 | 1 => self.call_with(call, ops, &mut [const { Value::Null }; 1][..ops.len()]),
            2 => self.call_with(call, ops, &mut [const { Value::Null }; 2]),
            3 => self.call_with(call, ops, &mut [const { Value::Null }; 3]),
            count => self.call_with(call, ops, &mut vec![Value::Null; count]),
        }
    }

    fn call_with(&mut self, call: &'a Call, ops: &[OpId], values: &mut [Value<'a>]) -> Outcome<'a> {
        let mut failed = None;
        // Places of failed arguments, which stay empty.
        let mut empty = 0_u32;
        for (at, op) in ops.iter().enumerate() {
            match self.eval(*op) {
                Ok(value) => values[at] = value,
                Err(error) if is_fatal(&error) => return Err(error),
                Err(error) => {
                    if call.variadic && at + 1 < ops.len() {
                        return Err(error);
                    }
                    empty |= 1 << at.min(31);
                    failed = failed.or(Some(error));
                }
            }
        }
        let outcome = match failed {
            Some(error) => Err(error),
            None => self.run_call(call, values),
        };
        if let Some(error) = uncountable(call, values, empty) {
            return Err(error);
        }
        let units = units(call, values, counted(&outcome));
        self.charge(units)?;
        if let Ok(value) = &outcome {
            self.count_made(value)?;
        }
        outcome
    }

    fn run_call(&self, call: &Call, values: &[Value<'a>]) -> Outcome<'a> {
        match &call.regex {
            Some(regex) => search(call.name, regex, values),
            None => apply(call.name, call.target, call.guard, values),
        }
    }
}

/// Calls `name` with `values`.
///
/// # Errors
/// No signature takes the values, or the function fails.
pub(crate) fn apply<'a>(
    name: &str,
    target: Target,
    guard: Guard,
    values: &[Value<'a>],
) -> Outcome<'a> {
    let chosen = match target {
        Target::Resolved(overload) if guard == Guard::Signature => {
            takes(overload, values).then_some(overload)
        }
        Target::Resolved(overload) => Some(overload).filter(|_| receives(overload, values)),
        Target::Dispatched { candidates, .. } => candidates
            .iter()
            .find(|overload| takes(overload, values))
            .or_else(|| {
                // A function with one implementation runs it whatever the elements of its arguments are.
                candidates.iter().find(|overload| {
                    binding::is_singleton(name)
                        && overload.params.len() == values.len()
                        && receives(overload, values)
                })
            })
            .copied(),
    };
    match chosen {
        Some(overload) => (overload.call)(values),
        None => Err(refusal(name, guard, values)),
    }
}

/// Runs a call whose pattern was compiled before.
fn search<'a>(name: &str, pattern: &::regex::Regex, values: &[Value<'a>]) -> Outcome<'a> {
    let Some(Value::String(text)) = values.first() else {
        return Err(EvalError::NoSuchOverload);
    };
    match (name, values.get(2)) {
        ("find", _) => Ok(regex::find_with(pattern, text)),
        ("findAll", None) => Ok(regex::find_all_with(pattern, text, -1)),
        ("findAll", Some(Value::Int(limit))) => Ok(regex::find_all_with(pattern, text, *limit)),
        ("findAll", Some(_)) => Err(EvalError::NoSuchOverload),
        _ => Ok(Value::Bool(pattern.is_match(text))),
    }
}

/// Whether the first argument is of the right kind, whatever it contains.
fn receives(overload: &Overload, values: &[Value<'_>]) -> bool {
    match (overload.params.first(), values.first()) {
        (Some(Ty::List(_)), Some(value)) => matches!(value, Value::List(_)),
        (Some(Ty::Map(..)), Some(value)) => matches!(value, Value::Map(_)),
        (Some(ty), Some(value)) => fits(ty, value),
        _ => true,
    }
}

/// The error about arguments that no signature takes.
fn refusal(name: &str, guard: Guard, values: &[Value<'_>]) -> EvalError {
    match values {
        [first] if name == "flatten" => {
            EvalError::text(format!("no such overload: {}.flatten()", shown(first)))
        }
        [first, depth] if name == "flatten" => EvalError::text(format!(
            "no such overload: {}.flatten({})",
            shown(first),
            shown(depth)
        )),
        [first, ..] if binding::is_singleton(name) => refused(name, first),
        _ if guard == Guard::Function => EvalError::NoSuchOverload,
        _ => {
            let types: Vec<&str> = values.iter().map(Value::type_name).collect();
            EvalError::text(format!("no such overload: {name}({})", types.join(", ")))
        }
    }
}

/// The type of a value as these errors tell it: optionals and types without what they are of.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Optional(_) | Value::Type(_) => value.type_name().to_owned(),
        other => other.type_of().to_string(),
    }
}

fn takes(overload: &Overload, values: &[Value<'_>]) -> bool {
    overload.params.len() == values.len()
        && overload
            .params
            .iter()
            .zip(values)
            .all(|(ty, value)| fits(ty, value))
}

/// Whether a value has a declared type; of lists and maps the first element tells.
pub(crate) fn fits(ty: &Ty, value: &Value<'_>) -> bool {
    match (ty, value) {
        (Ty::Dyn | Ty::Param(_), _)
        | (Ty::Null, Value::Null)
        | (Ty::Bool, Value::Bool(_))
        | (Ty::Int, Value::Int(_))
        | (Ty::Uint, Value::Uint(_))
        | (Ty::Double, Value::Double(_))
        | (Ty::String, Value::String(_))
        | (Ty::Bytes, Value::Bytes(_))
        | (Ty::Duration, Value::Duration(_))
        | (Ty::Timestamp, Value::Timestamp(_))
        | (Ty::Optional(_), Value::Optional(_))
        | (Ty::Type(_), Value::Type(_)) => true,
        (Ty::List(element), Value::List(list)) => {
            list.get(0).is_none_or(|first| fits(element, &first))
        }
        (Ty::Map(key, element), Value::Map(map)) => map
            .entry(0)
            .is_none_or(|(first, value)| fits(key, &first) && fits(element, &value)),
        (Ty::Opaque(name) | Ty::Object(name), value) => {
            matches!(value, Value::Opaque(_) | Value::Struct(_)) && value.type_name() == *name
        }
        _ => false,
    }
}

/// The cost of these functions is computed from a list; of anything else the API server cannot compute it, and gives up
/// the whole evaluation.
fn uncountable(call: &Call, values: &[Value<'_>], empty: u32) -> Option<EvalError> {
    if !matches!(call.target, Target::Resolved(_)) {
        return None;
    }
    let go_type = |at: usize| match values.get(at)? {
        _ if empty >> at.min(31) & 1 == 1 => Some("*types.Err"),
        value => Some(value.go_type()),
    };
    let at = match call.name {
        "flatten" => {
            let ty = go_type(1).filter(|ty| *ty != "types.Int")?;
            return Some(super::aborted(&format!(
                "interface conversion: ref.Val is {ty}, not types.Int"
            )));
        }
        "distinct" | "sort" => 0,
        "@sortByAssociatedKeys" => 1,
        _ => return None,
    };
    let ty = go_type(at)?;
    // The first method that a list has and the type has not.
    let missing = match ty {
        "*types.baseList" => return None,
        "types.Int" | "types.Uint" | "types.Double" | "types.String" | "types.Bytes"
        | "types.Duration" | "types.Timestamp" => "Contains",
        _ => "Add",
    };
    Some(super::aborted(&format!(
        "interface conversion: {ty} is not traits.Lister: missing method {missing}"
    )))
}

/// What the call costs.
fn units(call: &Call, values: &[Value<'_>], result: &Value<'_>) -> u64 {
    let overload = match call.target {
        Target::Resolved(overload) => overload,
        Target::Dispatched { cost, .. } => match cost {
            DispatchCost::Default => return 1,
            DispatchCost::Of(overload) => overload,
        },
    };
    match overload.cost {
        Cost::Fixed(units) => units,
        Cost::PerSize { arg, factor } => values
            .get(arg)
            .map_or(1, |value| cost::per_size(value.cost_size(), factor)),
        Cost::Custom(units) | Cost::Resolved(units) => units(values, result),
    }
}
