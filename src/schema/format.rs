//! The `format` of text, for the formats that CRDs use and a shape alone decides.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::names;

/// Whether `text` has `format`; formats that are not checked here are taken as kept, as the API server takes those it
/// does not know.
pub(super) fn matches(format: &str, text: &str) -> bool {
    // Names are compared without hyphens.
    match format.replace('-', "").as_str() {
        "datetime" => is_date_time(text),
        "date" => is_date(text),
        "ipv4" => is_ipv4(text),
        "ipv6" => is_ipv6(text),
        "cidr" => is_cidr(text),
        "uuid" => is_uuid(text),
        "k8sshortname" => names::label(text).is_ok(),
        "k8slongname" => names::subdomain(text).is_ok(),
        _ => true,
    }
}

/// A date, `T`, a time of day, perhaps a fraction, and an offset or `Z`.
fn is_date_time(text: &str) -> bool {
    let mut halves = text.splitn(3, ['t', 'T']);
    let (Some(date), Some(time)) = (halves.next(), halves.next()) else {
        return false;
    };
    is_date(date) && is_time(time)
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    shape && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_time(text: &str) -> bool {
    let two = |at: usize| {
        text.get(at..at + 2)
            .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (Some(hour), Some(minute), Some(second)) = (two(0), two(3), two(6)) else {
        return false;
    };
    let colons = text.get(2..3) == Some(":") && text.get(5..6) == Some(":");
    let Some(rest) = text
        .get(8..)
        .filter(|_| colons && hour <= "23" && minute <= "59" && second <= "59")
    else {
        return false;
    };
    // A fraction is led by any one character, as the API server has it.
    let zone = |text: &str| {
        text.eq_ignore_ascii_case("z")
            || (text.len() == 6
                && text.starts_with(['+', '-'])
                && text.bytes().enumerate().skip(1).all(|(at, byte)| match at {
                    3 => byte == b':',
                    _ => byte.is_ascii_digit(),
                }))
    };
    if zone(rest) {
        return true;
    }
    let mut chars = rest.chars();
    chars.next();
    let digits = chars.as_str();
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    end > 0 && zone(&digits[end..])
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

fn is_ipv6(text: &str) -> bool {
    text.contains(':') && text.parse::<Ipv6Addr>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let most = if is_ipv4(address) {
        32
    } else if is_ipv6(address) {
        128
    } else {
        return false;
    };
    let digits =
        !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit());
    digits && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
}

fn is_uuid(text: &str) -> bool {
    let mut rest = text;
    for (position, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if position > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let Some(part) = rest.get(..length) else {
            return false;
        };
        if !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        rest = &rest[length..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn formats_are_told_by_shape() {
        for (format, good, bad) in [
            (
                "date-time",
                &[
                    "2026-01-31T23:59:59Z",
                    "2026-01-31t00:00:00.123+02:00",
                    "2026-02-28T00:00:00z",
                ][..],
                &[
                    "tomorrow",
                    "2026-02-30T00:00:00Z",
                    "2026-01-31T24:00:00Z",
                    "2026-01-31 00:00:00Z",
                    "2026-01-31T00:00:00",
                    "2026-01-31T00:00:00.Z",
                ][..],
            ),
            ("date", &["2026-12-31"], &["2026-13-01", "26-01-01"]),
            (
                "cidr",
                &["10.0.0.0/8", "10.0.0.1/32", "fd00::/8", "::/0"],
                &[
                    "10.0.0.0",
                    "10.0.0.0/33",
                    "10.0.0/8",
                    "fd00::/129",
                    "10.0.0.0/+8",
                ],
            ),
            ("ipv4", &["1.2.3.4"], &["1.2.3", "01.2.3.4", "::1"]),
            ("ipv6", &["::1"], &["1.2.3.4", "::g"]),
            (
                "uuid",
                &[
                    "123e4567-e89b-12d3-a456-426614174000",
                    "123E4567e89b12d3a456426614174000",
                ],
                &["123e4567", ""],
            ),
            ("k8s-short-name", &["a-b"], &["A", "-a", "a.b"]),
            ("k8s-long-name", &["a.b-c"], &["a..b", ""]),
            ("unknown", &["anything"], &[]),
        ] {
            for text in good {
                assert!(matches(format, text), "{format} {text}");
            }
            for text in bad {
                assert!(!matches(format, text), "{format} {text}");
            }
        }
    }
}
