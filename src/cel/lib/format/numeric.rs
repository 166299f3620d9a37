//! `%f` and `%e` in the locale `en_US`, with the quirks of Go's message printer.

/// A number in a clause, less its last digit, beyond which the printer gives up.
const LARGEST_NUMBER: u64 = 1_000_000;
/// What it prints then.
const GIVEN_UP: &str = "%!(NOVERB)";

/// `%.<precision>f`: thousands are grouped. The printer keeps the precision in 16 bits with a sign for rounding and in
/// 8 bits for the zeros at the end.
pub(super) fn fixed(value: f64, precision: u64) -> String {
    if precision / 10 > LARGEST_NUMBER {
        return GIVEN_UP.to_owned();
    }
    if let Some(special) = special(value) {
        return special;
    }
    let size = value.abs();
    let [low, high, ..] = precision.to_le_bytes();
    let digits = match usize::try_from(i16::from_le_bytes([low, high])) {
        Ok(digits) => format!("{size:.digits$}"),
        // No rounding: as many digits as tell the number from others.
        Err(_) => size.to_string(),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut fraction = fraction.trim_end_matches('0').to_owned();
    while fraction.len() < usize::from(low) {
        fraction.push('0');
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", grouped(whole))
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `%.<width>e`: six digits after the point whatever is asked for; the number is taken as a width, in 16 bits.
pub(super) fn scientific(value: f64, width: u64) -> String {
    if width / 10 > LARGEST_NUMBER {
        return GIVEN_UP.to_owned();
    }
    let text = special(value).unwrap_or_else(|| {
        let written = format!("{:.6e}", value.abs());
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if value < 0.0 { "-" } else { "" };
        let minus = if exponent < 0 { "⁻" } else { "" };
        let digits = superscript(&format!("{:02}", exponent.unsigned_abs()));
        format!("{sign}{mantissa}×10{minus}{digits}")
    });
    let [low, high, ..] = width.to_le_bytes();
    let width = usize::from(u16::from_le_bytes([low, high]));
    format!("{text:>width$}")
}

fn superscript(digits: &str) -> String {
    const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    digits
        .bytes()
        .filter_map(|digit| SUPERSCRIPTS.get(usize::from(digit.wrapping_sub(b'0'))))
        .collect()
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        return Some("NaN".to_owned());
    }
    value
        .is_infinite()
        .then(|| if value > 0.0 { "∞" } else { "-∞" }.to_owned())
}
