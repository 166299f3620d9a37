//! Optional values: `optional.of`, `hasValue`, `orValue`. (The list functions that came with them are in `lists`.)

use super::{Cost, Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Value};

const V: Ty = Ty::Param("V");
const OPTIONAL_V: Ty = Ty::Optional(&V);

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
        Value::Optional(Some(value)) => Value::taken(value),
        Value::Optional(None) => Err(EvalError::text("optional.none() dereference")),
        _ => Err(EvalError::NoSuchOverload),
    }
}
