//! Decimal numbers of any length: what a quantity falls back to when 64 bits do not hold it.
//!
//! A value is `±digits × 10^-scale`, one octet per digit. Quantities that need this have some tens of digits, so the
//! plain schoolbook methods are the right ones.

use std::cmp::Ordering;
use std::fmt;

/// Longest digit string that an operation may make. Far above any resource amount; it keeps a hostile exponent
/// (`1e999999999` plus 1) from filling the memory.
pub(super) const MAX_DIGITS: usize = 16_384;

/// A decimal number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Most significant digit first, values 0 to 9, no leading zeros; empty is zero.
    digits: Vec<u8>,
    /// Number of digits after the decimal point; negative: zeros before it.
    scale: i32,
}

impl Decimal {
    /// `value × 10^-scale`
    pub(super) fn new(value: i64, scale: i32) -> Self {
        Self {
            negative: value < 0,
            digits: digits_of(u128::from(value.unsigned_abs())),
            scale,
        }
    }

    /// The decimal written as `[+-]digits[.digits]`; `None` without any digit or with too many.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        if whole.is_empty() && fraction.is_empty() || rest.len() > MAX_DIGITS {
            return None;
        }
        let all = whole.bytes().chain(fraction.bytes());
        if all.clone().any(|octet| !octet.is_ascii_digit()) {
            return None;
        }
        let mut number = Self {
            negative,
            digits: all.map(|octet| octet - b'0').collect(),
            scale: i32::try_from(fraction.len()).ok()?,
        };
        number.trim_leading();
        Some(number)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// −1, 0 or 1.
    pub(super) fn sign(&self) -> i32 {
        match (self.is_zero(), self.negative) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => -1,
        }
    }

    pub(super) fn scale(&self) -> i32 {
        self.scale
    }

    pub(super) fn set_scale(&mut self, scale: i32) {
        self.scale = scale;
    }

    pub(super) fn negate(&mut self) {
        self.negative = !self.negative && !self.is_zero();
    }

    /// Multiplies the digits by `2^power`, power up to 60.
    pub(super) fn shift_left(&mut self, power: u32) {
        let factor = 1_u128 << power;
        let mut carry = 0_u128;
        for digit in self.digits.iter_mut().rev() {
            let product = u128::from(*digit) * factor + carry;
            *digit = remainder_octet(product, 10);
            carry = product / 10;
        }
        let mut head = digits_of(carry);
        head.append(&mut self.digits);
        self.digits = head;
    }

    /// The number with exactly `scale` digits after the point, rounded away from zero; `None` when too long.
    pub(super) fn round_up(&self, scale: i32) -> Option<Self> {
        let mut rounded = self.clone();
        let drop = i64::from(self.scale) - i64::from(scale);
        rounded.scale = scale;
        if self.is_zero() || drop == 0 {
            return Some(rounded);
        }
        if drop < 0 {
            let zeros = usize::try_from(-drop).ok()?;
            if self.digits.len().checked_add(zeros)? > MAX_DIGITS {
                return None;
            }
            rounded.digits.resize(self.digits.len() + zeros, 0);
            return Some(rounded);
        }
        let keep = self
            .digits
            .len()
            .saturating_sub(usize::try_from(drop).ok()?);
        let lost = rounded.digits.split_off(keep);
        if lost.iter().any(|digit| *digit != 0) {
            rounded.increment();
        }
        Some(rounded)
    }

    /// `self + other` at the larger of the two scales; `None` when too long.
    pub(super) fn add(&self, other: &Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let left = self.round_up(scale)?;
        let right = other.round_up(scale)?;
        let (negative, digits) = if left.negative == right.negative {
            (left.negative, add_digits(&left.digits, &right.digits))
        } else {
            match compare_digits(&left.digits, &right.digits) {
                Ordering::Less => (right.negative, subtract_digits(&right.digits, &left.digits)),
                Ordering::Equal => (false, Vec::new()),
                Ordering::Greater => (left.negative, subtract_digits(&left.digits, &right.digits)),
            }
        };
        let mut sum = Self {
            negative,
            digits,
            scale,
        };
        sum.trim_leading();
        Some(sum)
    }

    /// Order by value, whatever the scales.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let by_sign = self.sign().cmp(&other.sign());
        if by_sign != Ordering::Equal || self.is_zero() {
            return by_sign;
        }
        let magnitude = self.point().cmp(&other.point()).then_with(|| {
            let longest = self.digits.len().max(other.digits.len());
            (0..longest)
                .map(|at| digit_at(&self.digits, at).cmp(&digit_at(&other.digits, at)))
                .find(|order| *order != Ordering::Equal)
                .unwrap_or(Ordering::Equal)
        });
        if self.negative {
            magnitude.reverse()
        } else {
            magnitude
        }
    }

    /// The digits as a number with all factors of `factor` divided out, and how many there were.
    pub(super) fn without_factors(&self, factor: u32) -> (Self, i32) {
        let mut number = self.clone();
        let mut times = 0;
        while !number.is_zero() {
            let (quotient, remainder) = divide_digits(&number.digits, factor);
            if remainder != 0 {
                break;
            }
            number.digits = quotient;
            number.trim_leading();
            times += 1;
        }
        (number, times)
    }

    /// The digits alone, with their sign, without the scale.
    pub(super) fn unscaled(&self) -> Unscaled<'_> {
        Unscaled(self)
    }

    /// The digits as a double, correctly rounded, without the scale.
    pub(super) fn unscaled_f64(&self) -> f64 {
        // Rust's parser rounds decimal text of any length to the nearest double, ties to even.
        self.unscaled().to_string().parse().unwrap_or(f64::NAN)
    }

    /// Number of digits before the decimal point of a non-zero value (negative for small fractions).
    fn point(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX) - i64::from(self.scale)
    }

    fn increment(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < 9 {
                *digit += 1;
                return;
            }
            *digit = 0;
        }
        self.digits.insert(0, 1);
    }

    fn trim_leading(&mut self) {
        let zeros = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..zeros);
        if self.digits.is_empty() {
            self.negative = false;
        }
    }
}

/// Prints the digits of a [`Decimal`] as an integer.
pub(super) struct Unscaled<'d>(&'d Decimal);

impl fmt::Display for Unscaled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0");
        }
        if self.0.negative {
            f.write_str("-")?;
        }
        let text: String = self
            .0
            .digits
            .iter()
            .map(|digit| char::from(b'0' + digit))
            .collect();
        f.write_str(&text)
    }
}

fn digit_at(digits: &[u8], at: usize) -> u8 {
    digits.get(at).copied().unwrap_or(0)
}

fn digits_of(mut value: u128) -> Vec<u8> {
    let mut digits = Vec::new();
    while value > 0 {
        digits.push(remainder_octet(value, 10));
        value /= 10;
    }
    digits.reverse();
    digits
}

/// `value % divisor` for a divisor that fits in an octet.
fn remainder_octet(value: u128, divisor: u8) -> u8 {
    u8::try_from(value % u128::from(divisor)).unwrap_or(0)
}

/// Order of two digit strings without leading zeros.
fn compare_digits(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn add_digits(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut sum = Vec::with_capacity(left.len().max(right.len()) + 1);
    let (mut left, mut right) = (left.iter().rev(), right.iter().rev());
    let mut carry = 0;
    loop {
        let (a, b) = (left.next(), right.next());
        if a.is_none() && b.is_none() {
            break;
        }
        let digit = a.copied().unwrap_or(0) + b.copied().unwrap_or(0) + carry;
        sum.push(digit % 10);
        carry = digit / 10;
    }
    if carry > 0 {
        sum.push(carry);
    }
    sum.reverse();
    sum
}

/// `left - right`, left being the larger.
fn subtract_digits(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut difference = Vec::with_capacity(left.len());
    let mut right = right.iter().rev();
    let mut borrow = 0;
    for a in left.iter().rev() {
        let b = right.next().copied().unwrap_or(0) + borrow;
        borrow = u8::from(*a < b);
        difference.push(*a + 10 * borrow - b);
    }
    difference.reverse();
    difference
}

fn divide_digits(digits: &[u8], divisor: u32) -> (Vec<u8>, u32) {
    let mut remainder = 0_u32;
    let quotient = digits
        .iter()
        .map(|digit| {
            let value = remainder * 10 + u32::from(*digit);
            remainder = value % divisor;
            u8::try_from(value / divisor).unwrap_or(0)
        })
        .collect();
    (quotient, remainder)
}
