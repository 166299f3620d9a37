//! A JSON document that borrows from the bytes it was read from.
//!
//! Admission judges an object without copying it: strings without escapes are slices of the request body. Objects
//! keep their entries **sorted by key** (bytewise) and unique, the last duplicate winning as in Go, so that lookups
//! need no hashing and every iteration, message and patch is deterministic. Integers that fit `i64` are [`Json::Int`],
//! every other number is [`Json::Float`], as the API server's own decoder has it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// One JSON value; `'a` is the life of the text it was parsed from (`'static` for owned documents).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json<'a> {
    /// `null`, also "no object" in a request.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction or exponent that fits 64 signed bits.
    Int(i64),
    /// Every other number.
    Float(f64),
    /// Text; borrowed when the source held no escapes.
    String(Cow<'a, str>),
    /// An ordered list.
    Array(Vec<Json<'a>>),
    /// Entries sorted by key.
    Object(Map<'a>),
}

/// The entries of a JSON object: sorted by key, keys unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map<'a> {
    entries: Vec<(Cow<'a, str>, Json<'a>)>,
}

/// Below this many entries a linear scan beats a binary search on real manifests (most objects have under ten keys).
const LINEAR_SCAN: usize = 8;

impl<'a> Map<'a> {
    /// An empty object.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        if self.entries.len() <= LINEAR_SCAN {
            return self.entries.iter().find(|(k, _)| k == key).map(|(_, v)| v);
        }
        self.position(key).ok().map(|at| &self.entries[at].1)
    }

    /// The value under `key`, to change in place.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json<'a>> {
        self.position(key).ok().map(|at| &mut self.entries[at].1)
    }

    /// Sets `key`, returning what it replaced.
    pub fn insert(&mut self, key: impl Into<Cow<'a, str>>, value: Json<'a>) -> Option<Json<'a>> {
        let key = key.into();
        match self.position(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.entries.insert(at, (key, value));
                None
            }
        }
    }

    /// The value under `key`, inserted as `value` when absent.
    pub fn entry_or(&mut self, key: impl Into<Cow<'a, str>>, value: Json<'a>) -> &mut Json<'a> {
        let key = key.into();
        let at = match self.position(&key) {
            Ok(at) => at,
            Err(at) => {
                self.entries.insert(at, (key, value));
                at
            }
        };
        &mut self.entries[at].1
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: &str) -> Option<Json<'a>> {
        self.position(key).ok().map(|at| self.entries.remove(at).1)
    }

    /// Whether `key` is present (a present `null` counts).
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Entries in key order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json<'a>)> + DoubleEndedIterator {
        self.entries.iter().map(|(k, v)| (k.as_ref(), v))
    }

    /// Entries in key order, values changeable.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Json<'a>)> {
        self.entries.iter_mut().map(|(k, v)| {
            let key: &str = k;
            (key, v)
        })
    }

    /// The entry at position `at` in key order.
    #[must_use]
    pub fn entry_at(&self, at: usize) -> Option<(&str, &Json<'a>)> {
        self.entries.get(at).map(|(k, v)| (k.as_ref(), v))
    }

    /// The entries as a slice, in key order.
    #[must_use]
    pub fn as_slice(&self) -> &[(Cow<'a, str>, Json<'a>)] {
        &self.entries
    }

    /// Keeps the entries for which `keep` says yes.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Json<'a>) -> bool) {
        self.entries.retain_mut(|(k, v)| keep(k, v));
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(k, _)| k.as_ref().cmp(key))
    }
}

impl<'a, K: Into<Cow<'a, str>>> FromIterator<(K, Json<'a>)> for Map<'a> {
    fn from_iter<I: IntoIterator<Item = (K, Json<'a>)>>(entries: I) -> Self {
        let mut entries: Vec<(Cow<'a, str>, Json<'a>)> =
            entries.into_iter().map(|(k, v)| (k.into(), v)).collect();
        // Stable: of equal keys the last one written stays last, and is the one kept.
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.reverse();
            entries.dedup_by(|a, b| a.0 == b.0);
            entries.reverse();
        }
        Self { entries }
    }
}

impl<'a> IntoIterator for Map<'a> {
    type Item = (Cow<'a, str>, Json<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> Json<'a> {
    /// Parses `text`, borrowing what it can.
    ///
    /// # Errors
    /// The text is not one JSON document, or nests deeper than 128 levels.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The member `key` of an object; `None` on any other value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        self.as_object().and_then(|map| map.get(key))
    }

    /// The member `key` of an object, to change in place.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json<'a>> {
        self.as_object_mut().and_then(|map| map.get_mut(key))
    }

    /// Follows object keys.
    #[must_use]
    pub fn at(&self, keys: &[&str]) -> Option<&Json<'a>> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text of a string found by following object keys.
    #[must_use]
    pub fn str_at(&self, keys: &[&str]) -> Option<&str> {
        self.at(keys).and_then(Json::as_str)
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if this is a boolean.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if this is one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements, if this is a list.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The elements, to change in place.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Json<'a>>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, if this is an object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Map<'a>> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// The entries, to change in place.
    pub fn as_object_mut(&mut self) -> Option<&mut Map<'a>> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A copy that borrows nothing.
    #[must_use]
    pub fn to_owned_json(&self) -> Json<'static> {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::Int(*value),
            Self::Float(value) => Json::Float(*value),
            Self::String(text) => Json::String(Cow::Owned(text.clone().into_owned())),
            Self::Array(items) => Json::Array(items.iter().map(Json::to_owned_json).collect()),
            Self::Object(map) => Json::Object(Map {
                entries: map
                    .entries
                    .iter()
                    .map(|(k, v)| (Cow::Owned(k.clone().into_owned()), v.to_owned_json()))
                    .collect(),
            }),
        }
    }

    /// Decodes into a typed value.
    ///
    /// # Errors
    /// The message names the field path and what was expected there.
    pub fn decode<T: serde::de::DeserializeOwned>(
        &self,
    ) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
        serde_path_to_error::deserialize(serde_json::Value::from(self))
    }
}

impl From<&Json<'_>> for serde_json::Value {
    fn from(value: &Json<'_>) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Int(value) => Self::from(*value),
            Json::Float(value) => Self::from(*value),
            Json::String(text) => Self::from(text.as_ref()),
            Json::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Json::Object(map) => Self::Object(
                map.iter()
                    .map(|(k, v)| (k.to_owned(), Self::from(v)))
                    .collect(),
            ),
        }
    }
}

impl From<serde_json::Value> for Json<'static> {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(number.as_f64().unwrap_or(f64::INFINITY)),
            },
            serde_json::Value::String(text) => Self::String(Cow::Owned(text)),
            serde_json::Value::Array(items) => {
                Self::Array(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(map) => {
                Self::Object(map.into_iter().map(|(k, v)| (k, Self::from(v))).collect())
            }
        }
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

impl From<bool> for Json<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl fmt::Display for Json<'_> {
    /// Compact JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Object(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map.iter() {
                    out.serialize_entry(key, value)?;
                }
                out.end()
            }
        }
    }
}

/// A key that borrows when it can; plain `Cow<str>` always owns under serde.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonVisitor<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for JsonVisitor<'a> {
            type Value = Json<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Json::Null)
            }
            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Json::Null)
            }
            fn visit_some<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Self::Value, D::Error> {
                Json::deserialize(deserializer)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Json::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Json::Int(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                // Go decodes what does not fit int64 as float64.
                Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Int))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Json::Float(value))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Json::String(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Json::String(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Json::String(Cow::Owned(text)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::Array(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, Json<'a>>()? {
                    entries.push((key, value));
                }
                Ok(Json::Object(entries.into_iter().collect()))
            }
        }
        deserializer.deserialize_any(JsonVisitor(std::marker::PhantomData))
    }
}

/// Builds an owned document from a `serde_json::json!`-style literal.
#[macro_export]
macro_rules! owned_json {
    ($($body:tt)+) => { $crate::model::json::Json::from(::serde_json::json!($($body)+)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_to_the_last_bit() {
        for text in [
            "1.5000000000000002e-9",
            "999.9000000000001",
            "0.30000000000000004",
        ] {
            let expected = text.parse().expect("a number");
            assert_eq!(Json::parse(text).expect("valid"), Json::Float(expected));
        }
    }

    #[test]
    fn strings_borrow_from_the_source_unless_escaped() {
        let text = r#"{"plain":"abc","escaped":"a\nc"}"#;
        let Json::Object(map) = Json::parse(text).expect("valid") else {
            panic!("object")
        };
        assert!(matches!(
            map.get("plain"),
            Some(Json::String(Cow::Borrowed("abc")))
        ));
        assert!(matches!(map.get("escaped"), Some(Json::String(Cow::Owned(s))) if s == "a\nc"));
        assert!(
            map.as_slice()
                .iter()
                .all(|(k, _)| matches!(k, Cow::Borrowed(_)))
        );
    }

    #[test]
    fn objects_are_sorted_and_the_last_duplicate_wins() {
        let value = Json::parse(r#"{"b":1,"a":2,"b":3,"c":4,"a":5}"#).expect("valid");
        assert_eq!(value.to_string(), r#"{"a":5,"b":3,"c":4}"#);
    }

    #[test]
    fn lookups_agree_between_small_and_large_objects() {
        for size in [1_i64, 7, 8, 9, 40] {
            let map: Map<'_> = (0..size)
                .rev()
                .map(|n| (format!("k{n:03}"), Json::Int(n)))
                .collect();
            for n in 0..size {
                assert_eq!(map.get(&format!("k{n:03}")), Some(&Json::Int(n)));
            }
            assert_eq!(map.get("absent"), None);
        }
    }

    #[test]
    fn numbers_follow_the_api_server_decoder() {
        let value =
            Json::parse("[1, -9223372036854775808, 9223372036854775808, 1.0, 1e2]").expect("valid");
        assert_eq!(
            value,
            Json::Array(vec![
                Json::Int(1),
                Json::Int(i64::MIN),
                Json::Float(9_223_372_036_854_775_808.0),
                Json::Float(1.0),
                Json::Float(100.0)
            ])
        );
    }

    #[test]
    fn insert_entry_and_remove_keep_the_order() {
        let mut map = Map::new();
        assert_eq!(map.insert("b", Json::Int(1)), None);
        assert_eq!(map.insert("a", Json::Int(2)), None);
        assert_eq!(map.insert("b", Json::Int(3)), Some(Json::Int(1)));
        *map.entry_or("c", Json::Null) = Json::Int(4);
        assert_eq!(map.remove("a"), Some(Json::Int(2)));
        assert_eq!(Json::Object(map).to_string(), r#"{"b":3,"c":4}"#);
    }
}
