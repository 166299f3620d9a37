//! The clauses: `%s`, `%d`, `%.3f` and the like, and how each shows a value.

use super::numeric;
use crate::cel::lib::standard::to_text;
use crate::cel::lib::text::go_quote;
use crate::cel::value::{List, Map, Value};

/// Digits after the point, and width of the scientific form, when a clause names none.
const DEFAULT_PRECISION: u64 = 6;

/// A clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clause {
    /// `%s`
    Text,
    /// `%d`
    Decimal,
    /// `%f`
    Fixed(u64),
    /// `%e`
    Scientific(u64),
    /// `%b`
    Binary,
    /// `%x`, `%X`
    Hex {
        /// Letters in upper case.
        upper: bool,
    },
    /// `%o`
    Octal,
}

impl Clause {
    /// The clause at the head of `text`, which is not empty, and what follows.
    pub(super) fn parse(text: &str) -> Result<(Self, &str), String> {
        let (precision, rest) = precision(text).map_err(|error| {
            format!("could not parse formatting clause: error while parsing precision: {error}")
        })?;
        let precision = precision.unwrap_or(DEFAULT_PRECISION);
        let clause = match rest.as_bytes()[0] {
            b's' => Self::Text,
            b'd' => Self::Decimal,
            b'f' => Self::Fixed(precision),
            b'e' => Self::Scientific(precision),
            b'b' => Self::Binary,
            b'x' => Self::Hex { upper: false },
            b'X' => Self::Hex { upper: true },
            b'o' => Self::Octal,
            // Of a character with several octets the first is shown, as in the API server.
            other => {
                return Err(format!(
                    "could not parse formatting clause: unrecognized formatting clause \"{}\"",
                    char::from(other)
                ));
            }
        };
        Ok((clause, &rest[1..]))
    }

    /// The error for an argument of this type.
    pub(super) fn refusal(self, type_name: &str) -> String {
        let takes = match self {
            Self::Text => {
                "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, \
                 durations, and timestamps"
            }
            Self::Decimal => "decimal clause can only be used on integers",
            Self::Fixed(_) => "fixed-point clause can only be used on doubles",
            Self::Scientific(_) => "scientific clause can only be used on doubles",
            Self::Binary => "only integers and bools can be formatted as binary",
            Self::Hex { .. } => "only integers, byte buffers, and strings can be formatted as hex",
            Self::Octal => "octal clause can only be used on integers",
        };
        format!("{takes}, was given {type_name}")
    }

    /// A value in this form.
    pub(super) fn render(self, value: &Value<'_>) -> Result<String, String> {
        let refused = || self.refusal(value.type_name());
        match self {
            Self::Text => outer(value)?.ok_or_else(refused),
            Self::Decimal => match value {
                Value::Int(_) | Value::Uint(_) => Ok(plain(value)),
                _ => Err(refused()),
            },
            Self::Fixed(precision) => double(value)
                .map(|double| numeric::fixed(double, precision))
                .ok_or_else(refused),
            Self::Scientific(width) => double(value)
                .map(|double| numeric::scientific(double, width))
                .ok_or_else(refused),
            Self::Binary => match value {
                Value::Bool(bit) => Ok(u8::from(*bit).to_string()),
                _ => integer(value, |size| format!("{size:b}")).ok_or_else(refused),
            },
            Self::Hex { upper } => {
                let shown = match value {
                    Value::String(text) => Some(hex(text.as_bytes())),
                    Value::Bytes(octets) => Some(hex(octets)),
                    _ => integer(value, |size| format!("{size:x}")),
                };
                let shown = shown.ok_or_else(refused)?;
                Ok(if upper {
                    shown.to_ascii_uppercase()
                } else {
                    shown
                })
            }
            Self::Octal => integer(value, |size| format!("{size:o}")).ok_or_else(refused),
        }
    }
}

/// `.digits` at the head of `text`, and what follows, which is not empty.
fn precision(text: &str) -> Result<(Option<u64>, &str), String> {
    let Some(rest) = text.strip_prefix('.') else {
        return Ok((None, text));
    };
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = rest.split_at(length);
    if rest.is_empty() {
        return Err("could not find end of precision specifier".to_owned());
    }
    let why = if digits.is_empty() {
        "invalid syntax"
    } else {
        "value out of range"
    };
    let value: i64 = digits.parse().map_err(|_| {
        format!(
            "error while converting precision to integer: strconv.Atoi: parsing {}: {why}",
            go_quote(digits)
        )
    })?;
    Ok((Some(value.unsigned_abs()), rest))
}

/// The double of a value, or of one of the three texts that stand for one.
fn double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Double(double) => Some(*double),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// Sign and digits of an integer.
fn integer(value: &Value<'_>, digits: impl Fn(u64) -> String) -> Option<String> {
    match value {
        Value::Int(int) if *int < 0 => Some(format!("-{}", digits(int.unsigned_abs()))),
        Value::Int(int) => Some(digits(int.unsigned_abs())),
        Value::Uint(uint) => Some(digits(*uint)),
        _ => None,
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// `string(value)` of a type that always has one.
fn plain(value: &Value<'_>) -> String {
    to_text(value).map_or_else(|error| error.to_string(), |text| text.to_string())
}

/// `string(value)`, whose error is quoted.
fn converted(value: &Value<'_>) -> Result<String, String> {
    match to_text(value) {
        Ok(text) => Ok(text.to_string()),
        Err(error) => Err(format!(
            "could not convert argument {} to string",
            go_quote(&error.to_string())
        )),
    }
}

/// A value in `%s`; `None` if it has no such form.
fn outer(value: &Value<'_>) -> Result<Option<String>, String> {
    match value {
        Value::List(list) => show_list(list).map(Some),
        Value::Map(map) => show_map(map).map(Some),
        Value::Optional(_) | Value::Struct(_) | Value::Opaque(_) => Ok(None),
        other => converted(other).map(Some),
    }
}

fn show_list(list: &List<'_>) -> Result<String, String> {
    let items: Vec<String> = list
        .iter()
        .map(|item| inner(&item))
        .collect::<Result<_, _>>()?;
    Ok(format!("[{}]", items.join(", ")))
}

fn show_map(map: &Map<'_>) -> Result<String, String> {
    let mut entries = Vec::with_capacity(map.len());
    for (key, value) in map.iter() {
        let key = match &key {
            Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_) => inner(&key)?,
            other => {
                return Err(format!(
                    "no formatting function for map key of type {}",
                    other.type_name()
                ));
            }
        };
        entries.push((key, inner(&value)?));
    }
    // By text: 10 comes before 9.
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, value)| format!("{key}:{value}"))
        .collect();
    Ok(format!("{{{}}}", entries.join(", ")))
}

/// A value inside a list or map, written so that it could be read back.
fn inner(value: &Value<'_>) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(go_quote(text)),
        Value::Bytes(_) => Ok(format!("b{}", go_quote(&converted(value)?))),
        Value::Double(double) if double.is_nan() => Ok("\"NaN\"".to_owned()),
        Value::Double(double) if double.is_infinite() => Ok(if *double > 0.0 {
            "\"+Inf\""
        } else {
            "\"-Inf\""
        }
        .to_owned()),
        Value::Double(double) => Ok(format!("{double:.6}")),
        Value::Timestamp(_) => Ok(format!("timestamp({})", go_quote(&plain(value)))),
        Value::Duration(_) => Ok(format!("duration({})", go_quote(&plain(value)))),
        Value::List(list) => show_list(list),
        Value::Map(map) => show_map(map),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Type(_) => {
            converted(value)
        }
        Value::Optional(_) | Value::Struct(_) | Value::Opaque(_) => {
            Err(format!("no formatting function for {}", value.type_name()))
        }
    }
}
