//! Equality: total, heterogeneous, numeric across types; only library types can refuse it.

use std::cmp::Ordering;

use super::order::{double_int, double_uint, int_uint};
use super::{EvalError, List, Map, Struct, Value};
use crate::cel::env::objects::JSON_PATCH;
use crate::model::json::Json;

/// Nesting at which the stack is looked at: documents may be deeper than a thread's stack allows.
const STACK_CHECK: usize = 64;

/// Stack that must be left, and size of a new segment.
const RED_ZONE: usize = 128 * 1024;
const SEGMENT: usize = 2 * 1024 * 1024;

impl Value<'_> {
    /// `self == other`.
    ///
    /// # Errors
    /// `no such overload` when `self` is a value of a library type and `other` is not of that type.
    pub fn equals(&self, other: &Value<'_>) -> Result<bool, EvalError> {
        equal(self, other, 0)
    }
}

fn equal(a: &Value<'_>, b: &Value<'_>, depth: usize) -> Result<bool, EvalError> {
    if depth > 0 && depth.is_multiple_of(STACK_CHECK) {
        return stacker::maybe_grow(RED_ZONE, SEGMENT, || equal_kinds(a, b, depth));
    }
    equal_kinds(a, b, depth)
}

fn equal_kinds(a: &Value<'_>, b: &Value<'_>, depth: usize) -> Result<bool, EvalError> {
    Ok(match (a, b) {
        (Value::Null, other) | (other, Value::Null) => matches!(other, Value::Null),
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Uint(a), Value::Uint(b)) => a == b,
        (Value::Double(a), Value::Double(b)) => a == b,
        (Value::Int(a), Value::Uint(b)) | (Value::Uint(b), Value::Int(a)) => {
            int_uint(*a, *b) == Ordering::Equal
        }
        (Value::Double(a), Value::Int(b)) | (Value::Int(b), Value::Double(a)) => {
            double_int(*a, *b) == Some(Ordering::Equal)
        }
        (Value::Double(a), Value::Uint(b)) | (Value::Uint(b), Value::Double(a)) => {
            double_uint(*a, *b) == Some(Ordering::Equal)
        }
        (Value::String(a), Value::String(b)) => a.as_str() == b.as_str(),
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) => lists(a, b, depth),
        (Value::Map(a), Value::Map(b)) => maps(a, b, depth),
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a.runtime_name() == b.runtime_name(),
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => return equal(a, b, depth + 1),
            _ => false,
        },
        (Value::Struct(a), Value::Struct(b)) if a.name == b.name => {
            if a.name.as_ref() == JSON_PATCH {
                return patches(a, b, depth);
            }
            fields(a, b)
        }
        (Value::Opaque(a), Value::Opaque(b)) => {
            return a.equals(b.as_ref()).ok_or(EvalError::NoSuchOverload);
        }
        (Value::Opaque(_), _) => return Err(EvalError::NoSuchOverload),
        _ => false,
    })
}

/// Patches are equal when their texts and their values are; texts that are not set are empty.
fn patches(a: &Struct<'_>, b: &Struct<'_>, depth: usize) -> Result<bool, EvalError> {
    let text = |patch: &Struct<'_>, name: &str| {
        let set = patch.field(name).and_then(Value::as_str);
        set.unwrap_or_default().to_owned()
    };
    if ["op", "path", "from"]
        .iter()
        .any(|name| text(a, name) != text(b, name))
    {
        return Ok(false);
    }
    match (a.field("value"), b.field("value")) {
        (None, None) => Ok(true),
        (Some(a), Some(b)) => equal(a, b, depth + 1),
        _ => Ok(false),
    }
}

fn fields(a: &Struct<'_>, b: &Struct<'_>) -> bool {
    a.fields.len() == b.fields.len()
        && a.fields
            .iter()
            .zip(&b.fields)
            .all(|(a, b)| a.0 == b.0 && identical(&a.1, &b.1))
}

/// Equality of the fields of constructed objects: of the same type and form, and lists only with themselves, because
/// the API server compares the memory of its values.
fn identical(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::List(List::Made(a)), Value::List(List::Made(b))) => {
            std::ptr::from_ref(a.as_ref()).cast::<()>()
                == std::ptr::from_ref(b.as_ref()).cast::<()>()
        }
        (Value::List(_), _) => false,
        (Value::Map(Map::Json(a)), Value::Map(Map::Json(b))) => a == b,
        (Value::Map(Map::Made(a)), Value::Map(Map::Made(b))) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|(a, b)| identical(&a.0, &b.0) && identical(&a.1, &b.1))
        }
        (Value::Map(_), _) => false,
        (Value::Struct(a), Value::Struct(b)) => a.name == b.name && fields(a, b),
        (Value::Optional(Some(a)), Value::Optional(Some(b))) => identical(a, b),
        _ => std::mem::discriminant(a) == std::mem::discriminant(b) && equal(a, b, 0) == Ok(true),
    }
}

/// Elements whose comparison is refused do not make lists unequal, as in cel-go.
fn lists(a: &List<'_>, b: &List<'_>, depth: usize) -> bool {
    if let (List::Json(a), List::Json(b)) = (a, b) {
        return a.len() == b.len()
            && a.iter()
                .zip(b.iter())
                .all(|(a, b)| documents(a, b, depth + 1));
    }
    a.len() == b.len()
        && a.iter()
            .zip(b.iter())
            .all(|(a, b)| equal(&a, &b, depth + 1) != Ok(false))
}

fn maps(a: &Map<'_>, b: &Map<'_>, depth: usize) -> bool {
    if a.len() != b.len() {
        return false;
    }
    a.iter().all(|(key, value)| {
        b.find(&key)
            .is_some_and(|other| equal(&value, &other, depth + 1) != Ok(false))
    })
}

fn documents(a: &Json<'_>, b: &Json<'_>, depth: usize) -> bool {
    match (a, b) {
        (Json::String(a), Json::String(b)) => a == b,
        _ => equal(&Value::from(a), &Value::from(b), depth) == Ok(true),
    }
}
