//! Values as JSON: by protobuf's rules for `JSONPatch.value`, by Kubernetes' rules for apply configurations.

use super::{EvalError, List, Map, Str, Struct, Value};
use crate::cel::lib::standard::key_text;
use crate::cel::typed;
use crate::model::json::{self, Json};

/// Largest magnitude of an integer that protobuf JSON writes as a number: 2^53 - 1.
const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// How integers and wrappers are written.
#[derive(Clone, Copy, PartialEq)]
enum Rules {
    /// protobuf `Value`.
    Protobuf,
    /// What a constructed object holds inside a protobuf `Value`: native values, of which some have no form there.
    Member,
    /// Unstructured Kubernetes objects: every integer stays an integer.
    Unstructured,
    /// The API server's own memory, as Go writes it: durations are nanoseconds, null inside an object is zero.
    Native,
}

impl Value<'_> {
    /// This value by the rules of protobuf's `Value`: integers beyond ±(2^53 − 1) become strings, bytes base64, durations
    /// `"1.5s"`, timestamps RFC 3339.
    ///
    /// # Errors
    /// Types that have no JSON form.
    pub fn to_json(&self) -> Result<Json<'static>, EvalError> {
        Conversion::new(Rules::Protobuf).convert(self)
    }

    /// This value as part of an apply configuration: integers stay integers, constructed objects become objects.
    ///
    /// # Errors
    /// Types that have no form in a Kubernetes object.
    pub fn to_unstructured(&self) -> Result<Json<'static>, EvalError> {
        Conversion::new(Rules::Unstructured).convert(self)
    }

    /// This value as Go writes its native form, for the output of constructed objects.
    ///
    /// # Errors
    /// Map keys that are no strings.
    pub(crate) fn to_native(&self) -> Result<Json<'static>, EvalError> {
        Conversion::new(Rules::Native).convert(self)
    }
}

/// Values that one conversion writes: several times what fits a Kubernetes object. Values made of values that are shared
/// many times over may have far more.
const MAX_STEPS: usize = 1_000_000;

/// One conversion under way.
struct Conversion {
    rules: Rules,
    left: usize,
}

impl Conversion {
    const fn new(rules: Rules) -> Self {
        Self {
            rules,
            left: MAX_STEPS,
        }
    }

    fn convert(&mut self, value: &Value<'_>) -> Result<Json<'static>, EvalError> {
        let rules = self.rules;
        self.left = self.left.checked_sub(1).ok_or(EvalError::Text(
            "the value is too large to be written as JSON".into(),
        ))?;
        Ok(match value {
            Value::Duration(nanos) if rules == Rules::Native => Json::Int(*nanos),
            Value::Null if rules == Rules::Native => Json::Int(0),
            Value::Opaque(value) if rules == Rules::Native => Json::from(value.text()),
            Value::Type(ty) if rules == Rules::Native => Json::from(ty.runtime_name().to_owned()),
            Value::Optional(None) if rules == Rules::Native => Json::Null,
            Value::Null if rules == Rules::Member => return Err(formless("structpb.NullValue")),
            Value::Duration(_) if rules == Rules::Member => return Err(formless("time.Duration")),
            Value::Timestamp(_) if rules == Rules::Member => return Err(formless("time.Time")),
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => int(*value, rules),
            Value::Uint(value) => uint(*value, rules),
            Value::Double(value) if value.is_finite() => double(*value),
            Value::Double(value) if rules == Rules::Native => typed::double(*value),
            Value::Double(value) => {
                let number = if value.is_nan() {
                    "NaN"
                } else if *value > 0.0 {
                    "+Inf"
                } else {
                    "-Inf"
                };
                return Err(EvalError::text(format!(
                    "json: error calling MarshalJSON for type *structpb.Value: proto: google.protobuf.Value.number_value: invalid {number} value"
                )));
            }
            Value::String(text) => Json::from(text.to_string()),
            Value::Bytes(octets) => Json::from(base64(octets)),
            Value::List(List::Json(items)) if rules != Rules::Protobuf => {
                Json::Array(items.iter().map(Json::to_owned_json).collect())
            }
            Value::List(list) => Json::Array(
                list.iter()
                    .map(|item| self.convert(&item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Map(Map::Json(map)) if rules != Rules::Protobuf => {
                Json::Object((*map).clone()).to_owned_json()
            }
            Value::Map(map) => Json::Object(self.entries(map)?),
            Value::Duration(_) | Value::Timestamp(_) => {
                Json::from(crate::cel::lib::standard::to_text(value)?.to_string())
            }
            Value::Optional(Some(inner)) => self.convert(inner)?,
            Value::Optional(None) => return Err(EvalError::text("optional.none() dereference")),
            Value::Struct(object) => Json::Object(self.fields(object)?),
            Value::Type(_) => {
                return Err(EvalError::text("type conversion not supported for 'type'"));
            }
            Value::Opaque(value) => {
                let name = value.type_name();
                // The API server's own word for most of its types is the last part of their name.
                let name = match name {
                    "kubernetes.NamedFormat" => "Format",
                    name if name.starts_with("kubernetes.authorization.") => name,
                    name => name.rsplit_once('.').map_or(name, |(_, last)| last),
                };
                return Err(EvalError::text(format!(
                    "type conversion error from '{name}' to '*structpb.Value'"
                )));
            }
        })
    }

    fn entries(&mut self, map: &Map<'_>) -> Result<json::Map<'static>, EvalError> {
        map.iter()
            .map(|(key, value)| match &key {
                Value::String(key) => Ok((key.to_string(), self.convert(&value)?)),
                Value::Bool(_) if self.rules == Rules::Protobuf => Err(EvalError::text(
                    "type conversion error from bool to 'string'",
                )),
                Value::Double(_) if self.rules == Rules::Protobuf => Err(EvalError::text(
                    "type conversion error from Double to 'string'",
                )),
                other if self.rules == Rules::Protobuf => Err(EvalError::text(format!(
                    "unsupported type conversion from '{}' to string",
                    other.type_name()
                ))),
                other => Err(EvalError::text(format!(
                    "map key {} is of type {}, not string",
                    key_text(other),
                    other.type_name()
                ))),
            })
            .collect()
    }

    /// Values inside a constructed object are native values: integers stay numbers.
    fn fields(&mut self, object: &Struct<'_>) -> Result<json::Map<'static>, EvalError> {
        let outer = self.rules;
        if outer == Rules::Protobuf {
            self.rules = Rules::Member;
        }
        let fields = object
            .fields
            .iter()
            .map(|(name, value)| {
                // A list that the expression made of nothing is none to Go.
                if outer == Rules::Native
                    && matches!(value, Value::List(list @ (List::Made(_) | List::Joined(_))) if list.is_empty())
                {
                    return Ok((name.to_string(), Json::Null));
                }
                let value = self.convert(value).map_err(|cause| {
                    EvalError::text(format!("fail to convert field {name:?}: {cause}"))
                })?;
                Ok((name.to_string(), value))
            })
            .collect();
        self.rules = outer;
        fields
    }
}

fn int(value: i64, rules: Rules) -> Json<'static> {
    if rules == Rules::Protobuf && value.unsigned_abs() > SAFE_INTEGER {
        return Json::from(value.to_string());
    }
    Json::Int(value)
}

fn uint(value: u64, rules: Rules) -> Json<'static> {
    match i64::try_from(value) {
        Ok(int) if rules != Rules::Protobuf || value <= SAFE_INTEGER => Json::Int(int),
        // What the API server reads back of a number that large.
        _ if rules != Rules::Protobuf => Json::Float(value as f64),
        _ => Json::from(value.to_string()),
    }
}

/// A protobuf number is a double: integral ones print without a fraction.
fn double(value: f64) -> Json<'static> {
    super::order::lossless_int(value)
        .filter(|int| int.unsigned_abs() <= SAFE_INTEGER)
        .map_or(Json::Float(value), Json::Int)
}

/// The error about a native value inside a protobuf `Value`, by its type in Go.
fn formless(ty: &str) -> EvalError {
    EvalError::text(format!("proto: invalid type: {ty}"))
}

fn base64(octets: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(octets)
}

impl std::fmt::Display for Str<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
