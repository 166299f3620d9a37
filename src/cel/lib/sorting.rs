//! `sort` and what the `sortBy` macro calls.

use std::cmp::Ordering;

use super::args::Outcome;
use super::lists::{is_comparable, pairs_cost};
use super::{Cost, Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, List, Value};

/// Element type of the list that `sortBy` sorts.
const T: Ty = Ty::Param("T");
const LIST: Ty = Ty::List(&T);
/// Up to this many elements Go sorts by insertion, which orders even what has no consistent order (NaN).
const INSERTION: usize = 12;
/// Name that the `sortBy` macro calls.
pub const SORT_BY_KEYS: &str = "@sortByAssociatedKeys";

macro_rules! sort_overloads {
    ($($name:literal $ty:expr),*) => {
        &[$(Overload::member(
            concat!("list_", $name, "_sort"),
            &[Ty::List(&$ty)],
            Ty::List(&$ty),
            Cost::Resolved(|args, _| args.first().map_or(0, pairs_cost)),
            sort,
        )),*]
    };
}

macro_rules! sort_by_overloads {
    ($($name:literal $ty:expr),*) => {
        &[$(Overload::member(
            concat!("list_", $name, "_sortByAssociatedKeys"),
            &[LIST, Ty::List(&$ty)],
            LIST,
            Cost::Resolved(|args, _| args.get(1).map_or(0, pairs_cost)),
            sort_by_keys,
        )),*]
    };
}

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "sort",
        overloads: sort_overloads!(
            "int" Ty::Int, "uint" Ty::Uint, "double" Ty::Double, "bool" Ty::Bool,
            "google.protobuf.Duration" Ty::Duration, "google.protobuf.Timestamp" Ty::Timestamp,
            "string" Ty::String, "bytes" Ty::Bytes
        ),
    },
    Function {
        name: SORT_BY_KEYS,
        overloads: sort_by_overloads!(
            "int" Ty::Int, "uint" Ty::Uint, "double" Ty::Double, "bool" Ty::Bool,
            "google.protobuf.Duration" Ty::Duration, "google.protobuf.Timestamp" Ty::Timestamp,
            "string" Ty::String, "bytes" Ty::Bytes
        ),
    },
];

fn sort<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::List(list)] => sorted(list, list),
        _ => Err(EvalError::text("no such overload: sort")),
    }
}

fn sort_by_keys<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::List(list), Value::List(keys)] => sorted(list, keys),
        _ => Err(EvalError::text(format!("no such overload: {SORT_BY_KEYS}"))),
    }
}

/// The elements of `list` in the order of `keys`, equal ones in their old order.
fn sorted<'a>(list: &List<'a>, keys: &List<'a>) -> Outcome<'a> {
    if list.len() != keys.len() {
        return Err(EvalError::text(format!(
            "{SORT_BY_KEYS}() expected a list of the same size as the associated keys list, but got {} and {} \
             elements respectively",
            list.len(),
            keys.len()
        )));
    }
    let keys: Vec<Value<'a>> = keys.iter().collect();
    let Some(first) = keys.first() else {
        return Ok(Value::List(list.clone()));
    };
    if !is_comparable(first) {
        return Err(EvalError::text("list elements must be comparable"));
    }
    let kind = std::mem::discriminant(first);
    if keys.iter().any(|key| std::mem::discriminant(key) != kind) {
        return Err(EvalError::text("list elements must have the same type"));
    }
    let mut places: Vec<usize> = (0..keys.len()).collect();
    merge_sort(&mut places, &|a, b| {
        keys[a].compare(&keys[b]) == Ok(Ordering::Less)
    });
    Ok(Value::list(
        places
            .into_iter()
            .filter_map(|place| list.get(place))
            .collect(),
    ))
}

/// Stable, and at peace with a `less` that is no order at all (the standard sort may panic on one).
fn merge_sort(places: &mut [usize], less: &impl Fn(usize, usize) -> bool) {
    if places.len() <= INSERTION {
        for end in 1..places.len() {
            let mut at = end;
            while at > 0 && less(places[at], places[at - 1]) {
                places.swap(at, at - 1);
                at -= 1;
            }
        }
        return;
    }
    let middle = places.len() / 2;
    merge_sort(&mut places[..middle], less);
    merge_sort(&mut places[middle..], less);
    let (left, right) = places.split_at(middle);
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut merged = Vec::with_capacity(places.len());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let source = if less(**b, **a) {
            &mut right
        } else {
            &mut left
        };
        merged.extend(source.next());
    }
    merged.extend(left);
    merged.extend(right);
    places.copy_from_slice(&merged);
}
