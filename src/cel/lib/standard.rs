//! The standard functions: size, text tests, conversions. (Operators are in `operators`, getters of times in `time`.)

use std::sync::Arc;

use super::operators::refused;
use super::{Call, Cost, Function, Overload, numbers, regex, time};
use crate::cel::cost;
use crate::cel::env::objects;
use crate::cel::types::{Ty, Type};
use crate::cel::value::order::{YEAR_LAST, YEAR_ONE};
use crate::cel::value::{EvalError, Opaque, Str, Timestamp, Value};

const A: Ty = Ty::Param("A");
const B: Ty = Ty::Param("B");
const LIST_A: Ty = Ty::List(&A);
const MAP_AB: Ty = Ty::Map(&A, &B);
const TEXT_TEXT: &[Ty] = &[Ty::String, Ty::String];

/// Functions that every environment has.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "size",
        overloads: &[
            global("size_bytes", &[Ty::Bytes], Ty::Int, size),
            member("bytes_size", &[Ty::Bytes], Ty::Int, size),
            global("size_list", &[LIST_A], Ty::Int, size),
            member("list_size", &[LIST_A], Ty::Int, size),
            global("size_map", &[MAP_AB], Ty::Int, size),
            member("map_size", &[MAP_AB], Ty::Int, size),
            global("size_string", &[Ty::String], Ty::Int, size),
            member("string_size", &[Ty::String], Ty::Int, size),
        ],
    },
    Function {
        name: "contains",
        overloads: &[Overload {
            cost: Cost::Custom(|args, _| {
                cost::traversal(args[0].cost_size()) * cost::traversal(args[1].cost_size())
            }),
            ..member("contains_string", TEXT_TEXT, Ty::Bool, |args| {
                texts(args, |text, part| text.contains(part))
            })
        }],
    },
    Function {
        name: "endsWith",
        overloads: &[Overload {
            cost: FIRST_TRAVERSAL,
            ..member("ends_with_string", TEXT_TEXT, Ty::Bool, |args| {
                texts(args, |text, part| text.ends_with(part))
            })
        }],
    },
    Function {
        name: "startsWith",
        overloads: &[Overload {
            cost: FIRST_TRAVERSAL,
            ..member("starts_with_string", TEXT_TEXT, Ty::Bool, |args| {
                texts(args, |text, part| text.starts_with(part))
            })
        }],
    },
    Function {
        name: "matches",
        overloads: &[
            global("matches", TEXT_TEXT, Ty::Bool, matches),
            Overload {
                cost: Cost::Custom(|args, _| cost::regex(args[0].cost_size(), args[1].cost_size())),
                ..member("matches_string", TEXT_TEXT, Ty::Bool, matches)
            },
        ],
    },
    Function {
        name: "type",
        overloads: &[global("type", &[A], Ty::Type(&A), |args| {
            Ok(Value::Type(type_value(&args[0])))
        })],
    },
    Function {
        name: "dyn",
        overloads: &[global("to_dyn", &[A], Ty::Dyn, identity)],
    },
    Function {
        name: "bool",
        overloads: &[
            global("bool_to_bool", &[Ty::Bool], Ty::Bool, identity),
            global("string_to_bool", &[Ty::String], Ty::Bool, |args| {
                converted(&args[0], "bool", to_bool)
            }),
        ],
    },
    Function {
        name: "bytes",
        overloads: &[
            global("bytes_to_bytes", &[Ty::Bytes], Ty::Bytes, identity),
            Overload {
                cost: FIRST_TRAVERSAL,
                ..global("string_to_bytes", &[Ty::String], Ty::Bytes, |args| {
                    converted(&args[0], "bytes", |text| {
                        Some(Value::Bytes(text.as_bytes().into()))
                    })
                })
            },
        ],
    },
    Function {
        name: "double",
        overloads: &[
            global("double_to_double", &[Ty::Double], Ty::Double, identity),
            global("int64_to_double", &[Ty::Int], Ty::Double, to_double),
            global("string_to_double", &[Ty::String], Ty::Double, to_double),
            global("uint64_to_double", &[Ty::Uint], Ty::Double, to_double),
        ],
    },
    Function {
        name: "duration",
        overloads: &[
            global(
                "duration_to_duration",
                &[Ty::Duration],
                Ty::Duration,
                identity,
            ),
            global("int64_to_duration", &[Ty::Int], Ty::Duration, |_| {
                Err(conversion("int", "google.protobuf.Duration"))
            }),
            global("string_to_duration", &[Ty::String], Ty::Duration, |args| {
                converted(&args[0], "google.protobuf.Duration", |text| {
                    time::parse_duration(text).map(Value::Duration)
                })
            }),
        ],
    },
    Function {
        name: "int",
        overloads: &[
            global("int64_to_int64", &[Ty::Int], Ty::Int, identity),
            global("double_to_int64", &[Ty::Double], Ty::Int, to_int),
            global("duration_to_int64", &[Ty::Duration], Ty::Int, to_int),
            global("string_to_int64", &[Ty::String], Ty::Int, to_int),
            global("timestamp_to_int64", &[Ty::Timestamp], Ty::Int, to_int),
            global("uint64_to_int64", &[Ty::Uint], Ty::Int, to_int),
        ],
    },
    Function {
        name: "string",
        overloads: &[
            global("string_to_string", &[Ty::String], Ty::String, identity),
            global("bool_to_string", &[Ty::Bool], Ty::String, to_string),
            Overload {
                cost: FIRST_TRAVERSAL,
                ..global("bytes_to_string", &[Ty::Bytes], Ty::String, to_string)
            },
            global("double_to_string", &[Ty::Double], Ty::String, to_string),
            global("duration_to_string", &[Ty::Duration], Ty::String, to_string),
            global("int64_to_string", &[Ty::Int], Ty::String, to_string),
            global(
                "timestamp_to_string",
                &[Ty::Timestamp],
                Ty::String,
                to_string,
            ),
            global("uint64_to_string", &[Ty::Uint], Ty::String, to_string),
        ],
    },
    Function {
        name: "timestamp",
        overloads: &[
            global(
                "timestamp_to_timestamp",
                &[Ty::Timestamp],
                Ty::Timestamp,
                identity,
            ),
            global(
                "int64_to_timestamp",
                &[Ty::Int],
                Ty::Timestamp,
                to_timestamp,
            ),
            global(
                "string_to_timestamp",
                &[Ty::String],
                Ty::Timestamp,
                to_timestamp,
            ),
        ],
    },
    Function {
        name: "uint",
        overloads: &[
            global("uint64_to_uint64", &[Ty::Uint], Ty::Uint, identity),
            global("double_to_uint64", &[Ty::Double], Ty::Uint, to_uint),
            global("int64_to_uint64", &[Ty::Int], Ty::Uint, to_uint),
            global("string_to_uint64", &[Ty::String], Ty::Uint, to_uint),
        ],
    },
];

const FIRST_TRAVERSAL: Cost = Cost::PerSize {
    arg: 0,
    factor: 0.1,
};

const fn global(id: &'static str, params: &'static [Ty], result: Ty, call: Call) -> Overload {
    Overload {
        id,
        member: false,
        params,
        result,
        cost: Cost::Fixed(1),
        call,
    }
}

const fn member(id: &'static str, params: &'static [Ty], result: Ty, call: Call) -> Overload {
    Overload {
        id,
        member: true,
        params,
        result,
        cost: Cost::Fixed(1),
        call,
    }
}

fn identity<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    Ok(args[0].clone())
}

/// `type conversion error from 'a' to 'b'`
#[must_use]
pub fn conversion(from: &str, to: &str) -> EvalError {
    EvalError::text(format!("type conversion error from '{from}' to '{to}'"))
}

fn converted<'a>(
    value: &Value<'a>,
    to: &str,
    convert: impl FnOnce(&str) -> Option<Value<'a>>,
) -> Result<Value<'a>, EvalError> {
    value
        .as_str()
        .and_then(convert)
        .ok_or_else(|| conversion(value.type_name(), to))
}

fn size<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match &args[0] {
        Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => Ok(Value::Int(
            i64::try_from(args[0].cost_size()).unwrap_or(i64::MAX),
        )),
        other => Err(refused("size", other)),
    }
}

fn texts<'a>(
    args: &[Value<'a>],
    test: impl FnOnce(&str, &str) -> bool,
) -> Result<Value<'a>, EvalError> {
    match (args[0].as_str(), args[1].as_str()) {
        (Some(text), Some(part)) => Ok(Value::Bool(test(text, part))),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn matches<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match (&args[0], &args[1]) {
        (Value::String(text), Value::String(pattern)) => regex::compile_data(pattern)
            .map(|regex| Value::Bool(regex.is_match(text)))
            .map_err(EvalError::text),
        (Value::String(_), _) => Err(EvalError::NoSuchOverload),
        (other, _) => Err(refused("matches", other)),
    }
}

/// What `type(value)` gives: constructed objects of admission give `type` itself, as in the API server.
fn type_value(value: &Value<'_>) -> Type {
    match value {
        Value::Struct(object) if !objects::is_constructed(&object.name) => value.type_of(),
        Value::Type(_) | Value::Struct(_) => bare_type(),
        other => other.type_of(),
    }
}

/// The type of types as a value: the name `type`.
#[must_use]
pub fn bare_type() -> Type {
    Type::Object("type".into())
}

fn to_bool<'a>(text: &str) -> Option<Value<'a>> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(Value::Bool(true)),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn to_double<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match &args[0] {
        Value::Int(int) => Ok(Value::Double(*int as f64)),
        Value::Uint(uint) => Ok(Value::Double(*uint as f64)),
        other => converted(other, "double", |text| {
            numbers::parse_double(text).map(Value::Double)
        }),
    }
}

/// 2^63 as a double.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;
/// 2^64 as a double.
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

fn to_int<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    let int = match &args[0] {
        Value::Double(double) => (*double > -TWO_63 && *double < TWO_63)
            .then_some(*double as i64)
            .ok_or(EvalError::Text("integer overflow".into()))?,
        Value::Uint(uint) => {
            i64::try_from(*uint).map_err(|_| EvalError::Text("integer overflow".into()))?
        }
        Value::Duration(nanos) => *nanos,
        Value::Timestamp(at) => at.seconds,
        other => {
            return converted(other, "int", |text| text.parse().ok().map(Value::Int));
        }
    };
    Ok(Value::Int(int))
}

fn to_uint<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    let overflow = EvalError::Text("unsigned integer overflow".into());
    let uint = match &args[0] {
        Value::Double(double) => (*double >= 0.0 && *double < TWO_64)
            .then_some(*double as u64)
            .ok_or(overflow)?,
        Value::Int(int) => u64::try_from(*int).map_err(|_| overflow)?,
        other => {
            return converted(other, "uint", |text| {
                // Go takes no sign here.
                let unsigned = !text.starts_with('+');
                text.parse().ok().filter(|_| unsigned).map(Value::Uint)
            });
        }
    };
    Ok(Value::Uint(uint))
}

fn to_timestamp<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    let at = match &args[0] {
        Value::Int(seconds) => Timestamp {
            seconds: *seconds,
            nanos: 0,
            offset: 0,
        },
        Value::String(text) => time::parse_timestamp(text)
            .ok_or_else(|| conversion("string", "google.protobuf.Timestamp"))?,
        other => return Err(conversion(other.type_name(), "google.protobuf.Timestamp")),
    };
    if !(YEAR_ONE..=YEAR_LAST).contains(&at.seconds) {
        return Err(EvalError::text("timestamp overflow"));
    }
    Ok(Value::Timestamp(at))
}

fn to_string<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    to_text(&args[0]).map(Value::String)
}

/// `string(value)`
///
/// # Errors
/// Bytes that are no UTF-8, or a type without a text form.
pub fn to_text<'a>(value: &Value<'a>) -> Result<Str<'a>, EvalError> {
    let text = match value {
        Value::String(text) => return Ok(text.clone()),
        Value::Bool(value) => return Ok(Str::Borrowed(if *value { "true" } else { "false" })),
        Value::Null => return Ok(Str::Borrowed("null")),
        Value::Int(int) => int.to_string(),
        Value::Uint(uint) => uint.to_string(),
        Value::Double(double) => numbers::format_double(*double),
        Value::Bytes(octets) => std::str::from_utf8(octets)
            .map_err(|_| EvalError::text("invalid UTF-8 in bytes, cannot convert to string"))?
            .to_owned(),
        Value::Duration(nanos) => time::format_duration(*nanos),
        Value::Timestamp(at) => time::format_timestamp(*at),
        Value::Type(ty) => ty.runtime_name().to_owned(),
        other => return Err(conversion(other.type_name(), "string")),
    };
    Ok(Str::Shared(Arc::from(text)))
}

/// Converts `value` with the conversion function `name`.
///
/// # Errors
/// The conversion fails, or there is none from this type.
pub fn convert<'a>(name: &str, value: &Value<'a>) -> Result<Value<'a>, EvalError> {
    FUNCTIONS
        .iter()
        .filter(|function| function.name == name)
        .flat_map(|function| function.overloads)
        .find(|overload| crate::cel::eval::fits(&overload.params[0], value))
        .map_or(Err(EvalError::NoSuchOverload), |overload| {
            (overload.call)(std::slice::from_ref(value))
        })
}

/// Octets of the longest value in an error message, about.
const MAX_VALUE_TEXT: usize = 16 * 1024;

/// A value as Go's `%v` prints it in error messages; cut short when it is very long.
#[must_use]
pub fn key_text(value: &Value<'_>) -> String {
    let mut out = String::new();
    print(value, &mut out);
    out
}

fn print(value: &Value<'_>, out: &mut String) {
    if out.len() > MAX_VALUE_TEXT {
        return;
    }
    match value {
        Value::List(list) => print_all(out, ["[", ", ", "]"], list.iter(), |item, out| {
            print(&item, out);
        }),
        Value::Map(map) => print_all(out, ["{", ", ", "}"], map.iter(), |(key, value), out| {
            print(&key, out);
            out.push_str(": ");
            print(&value, out);
        }),
        Value::Bytes(octets) => print_all(out, ["[", " ", "]"], octets.iter(), |octet, out| {
            out.push_str(&octet.to_string());
        }),
        Value::Optional(Some(inner)) => {
            out.push_str("optional(");
            print(inner, out);
            out.push(')');
        }
        Value::Optional(None) => out.push_str("optional.none()"),
        Value::Opaque(value) => out.push_str(&Opaque::text(value.as_ref())),
        Value::Struct(object) => out.push_str(&object.name),
        Value::Null => out.push('0'),
        other => match to_text(other) {
            Ok(text) => out.push_str(&text),
            Err(error) => out.push_str(&error.to_string()),
        },
    }
}

/// Prints `items` between the first and the last mark, apart by the second.
fn print_all<T>(
    out: &mut String,
    marks: [&str; 3],
    items: impl Iterator<Item = T>,
    print: impl Fn(T, &mut String),
) {
    out.push_str(marks[0]);
    for (at, item) in items.enumerate() {
        if out.len() > MAX_VALUE_TEXT {
            break;
        }
        if at > 0 {
            out.push_str(marks[1]);
        }
        print(item, out);
    }
    out.push_str(marks[2]);
}
