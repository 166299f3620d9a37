//! The typed form of values: `{"type": T, "value": V}`, so that `1`, `1u` and `1.0` differ in JSON.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::lib::standard::to_text;
use super::lib::time;
use super::value::{Map, Struct, Timestamp, Value};
use crate::model::json::{self, Json};

impl Value<'_> {
    /// This value in typed form. Library types are written by their text.
    #[must_use]
    pub fn to_typed(&self) -> Json<'static> {
        let value = match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Double(value) => double(*value),
            Self::Bytes(octets) => Json::from(STANDARD.encode(octets)),
            Self::List(list) => Json::Array(list.iter().map(|item| item.to_typed()).collect()),
            Self::Map(map) => pairs(map),
            Self::Optional(inner) => inner.as_ref().map_or(Json::Null, |inner| inner.to_typed()),
            Self::Type(ty) => Json::from(ty.runtime_name().to_owned()),
            Self::Struct(object) => fields(object),
            Self::Opaque(value) => Json::from(value.text()),
            // In UTC, wherever it was written.
            Self::Timestamp(at) => {
                Json::from(time::format_timestamp(Timestamp { offset: 0, ..*at }))
            }
            Self::Int(_) | Self::Uint(_) | Self::String(_) | Self::Duration(_) => Json::from(
                to_text(self).map_or_else(|error| error.to_string(), |text| text.to_string()),
            ),
        };
        typed(self.type_name(), value)
    }

    /// Reads the typed form.
    ///
    /// # Errors
    /// What was expected and what was found.
    pub fn from_typed(json: &Json<'_>) -> Result<Value<'static>, String> {
        let ty = json
            .str_at(&["type"])
            .ok_or_else(|| format!("expected {{\"type\": …, \"value\": …}}, found {json}"))?;
        let value = json.get("value").unwrap_or(&Json::Null);
        read(ty, value).ok_or_else(|| format!("expected the value of a {ty}, found {value}"))?
    }
}

fn typed(ty: &str, value: Json<'static>) -> Json<'static> {
    Json::Object(json::Map::from_iter([
        ("type", Json::from(ty.to_owned())),
        ("value", value),
    ]))
}

/// A double, its values without a number by their names.
pub(crate) fn double(value: f64) -> Json<'static> {
    if value.is_nan() {
        Json::from("NaN")
    } else if value.is_infinite() {
        Json::from(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        Json::Float(value)
    }
}

/// Entries as pairs, in the order of their keys as text.
fn pairs(map: &Map<'_>) -> Json<'static> {
    let mut entries: Vec<(String, Json<'static>)> = map
        .iter()
        .map(|(key, value)| {
            let text = match &key {
                Value::Double(value) if value.is_infinite() => {
                    let sign = if *value > 0.0 { "" } else { "-" };
                    format!("{sign}Infinity")
                }
                key => super::lib::standard::key_text(key),
            };
            let order = format!("{} {text}", key.type_name());
            (order, Json::Array(vec![key.to_typed(), value.to_typed()]))
        })
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Json::Array(entries.into_iter().map(|(_, pair)| pair).collect())
}

/// The set fields of a constructed object: those of a patch in typed form, those of an object as plain JSON.
fn fields(object: &Arc<Struct<'_>>) -> Json<'static> {
    if object.name.as_ref() == super::messages::EMPTY {
        return Json::from("");
    }
    if object.name.as_ref() != super::env::objects::JSON_PATCH {
        return Value::Struct(object.clone())
            .to_native()
            .unwrap_or_else(|error| Json::from(format!("error: {error}")));
    }
    let mut out: json::Map<'static> = ["op", "path"]
        .into_iter()
        .map(|name| (name, Json::from("")))
        .collect();
    for (name, value) in &object.fields {
        if name.as_ref() == "from" && value.as_str() == Some("") {
            continue;
        }
        let value = match value {
            Value::String(text) if name.as_ref() != "value" => Json::from(text.to_string()),
            other => other.to_typed(),
        };
        out.insert(name.to_string(), value);
    }
    Json::Object(out)
}

type Read = Result<Value<'static>, String>;

/// The outer `None`: the value has not the form that the type asks for.
fn read(ty: &str, value: &Json<'_>) -> Option<Read> {
    let text = value.as_str();
    Some(Ok(match ty {
        "null_type" => Value::Null,
        "bool" => Value::Bool(value.as_bool()?),
        "int" => Value::Int(text?.parse().ok()?),
        "uint" => Value::Uint(text?.parse().ok()?),
        "double" => Value::Double(read_double(value)?),
        "string" => Value::from(text?.to_owned()),
        "bytes" => Value::Bytes(STANDARD.decode(text?).ok()?.into()),
        "google.protobuf.Duration" => Value::Duration(time::parse_duration(text?)?),
        "google.protobuf.Timestamp" => Value::Timestamp(time::parse_timestamp(text?)?),
        "optional_type" if value.is_null() => Value::Optional(None),
        "optional_type" => return Some(Value::from_typed(value).map(Value::some)),
        "list" => {
            let items = value.as_array()?.iter().map(Value::from_typed);
            return Some(items.collect::<Result<_, _>>().map(Value::list));
        }
        "map" => return read_pairs(value.as_array()?),
        _ => return Some(Err(format!("there is no typed form of {ty:?}"))),
    }))
}

fn read_double(value: &Json<'_>) -> Option<f64> {
    match value {
        Json::Float(double) => Some(*double),
        Json::Int(int) => Some(*int as f64),
        Json::String(text) => match text.as_ref() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn read_pairs(pairs: &[Json<'_>]) -> Option<Read> {
    let mut entries = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let [key, value] = pair.as_array()? else {
            return None;
        };
        match (Value::from_typed(key), Value::from_typed(value)) {
            (Ok(key), Ok(value)) => entries.push((key, value)),
            (Err(error), _) | (_, Err(error)) => return Some(Err(error)),
        }
    }
    Some(Ok(Value::Map(Map::from_entries(entries))))
}
