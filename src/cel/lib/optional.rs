//! Optional values: `optional.of`, `hasValue`, `orValue` and the list functions that came with them.

use super::{Cost, Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Value};

const V: Ty = Ty::Param("V");
const OPTIONAL_V: Ty = Ty::Optional(&V);
const LIST_V: Ty = Ty::List(&V);
const LIST_OPTIONAL_V: Ty = Ty::List(&OPTIONAL_V);

/// Functions on optional values; `or` and `orValue` are run by the evaluator, which needs the right side only
/// sometimes.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "optional.of",
        overloads: &[global("optional_of", &[V], OPTIONAL_V, |args| {
            Ok(Value::some(args[0].clone()))
        })],
    },
    Function {
        name: "optional.ofNonZeroValue",
        overloads: &[global(
            "optional_ofNonZeroValue",
            &[V],
            OPTIONAL_V,
            |args| {
                Ok(if args[0].is_zero() {
                    Value::Optional(None)
                } else {
                    Value::some(args[0].clone())
                })
            },
        )],
    },
    Function {
        name: "optional.none",
        overloads: &[global("optional_none", &[], OPTIONAL_V, |_| {
            Ok(Value::Optional(None))
        })],
    },
    Function {
        name: "value",
        overloads: &[member("optional_value", &[OPTIONAL_V], V, value)],
    },
    Function {
        name: "hasValue",
        overloads: &[member(
            "optional_hasValue",
            &[OPTIONAL_V],
            Ty::Bool,
            |args| Ok(Value::Bool(matches!(args[0], Value::Optional(Some(_))))),
        )],
    },
    Function {
        name: "or",
        overloads: &[member(
            "optional_or_optional",
            &[OPTIONAL_V, OPTIONAL_V],
            OPTIONAL_V,
            |args| {
                Ok(match &args[0] {
                    Value::Optional(None) => args[1].clone(),
                    other => other.clone(),
                })
            },
        )],
    },
    Function {
        name: "orValue",
        overloads: &[member(
            "optional_orValue_value",
            &[OPTIONAL_V, V],
            V,
            |args| {
                Ok(match &args[0] {
                    Value::Optional(None) => args[1].clone(),
                    Value::Optional(Some(value)) => value.as_ref().clone(),
                    other => other.clone(),
                })
            },
        )],
    },
    Function {
        name: "last",
        overloads: &[member("list_last", &[LIST_V], OPTIONAL_V, |args| {
            element(&args[0], |len| len.checked_sub(1))
        })],
    },
    Function {
        name: "first",
        overloads: &[member("list_first", &[LIST_V], OPTIONAL_V, |args| {
            element(&args[0], |_| Some(0))
        })],
    },
    Function {
        name: "optional.unwrap",
        overloads: &[global(
            "optional_unwrap",
            &[LIST_OPTIONAL_V],
            LIST_V,
            unwrap,
        )],
    },
    Function {
        name: "unwrapOpt",
        overloads: &[member(
            "optional_unwrapOpt",
            &[LIST_OPTIONAL_V],
            LIST_V,
            unwrap,
        )],
    },
];

const fn global(
    id: &'static str,
    params: &'static [Ty],
    result: Ty,
    call: super::Call,
) -> Overload {
    Overload {
        id,
        member: false,
        params,
        result,
        cost: Cost::Fixed(1),
        call,
    }
}

const fn member(
    id: &'static str,
    params: &'static [Ty],
    result: Ty,
    call: super::Call,
) -> Overload {
    Overload {
        id,
        member: true,
        params,
        result,
        cost: Cost::Fixed(1),
        call,
    }
}

fn value<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match &args[0] {
        Value::Optional(Some(value)) => Ok(value.as_ref().clone()),
        Value::Optional(None) => Err(EvalError::text("optional.none() dereference")),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn element<'a>(
    list: &Value<'a>,
    pick: impl Fn(usize) -> Option<usize>,
) -> Result<Value<'a>, EvalError> {
    match list {
        Value::List(list) => Ok(pick(list.len())
            .and_then(|at| list.get(at))
            .map_or(Value::Optional(None), Value::some)),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn unwrap<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    let Value::List(list) = &args[0] else {
        return Err(EvalError::NoSuchOverload);
    };
    let mut values = Vec::with_capacity(list.len());
    for item in list.iter() {
        match item {
            Value::Optional(Some(value)) => values.push(value.as_ref().clone()),
            Value::Optional(None) => {}
            other => {
                return Err(EvalError::text(format!(
                    "value {} is not optional",
                    super::standard::key_text(&other)
                )));
            }
        }
    }
    Ok(Value::list(values))
}
