//! Numbers as text, in Go's ways: what `double(string)` reads, what `string(double)` prints.

/// Bits of the significand of a double.
const SIGNIFICAND_BITS: u32 = 53;
/// Exponent of the lowest bit of the smallest doubles.
const LOWEST_EXPONENT: i64 = -1074;
/// A decimal exponent beyond which every number is zero or infinite; larger ones are not told apart.
const EXPONENT_CAP: i64 = 100_000;

/// Reads a double: decimal or hexadecimal, `inf`, `infinity` and `nan` in any case, underscores between digits. `None`
/// for anything else and for numbers that are too large.
#[must_use]
pub fn parse_double(text: &str) -> Option<f64> {
    if let Some(special) = special(text) {
        return Some(special);
    }
    if !underscores_separate(text) {
        return None;
    }
    let plain = text.replace('_', "");
    let (negative, unsigned) = match plain.strip_prefix(['+', '-']) {
        Some(rest) => (plain.starts_with('-'), rest),
        None => (false, plain.as_str()),
    };
    let value = match unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        Some(hex) => parse_hex(hex)?,
        None => parse_decimal(unsigned)?,
    };
    value
        .is_finite()
        .then_some(if negative { -value } else { value })
}

fn special(text: &str) -> Option<f64> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'+' => (1.0, &text[1..]),
        b'-' => (-1.0, &text[1..]),
        _ if text.eq_ignore_ascii_case("nan") => return Some(f64::NAN),
        _ => (1.0, text),
    };
    let infinite =
        unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity");
    infinite.then_some(sign * f64::INFINITY)
}

/// Whether every underscore stands between two digits, or between a base prefix and a digit.
fn underscores_separate(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let hex = unsigned.starts_with("0x") || unsigned.starts_with("0X");
    let digit = |octet: u8| octet.is_ascii_digit() || hex && octet.is_ascii_hexdigit();
    let octets = unsigned.as_bytes();
    octets.iter().enumerate().all(|(at, octet)| {
        let after_prefix = hex && at == 2;
        *octet != b'_'
            || at > 0
                && (after_prefix || digit(octets[at - 1]))
                && octets.get(at + 1).is_some_and(|next| digit(*next))
    })
}

/// `digits[.digits][e[±]digits]` with at least one digit before the exponent.
fn parse_decimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|octet| octet.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}.{fraction}e{exponent}").parse().ok()
}

/// `[±]digits`, capped.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let size = digits.bytes().fold(0, |value: i64, octet| {
        (value * 10 + i64::from(octet - b'0')).min(EXPONENT_CAP)
    });
    Some(if negative { -size } else { size })
}

/// `hex[.hex]p[±]digits`, rounded to the nearest double, ties to even.
fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let mut exponent = parse_exponent(exponent)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // The first sixteen significant digits exactly, of the rest only whether there is anything.
    let mut value = 0_u64;
    let mut rest = false;
    for (at, c) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(c.to_digit(16)?);
        let in_fraction = i64::from(at >= whole.len());
        if value >> 60 == 0 {
            value = value << 4 | digit;
            exponent = exponent.saturating_sub(4 * in_fraction);
        } else {
            rest |= digit != 0;
            exponent = exponent.saturating_add(4 - 4 * in_fraction);
        }
    }
    Some(round_binary(value, rest, exponent))
}

/// The double nearest to `(value + rest) × 2^exponent`, the rest being less than one.
fn round_binary(value: u64, rest: bool, exponent: i64) -> f64 {
    if value == 0 {
        return 0.0;
    }
    let bits = i64::from(u64::BITS - value.leading_zeros());
    // Lowest bit that the double can hold.
    let lowest = (exponent + bits - i64::from(SIGNIFICAND_BITS)).max(LOWEST_EXPONENT);
    let drop = lowest - exponent;
    let (mut kept, half, below) = if drop <= 0 {
        (u128::from(value) << (-drop).min(64), false, rest)
    } else {
        let wide = u128::from(value);
        let shift = u32::try_from(drop.min(100)).unwrap_or(100);
        let lost = wide & ((1 << shift) - 1);
        let half = 1_u128 << (shift - 1);
        (
            wide >> shift,
            lost & half != 0,
            rest || lost & (half - 1) != 0,
        )
    };
    if half && (below || kept & 1 == 1) {
        kept += 1;
    }
    // Both factors are exact: the first has at most 53 bits, the second is a power of two, applied in two steps so
    // that neither leaves the range before the product does.
    let first = (lowest / 2).clamp(-1022, 1023);
    let second = (lowest - first).clamp(-1022, 1023);
    kept as f64 * power_of_two(first) * power_of_two(second)
}

fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(u64::try_from(exponent + 1023).unwrap_or(0) << 52)
}

/// Prints a double in the shortest form that reads back the same: `0.1`, `1e+06`, `+Inf`, `NaN`.
#[must_use]
pub fn format_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Outside of these exponents Go leaves the plain form when it prints the shortest digits.
    if (-4..6).contains(&exponent) || value == 0.0 {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_doubles_that_go_reads() {
        let cases = [
            ("1_000", Some(1000.0)),
            ("0x1p-2", Some(0.25)),
            ("0x_1p-2", Some(0.25)),
            ("0x1_0p-2", Some(4.0)),
            ("0x1", None),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("+inf", Some(f64::INFINITY)),
            ("infin", None),
            ("+nan", None),
            ("1e400", None),
            ("1e-400", Some(0.0)),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", Some(0.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            (".", None),
            ("", None),
            ("+", None),
            ("1e", None),
            ("1e+", None),
            ("--1", None),
            ("0x.8p1", Some(1.0)),
            (" 1", None),
            ("1 ", None),
            ("0x1.fffffffffffff8p0", Some(2.0)),
            ("0x1.fffffffffffff7p0", Some(1.999_999_999_999_999_8)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1p-1075", Some(0.0)),
            ("0x1.8p-1075", Some(5e-324)),
            ("0x1p1023", Some(8.98846567431158e307)),
            ("0x1p1024", None),
            ("0X1P+3", Some(8.0)),
            ("0x10000000000000000000p0", Some(7.555786372591432e22)),
            ("0x1.00000000000000000001p0", Some(1.0)),
            (
                "0x1.000000000000080000000001p0",
                Some(1.000_000_000_000_000_2),
            ),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("1_.5", None),
            ("1_e5", None),
            ("é", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_double(text), expected, "{text}");
        }
        assert!(parse_double("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn prints_doubles_as_go_does() {
        let cases = [
            (123_456_789.0, "1.23456789e+08"),
            (1e20, "1e+20"),
            (1_000_000.0, "1e+06"),
            (100_000.0, "100000"),
            (0.000_01, "1e-05"),
            (0.000_1, "0.0001"),
            (-0.0, "-0"),
            (0.0, "0"),
            (1.5, "1.5"),
            (-2.0, "-2"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (12_345.678, "12345.678"),
            (999_999.9, "999999.9"),
        ];
        for (value, expected) in cases {
            assert_eq!(format_double(value), expected);
        }
    }
}
