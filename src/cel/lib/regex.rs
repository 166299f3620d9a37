//! Regular expressions in the syntax of RE2 as Go reads it, on the `regex` crate: `find`, `findAll` and
//! what `matches` needs.
//!
//! The two syntaxes differ in what `\d \w \s \b` mean, in what is an operator inside a class, in octal escapes, in
//! repetition limits. `translate` therefore reads a pattern by Go's rules, with Go's errors, and writes one that the
//! crate understands the same way.

mod class;
mod escape;
#[cfg(test)]
mod tests;
mod translate;

use regex::{Regex, RegexBuilder};

use super::args::{Outcome, part};
use super::{Cost, Function, Overload};
use crate::cel::cost;
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Str, Value};

/// Largest compiled form of a pattern in the text of an expression, in octets. It is compiled once, in a third of a
/// second at most. Go takes larger ones; this is enough for any class repeated a thousand times that is not made of
/// whole Unicode scripts.
const LITERAL_LIMIT: usize = 16 * 1024 * 1024;
/// Largest compiled form of a pattern that comes with the data, in octets. It is compiled for each call, in a tenth of
/// a second at most, and whoever sends it pays by its length only: less is allowed than in expressions.
const DATA_LIMIT: usize = 4 * 1024 * 1024;
/// Groups within groups in the translated pattern; each level of the original makes at most three.
const NEST_LIMIT: u32 = 3 * translate::MAX_HEIGHT;

const PAIR: &[Ty] = &[Ty::String, Ty::String];
const TEXTS: Ty = Ty::List(&Ty::String);
/// Length of the text times length of the pattern.
const SEARCH: Cost = Cost::Custom(|args, _| match args {
    [text, pattern, ..] => cost::regex(text.cost_size(), pattern.cost_size()),
    _ => 0,
});

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "find",
        overloads: &[Overload::member(
            "string_find_string",
            PAIR,
            Ty::String,
            SEARCH,
            find,
        )],
    },
    Function {
        name: "findAll",
        overloads: &[
            Overload::member("string_find_all_string", PAIR, TEXTS, SEARCH, find_all),
            Overload::member(
                "string_find_all_string_int",
                &[Ty::String, Ty::String, Ty::Int],
                TEXTS,
                SEARCH,
                find_all,
            ),
        ],
    },
];

/// Compiles a pattern of Go's syntax that is part of an expression.
///
/// # Errors
/// Go's text: ``error parsing regexp: missing closing ): `(` ``.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    compile_within(pattern, LITERAL_LIMIT)
}

/// Compiles a pattern of Go's syntax that comes with the data.
///
/// # Errors
/// Go's text.
pub fn compile_data(pattern: &str) -> Result<Regex, String> {
    compile_within(pattern, DATA_LIMIT)
}

fn compile_within(pattern: &str, limit: usize) -> Result<Regex, String> {
    let translated = translate::translate(pattern)?;
    let build = || {
        RegexBuilder::new(&translated)
            .size_limit(limit)
            .nest_limit(NEST_LIMIT)
            .build()
    };
    // Compiling recurses as deep as the pattern nests.
    stacker::maybe_grow(1024 * 1024, 16 * 1024 * 1024, build)
        .map_err(|_| format!("error parsing regexp: expression too large: `{pattern}`"))
}

/// `text.find(regex)`: the first match, or the empty text.
#[must_use]
pub fn find_with<'a>(regex: &Regex, text: &Str<'a>) -> Value<'a> {
    match regex.find(text) {
        Some(found) => part(text, found.range()),
        None => Value::from(""),
    }
}

/// `text.findAll(regex, limit)`: the matches, at most `limit` of them unless it is negative.
#[must_use]
pub fn find_all_with<'a>(regex: &Regex, text: &Str<'a>, limit: i64) -> Value<'a> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = regex.find_iter(text).take(limit);
    Value::list(found.map(|found| part(text, found.range())).collect())
}

fn illegal(error: String) -> EvalError {
    EvalError::text(format!("Illegal regex: {error}"))
}

fn find<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text), Value::String(pattern)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    Ok(find_with(&compile_data(pattern).map_err(illegal)?, text))
}

fn find_all<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (text, pattern, limit) = match args {
        [Value::String(text), Value::String(pattern)] => (text, pattern, -1),
        [
            Value::String(text),
            Value::String(pattern),
            Value::Int(limit),
        ] => (text, pattern, *limit),
        _ => return Err(EvalError::NoSuchOverload),
    };
    Ok(find_all_with(
        &compile_data(pattern).map_err(illegal)?,
        text,
        limit,
    ))
}
