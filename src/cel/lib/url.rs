//! `url()` and its methods.

mod escape;
mod parse;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::{Outcome, SCAN, UNIT};
use super::{Call, Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Map, Opaque, Value};

pub use parse::{Url, check};

/// CEL name of the type.
pub const TYPE_NAME: &str = "kubernetes.URL";

const URL: Ty = Ty::Opaque(TYPE_NAME);
const RECEIVER: &[Ty] = &[URL];

impl Opaque for Url {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn equals(&self, other: &dyn Opaque) -> Option<bool> {
        let other: &Self = other.as_any().downcast_ref()?;
        Some(self.to_string() == other.to_string())
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "url",
        overloads: &[Overload::global(
            "string_to_url",
            &[Ty::String],
            URL,
            SCAN,
            url,
        )],
    },
    Function {
        name: "isURL",
        // The cost model forgot this one.
        overloads: &[Overload::global(
            "is_url_string",
            &[Ty::String],
            Ty::Bool,
            UNIT,
            is_url,
        )],
    },
    Function {
        name: "getScheme",
        overloads: &[accessor("url_get_scheme", |args| {
            get(args, |url| &url.scheme)
        })],
    },
    Function {
        name: "getHost",
        overloads: &[accessor("url_get_host", |args| get(args, |url| &url.host))],
    },
    Function {
        name: "getHostname",
        overloads: &[accessor("url_get_hostname", |args| {
            get(args, Url::hostname)
        })],
    },
    Function {
        name: "getPort",
        overloads: &[accessor("url_get_port", |args| get(args, Url::port))],
    },
    Function {
        name: "getEscapedPath",
        overloads: &[accessor("url_get_escaped_path", |args| {
            get(args, |url| &url.path)
        })],
    },
    Function {
        name: "getQuery",
        overloads: &[Overload::member(
            "url_get_query",
            RECEIVER,
            Ty::Map(&Ty::String, &Ty::List(&Ty::String)),
            UNIT,
            query,
        )],
    },
];

const fn accessor(id: &'static str, call: Call) -> Overload {
    Overload::member(id, RECEIVER, Ty::String, UNIT, call)
}

fn url<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    Url::parse(text).map(Value::opaque).map_err(|error| {
        EvalError::text(format!(
            "URL parse error during conversion from string: {error}"
        ))
    })
}

fn is_url<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::String(text)] => Ok(Value::Bool(check(text).is_ok())),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn receiver<'v>(args: &'v [Value<'_>]) -> Result<&'v Url, EvalError> {
    args.first()
        .and_then(Value::as_opaque)
        .ok_or(EvalError::NoSuchOverload)
}

fn get<'a>(args: &[Value<'a>], part: impl Fn(&Url) -> &str) -> Outcome<'a> {
    Ok(part(receiver(args)?).to_owned().into())
}

fn query<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let mut values: BTreeMap<String, Vec<Value<'a>>> = BTreeMap::new();
    for (name, value) in receiver(args)?.parameters() {
        values.entry(name).or_default().push(value.into());
    }
    let entries = values
        .into_iter()
        .map(|(name, values)| (name.into(), Value::list(values)));
    Ok(Value::Map(Map::Made(Arc::new(entries.collect()))))
}
