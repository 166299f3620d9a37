//! Calls into the function tables from tests: arguments as JSON, results as text.

use super::{Function, Overload};
use crate::cel::env::{Env, Slot};
use crate::cel::plan::{Activation, PER_CALL_LIMIT};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Value};
use crate::model::json::Json;

/// One case: function, arguments as a JSON array (receiver first), the result as [`show`] prints it or the error.
pub(super) type Case = (
    &'static str,
    &'static str,
    Result<&'static str, &'static str>,
);

/// Runs every case.
pub(super) fn check(functions: &[Function], cases: &[Case]) {
    for (name, args, expected) in cases {
        let json = Json::parse(args).unwrap_or_else(|error| panic!("{args}: {error}"));
        let args: Vec<Value<'_>> = json.as_array().unwrap().iter().map(Value::from).collect();
        let result = call(functions, name, &args).map(|value| show(&value));
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(
            result.map_err(|error| error.to_string()),
            expected,
            "{name}{args:?}"
        );
    }
}

/// Calls the first overload that takes these arguments.
pub(super) fn call<'a>(
    functions: &[Function],
    name: &str,
    args: &[Value<'a>],
) -> Result<Value<'a>, EvalError> {
    (overload(functions, name, args).call)(args)
}

/// What the call costs.
pub(super) fn cost(functions: &[Function], name: &str, args: &[Value<'_>]) -> u64 {
    use super::Cost;
    let overload = overload(functions, name, args);
    let result = (overload.call)(args).unwrap();
    match overload.cost {
        Cost::Fixed(units) => units,
        Cost::PerSize { arg, factor } => crate::cel::cost::per_size(args[arg].cost_size(), factor),
        Cost::Resolved(cost) | Cost::Custom(cost) => cost(args, &result),
    }
}

fn overload<'f>(functions: &'f [Function], name: &str, args: &[Value<'_>]) -> &'f Overload {
    functions
        .iter()
        .filter(|function| function.name == name)
        .flat_map(|function| function.overloads)
        .find(|overload| {
            overload.params.len() == args.len() && std::iter::zip(overload.params, args).all(takes)
        })
        .unwrap_or_else(|| panic!("no overload of {name} takes {args:?}"))
}

fn takes((param, value): (&Ty, &Value<'_>)) -> bool {
    match param {
        Ty::Dyn | Ty::Param(_) => true,
        Ty::Bool => matches!(value, Value::Bool(_)),
        Ty::Int => matches!(value, Value::Int(_)),
        Ty::Uint => matches!(value, Value::Uint(_)),
        Ty::String => matches!(value, Value::String(_)),
        Ty::List(_) => matches!(value, Value::List(_)),
        Ty::Duration => matches!(value, Value::Duration(_)),
        Ty::Timestamp => matches!(value, Value::Timestamp(_)),
        Ty::Opaque(name) | Ty::Object(name) => value.type_name() == *name,
        _ => false,
    }
}

/// A value in a form that shows its type.
pub(super) fn show(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Uint(value) => format!("{value}u"),
        Value::Double(value) => format!("{value:?}"),
        Value::String(text) => format!("{:?}", text.as_str()),
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(|item| show(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", show(&key), show(&value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Optional(Some(inner)) => format!("optional({})", show(inner)),
        other => super::args::display(other),
    }
}

/// One case: an expression, the result as [`show`] prints it or the error.
pub(super) type Expression = (&'static str, Result<&'static str, &'static str>);

/// Evaluates every expression.
pub(super) fn check_expressions(cases: &[Expression]) {
    for (expression, expected) in cases {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(evaluate(expression), expected, "{expression}");
    }
}

/// What an expression without variables gives.
pub(super) fn evaluate(expression: &str) -> Result<String, String> {
    struct Nothing;
    impl<'a> Activation<'a> for Nothing {
        fn variable(&self, _: Slot) -> Option<Value<'a>> {
            None
        }
        fn composed(&self, _: usize) -> Result<Value<'a>, EvalError> {
            Err(EvalError::NoSuchOverload)
        }
    }
    let env = Env::admission().build();
    let program = env.compile(expression).map_err(|error| error.to_string())?;
    let value = program.eval(&Nothing, PER_CALL_LIMIT).value;
    value
        .map(|value| show(&value))
        .map_err(|error| error.to_string())
}
