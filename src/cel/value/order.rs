//! Ordering: of values by `<`, and of map keys.

use std::cmp::Ordering;

use super::{EvalError, Value};

/// 0001-01-01T00:00:00Z, the first instant of a timestamp.
pub(crate) const YEAR_ONE: i64 = -62_135_596_800;

/// 9999-12-31T23:59:59Z, the last second of a timestamp.
pub(crate) const YEAR_LAST: i64 = 253_402_300_799;

/// 2^63 as a double: what `i64::MAX` rounds to.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// 2^64 as a double.
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// A double against an `int`, as cel-go compares them: within the range of `int`, as doubles.
pub(crate) fn double_int(double: f64, int: i64) -> Option<Ordering> {
    if double < -TWO_63 {
        return Some(Ordering::Less);
    }
    if double > TWO_63 {
        return Some(Ordering::Greater);
    }
    double.partial_cmp(&(int as f64))
}

/// A double against a `uint`.
pub(crate) fn double_uint(double: f64, uint: u64) -> Option<Ordering> {
    if double < 0.0 {
        return Some(Ordering::Less);
    }
    if double > TWO_64 {
        return Some(Ordering::Greater);
    }
    double.partial_cmp(&(uint as f64))
}

/// An `int` against a `uint`, exactly.
pub(crate) fn int_uint(int: i64, uint: u64) -> Ordering {
    u64::try_from(int).map_or(Ordering::Less, |int| int.cmp(&uint))
}

/// The integer equal to `double`, when there is one.
pub(crate) fn lossless_int(double: f64) -> Option<i64> {
    (double > -TWO_63 && double < TWO_63 && (double as i64) as f64 == double)
        .then_some(double as i64)
}

/// The unsigned integer equal to `double`, when there is one.
pub(crate) fn lossless_uint(double: f64) -> Option<u64> {
    ((0.0..TWO_64).contains(&double) && (double as u64) as f64 == double).then_some(double as u64)
}

impl Value<'_> {
    /// Order of two values: numbers across types, and values of one ordered type.
    ///
    /// # Errors
    /// NaN, or types that are not ordered with each other.
    pub fn compare(&self, other: &Value<'_>) -> Result<Ordering, EvalError> {
        let numeric = match (self, other) {
            (Self::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Self::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
            (Self::Int(a), Value::Uint(b)) => Some(int_uint(*a, *b)),
            (Self::Uint(a), Value::Int(b)) => Some(int_uint(*b, *a).reverse()),
            (Self::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Self::Double(a), Value::Int(b)) => double_int(*a, *b),
            (Self::Int(a), Value::Double(b)) => double_int(*b, *a).map(Ordering::reverse),
            (Self::Double(a), Value::Uint(b)) => double_uint(*a, *b),
            (Self::Uint(a), Value::Double(b)) => double_uint(*b, *a).map(Ordering::reverse),
            (Self::Double(a), _) if a.is_nan() => None,
            (Self::Bool(a), Value::Bool(b)) => return Ok(a.cmp(b)),
            (Self::String(a), Value::String(b)) => return Ok(a.as_str().cmp(b.as_str())),
            (Self::Bytes(a), Value::Bytes(b)) => return Ok(a.cmp(b)),
            (Self::Duration(a), Value::Duration(b)) => return Ok(a.cmp(b)),
            (Self::Timestamp(a), Value::Timestamp(b)) => return Ok(a.cmp(b)),
            _ => return Err(EvalError::NoSuchOverload),
        };
        numeric.ok_or(EvalError::Text("NaN values cannot be ordered".into()))
    }

    /// Order of map keys: by kind, then by value. Keys of kinds that have no order are `Equal` to each other.
    #[must_use]
    pub fn key_order(&self, other: &Value<'_>) -> Ordering {
        match (self, other) {
            (Self::Double(a), Value::Double(b)) => a.total_cmp(b),
            (Self::Type(a), Value::Type(b)) => a.runtime_name().cmp(b.runtime_name()),
            (Self::Opaque(a), Value::Opaque(b))
                if self.is_findable_key() && other.is_findable_key() =>
            {
                (a.type_name(), a.text()).cmp(&(b.type_name(), b.text()))
            }
            _ => self
                .key_rank()
                .cmp(&other.key_rank())
                .then_with(|| self.compare(other).unwrap_or(Ordering::Equal)),
        }
    }

    /// Whether a map can find it as a key; other values are keys that only iteration meets.
    pub(super) fn is_findable_key(&self) -> bool {
        self.key_rank() < UNFINDABLE && !matches!(self, Self::Double(value) if value.is_nan())
    }

    fn key_rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Uint(_) => 3,
            Self::Double(_) => 4,
            Self::String(_) => 5,
            Self::Bytes(_) => 6,
            Self::Duration(_) => 7,
            Self::Timestamp(_) => 8,
            Self::Type(_) => 9,
            // There is one none.
            Self::Optional(None) => 10,
            Self::Opaque(value) if KEYS.contains(&value.type_name()) => 11,
            _ => UNFINDABLE,
        }
    }
}

/// Library types whose values are compared by what they are when they are keys.
const KEYS: [&str; 2] = ["net.CIDR", "net.IP"];

/// Rank of the kinds that are compared by identity only: lists, maps, optionals, objects, other library types.
const UNFINDABLE: u8 = 12;
