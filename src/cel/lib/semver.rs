//! `semver()` and its methods.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;

use super::args::{Outcome, SCAN, UNIT, order, receiver};
use super::text::go_quote;
use super::{Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Opaque, Value};

/// CEL name of the type.
pub const TYPE_NAME: &str = "kubernetes.Semver";

const SEMVER: Ty = Ty::Opaque(TYPE_NAME);
const RECEIVER: &[Ty] = &[SEMVER];
const PAIR: &[Ty] = &[SEMVER, SEMVER];
const TEXT: &[Ty] = &[Ty::String];
const TEXT_BOOL: &[Ty] = &[Ty::String, Ty::Bool];

/// A version. Equality and order go by precedence, which leaves build metadata out.
#[derive(Clone, Debug)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: Vec<Identifier>,
    build: Vec<String>,
}

/// One part of a pre-release; numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    /// Reads a version of exactly three parts.
    ///
    /// # Errors
    /// The API server's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("Version string empty".to_owned());
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("No Major.Minor.Patch elements found".to_owned());
        };
        let major = number("major", "Major", major)?;
        let minor = number("minor", "Minor", minor)?;
        let (rest, build) = match rest.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (rest, None),
        };
        let (patch, pre) = match rest.split_once('-') {
            Some((patch, pre)) => (patch, Some(pre)),
            None => (rest, None),
        };
        Ok(Self {
            major,
            minor,
            patch: number("patch", "Patch", patch)?,
            pre: pre
                .into_iter()
                .flat_map(|pre| pre.split('.'))
                .map(identifier)
                .collect::<Result<_, _>>()?,
            build: build
                .into_iter()
                .flat_map(|build| build.split('.'))
                .map(metadata)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Reads a version that may have a `v` before it, less than three parts, and leading zeros.
    ///
    /// # Errors
    /// The API server's text.
    pub fn parse_tolerant(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = text.splitn(3, '.').map(without_leading_zeros).collect();
        if parts.len() < 3 {
            if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
                return Err("short version cannot contain PreRelease/Build meta data".to_owned());
            }
            parts.resize(3, "0".to_owned());
        }
        Self::parse(&parts.join("."))
    }
}

fn without_leading_zeros(part: &str) -> String {
    if part.len() <= 1 {
        return part.to_owned();
    }
    let trimmed = part.trim_start_matches('0');
    if trimmed.starts_with(|c: char| c.is_ascii_digit()) {
        return trimmed.to_owned();
    }
    format!("0{trimmed}")
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    text.bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

fn has_leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0')
}

/// Go's `strconv.ParseUint` of digits.
fn parse_uint(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        let why = if text.is_empty() {
            "invalid syntax"
        } else {
            "value out of range"
        };
        format!("strconv.ParseUint: parsing {}: {why}", go_quote(text))
    })
}

fn number(name: &str, capital: &str, text: &str) -> Result<u64, String> {
    if !is_number(text) {
        return Err(format!(
            "Invalid character(s) found in {name} number {}",
            go_quote(text)
        ));
    }
    if has_leading_zero(text) {
        return Err(format!(
            "{capital} number must not contain leading zeroes {}",
            go_quote(text)
        ));
    }
    parse_uint(text)
}

fn identifier(text: &str) -> Result<Identifier, String> {
    if text.is_empty() {
        return Err("Prerelease is empty".to_owned());
    }
    if is_number(text) {
        if has_leading_zero(text) {
            return Err(format!(
                "Numeric PreRelease version must not contain leading zeroes {}",
                go_quote(text)
            ));
        }
        return parse_uint(text).map(Identifier::Number);
    }
    if !is_word(text) {
        return Err(format!(
            "Invalid character(s) found in prerelease {}",
            go_quote(text)
        ));
    }
    Ok(Identifier::Word(text.to_owned()))
}

fn metadata(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("Build meta data is empty".to_owned());
    }
    if !is_word(text) {
        return Err(format!(
            "Invalid character(s) found in build meta data {}",
            go_quote(text)
        ));
    }
    Ok(text.to_owned())
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        // A release comes after its pre-releases.
        let released = |version: &Self| version.pre.is_empty();
        numbers(self)
            .cmp(&numbers(other))
            .then_with(|| released(self).cmp(&released(other)))
            .then_with(|| self.pre.cmp(&other.pre))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        for (at, part) in self.pre.iter().enumerate() {
            f.write_str(if at == 0 { "-" } else { "." })?;
            match part {
                Identifier::Number(number) => write!(f, "{number}")?,
                Identifier::Word(word) => f.write_str(word)?,
            }
        }
        for (at, part) in self.build.iter().enumerate() {
            write!(f, "{}{part}", if at == 0 { '+' } else { '.' })?;
        }
        Ok(())
    }
}

impl Opaque for Version {
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

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "semver",
        overloads: &[
            Overload::global("string_to_semver", TEXT, SEMVER, SCAN, semver),
            Overload::global("string_bool_to_semver", TEXT_BOOL, SEMVER, SCAN, semver),
        ],
    },
    Function {
        name: "isSemver",
        overloads: &[
            Overload::global("is_semver_string", TEXT, Ty::Bool, SCAN, is_semver),
            Overload::global(
                "is_semver_string_bool",
                TEXT_BOOL,
                Ty::Bool,
                SCAN,
                is_semver,
            ),
        ],
    },
    Function {
        name: "isGreaterThan",
        overloads: &[Overload::member(
            "semver_is_greater_than",
            PAIR,
            Ty::Bool,
            UNIT,
            is_greater_than,
        )],
    },
    Function {
        name: "isLessThan",
        overloads: &[Overload::member(
            "semver_is_less_than",
            PAIR,
            Ty::Bool,
            UNIT,
            is_less_than,
        )],
    },
    Function {
        name: "compareTo",
        overloads: &[Overload::member(
            "semver_compare_to",
            PAIR,
            Ty::Int,
            UNIT,
            compare_to,
        )],
    },
    Function {
        name: "major",
        overloads: &[Overload::member(
            "semver_major",
            RECEIVER,
            Ty::Int,
            UNIT,
            |args| part(args, |v| v.major),
        )],
    },
    Function {
        name: "minor",
        overloads: &[Overload::member(
            "semver_minor",
            RECEIVER,
            Ty::Int,
            UNIT,
            |args| part(args, |v| v.minor),
        )],
    },
    Function {
        name: "patch",
        overloads: &[Overload::member(
            "semver_patch",
            RECEIVER,
            Ty::Int,
            UNIT,
            |args| part(args, |v| v.patch),
        )],
    },
];

fn parsed(args: &[Value<'_>]) -> Result<Result<Version, String>, EvalError> {
    match args {
        [Value::String(text)] | [Value::String(text), Value::Bool(false)] => {
            Ok(Version::parse(text))
        }
        [Value::String(text), Value::Bool(true)] => Ok(Version::parse_tolerant(text)),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn semver<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    parsed(args)?.map(Value::opaque).map_err(EvalError::text)
}

fn is_semver<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(parsed(args)?.is_ok()))
}

fn is_greater_than<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(
        order(args, Value::as_opaque::<Version>)? == Ordering::Greater,
    ))
}

fn is_less_than<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(
        order(args, Value::as_opaque::<Version>)? == Ordering::Less,
    ))
}

fn compare_to<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(order(args, Value::as_opaque::<Version>)? as i64))
}

fn part<'a>(args: &[Value<'a>], of: impl Fn(&Version) -> u64) -> Outcome<'a> {
    let version = receiver(args)?;
    // Beyond 63 bits the API server wraps.
    Ok(Value::Int(of(version).cast_signed()))
}

#[cfg(test)]
mod tests;
