//! Resource quantities (`500m`, `1.5Gi`, `2e3`) exactly as the API server reads, prints, compares and adds them.
//!
//! A quantity is kept as a 64-bit mantissa with a decimal scale where that is exact, otherwise as a decimal of any
//! length. Which of the two it is shows: [`Quantity::as_int`] answers only for the first. Values that compare equal may
//! therefore differ in representation; `Eq` and `Ord` go by value. Depends on nothing; pure.

mod decimal;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use decimal::Decimal;

/// Digits that a 64-bit mantissa always holds.
const MAX_FACTORS: i64 = 18;
/// The finest scale there is: nano.
const NANO: i32 = -9;

/// Why a text is not a quantity, in the API server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not of the form number, suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number is not a number.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// Unknown suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// A sum with more digits than [`decimal::MAX_DIGITS`].
    #[error("the sum of the quantities has too many digits")]
    TooLong,
}

/// Largest scale of a zero, either way: no double has a decimal exponent as large.
const ZERO_SCALE: i32 = 400;

/// How a quantity prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`
    BinarySi,
    /// `12M`
    DecimalSi,
}

/// An amount of a resource.
#[derive(Clone, Debug)]
pub struct Quantity {
    amount: Amount,
    format: Format,
    /// The text it was read from, where the API server prints that again.
    text: Option<Box<str>>,
}

#[derive(Clone, Debug)]
enum Amount {
    /// `value × 10^scale`
    Scaled { value: i64, scale: i32 },
    /// Everything else.
    Decimal(Decimal),
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// The API server's error for texts that are no quantities.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let parts = Parts::split(text)?;
        let (base, exponent, format) =
            interpret_suffix(parts.suffix).ok_or(QuantityError::Suffix)?;
        if let Some(quantity) = parts.short(text, base, exponent, format)? {
            return Ok(quantity);
        }
        parts.long(base, exponent, format)
    }

    /// A whole number that prints with a decimal exponent, as `add` and `sub` make it of an `int`.
    #[must_use]
    pub fn from_int(value: i64) -> Self {
        Self {
            amount: Amount::Scaled { value, scale: 0 },
            format: Format::DecimalExponent,
            text: None,
        }
    }

    /// −1, 0 or 1.
    #[must_use]
    pub fn sign(&self) -> i32 {
        match &self.amount {
            Amount::Scaled { value, .. } => value.signum() as i32,
            Amount::Decimal(decimal) => decimal.sign(),
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.sign() == 0
    }

    /// The value as an integer, if the representation gives it: not for decimals of any length and not below scale
    /// one, even where the value is whole (`1000m`).
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self.amount {
            Amount::Scaled { value, scale } if scale >= 0 => scale_up(value, scale),
            _ => None,
        }
    }

    /// The value as a double, computed the way the API server computes it.
    #[must_use]
    pub fn as_approximate_float(&self) -> f64 {
        let (base, exponent) = match &self.amount {
            Amount::Scaled { value, scale } => (*value as f64, *scale),
            Amount::Decimal(decimal) => (decimal.unscaled_f64(), decimal.scale().wrapping_neg()),
        };
        if exponent == 0 {
            base
        } else {
            base * pow10(exponent)
        }
    }

    /// `self + other`. A zero takes the format of the other.
    ///
    /// # Errors
    /// [`QuantityError::TooLong`].
    pub fn add(&self, other: &Self) -> Result<Self, QuantityError> {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        let short = match other.amount {
            Amount::Scaled { value, scale } => Some((value, scale)),
            Amount::Decimal(_) => None,
        };
        self.sum(short, &other.decimal(), format)
    }

    /// `self - other`. A zero takes the format of the other.
    ///
    /// # Errors
    /// [`QuantityError::TooLong`].
    pub fn sub(&self, other: &Self) -> Result<Self, QuantityError> {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        let negated = match other.amount {
            // The API server wraps here as well.
            Amount::Scaled { value, scale } => Some((value.wrapping_neg(), scale)),
            Amount::Decimal(_) => None,
        };
        let mut exact = other.decimal();
        exact.negate();
        self.sum(negated, &exact, format)
    }

    /// The sum with a number that is given as a scaled amount, where it is one, and exactly.
    fn sum(
        &self,
        short: Option<(i64, i32)>,
        exact: &Decimal,
        format: Format,
    ) -> Result<Self, QuantityError> {
        let scaled = match self.amount {
            Amount::Scaled { value, scale } => {
                short.and_then(|other| add_scaled((value, scale), other))
            }
            Amount::Decimal(_) => None,
        };
        let amount = match scaled {
            Some((value, scale)) => Amount::Scaled { value, scale },
            None => Amount::Decimal(self.decimal().add(exact).ok_or(QuantityError::TooLong)?),
        };
        Ok(Self {
            amount,
            format,
            text: None,
        })
    }

    fn decimal(&self) -> Decimal {
        match &self.amount {
            Amount::Scaled { value, scale } => Decimal::new(*value, scale.wrapping_neg()),
            Amount::Decimal(decimal) => decimal.clone(),
        }
    }

    /// Number and suffix in canonical form.
    fn canonical(&self) -> (String, String) {
        if self.is_zero() {
            return ("0".to_owned(), String::new());
        }
        let small = |bound: i64| self.cmp(&Self::from_int(bound));
        let binary = self.format == Format::BinarySi
            && !(small(-1024) == Ordering::Greater && small(1024) == Ordering::Less);
        if binary && let Some((number, exponent)) = self.canonical_binary() {
            return (number, suffix_of_power(&BINARY, exponent.wrapping_mul(10)));
        }
        let (number, exponent) = self.canonical_decimal();
        let suffix = match self.format {
            Format::DecimalExponent if exponent == 0 => String::new(),
            Format::DecimalExponent => format!("e{exponent}"),
            Format::DecimalSi | Format::BinarySi => suffix_of_power(&DECIMAL, exponent),
        };
        (number, suffix)
    }

    /// Mantissa and decimal exponent, a multiple of three.
    fn canonical_decimal(&self) -> (String, i32) {
        if let Amount::Scaled { value, scale } = self.amount {
            let (amount, times) = remove_factors(value, 10);
            let exponent = scale.wrapping_add(times);
            let surplus = exponent.rem_euclid(3);
            if let Some(amount) = scale_up(amount, surplus) {
                return (amount.to_string(), exponent.wrapping_sub(surplus));
            }
        }
        let decimal = self.decimal();
        let (amount, times) = decimal.without_factors(10);
        let exponent = decimal.scale().wrapping_neg().wrapping_add(times);
        let surplus = exponent.rem_euclid(3);
        let zeros = "0".repeat(usize::try_from(surplus).unwrap_or(0));
        (
            format!("{}{zeros}", amount.unscaled()),
            exponent.wrapping_sub(surplus),
        )
    }

    /// Mantissa and exponent to the base 1024; `None` for values with a fraction, which print as decimals.
    fn canonical_binary(&self) -> Option<(String, i32)> {
        if let Some(value) = self.as_int() {
            let (amount, times) = remove_factors(value, 1024);
            return Some((amount.to_string(), times));
        }
        let decimal = self.decimal();
        let whole = decimal.round_up(0)?;
        if whole.compare(&decimal) != Ordering::Equal {
            return None;
        }
        let (amount, times) = whole.without_factors(1024);
        Some((amount.unscaled().to_string(), times))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.amount, &other.amount) {
            (
                Amount::Scaled {
                    value: a,
                    scale: sa,
                },
                Amount::Scaled {
                    value: b,
                    scale: sb,
                },
            ) if sa == sb => a.cmp(b),
            _ => self.decimal().compare(&other.decimal()),
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

impl fmt::Display for Quantity {
    /// What the API server prints: the canonical form, or the text as read where it takes that for canonical.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        let (number, suffix) = self.canonical();
        write!(f, "{number}{suffix}")
    }
}

/// A quantity text, taken apart.
struct Parts<'t> {
    positive: bool,
    /// Sign and number as written.
    value: &'t str,
    /// Digits before the point without leading zeros, `0` if none.
    whole: &'t str,
    /// Digits after the point.
    fraction: &'t str,
    suffix: &'t str,
}

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let signed = text.starts_with(['+', '-']);
        let unsigned = &text[usize::from(signed)..];
        let number = unsigned.trim_start_matches('0');
        if number.is_empty() {
            return Ok(Self {
                positive: !text.starts_with('-'),
                value: "0",
                whole: "0",
                fraction: "",
                suffix: "",
            });
        }
        let whole_len = number.len()
            - number
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let (whole, rest) = number.split_at(whole_len);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest
                .split_at(rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len()),
            None => ("", rest),
        };
        let exponent = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if exponent.bytes().any(|octet| !octet.is_ascii_digit()) {
            return Err(QuantityError::Format);
        }
        Ok(Self {
            positive: !text.starts_with('-'),
            value: &text[..text.len() - suffix.len()],
            whole: if whole.is_empty() { "0" } else { whole },
            fraction,
            suffix,
        })
    }

    /// The quantity with a 64-bit mantissa, if it surely fits.
    fn short(
        &self,
        text: &str,
        base: u32,
        exponent: i32,
        format: Format,
    ) -> Result<Option<Quantity>, QuantityError> {
        let whole = self.whole.len() as i64;
        let fraction = self.fraction.len() as i64;
        let (precision, scale, factor) = match (base, exponent) {
            // A power of two takes about three tenths of a digit per bit; a fraction of it needs the long form.
            (2, _) if fraction > 0 => return Ok(None),
            (2, bits) => (14 - whole - i64::from(bits) * 3 / 10, 0, 1_i64 << bits),
            _ => (MAX_FACTORS - whole - fraction, exponent, 1),
        };
        let scale = scale.wrapping_sub(i32::try_from(fraction).unwrap_or(i32::MAX));
        if precision < 0 || scale < NANO {
            return Ok(None);
        }
        let shifted = [self.whole, self.fraction].concat();
        let value: i64 = shifted.parse().map_err(|_| QuantityError::Numeric)?;
        let Some(product) = value.checked_mul(factor) else {
            return Ok(None);
        };
        let canonical = match format {
            Format::BinarySi => exponent % 10 == 0 && value & 7 != 0,
            Format::DecimalSi | Format::DecimalExponent => {
                scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
            }
        };
        Ok(Some(Quantity {
            amount: Amount::Scaled {
                value: if self.positive { product } else { -product },
                scale,
            },
            format,
            text: canonical.then(|| text.into()),
        }))
    }

    /// The quantity as a decimal: rounded up to nano, capped in the binary form.
    fn long(&self, base: u32, exponent: i32, format: Format) -> Result<Quantity, QuantityError> {
        let mut amount = Decimal::parse(self.value).ok_or(QuantityError::Numeric)?;
        if base == 10 {
            amount.set_scale(amount.scale().wrapping_sub(exponent));
        } else {
            amount.shift_left(exponent.unsigned_abs());
        }
        let negative = amount.sign() < 0;
        if negative {
            amount.negate();
        }
        if amount.is_zero() {
            // A zero keeps its scale, which sums take over; beyond that of doubles nothing shows it.
            amount.set_scale(amount.scale().clamp(-ZERO_SCALE, ZERO_SCALE));
        } else {
            amount = amount.round_up(-NANO).ok_or(QuantityError::Numeric)?;
        }
        let mut format = format;
        if format == Format::BinarySi {
            let cap = Decimal::new(i64::MAX, 0);
            if amount.compare(&cap) == Ordering::Greater {
                amount = cap;
            }
            if !amount.is_zero() && amount.compare(&Decimal::new(1, 0)) == Ordering::Less {
                format = Format::DecimalSi;
            }
        }
        if negative {
            amount.negate();
        }
        Ok(Quantity {
            amount: Amount::Decimal(amount),
            format,
            text: None,
        })
    }
}

/// Suffixes of powers of two, by power.
const BINARY: [(i32, &str); 6] = [
    (10, "Ki"),
    (20, "Mi"),
    (30, "Gi"),
    (40, "Ti"),
    (50, "Pi"),
    (60, "Ei"),
];
/// Suffixes of powers of ten, by power.
const DECIMAL: [(i32, &str); 10] = [
    (-9, "n"),
    (-6, "u"),
    (-3, "m"),
    (0, ""),
    (3, "k"),
    (6, "M"),
    (9, "G"),
    (12, "T"),
    (15, "P"),
    (18, "E"),
];

fn interpret_suffix(suffix: &str) -> Option<(u32, i32, Format)> {
    let find = |table: &[(i32, &str)]| {
        table
            .iter()
            .find(|(_, name)| *name == suffix)
            .map(|(power, _)| *power)
    };
    if let Some(power) = find(&DECIMAL) {
        return Some((10, power, Format::DecimalSi));
    }
    if let Some(power) = find(&BINARY) {
        return Some((2, power, Format::BinarySi));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i64 = exponent.parse().ok()?;
    // The API server keeps the low 32 bits.
    Some((10, exponent as i32, Format::DecimalExponent))
}

/// The suffix of a power; nothing for powers that have none, as in the API server.
fn suffix_of_power(table: &[(i32, &str)], power: i32) -> String {
    table
        .iter()
        .find(|(known, _)| *known == power)
        .map_or_else(String::new, |(_, name)| (*name).to_owned())
}

/// `value × 10^scale`, if it fits.
fn scale_up(value: i64, scale: i32) -> Option<i64> {
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10_i64.checked_pow(u32::try_from(scale).ok()?)?)
}

/// Sum of two scaled amounts, if it fits.
fn add_scaled(left: (i64, i32), right: (i64, i32)) -> Option<(i64, i32)> {
    let ((a, scale_a), (b, scale_b)) = (left, right);
    if b == 0 {
        return Some(left);
    }
    if a == 0 {
        return Some(right);
    }
    let scale = scale_a.min(scale_b);
    let a = scale_up(a, scale_a.checked_sub(scale)?)?;
    let b = scale_up(b, scale_b.checked_sub(scale)?)?;
    Some((a.checked_add(b)?, scale))
}

fn remove_factors(value: i64, base: i64) -> (i64, i32) {
    let mut result = value;
    let mut times = 0;
    while result != 0 && result % base == 0 {
        result /= base;
        times += 1;
    }
    (result, times)
}

/// `10^exponent` as Go's `math.Pow10` gives it: the product (or quotient) of two table entries.
fn pow10(exponent: i32) -> f64 {
    let size = exponent.unsigned_abs() as usize;
    match exponent {
        0..=308 => POW10_BY_32[size / 32] * POW10[size % 32],
        -323..=-1 => POW10_BY_MINUS_32[size / 32] / POW10[size % 32],
        309.. => f64::INFINITY,
        _ => 0.0,
    }
}

const POW10: [f64; 32] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31,
];
const POW10_BY_32: [f64; 10] = [
    1e0, 1e32, 1e64, 1e96, 1e128, 1e160, 1e192, 1e224, 1e256, 1e288,
];
const POW10_BY_MINUS_32: [f64; 11] = [
    1e-0, 1e-32, 1e-64, 1e-96, 1e-128, 1e-160, 1e-192, 1e-224, 1e-256, 1e-288, 1e-320,
];
