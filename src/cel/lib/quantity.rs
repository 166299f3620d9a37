//! `quantity()` and its methods, over [`crate::model::quantity`].

use std::any::Any;
use std::cmp::Ordering;

use super::args::{Outcome, SCAN, UNIT, only_text, order};
use super::{Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Opaque, Value};
use crate::model::quantity::Quantity;

/// CEL name of the type.
pub const TYPE_NAME: &str = "kubernetes.Quantity";

const QUANTITY: Ty = Ty::Opaque(TYPE_NAME);
const RECEIVER: &[Ty] = &[QUANTITY];
const PAIR: &[Ty] = &[QUANTITY, QUANTITY];
const WITH_INT: &[Ty] = &[QUANTITY, Ty::Int];

impl Opaque for Quantity {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn equals(&self, other: &dyn Opaque) -> Option<bool> {
        other
            .as_any()
            .downcast_ref()
            .map(|other: &Self| self == other)
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What `add` and `sub` give. On the right of `==` it has no overload, in the API server by accident.
#[derive(Clone, Debug)]
struct Sum(Quantity);

impl Opaque for Sum {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn equals(&self, other: &dyn Opaque) -> Option<bool> {
        self.0.equals(other)
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "quantity",
        overloads: &[Overload::global(
            "string_to_quantity",
            &[Ty::String],
            QUANTITY,
            SCAN,
            quantity,
        )],
    },
    Function {
        name: "isQuantity",
        overloads: &[Overload::global(
            "is_quantity_string",
            &[Ty::String],
            Ty::Bool,
            SCAN,
            is_quantity,
        )],
    },
    Function {
        name: "sign",
        overloads: &[Overload::global(
            "quantity_sign",
            RECEIVER,
            Ty::Int,
            UNIT,
            sign,
        )],
    },
    Function {
        name: "isGreaterThan",
        overloads: &[Overload::member(
            "quantity_is_greater_than",
            PAIR,
            Ty::Bool,
            UNIT,
            is_greater_than,
        )],
    },
    Function {
        name: "isLessThan",
        overloads: &[Overload::member(
            "quantity_is_less_than",
            PAIR,
            Ty::Bool,
            UNIT,
            is_less_than,
        )],
    },
    Function {
        name: "compareTo",
        overloads: &[Overload::member(
            "quantity_compare_to",
            PAIR,
            Ty::Int,
            UNIT,
            compare_to,
        )],
    },
    Function {
        name: "asApproximateFloat",
        overloads: &[Overload::member(
            "quantity_get_float",
            RECEIVER,
            Ty::Double,
            UNIT,
            as_approximate_float,
        )],
    },
    Function {
        name: "asInteger",
        overloads: &[Overload::member(
            "quantity_get_int",
            RECEIVER,
            Ty::Int,
            UNIT,
            as_integer,
        )],
    },
    Function {
        name: "isInteger",
        overloads: &[Overload::member(
            "quantity_is_integer",
            RECEIVER,
            Ty::Bool,
            UNIT,
            is_integer,
        )],
    },
    Function {
        name: "add",
        overloads: &[
            Overload::member("quantity_add", PAIR, QUANTITY, UNIT, add),
            Overload::member("quantity_add_int", WITH_INT, QUANTITY, UNIT, add),
        ],
    },
    Function {
        name: "sub",
        overloads: &[
            Overload::member("quantity_sub", PAIR, QUANTITY, UNIT, sub),
            Overload::member("quantity_sub_int", WITH_INT, QUANTITY, UNIT, sub),
        ],
    },
];

/// The quantity in a value, whichever way it was made.
#[must_use]
pub fn quantity_of<'v>(value: &'v Value<'_>) -> Option<&'v Quantity> {
    value
        .as_opaque()
        .or_else(|| value.as_opaque::<Sum>().map(|sum| &sum.0))
}

fn receiver<'v>(args: &'v [Value<'_>]) -> Result<&'v Quantity, EvalError> {
    args.first()
        .and_then(quantity_of)
        .ok_or(EvalError::NoSuchOverload)
}

/// The second argument: a quantity, or an integer as one.
fn operand(args: &[Value<'_>]) -> Result<Quantity, EvalError> {
    match args.get(1) {
        Some(Value::Int(value)) => Ok(Quantity::from_int(*value)),
        Some(value) => quantity_of(value).cloned().ok_or(EvalError::NoSuchOverload),
        None => Err(EvalError::NoSuchOverload),
    }
}

fn quantity<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Quantity::parse(only_text(args)?)
        .map(Value::opaque)
        .map_err(|error| EvalError::text(error.to_string()))
}

fn is_quantity<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(Quantity::parse(only_text(args)?).is_ok()))
}

fn sign<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(receiver(args)?.sign().into()))
}

fn is_greater_than<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(order(args, quantity_of)? == Ordering::Greater))
}

fn is_less_than<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(order(args, quantity_of)? == Ordering::Less))
}

fn compare_to<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(order(args, quantity_of)? as i64))
}

fn as_approximate_float<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Double(receiver(args)?.as_approximate_float()))
}

fn as_integer<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    receiver(args)?
        .as_int()
        .map(Value::Int)
        .ok_or_else(|| EvalError::text("cannot convert value to integer"))
}

fn is_integer<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(receiver(args)?.as_int().is_some()))
}

fn add<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    receiver(args)?
        .add(&operand(args)?)
        .map(|sum| Value::opaque(Sum(sum)))
        .map_err(|error| EvalError::text(error.to_string()))
}

fn sub<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    receiver(args)?
        .sub(&operand(args)?)
        .map(|sum| Value::opaque(Sum(sum)))
        .map_err(|error| EvalError::text(error.to_string()))
}
