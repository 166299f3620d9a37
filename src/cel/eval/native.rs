//! Fields of objects that the expression constructs. The API server selects from their native form, in which nested
//! objects are maps, and which maps with keys other than texts do not have.

use std::sync::Arc;

use super::attribute::{Cursor, Found, field};
use crate::cel::env::objects::JSON_PATCH;
use crate::cel::lib::standard::key_text;
use crate::cel::lib::text::go_quote_rune;
use crate::cel::value::{EvalError, List, Map, Opaque, Struct, Value};

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

/// The error that a nested object or a value of a library type becomes.
fn spoiled(value: &Value<'_>) -> Option<EvalError> {
    let object = match value {
        Value::Struct(object) => object,
        Value::Optional(Some(inner)) => return spoiled(inner),
        Value::Opaque(opaque) => return unconverted(opaque.as_ref()),
        _ => return None,
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

/// Library types that the API server cannot make values of again once they are in an object, by CEL name, and what they
/// are in its memory.
const UNCONVERTED: [(&str, &str); 5] = [
    ("kubernetes.Quantity", "*resource.Quantity"),
    ("kubernetes.Semver", "semver.Version"),
    ("kubernetes.URL", "*url.URL"),
    ("net.CIDR", "netip.Prefix"),
    ("net.IP", "netip.Addr"),
];

/// The error about a value of such a type.
pub(super) fn unconverted(value: &dyn Opaque) -> Option<EvalError> {
    Some(EvalError::text(format!(
        "unsupported conversion to ref.Val: ({}){}",
        native_name(value)?,
        value.text()
    )))
}

fn native_name(value: &dyn Opaque) -> Option<&'static str> {
    let mut types = UNCONVERTED.into_iter();
    let (_, native) = types.find(|(name, _)| *name == value.type_name())?;
    Some(native)
}

/// Whether selections from the object fail because of such a key.
pub(super) fn has_foreign_key(object: &Struct<'_>) -> bool {
    foreign_key(object).is_some()
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

/// A value as it comes out of the native form of an object: a constructed object is a map, a type its name, an optional
/// what it holds. Of a list or map, only what is directly in it is changed.
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
        Value::Optional(Some(inner)) => plain(inner),
        Value::Optional(None) => Value::Null,
        Value::List(list @ (List::Made(_) | List::Joined(_)))
            if list.iter().any(|item| changes(&item)) =>
        {
            Value::list(list.iter().map(|item| plain_part(&item)).collect())
        }
        Value::Map(map @ Map::Made(_)) if map.iter().any(|(_, value)| changes(&value)) => {
            let entries = map.iter();
            let entries = entries.map(|(key, value)| (key, plain_part(&value)));
            Value::Map(Map::from_entries(entries.collect()))
        }
        other => other.clone(),
    }
}

/// What a list or map holds, as it comes out of its native form.
fn plain_part<'a>(value: &Value<'a>) -> Value<'a> {
    if changes(value) {
        plain(value)
    } else {
        value.clone()
    }
}

/// Whether a value that is no list and no map is another one in its native form.
fn changes(value: &Value<'_>) -> bool {
    match value {
        Value::Struct(object) => !is_patch(&object.name),
        Value::Type(_) | Value::Optional(_) => true,
        _ => false,
    }
}

/// The Go type of a field of a constructed object, as the error about a key names it; `None` for types that can be keys.
pub(super) fn go_type_in_object(field: Option<&Value<'_>>) -> Option<&'static str> {
    Some(match field {
        None => "<nil>",
        Some(Value::Optional(Some(inner))) => return go_type_in_object(Some(inner)),
        Some(Value::Null | Value::Optional(None)) => "structpb.NullValue",
        Some(Value::Bytes(_)) => "[]uint8",
        Some(Value::Duration(_)) => "time.Duration",
        Some(Value::Timestamp(_)) => "time.Time",
        Some(Value::List(_)) => "[]interface {}",
        Some(Value::Map(_)) => "map[string]interface {}",
        Some(Value::Struct(object)) if !is_patch(&object.name) => "map[string]interface {}",
        Some(Value::Opaque(value)) => return native_name(value.as_ref()),
        Some(_) => return None,
    })
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
