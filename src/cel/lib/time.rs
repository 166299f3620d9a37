//! Times and durations: Go's texts for them, and the getters.

use super::args::{Outcome, UNIT};
use super::{Call, Function, Overload};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Timestamp, Value};

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;
/// Seconds of a day.
const DAY: i64 = 86_400;

const AT: &[Ty] = &[Ty::Timestamp];
const AT_ZONE: &[Ty] = &[Ty::Timestamp, Ty::String];

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "getFullYear",
        overloads: &[
            getter("timestamp_to_year", AT, |args| get(args, |at| at.year)),
            getter("timestamp_to_year_with_tz", AT_ZONE, |args| {
                get(args, |at| at.year)
            }),
        ],
    },
    Function {
        name: "getMonth",
        overloads: &[
            getter("timestamp_to_month", AT, |args| {
                get(args, |at| at.month - 1)
            }),
            getter("timestamp_to_month_with_tz", AT_ZONE, |args| {
                get(args, |at| at.month - 1)
            }),
        ],
    },
    Function {
        name: "getDayOfYear",
        overloads: &[
            getter("timestamp_to_day_of_year", AT, |args| {
                get(args, Civil::day_of_year)
            }),
            getter("timestamp_to_day_of_year_with_tz", AT_ZONE, |args| {
                get(args, Civil::day_of_year)
            }),
        ],
    },
    Function {
        name: "getDayOfMonth",
        overloads: &[
            getter("timestamp_to_day_of_month", AT, |args| {
                get(args, |at| at.day - 1)
            }),
            getter("timestamp_to_day_of_month_with_tz", AT_ZONE, |args| {
                get(args, |at| at.day - 1)
            }),
        ],
    },
    Function {
        name: "getDate",
        overloads: &[
            getter("timestamp_to_day_of_month_1_based", AT, |args| {
                get(args, |at| at.day)
            }),
            getter(
                "timestamp_to_day_of_month_1_based_with_tz",
                AT_ZONE,
                |args| get(args, |at| at.day),
            ),
        ],
    },
    Function {
        name: "getDayOfWeek",
        overloads: &[
            getter("timestamp_to_day_of_week", AT, |args| {
                get(args, Civil::day_of_week)
            }),
            getter("timestamp_to_day_of_week_with_tz", AT_ZONE, |args| {
                get(args, Civil::day_of_week)
            }),
        ],
    },
    Function {
        name: "getHours",
        overloads: &[
            getter("timestamp_to_hours", AT, |args| {
                get(args, |at| at.second_of_day / 3600)
            }),
            getter("timestamp_to_hours_with_tz", AT_ZONE, |args| {
                get(args, |at| at.second_of_day / 3600)
            }),
            getter("duration_to_hours", &[Ty::Duration], |args| {
                total(args, 3600)
            }),
        ],
    },
    Function {
        name: "getMinutes",
        overloads: &[
            getter("timestamp_to_minutes", AT, |args| {
                get(args, |at| at.second_of_day / 60 % 60)
            }),
            getter("timestamp_to_minutes_with_tz", AT_ZONE, |args| {
                get(args, |at| at.second_of_day / 60 % 60)
            }),
            getter("duration_to_minutes", &[Ty::Duration], |args| {
                total(args, 60)
            }),
        ],
    },
    Function {
        name: "getSeconds",
        overloads: &[
            // Spelled so in cel-go's declarations.
            getter("timestamp_to_seconds", AT, |args| {
                get(args, |at| at.second_of_day % 60)
            }),
            getter("timestamp_to_seconds_tz", AT_ZONE, |args| {
                get(args, |at| at.second_of_day % 60)
            }),
            getter("duration_to_seconds", &[Ty::Duration], |args| {
                total(args, 1)
            }),
        ],
    },
    Function {
        name: "getMilliseconds",
        overloads: &[
            getter("timestamp_to_milliseconds", AT, |args| {
                get(args, |at| at.nanos / 1_000_000)
            }),
            getter("timestamp_to_milliseconds_with_tz", AT_ZONE, |args| {
                get(args, |at| at.nanos / 1_000_000)
            }),
            getter("duration_to_milliseconds", &[Ty::Duration], milliseconds),
        ],
    },
];

const fn getter(id: &'static str, params: &'static [Ty], call: Call) -> Overload {
    Overload::member(id, params, Ty::Int, UNIT, call)
}

/// A point in time on the calendar of a zone.
struct Civil {
    /// Days since 1970-01-01.
    days: i64,
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
    nanos: i64,
}

impl Civil {
    /// In the zone that is `offset` seconds east of UTC.
    fn new(at: Timestamp, offset: i64) -> Self {
        let seconds = at.seconds.saturating_add(offset);
        let days = seconds.div_euclid(DAY);
        let (year, month, day) = date_of(days);
        Self {
            days,
            year,
            month,
            day,
            second_of_day: seconds.rem_euclid(DAY),
            nanos: at.nanos.into(),
        }
    }

    /// From 0.
    fn day_of_year(&self) -> i64 {
        self.days - days_of(self.year, 1, 1)
    }

    /// From Sunday, which is 0; 1970 began on a Thursday.
    fn day_of_week(&self) -> i64 {
        (self.days + 4).rem_euclid(7)
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are taken to begin in March, so that the leap day is
/// the last one, and in eras of 400 years, which have the same number of days each.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day; the inverse of [`days_of`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let next = if month == 12 {
        days_of(year + 1, 1, 1)
    } else {
        days_of(year, month + 1, 1)
    };
    next - days_of(year, month, 1)
}

fn get<'a>(args: &[Value<'a>], field: impl Fn(&Civil) -> i64) -> Outcome<'a> {
    let civil = match args {
        [Value::Timestamp(at)] => Civil::new(*at, 0),
        [Value::Timestamp(at), Value::String(zone)] => Civil::new(*at, offset_at(zone, *at)?),
        _ => return Err(EvalError::NoSuchOverload),
    };
    Ok(Value::Int(field(&civil)))
}

/// Seconds east of UTC of a zone at a time; the zone is an IANA name or `[±]hours:minutes`.
fn offset_at(zone: &str, at: Timestamp) -> Result<i64, EvalError> {
    if let Some((hours, minutes)) = zone.split_once(':') {
        let hours = atoi(hours)?;
        let minutes = atoi(minutes)?;
        let minutes = if zone.starts_with('-') {
            minutes.wrapping_neg()
        } else {
            minutes
        };
        // Numbers beyond any clock wrap as they do in Go.
        let nanos = hours
            .wrapping_mul(60)
            .wrapping_add(minutes)
            .wrapping_mul(60 * SECOND);
        return Ok(nanos / SECOND);
    }
    // The API server runs in UTC.
    if zone.is_empty() || zone == "UTC" || zone == "Local" {
        return Ok(0);
    }
    if zone.contains("..") || zone.starts_with(['/', '\\']) {
        return Err(EvalError::text("time: invalid location name"));
    }
    let unknown = || EvalError::text(format!("unknown time zone {zone}"));
    let found = jiff::tz::db().get(zone).map_err(|_| unknown())?;
    // Names are file names there: case matters.
    if found.iana_name() != Some(zone) {
        return Err(unknown());
    }
    // The last hours of the year 9999 are beyond the library's range; no zone changes its offset there.
    let seconds = at.seconds.clamp(
        jiff::Timestamp::MIN.as_second(),
        jiff::Timestamp::MAX.as_second(),
    );
    let instant = jiff::Timestamp::new(seconds, 0).map_err(|_| unknown())?;
    Ok(found.to_offset(instant).seconds().into())
}

/// Go's `strconv.Atoi`.
fn atoi(text: &str) -> Result<i64, EvalError> {
    text.parse().map_err(|error: std::num::ParseIntError| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let why = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        EvalError::text(format!(
            "strconv.Atoi: parsing {}: {why}",
            super::text::go_quote(text)
        ))
    })
}

/// Whole units of `seconds` seconds in a duration, computed in floating point as Go does.
fn total<'a>(args: &[Value<'a>], seconds: i64) -> Outcome<'a> {
    let [Value::Duration(nanos)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    let unit = seconds * SECOND;
    let units = (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64;
    Ok(Value::Int(units as i64))
}

fn milliseconds<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    match args {
        [Value::Duration(nanos)] => Ok(Value::Int(nanos / 1_000_000)),
        _ => Err(EvalError::NoSuchOverload),
    }
}

/// Reads a duration such as `1h30m`, `-1.5s`, `0`, in nanoseconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<i64> {
    /// One more than the largest duration; as a negative number it is one.
    const LIMIT: u64 = 1 << 63;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    let mut rest = unsigned;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (whole, fraction, after) = leading_number(rest)?;
        let unit_end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let mut part = whole.checked_mul(unit).filter(|part| *part <= LIMIT)?;
        part += fraction_of(fraction, unit);
        total = total
            .checked_add(part)
            .filter(|sum| part <= LIMIT && *sum <= LIMIT)?;
        rest = next;
    }
    if unsigned.is_empty() {
        return None;
    }
    if text.starts_with('-') {
        return Some(0_i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).ok()
}

/// Whole part, digits of the fraction, and what follows; at least one digit.
fn leading_number(text: &str) -> Option<(u64, &str, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    Some((whole, fraction, rest))
}

/// `0.fraction × unit`, with Go's precision: digits beyond 64 bits are dropped, the product is in floating point.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let mut value = 0_u64;
    let mut scale = 1.0_f64;
    for digit in digits.bytes().map(|octet| u64::from(octet - b'0')) {
        let Some(next) = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(digit))
        else {
            break;
        };
        if next > 1 << 63 || value > (1 << 63) / 10 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// `string(duration)`: seconds, `5400s`, `1.5s`.
#[must_use]
pub fn format_duration(nanos: i64) -> String {
    let seconds = (nanos / SECOND) as f64 + (nanos % SECOND) as f64 / 1e9;
    format!("{seconds}s")
}

/// Go's own form of a duration, as it stands inside error texts: `1h30m0s`, `500ms`.
pub(super) fn display_duration(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let decimal = |unit: u64| {
        let fraction = format!("{:09}", size % unit * (1_000_000_000 / unit));
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        (size / unit, format!("{dot}{fraction}"))
    };
    match size {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => {
            let (whole, fraction) = decimal(1_000);
            format!("{sign}{whole}{fraction}µs")
        }
        1_000_000..1_000_000_000 => {
            let (whole, fraction) = decimal(1_000_000);
            format!("{sign}{whole}{fraction}ms")
        }
        _ => {
            let (seconds, fraction) = decimal(1_000_000_000);
            let (hours, minutes, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{second}{fraction}s"),
                (0, _) => format!("{sign}{minutes}m{second}{fraction}s"),
                _ => format!("{sign}{hours}h{minutes}m{second}{fraction}s"),
            }
        }
    }
}

/// Reads an RFC 3339 time the way Go does: an hour may have one digit, the fraction may follow a comma. The year may
/// be 0, which is outside the range of CEL: the caller checks the range.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    literal(&mut rest, '-')?;
    let month = digits(&mut rest, 2).filter(|month| (1..=12).contains(month))?;
    literal(&mut rest, '-')?;
    let day = digits(&mut rest, 2)?;
    literal(&mut rest, 'T')?;
    let hour_digits = if rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
        2
    } else {
        1
    };
    let hour = digits(&mut rest, hour_digits).filter(|hour| *hour < 24)?;
    literal(&mut rest, ':')?;
    let minute = digits(&mut rest, 2).filter(|minute| *minute < 60)?;
    literal(&mut rest, ':')?;
    let second = digits(&mut rest, 2).filter(|second| *second < 60)?;
    let nanos = fraction(&mut rest)?;
    let offset = offset(rest)?;
    if day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(Timestamp {
        seconds: days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset,
        nanos,
        offset: i32::try_from(offset).ok()?,
    })
}

fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    head.bytes()
        .all(|octet| octet.is_ascii_digit())
        .then(|| head.parse().ok())?
}

fn literal(rest: &mut &str, expected: char) -> Option<()> {
    *rest = rest.strip_prefix(expected)?;
    Some(())
}

/// Nanoseconds of an optional fraction; digits beyond the ninth are dropped.
fn fraction(rest: &mut &str) -> Option<u32> {
    let Some(tail) = rest.strip_prefix(['.', ',']) else {
        return Some(0);
    };
    let count = tail.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    let (digits, tail) = tail.split_at(count);
    *rest = tail;
    let digits = &digits[..count.min(9)];
    format!("{digits:0<9}").parse().ok()
}

/// Seconds east of UTC of `Z` or `±hh:mm`.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let mut rest = text.strip_prefix(['+', '-'])?;
    let hours = digits(&mut rest, 2).filter(|hours| *hours <= 24)?;
    literal(&mut rest, ':')?;
    let minutes = digits(&mut rest, 2).filter(|minutes| *minutes <= 60)?;
    if !rest.is_empty() {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    Some(if text.starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

/// `string(timestamp)`: RFC 3339 with as many digits of the second as needed, at the offset of the time.
#[must_use]
pub fn format_timestamp(at: Timestamp) -> String {
    let (date, time) = date_and_time(at);
    let zone = match at.offset {
        0 => "Z".to_owned(),
        offset => zone(offset, ":"),
    };
    format!("{date}T{time}{zone}")
}

/// Go's own form of a time, as it stands inside error texts.
pub(super) fn display_timestamp(at: Timestamp) -> String {
    let (date, time) = date_and_time(at);
    let zone = zone(at.offset, "");
    let name = if at.offset == 0 { "UTC" } else { &zone };
    format!("{date} {time} {zone} {name}")
}

/// `±hh<separator>mm`
fn zone(offset: i32, separator: &str) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs() / 60;
    format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
}

fn date_and_time(at: Timestamp) -> (String, String) {
    let civil = Civil::new(at, at.offset.into());
    let second = civil.second_of_day;
    let fraction = format!(".{:09}", at.nanos);
    (
        format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day),
        format!(
            "{:02}:{:02}:{:02}{}",
            second / 3600,
            second / 60 % 60,
            second % 60,
            fraction.trim_end_matches('0').trim_end_matches('.'),
        ),
    )
}

#[cfg(test)]
mod tests;
