//! Values as JSON without types, and how much there is to write.

use serde_json::Value as Output;

use crate::cel::lib::standard::{key_text, to_text};
use crate::cel::value::{Map, Value};

/// Elements of the largest value that is written. Values made of values that are shared many times over may have more
/// than memory holds, at next to no cost.
const MAX_ELEMENTS: usize = 1_000_000;

/// Deepest nesting that is written: twice what a JSON document may have.
const MAX_DEPTH: usize = 256;

/// Octets of all texts in the largest value that is written.
const MAX_OCTETS: usize = 64 << 20;

/// Whether a value can be written.
///
/// # Errors
/// Why not.
pub(super) fn measure(value: &Value<'_>) -> Result<(), String> {
    let mut extent = Extent {
        elements: 0,
        octets: 0,
    };
    extent.add(value, 0)
}

/// What a value has so far.
struct Extent {
    elements: usize,
    octets: usize,
}

impl Extent {
    fn add(&mut self, value: &Value<'_>, depth: usize) -> Result<(), String> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(format!(
                "the value has more than {MAX_ELEMENTS} elements: too many to be written; try size() or an index"
            ));
        }
        if depth > MAX_DEPTH {
            return Err(format!(
                "the value nests deeper than {MAX_DEPTH} levels: too deep to be written; select a part of it"
            ));
        }
        match value {
            Value::String(text) => self.octets += text.len(),
            Value::Bytes(octets) => self.octets += octets.len(),
            Value::List(list) => {
                for item in list.iter() {
                    self.add(&item, depth + 1)?;
                }
            }
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    self.add(&key, depth + 1)?;
                    self.add(&value, depth + 1)?;
                }
            }
            Value::Optional(Some(inner)) => self.add(inner, depth + 1)?,
            Value::Struct(object) => {
                for (_, value) in &object.fields {
                    self.add(value, depth + 1)?;
                }
            }
            _ => {}
        }
        if self.octets > MAX_OCTETS {
            let limit = MAX_OCTETS >> 20;
            return Err(format!(
                "the texts of the value have more than {limit} MiB: too much to be written; try size() or substring()"
            ));
        }
        Ok(())
    }
}

/// A measured value as JSON. Numbers stay numbers, other scalars are their text, bytes are base64, optionals are their
/// value or null; keys of maps that are no strings are written as `string()` does.
pub(super) fn json(value: &Value<'_>) -> Output {
    match value {
        Value::Int(int) => Output::from(*int),
        Value::Uint(uint) => Output::from(*uint),
        Value::List(list) => list.iter().map(|item| json(&item)).collect(),
        Value::Map(map) => entries(map),
        Value::Optional(inner) => inner.as_ref().map_or(Output::Null, |inner| json(inner)),
        scalar => match Output::from(&scalar.to_typed()) {
            Output::Object(mut typed) => typed.remove("value").unwrap_or(Output::Null),
            other => other,
        },
    }
}

fn entries(map: &Map<'_>) -> Output {
    let key = |key: &Value<'_>| match to_text(key) {
        Ok(text) => text.to_string(),
        Err(_) => key_text(key),
    };
    let entries = map.iter();
    Output::Object(
        entries
            .map(|(name, value)| (key(&name), json(&value)))
            .collect(),
    )
}
