//! What a plain scalar means: the YAML 1.1 rules of the Go library that Kubernetes uses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::json::Json;

/// A resolved scalar. Numbers keep their kind because keys print them differently from values.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Between `i64::MAX` and `u64::MAX`.
    Uint(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Uint(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
        }
    }

    /// As a JSON value. The Go library goes through JSON text, where `1.0` is written `1`: whole numbers are integers.
    pub fn into_json(self) -> Result<Json<'static>, String> {
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Int(value) => Json::Int(value),
            Self::Uint(value) => Json::Float(value as f64),
            Self::Float(value) if !value.is_finite() => {
                return Err("infinity and NaN cannot be written in JSON".to_owned());
            }
            Self::Float(value) => whole(value).map_or(Json::Float(value), Json::Int),
            Self::Text(text) => Json::from(text),
        })
    }

    /// As an object key: keys that are no strings become strings.
    pub fn into_key(self) -> Result<String, String> {
        Ok(match self {
            Self::Null => return Err("a key cannot be null".to_owned()),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(_) => {
                return Err("a key cannot be an integer above 9223372036854775807".to_owned());
            }
            Self::Float(value) => float_key(value),
            Self::Text(text) => text,
        })
    }
}

/// The integer that JSON text of `value` would be read back as.
fn whole(value: f64) -> Option<i64> {
    /// 2^63: the first magnitude outside `i64`.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if value.fract() != 0.0 || !(-LIMIT..LIMIT).contains(&value) {
        return None;
    }
    Some(value as i64)
}

/// Shortest form at single precision, exponents from 21 digits on, as the Go library prints keys.
fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = format!("{:e}", value as f32);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&power) {
        return format!("{}", value as f32);
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

/// Resolves a scalar written plainly (`tag` absent) or under a core tag (`str`, `int`, …).
pub fn resolve(text: &str, tag: Option<&str>) -> Result<Scalar, String> {
    match tag {
        Some("str") => return Ok(Scalar::Text(text.to_owned())),
        Some("binary") => {
            let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let bytes = STANDARD
                .decode(packed)
                .map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
            return Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        None | Some("bool" | "int" | "float" | "null" | "timestamp") => {}
        Some(_) => return Ok(Scalar::Text(text.to_owned())),
    }
    let scalar = plain(text);
    match (tag, scalar) {
        (Some("float"), Scalar::Int(value)) => Ok(Scalar::Float(value as f64)),
        (Some("timestamp"), text @ Scalar::Text(_)) => Ok(text),
        (Some(tag), scalar) if tag != scalar.type_name() => Err(format!(
            "cannot decode !!{} `{text}` as a !!{tag}",
            scalar.type_name()
        )),
        (_, scalar) => Ok(scalar),
    }
}

fn plain(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' => is_decimal_float(text)
            .then(|| text.parse().ok())
            .flatten()
            .map(Scalar::Float),
        b'0'..=b'9' | b'+' | b'-' => number(&text.replace('_', "")),
        _ => None,
    };
    number.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

fn number(text: &str) -> Option<Scalar> {
    if let Some(int) = integer(text) {
        return Some(int);
    }
    if !is_decimal_float(text) {
        return None;
    }
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .map(Scalar::Float)
}

/// Sign, then `0x`, `0o`, `0b`, a leading zero (octal) or decimal digits.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    // A plus sign is accepted for signed integers only.
    match i64::try_from(magnitude) {
        Ok(int) => Some(Scalar::Int(int)),
        Err(_) => (!text.starts_with('+')).then_some(Scalar::Uint(magnitude)),
    }
}

/// `[-+]? ( .d+ | d+ ( . d* )? ) ( [eE] [-+]? d+ )?`
fn is_decimal_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_ok = digits(before)
        && digits(after)
        && (!before.is_empty() || (mantissa.starts_with('.') && !after.is_empty()));
    let exponent_ok = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    mantissa_ok && exponent_ok
}
