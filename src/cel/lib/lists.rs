//! List functions, without sorting (see [`super::sorting`]).
//!
//! Overloads per element type share their code: a list of unknown element type reaches the first of them, so the code
//! looks at the elements themselves. A first element of a wrong type is `no such overload`, as in the API server, whose
//! overload resolution looks exactly that far.

use std::cmp::Ordering;

use super::args::{Outcome, UNIT, check_cost, no_such_overload, traversal};
use super::{Call, Cost, Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, List, Value};

/// Element type of generic functions.
const T: Ty = Ty::Param("T");
const A: Ty = Ty::Param("A");
const LIST: Ty = Ty::List(&T);
/// A walk through the list.
const WALK: Cost = Cost::Custom(|args, _| args.first().map_or(0, traversal));
/// Fixed part of the cost of making a list: the call and the list.
pub(super) const MAKE_LIST: u64 = 11;
/// As many units as the result has elements, and the making of a list.
const PER_RESULT: Cost = Cost::Custom(|_, result| result.cost_size() + MAKE_LIST);

/// One overload of `isSorted` per element type.
macro_rules! is_sorted_overloads {
    ($($name:literal $ty:expr),*) => {
        &[$(Overload::member(
            concat!("list_", $name, "_is_sorted_bool"),
            &[Ty::List(&$ty)],
            Ty::Bool,
            WALK,
            is_sorted,
        )),*]
    };
}

/// One overload of `min` or `max` per element type.
macro_rules! extreme_overloads {
    ($middle:literal, $call:expr; $($name:literal $ty:expr),*) => {
        &[$(Overload::member(
            concat!("list_", $name, $middle, $name),
            &[Ty::List(&$ty)],
            $ty,
            WALK,
            $call,
        )),*]
    };
}

const IS_SORTED: &[Overload] = is_sorted_overloads!(
    "int" Ty::Int, "uint" Ty::Uint, "double" Ty::Double, "bool" Ty::Bool, "duration" Ty::Duration,
    "timestamp" Ty::Timestamp, "string" Ty::String, "bytes" Ty::Bytes
);
const MIN: &[Overload] = extreme_overloads!("_min_", min;
    "int" Ty::Int, "uint" Ty::Uint, "double" Ty::Double, "bool" Ty::Bool, "duration" Ty::Duration,
    "timestamp" Ty::Timestamp, "string" Ty::String, "bytes" Ty::Bytes);
const MAX: &[Overload] = extreme_overloads!("_max_", max;
    "int" Ty::Int, "uint" Ty::Uint, "double" Ty::Double, "bool" Ty::Bool, "duration" Ty::Duration,
    "timestamp" Ty::Timestamp, "string" Ty::String, "bytes" Ty::Bytes);

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "isSorted",
        overloads: IS_SORTED,
    },
    Function {
        name: "sum",
        overloads: &[
            sum_overload("list_int_sum_int", &[Ty::List(&Ty::Int)], Ty::Int, |args| {
                sum(args, Value::Int(0))
            }),
            sum_overload(
                "list_uint_sum_uint",
                &[Ty::List(&Ty::Uint)],
                Ty::Uint,
                |args| sum(args, Value::Uint(0)),
            ),
            sum_overload(
                "list_double_sum_double",
                &[Ty::List(&Ty::Double)],
                Ty::Double,
                |args| sum(args, Value::Double(0.0)),
            ),
            sum_overload(
                "list_duration_sum_duration",
                &[Ty::List(&Ty::Duration)],
                Ty::Duration,
                |args| sum(args, Value::Duration(0)),
            ),
        ],
    },
    Function {
        name: "min",
        overloads: MIN,
    },
    Function {
        name: "max",
        overloads: MAX,
    },
    Function {
        name: "indexOf",
        overloads: &[Overload::member(
            "list_a_index_of_int",
            &[Ty::List(&A), A],
            Ty::Int,
            WALK,
            index_of,
        )],
    },
    Function {
        name: "lastIndexOf",
        overloads: &[Overload::member(
            "list_a_last_index_of_int",
            &[Ty::List(&A), A],
            Ty::Int,
            WALK,
            last_index_of,
        )],
    },
    Function {
        name: "slice",
        overloads: &[Overload::member(
            "list_slice",
            &[LIST, Ty::Int, Ty::Int],
            LIST,
            PER_RESULT,
            slice,
        )],
    },
    Function {
        name: "flatten",
        overloads: &[
            Overload::member(
                "list_flatten",
                &[Ty::List(&LIST)],
                LIST,
                Cost::Custom(flatten_cost),
                flatten,
            ),
            Overload::member(
                "list_flatten_int",
                &[Ty::List(&Ty::Dyn), Ty::Int],
                Ty::List(&Ty::Dyn),
                Cost::Custom(flatten_cost),
                flatten,
            ),
        ],
    },
    Function {
        name: "distinct",
        overloads: &[Overload::member(
            "list_distinct",
            &[LIST],
            LIST,
            Cost::Custom(|args, _| args.first().map_or(0, pairs_cost)),
            distinct,
        )],
    },
    Function {
        name: "reverse",
        overloads: &[Overload::member(
            "list_reverse",
            &[LIST],
            LIST,
            PER_RESULT,
            reverse,
        )],
    },
    Function {
        name: "lists.range",
        overloads: &[Overload::global(
            "lists_range",
            &[Ty::Int],
            Ty::List(&Ty::Int),
            Cost::Custom(|args, _| args.first().map_or(0, range_size) + MAKE_LIST),
            range,
        )],
    },
    Function {
        name: "first",
        overloads: &[Overload::member(
            "list_first",
            &[LIST],
            Ty::Optional(&T),
            UNIT,
            first,
        )],
    },
    Function {
        name: "last",
        overloads: &[Overload::member(
            "list_last",
            &[LIST],
            Ty::Optional(&T),
            UNIT,
            last,
        )],
    },
    Function {
        name: "optional.unwrap",
        overloads: &[Overload::global(
            "optional_unwrap",
            &[Ty::List(&Ty::Optional(&T))],
            LIST,
            UNIT,
            |args| unwrap("optional.unwrap", args),
        )],
    },
    Function {
        name: "unwrapOpt",
        overloads: &[Overload::member(
            "optional_unwrapOpt",
            &[Ty::List(&Ty::Optional(&T))],
            LIST,
            UNIT,
            |args| unwrap("unwrapOpt", args),
        )],
    },
];

const fn sum_overload(id: &'static str, params: &'static [Ty], result: Ty, call: Call) -> Overload {
    Overload::member(id, params, result, WALK, call)
}

/// Cost of comparing every element with every other: `2 n²`, a little more for texts.
pub(super) fn pairs_cost(list: &Value<'_>) -> u64 {
    let Value::List(list) = list else {
        return MAKE_LIST;
    };
    let factor = match list.get(0) {
        Some(Value::String(_) | Value::Bytes(_)) => 2.1,
        _ => 2.0,
    };
    let count = list.len() as u64;
    (count.saturating_mul(count) as f64 * factor) as u64 + MAKE_LIST
}

fn flatten_cost(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    let depth = match args.get(1) {
        Some(Value::Int(depth)) => *depth,
        _ => 1,
    };
    let size = args.first().map_or(0, Value::cost_size).cast_signed();
    // A negative depth, which is an error, lowers the cost of the call, as in the API server.
    MAKE_LIST.saturating_add_signed(size.saturating_mul(depth))
}

/// The only argument, a list.
fn list<'v, 'a>(args: &'v [Value<'a>]) -> Result<&'v List<'a>, EvalError> {
    match args {
        [Value::List(list)] => Ok(list),
        _ => Err(EvalError::NoSuchOverload),
    }
}

/// Whether elements of this type have an order among themselves.
pub(super) fn is_comparable(value: &Value<'_>) -> bool {
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

/// Runs over neighbours chosen by `keep`: refuses elements without order, ignores pairs that cannot be compared.
fn comparable_elements<'v, 'a>(
    function: &str,
    args: &'v [Value<'a>],
) -> Result<impl Iterator<Item = Result<Value<'a>, EvalError>> + 'v, EvalError> {
    let list = list(args)?;
    if list.get(0).is_some_and(|first| !is_comparable(&first)) {
        return Err(no_such_overload(function, args));
    }
    Ok(list.iter().map(|item| {
        if is_comparable(&item) {
            Ok(item)
        } else {
            Err(EvalError::NoSuchOverload)
        }
    }))
}

fn is_sorted<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let mut previous: Option<Value<'a>> = None;
    for item in comparable_elements("isSorted", args)? {
        let item = item?;
        if previous.is_some_and(|previous| previous.compare(&item) == Ok(Ordering::Greater)) {
            return Ok(Value::Bool(false));
        }
        previous = Some(item);
    }
    Ok(Value::Bool(true))
}

/// The last element that no other precedes in the sense of `replaced_when`.
fn extreme<'a>(function: &str, args: &[Value<'a>], replaced_when: Ordering) -> Outcome<'a> {
    let mut best: Option<Value<'a>> = None;
    for item in comparable_elements(function, args)? {
        let item = item?;
        best = match best {
            Some(best) if best.compare(&item) != Ok(replaced_when) => Some(best),
            _ => Some(item),
        };
    }
    best.ok_or_else(|| EvalError::text(format!("{function} called on empty list")))
}

fn min<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    extreme("min", args, Ordering::Greater)
}

fn max<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    extreme("max", args, Ordering::Less)
}

/// Sum of the elements; `zero` is that of an empty list, any other list has its own type.
fn sum<'a>(args: &[Value<'a>], zero: Value<'a>) -> Outcome<'a> {
    let list = list(args)?;
    let mut total = match list.get(0) {
        None => return Ok(zero),
        Some(Value::Int(_)) => Value::Int(0),
        Some(Value::Uint(_)) => Value::Uint(0),
        Some(Value::Double(_)) => Value::Double(0.0),
        Some(Value::Duration(_)) => Value::Duration(0),
        Some(_) => return Err(no_such_overload("sum", args)),
    };
    for item in list.iter() {
        total = match (total, item) {
            (Value::Int(a), Value::Int(b)) => a
                .checked_add(b)
                .map(Value::Int)
                .ok_or_else(|| EvalError::text("integer overflow"))?,
            (Value::Uint(a), Value::Uint(b)) => a
                .checked_add(b)
                .map(Value::Uint)
                .ok_or_else(|| EvalError::text("unsigned integer overflow"))?,
            (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
            (Value::Duration(a), Value::Duration(b)) => a
                .checked_add(b)
                .map(Value::Duration)
                .ok_or_else(|| EvalError::text("integer overflow"))?,
            _ => return Err(EvalError::NoSuchOverload),
        };
    }
    Ok(total)
}

fn index_of<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::List(list), wanted] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    Ok(place(
        list.iter().position(|item| item.equals(wanted) == Ok(true)),
    ))
}

fn last_index_of<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::List(list), wanted] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    let found = (0..list.len()).rev().find(|index| {
        list.get(*index)
            .is_some_and(|item| item.equals(wanted) == Ok(true))
    });
    Ok(place(found))
}

fn place<'a>(index: Option<usize>) -> Value<'a> {
    Value::Int(
        index
            .and_then(|index| i64::try_from(index).ok())
            .unwrap_or(-1),
    )
}

fn slice<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::List(list), Value::Int(start), Value::Int(end)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    let refuse = |why: &str| {
        Err(EvalError::text(format!(
            "cannot slice({start}, {end}), {why}"
        )))
    };
    let (Ok(from), Ok(to)) = (usize::try_from(*start), usize::try_from(*end)) else {
        return refuse("negative indexes not supported");
    };
    if from > to {
        return refuse("start index must be less than or equal to end index");
    }
    if to > list.len() {
        return refuse(&format!("list is length {}", list.len()));
    }
    Ok(match list {
        List::Json(items) => Value::List(List::Json(&items[from..to])),
        made => Value::list(made.iter().skip(from).take(to - from).collect()),
    })
}

fn not_flattened(value: &Value<'_>, depth: &str) -> EvalError {
    EvalError::text(format!(
        "no such overload: {}.flatten({depth})",
        value.type_of()
    ))
}

fn flatten<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (list, depth) = match args {
        [Value::List(list)] => (list, 1),
        [Value::List(list), Value::Int(depth)] => (list, *depth),
        // Nothing guards this function: it answers for itself.
        [other] => return Err(not_flattened(other, "")),
        [other, depth] => return Err(not_flattened(other, depth.type_name())),
        _ => return Err(EvalError::NoSuchOverload),
    };
    let depth =
        usize::try_from(depth).map_err(|_| EvalError::text("level must be non-negative"))?;
    let mut flat = Vec::new();
    // Lists that are being taken apart, innermost last: as deep as the data, on the heap.
    let mut open = vec![(list.clone(), 0)];
    while let Some((list, at)) = open.last_mut() {
        let Some(item) = list.get(*at) else {
            open.pop();
            continue;
        };
        *at += 1;
        match item {
            Value::List(inner) if open.len() <= depth => open.push((inner, 0)),
            item => flat.push(item),
        }
    }
    Ok(Value::list(flat))
}

fn distinct<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let list = list(args)?;
    check_cost(args.first().map_or(0, pairs_cost))?;
    let mut kept: Vec<Value<'a>> = Vec::new();
    for item in list.iter() {
        if !kept.iter().any(|other| item.equals(other) == Ok(true)) {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn reverse<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let mut items: Vec<_> = list(args)?.iter().collect();
    items.reverse();
    Ok(Value::list(items))
}

/// Length of the range up to a number.
fn range_size(end: &Value<'_>) -> u64 {
    match end {
        Value::Int(end) => u64::try_from(*end).unwrap_or(0),
        _ => 1,
    }
}

fn range<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Int(end)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    check_cost(args.first().map_or(0, range_size))?;
    Ok(Value::list((0..*end).map(Value::Int).collect()))
}

fn first<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Optional(list(args)?.get(0).map(std::sync::Arc::new)))
}

fn last<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let list = list(args)?;
    let last = list.len().checked_sub(1).and_then(|index| list.get(index));
    Ok(Value::Optional(last.map(std::sync::Arc::new)))
}

fn unwrap<'a>(function: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let list = list(args)?;
    let mut present = Vec::new();
    for (index, item) in list.iter().enumerate() {
        match item {
            Value::Optional(Some(inner)) => present.push((*inner).clone()),
            Value::Optional(None) => {}
            _ if index == 0 => return Err(no_such_overload(function, args)),
            other => {
                return Err(EvalError::text(format!(
                    "value {} is not optional",
                    super::args::display(&other)
                )));
            }
        }
    }
    Ok(Value::list(present))
}

#[cfg(test)]
mod tests;
