//! Fields of objects that the expression constructs. The API server selects from their native form, in which nested
//! objects are maps, and which maps with keys other than texts do not have.

use std::sync::Arc;

use super::attribute::{Cursor, Found, field};
use crate::cel::env::objects::JSON_PATCH;
use crate::cel::lib::standard::key_text;
use crate::cel::lib::text::go_quote_rune;
use crate::cel::value::{EvalError, Map, Struct, Value};

/// A field of an object that the expression constructed: unset ones are null unless somebody asks for `presence`, and
/// nested objects become maps. An `optional` selection takes for absent what cannot be converted.
pub(super) fn constructed<'a>(
    cursor: &Cursor<'a>,
    name: &Arc<str>,
    (presence, optional): (bool, bool),
) -> Found<'a> {
    let Cursor::Value(Value::Struct(object)) = cursor else {
        return field(cursor, name, presence);
    };
    if foreign_key(object).is_some() {
        return if presence {
            Found::Absent(EvalError::NoSuchKey(name.clone()))
        } else {
            Found::Failed(EvalError::text(format!("cannot get field \"{name}\"")))
        };
    }
    match object.field(name) {
        Some(value) => match spoiled(value) {
            Some(_) if optional => Found::Absent(EvalError::NoSuchKey(name.clone())),
            Some(error) => Found::Spoiled(error),
            None => Found::At(Cursor::Value(plain(value))),
        },
        None if presence => Found::Absent(EvalError::NoSuchKey(name.clone())),
        None => Found::At(Cursor::Value(Value::Null)),
    }
}

/// The error that a nested object becomes.
fn spoiled(value: &Value<'_>) -> Option<EvalError> {
    let Value::Struct(object) = value else {
        return None;
    };
    let (name, key) = foreign_key(object)?;
    let shown = match &key {
        Value::Int(code) => go_quote_rune(u32::try_from(*code).ok()),
        Value::Uint(code) => go_quote_rune(u32::try_from(*code).ok()),
        Value::Null => go_quote_rune(Some(0)),
        other => format!("%!q({}={})", other.go_type(), key_text(other)),
    };
    Some(EvalError::text(format!(
        "fail to convert field \"{name}\": map key {shown} is of type {}, not string",
        key.go_type()
    )))
}

/// The first key of a map under a field of an object that is no text, with the name of the field.
fn foreign_key<'o, 'a>(object: &'o Struct<'a>) -> Option<(&'o str, Value<'a>)> {
    if is_patch(&object.name) {
        return None;
    }
    object.fields.iter().find_map(|(name, value)| {
        let mut value = value;
        while let Value::Optional(Some(inner)) = value {
            value = inner;
        }
        let Value::Map(map @ Map::Made(_)) = value else {
            return None;
        };
        let key = map.iter().map(|(key, _)| key);
        let foreign = key.into_iter().find(|key| key.as_str().is_none())?;
        Some((name.as_ref(), foreign))
    })
}

/// A constructed object as the map that its native form is, and a type as its name.
pub(super) fn plain<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::Struct(object) if !is_patch(&object.name) => Value::Map(Map::from_entries(
            object
                .fields
                .iter()
                .map(|(name, value)| (Value::from(name.clone()), plain(value)))
                .collect(),
        )),
        Value::Type(ty) => Value::from(ty.runtime_name().to_owned()),
        other => other.clone(),
    }
}

/// Whether a type of objects is that of JSON patch operations.
pub(super) fn is_patch(name: &str) -> bool {
    name == JSON_PATCH
}

/// A member of a `JSONPatch`: texts are empty when unset, a value is null; neither is present then.
pub(super) fn patch_field<'a>(patch: &Struct<'a>, name: &str, presence: bool) -> Found<'a> {
    let set = patch.field(name);
    let value = match (name, set) {
        ("op" | "path" | "from" | "value", Some(value)) => value.clone(),
        ("op" | "path" | "from", None) => Value::from(""),
        ("value", None) => Value::Null,
        _ if presence => {
            return Found::Failed(EvalError::text(format!("unsupported field: {name}")));
        }
        _ => return Found::Failed(EvalError::text(format!("unsupported indexer: {name}"))),
    };
    if presence && (set.is_none() || (name != "value" && value.as_str() == Some(""))) {
        return Found::Absent(EvalError::NoSuchKey(name.into()));
    }
    Found::At(Cursor::Value(value))
}
