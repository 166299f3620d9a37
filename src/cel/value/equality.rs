//! Equality: total, heterogeneous, numeric across types; only library types can refuse it.

use std::cmp::Ordering;

use super::order::{double_int, double_uint, int_uint};
use super::{EvalError, List, Map, Struct, Value};
use crate::cel::env::objects::JSON_PATCH;

/// Nesting at which the stack is looked at: documents may be deeper than a thread's stack allows.
const STACK_CHECK: usize = 64;

/// Stack that must be left, and size of a new segment.
const RED_ZONE: usize = 128 * 1024;
const SEGMENT: usize = 2 * 1024 * 1024;

/// Elements that one comparison looks at. Values made of values that are shared many times over may have more than any
/// machine can compare, at a cost of one unit; documents of the largest request have far fewer.
const MAX_STEPS: usize = 4_000_000;

impl Value<'_> {
    /// `self == other`.
    ///
    /// # Errors
    /// `no such overload` when `self` is a value of a library type and `other` is not of that type;
    /// [`EvalError::CostExceeded`] when the values are too large to be compared.
    pub fn equals(&self, other: &Value<'_>) -> Result<bool, EvalError> {
        Comparison { left: MAX_STEPS }.equal(self, other, 0)
    }
}

type Answer = Result<bool, EvalError>;

/// One comparison under way.
struct Comparison {
    left: usize,
}

impl Comparison {
    fn equal(&mut self, a: &Value<'_>, b: &Value<'_>, depth: usize) -> Answer {
        if depth > 0 && depth.is_multiple_of(STACK_CHECK) {
            return stacker::maybe_grow(RED_ZONE, SEGMENT, || self.kinds(a, b, depth));
        }
        self.kinds(a, b, depth)
    }

    fn kinds(&mut self, a: &Value<'_>, b: &Value<'_>, depth: usize) -> Answer {
        self.left = self.left.checked_sub(1).ok_or(EvalError::CostExceeded)?;
        Ok(match (a, b) {
            (Value::String(a), Value::String(b)) => a.as_str() == b.as_str(),
            (Value::Null, other) | (other, Value::Null) => matches!(other, Value::Null),
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::List(a), Value::List(b)) => return self.lists(a, b, depth),
            (Value::Map(a), Value::Map(b)) => return self.maps(a, b, depth),
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a.runtime_name() == b.runtime_name(),
            (Value::Optional(a), Value::Optional(b)) => match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => return self.equal(a, b, depth + 1),
                _ => false,
            },
            (Value::Struct(a), Value::Struct(b)) if a.name == b.name => {
                if a.name.as_ref() == JSON_PATCH {
                    return self.patches(a, b, depth);
                }
                return self.fields(a, b);
            }
            (Value::Opaque(a), Value::Opaque(b)) => {
                return a.equals(b.as_ref()).ok_or(EvalError::NoSuchOverload);
            }
            (Value::Opaque(_), _) => return Err(EvalError::NoSuchOverload),
            _ => numbers(a, b),
        })
    }

    /// Elements whose comparison is refused do not make lists unequal, as in cel-go.
    fn lists(&mut self, a: &List<'_>, b: &List<'_>, depth: usize) -> Answer {
        if a.len() != b.len() {
            return Ok(false);
        }
        if let (List::Json(a), List::Json(b)) = (a, b) {
            for (a, b) in a.iter().zip(b.iter()) {
                if !self.agree(&Value::from(a), &Value::from(b), depth)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for (a, b) in a.iter().zip(b.iter()) {
            if !self.agree(&a, &b, depth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn maps(&mut self, a: &Map<'_>, b: &Map<'_>, depth: usize) -> Answer {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (key, value) in a.iter() {
            let Some(other) = b.find(&key) else {
                return Ok(false);
            };
            if !self.agree(&value, &other, depth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether two members of containers are not known to differ.
    fn agree(&mut self, a: &Value<'_>, b: &Value<'_>, depth: usize) -> Answer {
        match self.equal(a, b, depth + 1) {
            Err(EvalError::CostExceeded) => Err(EvalError::CostExceeded),
            answer => Ok(answer != Ok(false)),
        }
    }

    /// Patches are equal when their texts and their values are; texts that are not set are empty.
    fn patches(&mut self, a: &Struct<'_>, b: &Struct<'_>, depth: usize) -> Answer {
        let differ = ["op", "path", "from"].iter().any(|name| {
            let [a, b] = [a, b].map(|patch| patch.field(name).and_then(Value::as_str));
            a.unwrap_or_default() != b.unwrap_or_default()
        });
        match (a.field("value"), b.field("value")) {
            _ if differ => Ok(false),
            (None, None) => Ok(true),
            (Some(a), Some(b)) => self.equal(a, b, depth + 1),
            _ => Ok(false),
        }
    }

    fn fields(&mut self, a: &Struct<'_>, b: &Struct<'_>) -> Answer {
        if a.fields.len() != b.fields.len() {
            return Ok(false);
        }
        for (a, b) in a.fields.iter().zip(&b.fields) {
            if a.0 != b.0 || !self.identical(&a.1, &b.1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Equality of the fields of constructed objects: of the same type and form, and lists only with themselves,
    /// because the API server compares the memory of its values.
    fn identical(&mut self, a: &Value<'_>, b: &Value<'_>) -> Answer {
        match (a, b) {
            (Value::List(List::Made(a)), Value::List(List::Made(b))) => {
                Ok(std::ptr::from_ref(a.as_ref()).cast::<()>()
                    == std::ptr::from_ref(b.as_ref()).cast::<()>())
            }
            (Value::List(_), _) => Ok(false),
            (Value::Map(Map::Json(a)), Value::Map(Map::Json(b))) => Ok(a == b),
            (Value::Map(Map::Made(a)), Value::Map(Map::Made(b))) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (a, b) in a.iter().zip(b.iter()) {
                    if !self.identical(&a.0, &b.0)? || !self.identical(&a.1, &b.1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Map(_), _) => Ok(false),
            (Value::Struct(a), Value::Struct(b)) if a.name == b.name => self.fields(a, b),
            (Value::Optional(Some(a)), Value::Optional(Some(b))) => self.identical(a, b),
            _ if std::mem::discriminant(a) != std::mem::discriminant(b) => Ok(false),
            _ => match self.equal(a, b, 0) {
                Err(EvalError::CostExceeded) => Err(EvalError::CostExceeded),
                answer => Ok(answer == Ok(true)),
            },
        }
    }
}

/// Numbers are equal across types; values of other types that differ are not.
fn numbers(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
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
        _ => false,
    }
}
