//! Function libraries as tables: one file per family, one [`Function`] per name, one [`Overload`] per signature with
//! its cost and its code. The checker reads the signatures, the planner picks the code, the meter charges the cost.

mod addr;
mod args;
pub mod authz;
pub mod cidr;
pub mod format;
pub mod ip;
pub mod lists;
pub mod named_format;
pub mod numbers;
pub mod operators;
pub mod optional;
pub mod quantity;
pub mod regex;
pub mod semver;
pub mod sets;
pub mod sorting;
pub mod standard;
pub mod strings;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time;
pub mod url;

use super::types::Ty;
use super::value::{EvalError, Value};

/// The code of an overload: arguments (receiver first) to result. Arguments match the declared parameter types at
/// their outermost level; element types of lists and maps must be checked inside.
pub type Call = for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, EvalError>;

/// Runtime cost of a call, charged after it ran.
#[derive(Clone, Copy, Debug)]
pub enum Cost {
    /// A fixed number of units; 1 is the default of the API server.
    Fixed(u64),
    /// `ceil(factor × size)` of the argument at this position.
    PerSize {
        /// Argument position, receiver first.
        arg: usize,
        /// Units per code point, octet or element.
        factor: f64,
    },
    /// Charged when the checker settled on one overload; a call that several overloads may take costs 1, as in the API
    /// server, which looks such costs up by overload.
    Resolved(for<'a> fn(&[Value<'a>], &Value<'a>) -> u64),
    /// Anything else.
    Custom(for<'a> fn(&[Value<'a>], &Value<'a>) -> u64),
}

/// One signature of a function.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    /// Identifier, as in the API server's declarations (`string_to_quantity`).
    pub id: &'static str,
    /// Called as `receiver.name(…)`: the receiver is `params[0]`.
    pub member: bool,
    /// Parameter types.
    pub params: &'static [Ty],
    /// Result type.
    pub result: Ty,
    /// Cost.
    pub cost: Cost,
    /// Code.
    pub call: Call,
}

/// A function with all its signatures.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Name as written in expressions, with its namespace (`ip.isCanonical`).
    pub name: &'static str,
    /// Signatures, in the order in which they are tried.
    pub overloads: &'static [Overload],
}

/// Every function of the extension libraries. Names repeat where several libraries add overloads to one function.
pub fn extensions() -> impl Iterator<Item = &'static Function> {
    [
        authz::FUNCTIONS,
        cidr::FUNCTIONS,
        format::FUNCTIONS,
        ip::FUNCTIONS,
        lists::FUNCTIONS,
        named_format::FUNCTIONS,
        quantity::FUNCTIONS,
        regex::FUNCTIONS,
        semver::FUNCTIONS,
        sets::FUNCTIONS,
        sorting::FUNCTIONS,
        strings::FUNCTIONS,
        time::FUNCTIONS,
        url::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}
