//! Equality and order of values as the list functions need them.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::cel::value::{List, Map, Value};

/// Whether `left == right` is `true`; errors and other types are not equal.
pub(super) fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => a.as_str() == b.as_str(),
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) => equal_lists(a, b),
        (Value::Map(a), Value::Map(b)) => equal_maps(a, b),
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Optional(None), Value::Optional(None)) => true,
        (Value::Optional(Some(a)), Value::Optional(Some(b))) => equal(a, b),
        (Value::Struct(a), Value::Struct(b)) => {
            a.name == b.name
                && a.fields.len() == b.fields.len()
                && std::iter::zip(&a.fields, &b.fields)
                    .all(|(a, b)| a.0 == b.0 && equal(&a.1, &b.1))
        }
        (Value::Opaque(a), Value::Opaque(b)) => Arc::ptr_eq(a, b) || a.equals(&**b) == Some(true),
        _ => numeric(left, right) == Some(Ordering::Equal),
    }
}

/// Order of two values; `None` where comparing them is an error.
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        _ => numeric(left, right),
    }
}

fn equal_lists(left: &List<'_>, right: &List<'_>) -> bool {
    left.len() == right.len() && left.iter().zip(right.iter()).all(|(a, b)| equal(&a, &b))
}

fn equal_maps(left: &Map<'_>, right: &Map<'_>) -> bool {
    left.len() == right.len()
        && left.iter().all(|(key, value)| {
            right
                .iter()
                .any(|(other_key, other)| equal(&key, &other_key) && equal(&value, &other))
        })
}

fn numeric(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), _) => integer(right).and_then(|b| double_integer(*a, b)),
        (_, Value::Double(b)) => integer(left)
            .and_then(|a| double_integer(*b, a))
            .map(Ordering::reverse),
        _ => Some(integer(left)?.cmp(&integer(right)?)),
    }
}

fn integer(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

fn double_integer(double: f64, integer: i128) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Every double within ±2^127 has an exact integer part; beyond that it is larger than any 64-bit integer.
    if double.abs() >= 1e30 {
        return Some(if double > 0.0 {
            Ordering::Greater
        } else {
            Ordering::Less
        });
    }
    let whole = double.trunc() as i128;
    Some(
        whole
            .cmp(&integer)
            .then_with(|| double.fract().total_cmp(&0.0)),
    )
}
