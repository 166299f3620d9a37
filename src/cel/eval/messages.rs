//! Literals of protobuf's well-known messages, as the plain values that they become at once.

use std::sync::Arc;

use crate::cel::messages::{EMPTY, Kind, Message};
use crate::cel::types::Type;
use crate::cel::value::{EvalError, Map, Str, Struct, Timestamp, Value};
use crate::model::json::Json;

const NANOS: i64 = 1_000_000_000;

/// The value of a literal with these fields, in source order.
///
/// # Errors
/// A field cannot hold its value: the API server's text.
pub(super) fn build<'a>(
    message: &Message,
    fields: Vec<(Arc<str>, Value<'a>)>,
) -> Result<Value<'a>, EvalError> {
    let mut set: Vec<(&'static str, Kind, Value<'a>)> = Vec::new();
    for (name, value) in fields {
        let mut known = message.fields.iter();
        let Some((name, kind)) = known.find(|(known, _)| *known == name.as_ref()) else {
            return Err(EvalError::text(format!("no such field '{name}'")));
        };
        let value = held(message, name, *kind, &value)?;
        set.retain(|(other, _, _)| other != name);
        set.push((name, *kind, value));
    }
    let given = |name: &str| set.iter().find(|(known, _, _)| *known == name);
    let int = |name: &str| match given(name) {
        Some((_, _, Value::Int(int))) => *int,
        _ => 0,
    };
    Ok(match message.result() {
        Type::Duration => Value::Duration(
            int("seconds")
                .saturating_mul(NANOS)
                .saturating_add(int("nanos")),
        ),
        Type::Timestamp => {
            let nanos = int("nanos");
            Value::Timestamp(Timestamp {
                seconds: int("seconds").saturating_add(nanos.div_euclid(NANOS)),
                nanos: u32::try_from(nanos.rem_euclid(NANOS)).unwrap_or_default(),
                offset: 0,
            })
        }
        Type::Object(_) => Value::Struct(Arc::new(Struct {
            name: EMPTY.into(),
            fields: Vec::new(),
        })),
        // Of several members of `Value` the last stands.
        Type::Dyn => match set.pop() {
            None | Some((_, Kind::Null, _)) => Value::Null,
            Some((_, _, value)) => value,
        },
        ty => match set.pop() {
            Some((_, _, value)) => value,
            None => zero(&ty),
        },
    })
}

/// What a message without fields stands for.
fn zero<'a>(ty: &Type) -> Value<'a> {
    match ty {
        Type::Wrapper(inner) => zero(inner),
        Type::Bool => Value::Bool(false),
        Type::Int => Value::Int(0),
        Type::Uint => Value::Uint(0),
        Type::Double => Value::Double(0.0),
        Type::String => Value::from(""),
        Type::Bytes => Value::Bytes(Arc::from([])),
        Type::List(_) => Value::list(Vec::new()),
        _ => Value::Map(Map::from_entries(Vec::new())),
    }
}

/// What a field holds when it is given `value`.
fn held<'a>(
    message: &Message,
    name: &str,
    kind: Kind,
    value: &Value<'a>,
) -> Result<Value<'a>, EvalError> {
    let fits = match kind {
        Kind::Entries => matches!(value, Value::Map(_)),
        Kind::Items => matches!(value, Value::List(_)),
        _ => true,
    };
    let message = message.name;
    if !fits {
        let ty = match value {
            Value::Map(_) => "map(dyn, dyn)",
            Value::List(_) => "list(dyn)",
            other => other.type_name(),
        };
        return Err(EvalError::text(format!(
            "unsupported field type for {message}.{name}: {ty}"
        )));
    }
    converted(kind, value).map_err(|cause| {
        EvalError::text(format!(
            "field type conversion error for {message}.{name} value type: {cause}"
        ))
    })
}

fn converted<'a>(kind: Kind, value: &Value<'a>) -> Result<Value<'a>, EvalError> {
    Ok(match (kind, value) {
        (Kind::Entries | Kind::Items, value) => from_json(&value.to_json()?),
        (kind, Value::Optional(Some(inner))) => return converted(kind, inner),
        (_, Value::Optional(None)) => return Err(EvalError::text("optional.none() dereference")),
        (Kind::Int64, Value::Int(_))
        | (Kind::Uint64, Value::Uint(_))
        | (Kind::Double, Value::Double(_))
        | (Kind::Bool, Value::Bool(_))
        | (Kind::String, Value::String(_))
        | (Kind::Bytes, Value::Bytes(_)) => value.clone(),
        (Kind::Int32 | Kind::Null, Value::Int(int)) => match i32::try_from(*int) {
            Ok(_) => value.clone(),
            Err(_) => return Err(EvalError::text("integer overflow")),
        },
        (Kind::Uint32, Value::Uint(uint)) => match u32::try_from(*uint) {
            Ok(_) => value.clone(),
            Err(_) => return Err(EvalError::text("unsigned integer overflow")),
        },
        (Kind::Float, Value::Double(double)) => Value::Double(f64::from(*double as f32)),
        (Kind::String, Value::Opaque(opaque)) => Value::from(Arc::<str>::from(opaque.text())),
        (Kind::Struct, Value::Map(_)) | (Kind::List, Value::List(_)) => {
            from_json(&value.to_json()?)
        }
        (kind, value) => return Err(unconverted(kind, value)),
    })
}

/// The error about a value that is of no use to a field of this kind.
fn unconverted(kind: Kind, value: &Value<'_>) -> EvalError {
    let to = kind.go_type();
    let from = match value {
        Value::Int(_) | Value::Uint(_) => {
            let from = value.type_name();
            return EvalError::text(format!("unsupported type conversion from '{from}' to {to}"));
        }
        Value::String(_) => {
            return EvalError::text(format!(
                "unsupported native conversion from string to '{to}'"
            ));
        }
        Value::Type(_) => return EvalError::text("type conversion not supported for 'type'"),
        Value::Bool(_) => "bool",
        Value::Double(_) => "Double",
        Value::Bytes(_) => "Bytes",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Null => "'null_type'",
        Value::Duration(_) => "'Duration'",
        Value::Timestamp(_) => "'Timestamp'",
        Value::Struct(object) if object.name.as_ref() == EMPTY => "'*dynamicpb.Message'",
        other => {
            let name = other.type_name();
            let from = name.rsplit_once('.').map_or(name, |(_, last)| last);
            return EvalError::text(format!("type conversion error from '{from}' to '{to}'"));
        }
    };
    EvalError::text(format!("type conversion error from {from} to '{to}'"))
}

/// A protobuf `Value` as a value of the language: every number is a double.
fn from_json<'a>(json: &Json<'static>) -> Value<'a> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Int(int) => Value::Double(*int as f64),
        Json::Float(double) => Value::Double(*double),
        Json::String(text) => Value::String(Str::Shared(Arc::from(text.as_ref()))),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(map) => {
            let entries = map.iter();
            let entries = entries.map(|(key, value)| {
                let key = Value::String(Str::Shared(Arc::from(key)));
                (key, from_json(value))
            });
            Value::Map(Map::from_entries(entries.collect()))
        }
    }
}
