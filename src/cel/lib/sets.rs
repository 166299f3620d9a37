//! `sets.contains`, `sets.equivalent`, `sets.intersects`: lists taken as sets, by `==`.

use super::args::{Outcome, check_cost};
use super::{Cost, Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, List, Value};

const LIST: Ty = Ty::List(&Ty::Param("T"));
const PAIR: &[Ty] = &[LIST, LIST];

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "sets.contains",
        overloads: &[Overload::global(
            "list_sets_contains_list",
            PAIR,
            Ty::Bool,
            Cost::Custom(|args, _| cost(args, 1)),
            contains,
        )],
    },
    Function {
        name: "sets.equivalent",
        overloads: &[Overload::global(
            "list_sets_equivalent_list",
            PAIR,
            Ty::Bool,
            Cost::Custom(|args, _| cost(args, 2)),
            equivalent,
        )],
    },
    Function {
        name: "sets.intersects",
        overloads: &[Overload::global(
            "list_sets_intersects_list",
            PAIR,
            Ty::Bool,
            Cost::Custom(|args, _| cost(args, 1)),
            intersects,
        )],
    },
];

fn cost(args: &[Value<'_>], rounds: u64) -> u64 {
    let sizes = args.iter().map(Value::cost_size);
    sizes.fold(rounds, u64::saturating_mul).saturating_add(1)
}

/// The two lists, if they are not too long to compare.
fn pair<'v, 'a>(args: &'v [Value<'a>]) -> Result<(&'v List<'a>, &'v List<'a>), EvalError> {
    check_cost(cost(args, 1))?;
    match args {
        [Value::List(left), Value::List(right)] => Ok((left, right)),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn has(list: &List<'_>, wanted: &Value<'_>) -> bool {
    list.iter().any(|item| wanted.equals(&item) == Ok(true))
}

fn has_all(list: &List<'_>, wanted: &List<'_>) -> bool {
    wanted.iter().all(|item| has(list, &item))
}

fn contains<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (list, wanted) = pair(args)?;
    Ok(Value::Bool(has_all(list, wanted)))
}

fn equivalent<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (left, right) = pair(args)?;
    Ok(Value::Bool(has_all(left, right) && has_all(right, left)))
}

fn intersects<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (left, right) = pair(args)?;
    Ok(Value::Bool(left.iter().any(|item| has(right, &item))))
}
