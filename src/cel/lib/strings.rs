//! Text functions and `jsonpatch.escapeKey`. Offsets count code points.

use super::args::{
    Outcome, SCAN, SCAN_TWICE, UNIT, check_length, display, no_such_overload, part, traversal,
};
use super::{Cost, Function, Overload};
use crate::cel::cost::per_size;
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Str, Value};

const TEXT: &[Ty] = &[Ty::String];
const TEXT_INT: &[Ty] = &[Ty::String, Ty::Int];
const TEXT_TEXT: &[Ty] = &[Ty::String, Ty::String];
const TEXT_TEXT_INT: &[Ty] = &[Ty::String, Ty::String, Ty::Int];
const TEXTS: Ty = Ty::List(&Ty::String);
/// `indexOf`, `lastIndexOf`: a walk through the receiver.
const WALK: Cost = Cost::Custom(|args, _| args.first().map_or(0, traversal));
/// `join`: twice a tenth of the result.
const JOIN: Cost = Cost::Custom(|_, result| per_size(result.cost_size(), 0.2));

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "charAt",
        overloads: &[Overload::member(
            "string_char_at_int",
            TEXT_INT,
            Ty::String,
            UNIT,
            char_at,
        )],
    },
    Function {
        name: "indexOf",
        overloads: &[
            Overload::member("string_index_of_string", TEXT_TEXT, Ty::Int, WALK, index_of),
            Overload::member(
                "string_index_of_string_int",
                TEXT_TEXT_INT,
                Ty::Int,
                WALK,
                index_of,
            ),
        ],
    },
    Function {
        name: "lastIndexOf",
        overloads: &[
            Overload::member(
                "string_last_index_of_string",
                TEXT_TEXT,
                Ty::Int,
                WALK,
                last_index_of,
            ),
            Overload::member(
                "string_last_index_of_string_int",
                TEXT_TEXT_INT,
                Ty::Int,
                WALK,
                last_index_of,
            ),
        ],
    },
    Function {
        name: "join",
        overloads: &[
            Overload::member("list_join", &[TEXTS], Ty::String, JOIN, join),
            Overload::member(
                "list_join_string",
                &[TEXTS, Ty::String],
                Ty::String,
                JOIN,
                join,
            ),
        ],
    },
    Function {
        name: "lowerAscii",
        overloads: &[Overload::member(
            "string_lower_ascii",
            TEXT,
            Ty::String,
            SCAN,
            lower_ascii,
        )],
    },
    Function {
        name: "upperAscii",
        overloads: &[Overload::member(
            "string_upper_ascii",
            TEXT,
            Ty::String,
            SCAN,
            upper_ascii,
        )],
    },
    Function {
        name: "replace",
        overloads: &[
            Overload::member(
                "string_replace_string_string",
                &[Ty::String, Ty::String, Ty::String],
                Ty::String,
                SCAN_TWICE,
                replace,
            ),
            Overload::member(
                "string_replace_string_string_int",
                &[Ty::String, Ty::String, Ty::String, Ty::Int],
                Ty::String,
                SCAN_TWICE,
                replace,
            ),
        ],
    },
    Function {
        name: "split",
        overloads: &[
            Overload::member("string_split_string", TEXT_TEXT, TEXTS, SCAN_TWICE, split),
            Overload::member(
                "string_split_string_int",
                TEXT_TEXT_INT,
                TEXTS,
                SCAN_TWICE,
                split,
            ),
        ],
    },
    Function {
        name: "substring",
        overloads: &[
            Overload::member(
                "string_substring_int",
                TEXT_INT,
                Ty::String,
                SCAN,
                substring,
            ),
            Overload::member(
                "string_substring_int_int",
                &[Ty::String, Ty::Int, Ty::Int],
                Ty::String,
                SCAN,
                substring,
            ),
        ],
    },
    Function {
        name: "trim",
        overloads: &[Overload::member(
            "string_trim",
            TEXT,
            Ty::String,
            SCAN,
            trim,
        )],
    },
    Function {
        name: "strings.quote",
        overloads: &[Overload::global(
            "strings_quote",
            TEXT,
            Ty::String,
            SCAN,
            quote,
        )],
    },
    Function {
        name: "jsonpatch.escapeKey",
        overloads: &[Overload::global(
            "string_jsonpatch_escapeKey_string",
            TEXT,
            Ty::String,
            SCAN,
            escape_key,
        )],
    },
];

fn out_of_range(index: i64) -> EvalError {
    EvalError::text(format!("index out of range: {index}"))
}

/// Octet position of the code point at `index`, the end of the text counting as one.
fn position(text: &str, index: i64) -> Option<usize> {
    let index = usize::try_from(index).ok()?;
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(index)
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn char_at<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text), Value::Int(index)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    let start = position(text, *index).ok_or_else(|| out_of_range(*index))?;
    let length = text[start..].chars().next().map_or(0, char::len_utf8);
    Ok(part(text, start..start + length))
}

/// Receiver, argument and offset of `indexOf` and `lastIndexOf`.
fn search<'v, 'a>(
    args: &'v [Value<'a>],
) -> Result<(&'v Str<'a>, &'v Str<'a>, Option<i64>), EvalError> {
    match args {
        [Value::String(text), Value::String(wanted)] => Ok((text, wanted, None)),
        [
            Value::String(text),
            Value::String(wanted),
            Value::Int(offset),
        ] => Ok((text, wanted, Some(*offset))),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn index_of<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (text, wanted, offset) = search(args)?;
    let offset = offset.unwrap_or(0);
    if wanted.is_empty() {
        return Ok(Value::Int(offset));
    }
    if offset < 0 {
        return Err(out_of_range(offset));
    }
    let found = position(text, offset).and_then(|start| {
        text[start..]
            .find(wanted.as_str())
            .map(|at| count(&text[..start + at]))
    });
    Ok(Value::Int(found.unwrap_or(-1)))
}

fn last_index_of<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (text, wanted, offset) = search(args)?;
    if wanted.is_empty() {
        return Ok(Value::Int(offset.unwrap_or_else(|| count(text))));
    }
    let length = count(text);
    let offset = match offset {
        Some(offset) if offset < 0 => return Err(out_of_range(offset)),
        Some(offset) if offset >= length => return Ok(Value::Int(-1)),
        Some(offset) => offset,
        None => length,
    };
    // The last place where the match may start, and from there the end of the match.
    let end = position(text, offset.saturating_add(count(wanted))).unwrap_or(text.len());
    let found = text[..end]
        .rfind(wanted.as_str())
        .map(|at| count(&text[..at]));
    Ok(Value::Int(found.unwrap_or(-1)))
}

fn join<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (list, separator) = match args {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::String(separator)] => (list, separator.as_str()),
        _ => return Err(EvalError::NoSuchOverload),
    };
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        let Value::String(text) = &item else {
            return Err(if index == 0 {
                no_such_overload("join", args)
            } else {
                EvalError::text(format!("join: invalid input: {}", display(&item)))
            });
        };
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
        check_length(joined.len())?;
    }
    Ok(joined.into())
}

fn lower_ascii<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    if text.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return Ok(text.to_ascii_lowercase().into());
    }
    Ok(Value::String(text.clone()))
}

fn upper_ascii<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    if text.bytes().any(|octet| octet.is_ascii_lowercase()) {
        return Ok(text.to_ascii_uppercase().into());
    }
    Ok(Value::String(text.clone()))
}

fn replace<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (text, old, new, limit) = match args {
        [Value::String(text), Value::String(old), Value::String(new)] => (text, old, new, -1),
        [
            Value::String(text),
            Value::String(old),
            Value::String(new),
            Value::Int(limit),
        ] => (text, old, new, *limit),
        _ => return Err(EvalError::NoSuchOverload),
    };
    // A negative limit means all.
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let matches = text.matches(old.as_str()).take(limit).count();
    check_length(matches.saturating_mul(new.len()).saturating_add(text.len()))?;
    if matches == 0 {
        return Ok(Value::String(text.clone()));
    }
    Ok(text.replacen(old.as_str(), new, matches).into())
}

fn split<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (text, separator, limit) = match args {
        [Value::String(text), Value::String(separator)] => (text, separator, -1),
        [
            Value::String(text),
            Value::String(separator),
            Value::Int(limit),
        ] => (text, separator, *limit),
        _ => return Err(EvalError::NoSuchOverload),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 || text.is_empty() && separator.is_empty() {
        return Ok(Value::list(Vec::new()));
    }
    let mut starts = vec![0];
    let mut ends = Vec::new();
    if separator.is_empty() {
        for (at, _) in text.char_indices().skip(1).take(limit - 1) {
            ends.push(at);
            starts.push(at);
        }
    } else {
        for (at, found) in text.match_indices(separator.as_str()).take(limit - 1) {
            ends.push(at);
            starts.push(at + found.len());
        }
    }
    ends.push(text.len());
    let parts = std::iter::zip(starts, ends).map(|(start, end)| part(text, start..end));
    Ok(Value::list(parts.collect()))
}

fn substring<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let (text, start, end) = match args {
        [Value::String(text), Value::Int(start)] => (text, *start, None),
        [Value::String(text), Value::Int(start), Value::Int(end)] => (text, *start, Some(*end)),
        _ => return Err(EvalError::NoSuchOverload),
    };
    if let Some(end) = end.filter(|end| start > *end) {
        return Err(EvalError::text(format!(
            "invalid substring range. start: {start}, end: {end}"
        )));
    }
    let from = position(text, start).ok_or_else(|| out_of_range(start))?;
    let to = match end {
        Some(end) => position(text, end).ok_or_else(|| out_of_range(end))?,
        None => text.len(),
    };
    Ok(part(text, from..to))
}

fn trim<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    let end = text.trim_end().len();
    let start = text.len() - text.trim_start().len();
    Ok(part(text, start.min(end)..end))
}

fn quote<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => quoted.push_str(r"\a"),
            '\u{8}' => quoted.push_str(r"\b"),
            '\u{c}' => quoted.push_str(r"\f"),
            '\n' => quoted.push_str(r"\n"),
            '\r' => quoted.push_str(r"\r"),
            '\t' => quoted.push_str(r"\t"),
            '\u{b}' => quoted.push_str(r"\v"),
            '\\' => quoted.push_str(r"\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    Ok(quoted.into())
}

fn escape_key<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    Ok(text.replace('~', "~0").replace('/', "~1").into())
}

#[cfg(test)]
mod tests;
