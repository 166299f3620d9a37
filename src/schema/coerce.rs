//! Coercion: a number written `1.0` where a number belongs is stored, and read back, as `1`.

use super::structural::{Kind, Structural};
use crate::model::json::Json;

/// Beyond this the API server writes a double with an exponent, and it stays a double.
const WRITTEN_AS_DIGITS: f64 = 1e21;

impl Structural {
    /// Turns integral doubles into integers where the schema says number or integer, as storing the object would.
    pub fn coerce(&self, value: &mut Json<'_>) {
        match value {
            Json::Float(number) if matches!(self.kind, Kind::Number | Kind::Integer) => {
                if let Some(whole) = integral(*number) {
                    *value = Json::Int(whole);
                }
            }
            Json::Array(items) => {
                for item in items {
                    if let Some(schema) = &self.items {
                        schema.coerce(item);
                    }
                }
            }
            Json::Object(map) => {
                for (key, member) in map.iter_mut() {
                    if let Some(schema) = self.member(key) {
                        schema.coerce(member);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The integer that a double is, if it is one and fits.
pub(super) fn integral(number: f64) -> Option<i64> {
    if number.fract() != 0.0 || number.abs() >= WRITTEN_AS_DIGITS {
        return None;
    }
    // Digits of an integral double are exact below the limit: parsing them is the checked conversion.
    format!("{number:.0}").parse().ok()
}
