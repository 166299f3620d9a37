//! What the function families share: guards against wrong arguments, sizes for costs, limits on results, and the forms
//! in which Go prints values inside error texts.

use std::cmp::Ordering;

use super::{Call, Cost, Overload};
use crate::cel::cost::PER_CALL_LIMIT;
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, List, Map, Opaque, Str, Value};

/// Result of a call.
pub(super) type Outcome<'a> = Result<Value<'a>, EvalError>;

/// Longest text that a call may make, in octets. Handling a text costs a tenth of a unit per code point, so a longer
/// one could not be used for anything within one program run; without the limit `replace` and `format` could make
/// gigabytes before being charged.
pub(super) const MAX_TEXT: usize = 16 * 1024 * 1024;

impl Overload {
    /// `receiver.name(…)`, the receiver being the first parameter.
    #[must_use]
    pub const fn member(
        id: &'static str,
        params: &'static [Ty],
        result: Ty,
        cost: Cost,
        call: Call,
    ) -> Self {
        Self {
            id,
            member: true,
            params,
            result,
            cost,
            call,
        }
    }

    /// `name(…)`
    #[must_use]
    pub const fn global(
        id: &'static str,
        params: &'static [Ty],
        result: Ty,
        cost: Cost,
        call: Call,
    ) -> Self {
        Self {
            id,
            member: false,
            params,
            result,
            cost,
            call,
        }
    }
}

/// Cost 1, the default.
pub(super) const UNIT: Cost = Cost::Fixed(1);
/// One pass over the first argument, a text.
pub(super) const SCAN: Cost = Cost::PerSize {
    arg: 0,
    factor: 0.1,
};
/// Two passes over the first argument, a text.
pub(super) const SCAN_TWICE: Cost = Cost::PerSize {
    arg: 0,
    factor: 0.2,
};

/// The argument of a function of one text.
pub(super) fn only_text<'v>(args: &'v [Value<'_>]) -> Result<&'v str, EvalError> {
    match args {
        [Value::String(text)] => Ok(text.as_str()),
        _ => Err(EvalError::NoSuchOverload),
    }
}

/// The first argument of a method of a library type.
pub(super) fn receiver<'v, T: Opaque + 'static>(args: &'v [Value<'_>]) -> Result<&'v T, EvalError> {
    args.first()
        .and_then(Value::as_opaque)
        .ok_or(EvalError::NoSuchOverload)
}

/// How the two arguments of a comparison are ordered; `of` finds the comparable thing in each.
pub(super) fn order<'v, 'a: 'v, T: Ord + 'v>(
    args: &'v [Value<'a>],
    of: impl Fn(&'v Value<'a>) -> Option<&'v T>,
) -> Result<Ordering, EvalError> {
    match args {
        [left, right] => of(left)
            .zip(of(right))
            .map(|(left, right)| left.cmp(right))
            .ok_or(EvalError::NoSuchOverload),
        _ => Err(EvalError::NoSuchOverload),
    }
}

/// The error for an argument whose content does not fit the signature: `no such overload: sum(list)`.
pub(super) fn no_such_overload(function: &str, args: &[Value<'_>]) -> EvalError {
    let types: Vec<&str> = args.iter().map(Value::type_name).collect();
    EvalError::text(format!(
        "no such overload: {function}({})",
        types.join(", ")
    ))
}

/// Cost of walking through everything inside a value: a tenth per octet of text, one per other scalar.
pub(super) fn traversal(value: &Value<'_>) -> u64 {
    match value {
        Value::String(text) => tenth(text.len()),
        Value::Bytes(octets) => tenth(octets.len()),
        Value::List(list) => list.iter().map(|item| traversal(&item)).sum(),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| traversal(&key) + traversal(&value))
            .sum(),
        _ => 1,
    }
}

fn tenth(size: usize) -> u64 {
    (size as f64 * 0.1) as u64
}

/// The part of a text between two octet positions, borrowed where the text is.
pub(super) fn part<'a>(text: &Str<'a>, range: std::ops::Range<usize>) -> Value<'a> {
    match text {
        Str::Borrowed(text) => Value::from(&text[range]),
        Str::Shared(text) => Value::String(Str::Shared(text[range].into())),
    }
}

/// Refuses texts longer than [`MAX_TEXT`].
pub(super) fn check_length(octets: usize) -> Result<(), EvalError> {
    if octets > MAX_TEXT {
        return Err(EvalError::CostExceeded);
    }
    Ok(())
}

/// Refuses work that costs more than one program run may: it is not done, only charged.
pub(super) fn check_cost(units: u64) -> Result<(), EvalError> {
    if units > PER_CALL_LIMIT {
        return Err(EvalError::CostExceeded);
    }
    Ok(())
}

/// A value as Go's `%v` prints it inside error texts.
pub(super) fn display(value: &Value<'_>) -> String {
    match value {
        Value::Null => "0".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => super::numbers::format_double(*value),
        Value::String(text) => text.as_str().to_owned(),
        Value::Bytes(octets) => {
            let octets: Vec<String> = octets.iter().map(u8::to_string).collect();
            format!("[{}]", octets.join(" "))
        }
        Value::List(list) => display_list(list),
        Value::Map(map) => display_map(map),
        Value::Duration(nanos) => super::time::display_duration(*nanos),
        Value::Timestamp(timestamp) => super::time::display_timestamp(*timestamp),
        Value::Type(inner) => inner.to_string(),
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(inner)) => format!("optional({})", display(inner)),
        Value::Struct(object) => object.name.to_string(),
        Value::Opaque(opaque) => opaque.text(),
    }
}

fn display_list(list: &List<'_>) -> String {
    let items: Vec<String> = list.iter().map(|item| display(&item)).collect();
    format!("[{}]", items.join(", "))
}

fn display_map(map: &Map<'_>) -> String {
    let entries: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{}: {}", display(&key), display(&value)))
        .collect();
    format!("{{{}}}", entries.join(", "))
}
