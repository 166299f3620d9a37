//! The operators of the language as a table: arithmetic, comparison, logic, membership, indexing. The evaluator runs
//! most of them by itself, through the functions of this module; the table gives the checker their signatures and the
//! meter their cost.

mod compute;

pub use compute::{
    Arithmetic, INTERNAL, Relation, contains, inserted, negate, not, refused, unhashable,
};

use super::{Call, Cost, Function, Overload};
use crate::cel::ast::ops;
use crate::cel::cost;
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Value};

const A: Ty = Ty::Param("A");
const B: Ty = Ty::Param("B");
const LIST_A: Ty = Ty::List(&A);
const MAP_AB: Ty = Ty::Map(&A, &B);
const V: Ty = Ty::Param("V");
const K: Ty = Ty::Param("K");
const OPTIONAL_V: Ty = Ty::Optional(&V);
const LIST_V: Ty = Ty::List(&V);
const MAP_KV: Ty = Ty::Map(&K, &V);

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
