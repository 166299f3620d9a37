//! `template.format(arguments)` by the rules of version 1, in the locale `en_US`.

mod check;
mod clause;
mod numeric;
#[cfg(test)]
mod tests;

use super::args::{Outcome, SCAN, check_length};
use super::{Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, List, Value};

pub use check::{LiteralFault, check_literal};
use clause::Clause;

/// Name of the function.
pub const NAME: &str = "format";

/// The functions.
pub const FUNCTIONS: &[Function] = &[Function {
    name: NAME,
    overloads: &[Overload::member(
        "string_format",
        &[Ty::String, Ty::List(&Ty::Dyn)],
        Ty::String,
        SCAN,
        format,
    )],
}];

/// A piece of a template.
#[derive(Clone, Copy, Debug)]
enum Piece<'t> {
    /// Text up to the next clause.
    Text(&'t str),
    /// What follows a percent sign.
    Clause(&'t str),
}

/// The pieces of a template in order; `%%` is a text of one percent sign. After a clause the walk goes on where
/// [`Pieces::resume`] says.
struct Pieces<'t> {
    rest: &'t str,
}

impl<'t> Pieces<'t> {
    fn next(&mut self) -> Option<Piece<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(after) = self.rest.strip_prefix('%') {
            if let Some(rest) = after.strip_prefix('%') {
                self.rest = rest;
                return Some(Piece::Text("%"));
            }
            return Some(Piece::Clause(after));
        }
        let (text, rest) = self
            .rest
            .split_at(self.rest.find('%').unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(Piece::Text(text))
    }

    fn resume(&mut self, rest: &'t str) {
        self.rest = rest;
    }
}

fn format<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(template), Value::List(list)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    render(template, list).map(Value::from)
}

fn render(template: &str, list: &List<'_>) -> Result<String, EvalError> {
    let mut pieces = Pieces { rest: template };
    let mut text = String::with_capacity(template.len());
    let mut at = 0;
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Clause(clause) => {
                let argument = list
                    .get(at)
                    .ok_or_else(|| EvalError::text(format!("index {at} out of range")))?;
                if clause.is_empty() {
                    return Err(EvalError::text("unexpected end of string"));
                }
                let (clause, rest) = Clause::parse(clause).map_err(EvalError::text)?;
                text.push_str(&clause.render(&argument).map_err(in_formatting)?);
                pieces.resume(rest);
                at += 1;
            }
        }
        check_length(text.len())?;
    }
    Ok(text)
}

fn in_formatting(error: String) -> EvalError {
    EvalError::text(format!("error during formatting: {error}"))
}
