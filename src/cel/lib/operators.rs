//! The operators of the language as a table: arithmetic, comparison, logic, membership, indexing. The evaluator runs
//! most of them by itself, through the functions of this module; the table gives the checker their signatures and the
//! meter their cost.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Call, Cost, Function, Overload};
use crate::cel::ast::ops;
use crate::cel::cost;
use crate::cel::types::Ty;
use crate::cel::value::order::{YEAR_LAST, YEAR_ONE};
use crate::cel::value::{EvalError, List, Map, Timestamp, Value};

const A: Ty = Ty::Param("A");
const B: Ty = Ty::Param("B");
const LIST_A: Ty = Ty::List(&A);
const MAP_AB: Ty = Ty::Map(&A, &B);
const V: Ty = Ty::Param("V");
const K: Ty = Ty::Param("K");
const OPTIONAL_V: Ty = Ty::Optional(&V);
const LIST_V: Ty = Ty::List(&V);
const MAP_KV: Ty = Ty::Map(&K, &V);

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// Name of the function that the map-building macros call.
pub const MAP_INSERT: &str = "cel.@mapInsert";

/// Operators, and the functions that only macros call.
pub const FUNCTIONS: &[Function] = &[
    function(
        ops::CONDITIONAL,
        &[op("conditional", &[Ty::Bool, A, A], A, 0, conditional)],
    ),
    function(
        ops::AND,
        &[op("logical_and", &[Ty::Bool, Ty::Bool], Ty::Bool, 0, and)],
    ),
    function(
        ops::OR,
        &[op("logical_or", &[Ty::Bool, Ty::Bool], Ty::Bool, 0, or)],
    ),
    function(
        ops::NOT,
        &[op("logical_not", &[Ty::Bool], Ty::Bool, 1, |args| {
            not(&args[0])
        })],
    ),
    function(
        ops::NOT_STRICTLY_FALSE,
        &[op("not_strictly_false", &[Ty::Bool], Ty::Bool, 1, |args| {
            Ok(args[0].clone())
        })],
    ),
    function(
        ops::EQ,
        &[sized("equals", &[A, A], |args| {
            args[0].equals(&args[1]).map(Value::Bool)
        })],
    ),
    function(
        ops::NE,
        &[sized("not_equals", &[A, A], |args| {
            Ok(Value::Bool(args[0].equals(&args[1]) != Ok(true)))
        })],
    ),
    function(
        ops::ADD,
        &[
            joined("add_bytes", Ty::Bytes),
            op("add_double", &[Ty::Double, Ty::Double], Ty::Double, 1, plus),
            op(
                "add_duration_duration",
                &[Ty::Duration, Ty::Duration],
                Ty::Duration,
                1,
                plus,
            ),
            op(
                "add_duration_timestamp",
                &[Ty::Duration, Ty::Timestamp],
                Ty::Timestamp,
                1,
                plus,
            ),
            op(
                "add_timestamp_duration",
                &[Ty::Timestamp, Ty::Duration],
                Ty::Timestamp,
                1,
                plus,
            ),
            op("add_int64", &[Ty::Int, Ty::Int], Ty::Int, 1, plus),
            op("add_list", &[LIST_A, LIST_A], LIST_A, 1, plus),
            joined("add_string", Ty::String),
            op("add_uint64", &[Ty::Uint, Ty::Uint], Ty::Uint, 1, plus),
        ],
    ),
    function(
        ops::SUB,
        &[
            op(
                "subtract_double",
                &[Ty::Double, Ty::Double],
                Ty::Double,
                1,
                minus,
            ),
            op(
                "subtract_duration_duration",
                &[Ty::Duration, Ty::Duration],
                Ty::Duration,
                1,
                minus,
            ),
            op("subtract_int64", &[Ty::Int, Ty::Int], Ty::Int, 1, minus),
            op(
                "subtract_timestamp_duration",
                &[Ty::Timestamp, Ty::Duration],
                Ty::Timestamp,
                1,
                minus,
            ),
            op(
                "subtract_timestamp_timestamp",
                &[Ty::Timestamp, Ty::Timestamp],
                Ty::Duration,
                1,
                minus,
            ),
            op("subtract_uint64", &[Ty::Uint, Ty::Uint], Ty::Uint, 1, minus),
        ],
    ),
    function(
        ops::MUL,
        &[
            op(
                "multiply_double",
                &[Ty::Double, Ty::Double],
                Ty::Double,
                1,
                times,
            ),
            op("multiply_int64", &[Ty::Int, Ty::Int], Ty::Int, 1, times),
            op("multiply_uint64", &[Ty::Uint, Ty::Uint], Ty::Uint, 1, times),
        ],
    ),
    function(
        ops::DIV,
        &[
            op(
                "divide_double",
                &[Ty::Double, Ty::Double],
                Ty::Double,
                1,
                over,
            ),
            op("divide_int64", &[Ty::Int, Ty::Int], Ty::Int, 1, over),
            op("divide_uint64", &[Ty::Uint, Ty::Uint], Ty::Uint, 1, over),
        ],
    ),
    function(
        ops::MOD,
        &[
            op("modulo_int64", &[Ty::Int, Ty::Int], Ty::Int, 1, modulo),
            op("modulo_uint64", &[Ty::Uint, Ty::Uint], Ty::Uint, 1, modulo),
        ],
    ),
    function(
        ops::NEG,
        &[
            op("negate_double", &[Ty::Double], Ty::Double, 1, |args| {
                negate(&args[0])
            }),
            op("negate_int64", &[Ty::Int], Ty::Int, 1, |args| {
                negate(&args[0])
            }),
        ],
    ),
    function(
        ops::LT,
        &relations!("less", |args| Relation::Less.call(args)),
    ),
    function(
        ops::LE,
        &relations!("less_equals", |args| Relation::LessEquals.call(args)),
    ),
    function(
        ops::GT,
        &relations!("greater", |args| Relation::Greater.call(args)),
    ),
    function(
        ops::GE,
        &relations!("greater_equals", |args| Relation::GreaterEquals.call(args)),
    ),
    function(
        ops::INDEX,
        &[
            op("index_list", &[LIST_A, Ty::Int], A, 1, index),
            op("index_map", &[MAP_AB, A], B, 1, index),
            op(
                "optional_list_index_int",
                &[Ty::Optional(&LIST_V), Ty::Int],
                OPTIONAL_V,
                1,
                index,
            ),
            op(
                "optional_map_index_value",
                &[Ty::Optional(&MAP_KV), K],
                OPTIONAL_V,
                1,
                index,
            ),
        ],
    ),
    function(
        ops::OPT_INDEX,
        &[
            op(
                "list_optindex_optional_int",
                &[LIST_V, Ty::Int],
                OPTIONAL_V,
                1,
                index,
            ),
            op(
                "optional_list_optindex_optional_int",
                &[Ty::Optional(&LIST_V), Ty::Int],
                OPTIONAL_V,
                1,
                index,
            ),
            op(
                "map_optindex_optional_value",
                &[MAP_KV, K],
                OPTIONAL_V,
                1,
                index,
            ),
            op(
                "optional_map_optindex_optional_value",
                &[Ty::Optional(&MAP_KV), K],
                OPTIONAL_V,
                1,
                index,
            ),
        ],
    ),
    function(
        ops::IN,
        &[
            Overload {
                id: "in_list",
                member: false,
                params: &[A, LIST_A],
                result: Ty::Bool,
                cost: Cost::PerSize {
                    arg: 1,
                    factor: 1.0,
                },
                call: |args| contains(&args[0], &args[1]),
            },
            op("in_map", &[A, MAP_AB], Ty::Bool, 1, |args| {
                contains(&args[0], &args[1])
            }),
        ],
    ),
    function(
        MAP_INSERT,
        &[
            op(
                "@mapInsert_map_key_value",
                &[MAP_KV, K, V],
                MAP_KV,
                1,
                insert_entry,
            ),
            op(
                "@mapInsert_map_map",
                &[MAP_KV, MAP_KV],
                MAP_KV,
                1,
                insert_map,
            ),
        ],
    ),
];

const fn function(name: &'static str, overloads: &'static [Overload]) -> Function {
    Function { name, overloads }
}

const fn op(
    id: &'static str,
    params: &'static [Ty],
    result: Ty,
    units: u64,
    call: Call,
) -> Overload {
    Overload {
        id,
        member: false,
        params,
        result,
        cost: Cost::Fixed(units),
        call,
    }
}

/// A comparison that costs a tenth of the smaller operand.
const fn sized(id: &'static str, params: &'static [Ty], call: Call) -> Overload {
    Overload {
        id,
        member: false,
        params,
        result: Ty::Bool,
        cost: Cost::Custom(|args, _| cost::smaller(&args[0], &args[1])),
        call,
    }
}

/// A concatenation that costs a tenth of both operands.
const fn joined(id: &'static str, ty: Ty) -> Overload {
    Overload {
        id,
        member: false,
        params: match ty {
            Ty::Bytes => &[Ty::Bytes, Ty::Bytes],
            _ => &[Ty::String, Ty::String],
        },
        result: ty,
        cost: Cost::Custom(|args, _| cost::traversal(args[0].cost_size() + args[1].cost_size())),
        call: plus,
    }
}

/// The fourteen signatures of one relation.
macro_rules! relations {
    ($name:literal, $call:expr) => {
        [
            op(
                concat!($name, "_bool"),
                &[Ty::Bool, Ty::Bool],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_int64"),
                &[Ty::Int, Ty::Int],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_int64_double"),
                &[Ty::Int, Ty::Double],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_int64_uint64"),
                &[Ty::Int, Ty::Uint],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_uint64"),
                &[Ty::Uint, Ty::Uint],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_uint64_double"),
                &[Ty::Uint, Ty::Double],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_uint64_int64"),
                &[Ty::Uint, Ty::Int],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_double"),
                &[Ty::Double, Ty::Double],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_double_int64"),
                &[Ty::Double, Ty::Int],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_double_uint64"),
                &[Ty::Double, Ty::Uint],
                Ty::Bool,
                1,
                $call,
            ),
            sized(concat!($name, "_string"), &[Ty::String, Ty::String], $call),
            sized(concat!($name, "_bytes"), &[Ty::Bytes, Ty::Bytes], $call),
            op(
                concat!($name, "_timestamp"),
                &[Ty::Timestamp, Ty::Timestamp],
                Ty::Bool,
                1,
                $call,
            ),
            op(
                concat!($name, "_duration"),
                &[Ty::Duration, Ty::Duration],
                Ty::Bool,
                1,
                $call,
            ),
        ]
    };
}
use relations;

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
    pub fn apply<'a>(self, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, EvalError> {
        if !has_order(left) {
            return Err(refused(self.name(), left));
        }
        left.compare(right)
            .map(|order| Value::Bool(self.holds(order)))
    }

    fn call<'a>(self, args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
        self.apply(&args[0], &args[1])
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
            (Value::List(a), Value::List(b)) if self == Self::Add => Some(concat(a, b)),
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
    })
}

fn elapsed(a: Timestamp, b: Timestamp) -> Result<i64, EvalError> {
    let seconds = checked(a.seconds.checked_sub(b.seconds))?;
    let nanos = checked(seconds.checked_mul(SECOND))?;
    checked(nanos.checked_add(i64::from(a.nanos) - i64::from(b.nanos)))
}

fn concat<'a>(a: &List<'a>, b: &List<'a>) -> Value<'a> {
    if a.is_empty() {
        return Value::List(b.clone());
    }
    if b.is_empty() {
        return Value::List(a.clone());
    }
    Value::list(a.iter().chain(b.iter()).collect())
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
        Value::List(list) => Ok(Value::Bool(
            list.iter().any(|item| element.equals(&item) == Ok(true)),
        )),
        Value::Map(map) => Ok(Value::Bool(map.find(element).is_some())),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn plus<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    Arithmetic::Add.apply(&args[0], &args[1])
}

fn minus<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    Arithmetic::Subtract.apply(&args[0], &args[1])
}

fn times<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    Arithmetic::Multiply.apply(&args[0], &args[1])
}

fn over<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    Arithmetic::Divide.apply(&args[0], &args[1])
}

fn modulo<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    Arithmetic::Modulo.apply(&args[0], &args[1])
}

fn conditional<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match args[0] {
        Value::Bool(true) => Ok(args[1].clone()),
        Value::Bool(false) => Ok(args[2].clone()),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn and<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match (args[0].as_bool(), args[1].as_bool()) {
        (Some(false), _) | (_, Some(false)) => Ok(Value::Bool(false)),
        (Some(true), Some(true)) => Ok(Value::Bool(true)),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn or<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match (args[0].as_bool(), args[1].as_bool()) {
        (Some(true), _) | (_, Some(true)) => Ok(Value::Bool(true)),
        (Some(false), Some(false)) => Ok(Value::Bool(false)),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn index<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    crate::cel::eval::index(&args[0], &args[1])
}

fn insert_entry<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match &args[0] {
        Value::Map(map) => inserted(map.clone(), args[1].clone(), args[2].clone()).map(Value::Map),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn insert_map<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match (&args[0], &args[1]) {
        (Value::Map(map), Value::Map(added)) => added
            .iter()
            .try_fold(map.clone(), |map, (key, value)| inserted(map, key, value))
            .map(Value::Map),
        _ => Err(EvalError::NoSuchOverload),
    }
}

/// `map` with one more entry.
///
/// # Errors
/// The key is there already.
pub fn inserted<'a>(map: Map<'a>, key: Value<'a>, value: Value<'a>) -> Result<Map<'a>, EvalError> {
    let text = key.clone();
    map.inserted(key, value).ok_or_else(|| {
        EvalError::text(format!(
            "insert failed: key {} already exists",
            super::standard::key_text(&text)
        ))
    })
}

/// `list` with `items` added, in place when nobody else holds it.
#[must_use]
pub fn appended<'a>(list: List<'a>, item: Value<'a>) -> List<'a> {
    let mut items = match list {
        List::Made(items) => items,
        json @ List::Json(_) => Arc::new(json.iter().collect()),
    };
    Arc::make_mut(&mut items).push(item);
    List::Made(items)
}
