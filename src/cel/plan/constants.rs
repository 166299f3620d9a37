//! Constants of a plan, and constant sets for `in`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::cel::ast::Literal;
use crate::cel::value::order::{lossless_int, lossless_uint};
use crate::cel::value::{Str, Value};

/// The value of a literal.
pub(crate) fn value(literal: &Literal) -> Value<'static> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::String(Str::Shared(Arc::from(text.as_str()))),
        Literal::Bytes(octets) => Value::Bytes(Arc::from(octets.as_slice())),
    }
}

/// Below this many texts a scan that compares lengths first beats hashing.
const SCAN: usize = 12;

/// A set of scalars, searched by value and type.
#[derive(Debug, Default)]
pub(crate) struct ValueSet {
    texts: Vec<Arc<str>>,
    hashed: HashSet<Arc<str>>,
    ints: Vec<i64>,
    uints: Vec<u64>,
    doubles: Vec<f64>,
    bools: [bool; 2],
}

impl ValueSet {
    /// The set of the elements of a constant list; `None` when one is no scalar (bytes count as none).
    pub(crate) fn new<'a>(items: impl Iterator<Item = Value<'a>>) -> Option<Self> {
        let mut set = Self::default();
        for item in items {
            match item {
                Value::Bool(value) => set.bools[usize::from(value)] = true,
                Value::String(text) => set.texts.push(Arc::from(text.as_str())),
                Value::Int(int) => {
                    set.ints.push(int);
                    set.doubles.push(int as f64);
                    set.uints.extend(u64::try_from(int));
                }
                Value::Uint(uint) => {
                    set.uints.push(uint);
                    set.doubles.push(uint as f64);
                    set.ints.extend(i64::try_from(uint));
                }
                Value::Double(double) => {
                    set.doubles.push(double);
                    set.ints.extend(lossless_int(double));
                    set.uints.extend(lossless_uint(double));
                }
                _ => return None,
            }
        }
        set.ints.sort_unstable();
        set.uints.sort_unstable();
        if set.texts.len() > SCAN {
            set.hashed = set.texts.drain(..).collect();
        }
        Some(set)
    }

    /// Whether `value` is in the set.
    pub(crate) fn contains(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Bool(value) => self.bools[usize::from(*value)],
            Value::String(text) if self.hashed.is_empty() => self
                .texts
                .iter()
                .any(|known| known.as_ref() == text.as_str()),
            Value::String(text) => self.hashed.contains(text.as_str()),
            Value::Int(int) => self.ints.binary_search(int).is_ok(),
            Value::Uint(uint) => self.uints.binary_search(uint).is_ok(),
            Value::Double(double) => self.doubles.contains(double),
            _ => false,
        }
    }
}
