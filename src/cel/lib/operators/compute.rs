//! What the operators compute.

use std::cmp::Ordering;

use crate::cel::ast::ops;
use crate::cel::value::order::{YEAR_LAST, YEAR_ONE};
use crate::cel::value::{EvalError, Map, Timestamp, Value};

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// A relation operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    LessEquals,
    /// `>`
    Greater,
    /// `>=`
    GreaterEquals,
}

impl Relation {
    /// Whether the relation holds for this order.
    #[must_use]
    pub const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessEquals => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEquals => order.is_ge(),
        }
    }

    /// Its operator name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Less => ops::LT,
            Self::LessEquals => ops::LE,
            Self::Greater => ops::GT,
            Self::GreaterEquals => ops::GE,
        }
    }

    /// Compares two values.
    ///
    /// # Errors
    /// The values are not ordered with each other.
    pub fn test(self, left: &Value<'_>, right: &Value<'_>) -> Result<bool, EvalError> {
        if !has_order(left) {
            return Err(refused(self.name(), left));
        }
        left.compare(right).map(|order| self.holds(order))
    }

    pub(super) fn call<'a>(self, args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
        self.test(&args[0], &args[1]).map(Value::Bool)
    }
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

impl Arithmetic {
    /// Its operator name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => ops::ADD,
            Self::Subtract => ops::SUB,
            Self::Multiply => ops::MUL,
            Self::Divide => ops::DIV,
            Self::Modulo => ops::MOD,
        }
    }

    /// Computes.
    ///
    /// # Errors
    /// Overflow, division by zero, or operands of types that do not go together.
    pub fn apply<'a>(self, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, EvalError> {
        let result = match (left, right) {
            (Value::Int(a), Value::Int(b)) => return self.ints(*a, *b).map(Value::Int),
            (Value::Uint(a), Value::Uint(b)) => return self.uints(*a, *b).map(Value::Uint),
            (Value::Double(a), Value::Double(b)) => self.doubles(*a, *b).map(Value::Double),
            (Value::Duration(a), Value::Duration(b)) => match self {
                Self::Add => return checked(a.checked_add(*b)).map(Value::Duration),
                Self::Subtract => return checked(a.checked_sub(*b)).map(Value::Duration),
                _ => None,
            },
            (Value::Timestamp(at), Value::Duration(nanos)) => match self {
                Self::Add => return shifted(*at, *nanos).map(Value::Timestamp),
                Self::Subtract => {
                    let back = checked(nanos.checked_neg())?;
                    return shifted(*at, back).map(Value::Timestamp);
                }
                _ => None,
            },
            (Value::Duration(nanos), Value::Timestamp(at)) if self == Self::Add => {
                return shifted(*at, *nanos).map(Value::Timestamp);
            }
            (Value::Timestamp(a), Value::Timestamp(b)) if self == Self::Subtract => {
                return elapsed(*a, *b).map(Value::Duration);
            }
            (Value::String(a), Value::String(b)) if self == Self::Add => {
                Some(Value::from([a.as_str(), b.as_str()].concat()))
            }
            (Value::Bytes(a), Value::Bytes(b)) if self == Self::Add => {
                Some(Value::Bytes([&a[..], &b[..]].concat().into()))
            }
            (Value::List(a), Value::List(b)) if self == Self::Add => {
                return a.joined(b).map(Value::List);
            }
            _ => None,
        };
        result.ok_or_else(|| {
            if self.takes(left) {
                EvalError::NoSuchOverload
            } else {
                refused(self.name(), left)
            }
        })
    }

    fn ints(self, a: i64, b: i64) -> Result<i64, EvalError> {
        let result = match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide if b == 0 => return Err(EvalError::text("division by zero")),
            Self::Divide => a.checked_div(b),
            Self::Modulo if b == 0 => return Err(EvalError::text("modulus by zero")),
            Self::Modulo => a.checked_rem(b),
        };
        checked(result)
    }

    fn uints(self, a: u64, b: u64) -> Result<u64, EvalError> {
        let result = match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide if b == 0 => return Err(EvalError::text("division by zero")),
            Self::Divide => a.checked_div(b),
            Self::Modulo if b == 0 => return Err(EvalError::text("modulus by zero")),
            Self::Modulo => a.checked_rem(b),
        };
        result.ok_or(EvalError::Text("unsigned integer overflow".into()))
    }

    fn doubles(self, a: f64, b: f64) -> Option<f64> {
        match self {
            Self::Add => Some(a + b),
            Self::Subtract => Some(a - b),
            Self::Multiply => Some(a * b),
            Self::Divide => Some(a / b),
            Self::Modulo => None,
        }
    }

    /// Whether the type of the left operand has this operator at all.
    fn takes(self, left: &Value<'_>) -> bool {
        match left {
            Value::Int(_) | Value::Uint(_) => true,
            Value::Double(_) => self != Self::Modulo,
            Value::String(_) | Value::Bytes(_) | Value::List(_) => self == Self::Add,
            Value::Duration(_) | Value::Timestamp(_) => {
                matches!(self, Self::Add | Self::Subtract)
            }
            _ => false,
        }
    }
}

/// What cel-go says when the type of the first argument lacks the operator: types with methods of their own answer for
/// themselves, for the others the function is named.
#[must_use]
pub fn refused(function: &str, first: &Value<'_>) -> EvalError {
    match first {
        Value::String(_) | Value::Duration(_) | Value::Timestamp(_) => EvalError::NoSuchOverload,
        _ => EvalError::text(format!("no such overload: {function}")),
    }
}

fn has_order(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Duration(_)
            | Value::Timestamp(_)
    )
}

fn checked<T>(result: Option<T>) -> Result<T, EvalError> {
    result.ok_or(EvalError::Text("integer overflow".into()))
}

fn shifted(at: Timestamp, nanos: i64) -> Result<Timestamp, EvalError> {
    let total = i64::from(at.nanos) + nanos.rem_euclid(SECOND);
    let seconds = checked(at.seconds.checked_add(nanos.div_euclid(SECOND)))?;
    let seconds = checked(seconds.checked_add(total / SECOND))?;
    if !(YEAR_ONE..=YEAR_LAST).contains(&seconds) {
        return Err(EvalError::text("timestamp overflow"));
    }
    Ok(Timestamp {
        seconds,
        nanos: u32::try_from(total % SECOND).unwrap_or(0),
        offset: at.offset,
    })
}

fn elapsed(a: Timestamp, b: Timestamp) -> Result<i64, EvalError> {
    let seconds = checked(a.seconds.checked_sub(b.seconds))?;
    let nanos = checked(seconds.checked_mul(SECOND))?;
    checked(nanos.checked_add(i64::from(a.nanos) - i64::from(b.nanos)))
}

/// `!value`
///
/// # Errors
/// The value is no boolean.
pub fn not<'a>(value: &Value<'a>) -> Result<Value<'a>, EvalError> {
    match value {
        Value::Bool(value) => Ok(Value::Bool(!value)),
        _ => Err(EvalError::NoSuchOverload),
    }
}

/// `-value`
///
/// # Errors
/// Overflow, or the value is no signed number.
pub fn negate<'a>(value: &Value<'a>) -> Result<Value<'a>, EvalError> {
    match value {
        Value::Int(int) => checked(int.checked_neg()).map(Value::Int),
        Value::Double(double) => Ok(Value::Double(-double)),
        Value::Duration(nanos) => checked(nanos.checked_neg()).map(Value::Duration),
        Value::Bool(_) => Err(EvalError::NoSuchOverload),
        other => Err(refused(ops::NEG, other)),
    }
}

/// `element in container`
///
/// # Errors
/// The container is neither list nor map.
pub fn contains<'a>(element: &Value<'a>, container: &Value<'a>) -> Result<Value<'a>, EvalError> {
    match container {
        Value::List(list) => {
            for item in list.iter() {
                match element.equals(&item) {
                    Ok(true) => return Ok(Value::Bool(true)),
                    Err(EvalError::CostExceeded) => return Err(EvalError::CostExceeded),
                    Ok(false) | Err(_) => {}
                }
            }
            Ok(Value::Bool(false))
        }
        Value::Map(map) => match unhashable(element) {
            Some(error) if matches!(map, Map::Made(_)) && !map.is_empty() => Err(error),
            _ => Ok(Value::Bool(map.find(element).is_some())),
        },
        _ => Err(EvalError::NoSuchOverload),
    }
}

/// Start of the errors with which the API server's evaluator gives up, where other errors may be absorbed.
pub const INTERNAL: &str = "internal error: ";

/// The error about a key that the API server cannot hash, where its evaluator fails itself; `None` for all others.
#[must_use]
pub fn unhashable(key: &Value<'_>) -> Option<EvalError> {
    match key {
        Value::Bytes(_) => {}
        Value::Opaque(value) => match value.type_name() {
            "kubernetes.Semver" | "kubernetes.NamedFormat" => {}
            _ => return None,
        },
        _ => return None,
    }
    Some(EvalError::text(format!(
        "{INTERNAL}runtime error: hash of unhashable type {}",
        key.go_type()
    )))
}

/// `map` with one more entry.
///
/// # Errors
/// The key is there already.
pub fn inserted<'a>(map: Map<'a>, key: Value<'a>, value: Value<'a>) -> Result<Map<'a>, EvalError> {
    if let Some(error) = unhashable(&key) {
        return Err(error);
    }
    let text = key.clone();
    map.inserted(key, value).ok_or_else(|| {
        EvalError::text(format!(
            "insert failed: key {} already exists",
            crate::cel::lib::standard::key_text(&text)
        ))
    })
}
