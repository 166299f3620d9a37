//! The cost model of the API server: budgets and the sizes that operations are charged for.

use super::value::Value;

/// Units that one run of one program may cost.
pub const PER_CALL_LIMIT: u64 = 1_000_000;

/// Units for all validations, variables and message expressions of one evaluation of a policy.
pub const RUNTIME_BUDGET: u64 = 10_000_000;

/// Units for all match conditions of one policy.
pub const MATCH_CONDITIONS_BUDGET: u64 = 2_500_000;

/// An identifier or selection.
pub(crate) const SELECT: u64 = 1;
/// A list literal that is not constant.
pub(crate) const LIST: u64 = 10;
/// A map literal that is not constant.
pub(crate) const MAP: u64 = 30;
/// A constructed object.
pub(crate) const STRUCT: u64 = 40;

/// Units per code point, octet or element that an operation walks over.
const TRAVERSAL: f64 = 0.1;

/// Units per code point of a regular expression.
const REGEX: f64 = 0.25;

/// Cost of walking over `size` elements.
#[must_use]
pub fn traversal(size: u64) -> u64 {
    per_size(size, TRAVERSAL)
}

/// `ceil(size × factor)`
#[must_use]
pub fn per_size(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}

/// Cost of comparing two values: a tenth of the smaller one.
#[must_use]
pub fn smaller(a: &Value<'_>, b: &Value<'_>) -> u64 {
    // Most comparisons are of scalars; of two texts only the shorter is counted to its end.
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
            let size = short.chars().count();
            // A longer text in octets may be shorter in code points.
            let other = if long.len() / 4 >= size {
                size
            } else {
                long.chars().count()
            };
            traversal(size.min(other) as u64)
        }
        _ => traversal(inner_size(a).min(inner_size(b))),
    }
}

/// Cost of searching `text` with a regular expression of `pattern` code points.
#[must_use]
pub fn regex(text: u64, pattern: u64) -> u64 {
    traversal(text + 1) * per_size(pattern, REGEX)
}

/// Size as equality counts it: an optional is as large as its value.
fn inner_size(value: &Value<'_>) -> u64 {
    match value {
        Value::Optional(Some(inner)) => inner_size(inner),
        other => other.cost_size(),
    }
}
