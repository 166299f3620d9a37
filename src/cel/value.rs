//! Values during evaluation: small, cheap to clone, borrowing from the judged objects and from the program.

mod convert;
mod depth;
mod equality;
mod kind;
mod lists;
mod maps;
pub(crate) mod order;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use depth::MAX_LEVELS;
pub use lists::Joined;

use super::types::Type;
use crate::model::json::{self, Json};

/// One value; `'a` is the life of the objects, parameters and program being evaluated.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `uint`
    Uint(u64),
    /// `double`
    Double(f64),
    /// `string`
    String(Str<'a>),
    /// `bytes`
    Bytes(Arc<[u8]>),
    /// `list`
    List(List<'a>),
    /// `map`
    Map(Map<'a>),
    /// `google.protobuf.Duration`, in nanoseconds.
    Duration(i64),
    /// `google.protobuf.Timestamp`
    Timestamp(Timestamp),
    /// A type as a value.
    Type(Type),
    /// `optional_type`: none, or a value.
    Optional(Option<Arc<Value<'a>>>),
    /// A constructed object: `Object.spec{…}`, `JSONPatch{…}`.
    Struct(Arc<Struct<'a>>),
    /// A value of a library type.
    Opaque(Arc<dyn Opaque>),
}

/// Text that is borrowed where possible.
#[derive(Clone, Debug)]
pub enum Str<'a> {
    /// From an object or the program.
    Borrowed(&'a str),
    /// Made during evaluation.
    Shared(Arc<str>),
}

/// Seconds since 1970 UTC and nanoseconds within the second (always counted forward).
/// Two of them are equal when they are the same instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// 0 to 999 999 999.
    pub nanos: u32,
    /// Seconds east of UTC in which it was written; shows in its text only.
    pub offset: i32,
}

impl Timestamp {
    /// The instant, without the offset.
    const fn instant(self) -> (i64, u32) {
        (self.seconds, self.nanos)
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.instant() == other.instant()
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.instant().cmp(&other.instant())
    }
}

/// A list: part of a JSON document, or made during evaluation.
#[derive(Clone, Debug)]
pub enum List<'a> {
    /// Borrowed.
    Json(&'a [Json<'a>]),
    /// Made.
    Made(Arc<Vec<Value<'a>>>),
    /// Two long lists, one after the other.
    Joined(Arc<Joined<'a>>),
}

/// A map: part of a JSON document, or made during evaluation.
#[derive(Clone, Debug)]
pub enum Map<'a> {
    /// Borrowed; keys are strings.
    Json(&'a json::Map<'a>),
    /// Made; entries sorted by key (see [`Value::key_order`]), keys unique across numeric types.
    Made(Arc<Vec<(Value<'a>, Value<'a>)>>),
}

/// A constructed object.
#[derive(Clone, Debug)]
pub struct Struct<'a> {
    /// Type name, such as `Object.spec`.
    pub name: Arc<str>,
    /// Set fields, sorted by name.
    pub fields: Vec<(Arc<str>, Value<'a>)>,
}

impl<'a> Struct<'a> {
    /// A field that is set.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value<'a>> {
        self.fields
            .iter()
            .find(|(known, _)| known.as_ref() == name)
            .map(|(_, value)| value)
    }
}

/// A library type such as `kubernetes.Quantity`.
pub trait Opaque: fmt::Debug + Send + Sync {
    /// CEL type name, as `type(x)` prints it.
    fn type_name(&self) -> &'static str;
    /// Equality with another opaque value; `None` when the types differ, which is `no such overload`.
    fn equals(&self, other: &dyn Opaque) -> Option<bool>;
    /// String form for output (`sandfence eval`).
    fn text(&self) -> String;
    /// Size for the cost model; `None` for types that have none and count as 1.
    fn size(&self) -> Option<u64> {
        None
    }
    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

/// An error in the place of a value, where the API server has one: it comes out when the value is asked for.
#[derive(Debug)]
pub(crate) struct Spoiled(pub(crate) EvalError);

impl Opaque for Spoiled {
    fn type_name(&self) -> &'static str {
        "error"
    }

    fn equals(&self, _: &dyn Opaque) -> Option<bool> {
        None
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<'a> Value<'a> {
    /// What an optional holds, taken out of it.
    ///
    /// # Errors
    /// It holds an error.
    pub(crate) fn taken(inner: &Value<'a>) -> Result<Value<'a>, EvalError> {
        match inner {
            Value::Opaque(opaque) => match opaque.as_any().downcast_ref::<Spoiled>() {
                Some(Spoiled(error)) => Err(error.clone()),
                None => Ok(inner.clone()),
            },
            other => Ok(other.clone()),
        }
    }
}

/// Why an evaluation has no value; `Display` gives the API server's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvalError {
    /// A map has no such key.
    NoSuchKey(Arc<str>),
    /// No overload takes these types.
    NoSuchOverload,
    /// A declared variable has no value in this phase.
    Unbound(Arc<str>),
    /// The cost limit of one program run was exceeded.
    CostExceeded,
    /// Any other error, by its text.
    Text(Cow<'static, str>),
}

impl EvalError {
    /// An error with a formatted text.
    #[must_use]
    pub fn text(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(message.into())
    }
}

impl std::error::Error for EvalError {}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchKey(key) => write!(f, "no such key: {key}"),
            Self::NoSuchOverload => f.write_str("no such overload"),
            Self::Unbound(name) => write!(f, "no such attribute(s): {name}"),
            Self::CostExceeded => f.write_str("operation cancelled: actual cost limit exceeded"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Str<'_> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl std::ops::Deref for Str<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Str::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(Str::Shared(text.into()))
    }
}

impl<'a> From<&'a Json<'a>> for Value<'a> {
    /// The dynamic view that admission has of JSON: integers are `int`, other numbers `double`.
    fn from(json: &'a Json<'a>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Int(value) => Self::Int(*value),
            Json::Float(value) => Self::Double(*value),
            Json::String(text) => Self::String(Str::Borrowed(text)),
            Json::Array(items) => Self::List(List::Json(items)),
            Json::Object(map) => Self::Map(Map::Json(map)),
        }
    }
}

impl<'a> Value<'a> {
    /// A list made of `items`.
    #[must_use]
    pub fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(List::Made(Arc::new(items)))
    }

    /// `optional.of(value)`.
    #[must_use]
    pub fn some(value: Value<'a>) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    /// A library value.
    #[must_use]
    pub fn opaque(value: impl Opaque + 'static) -> Self {
        Self::Opaque(Arc::new(value))
    }

    /// The library value of type `T`, if this is one.
    #[must_use]
    pub fn as_opaque<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Opaque(value) => value.as_any().downcast_ref(),
            _ => None,
        }
    }
}

impl<'a> Map<'a> {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(map) => map.len(),
            Self::Made(entries) => entries.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at `position` in key order.
    #[must_use]
    pub fn entry(&self, position: usize) -> Option<(Value<'a>, Value<'a>)> {
        match self {
            Self::Json(map) => {
                let map: &'a json::Map<'a> = map;
                map.entry_at(position)
                    .map(|(key, value)| (Value::from(key), Value::from(value)))
            }
            Self::Made(entries) => entries.get(position).cloned(),
        }
    }

    /// Entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + '_ {
        (0..self.len()).filter_map(|position| self.entry(position))
    }
}
