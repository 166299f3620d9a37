//! What a value is: its type, its size, whether it is a zero value.

use std::sync::Arc;

use super::{Opaque, Value};
use crate::cel::env::objects;
use crate::cel::types::Type;

impl Value<'_> {
    /// The type at run time; element types of lists and maps are erased to `dyn`.
    #[must_use]
    pub fn type_of(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint(_) => Type::Uint,
            Self::Double(_) => Type::Double,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::List(_) => Type::list(Type::Dyn),
            Self::Map(_) => Type::map(Type::Dyn, Type::Dyn),
            Self::Duration(_) => Type::Duration,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Type(_) => Type::Type(Arc::new(Type::Dyn)),
            Self::Optional(_) => Type::optional(Type::Dyn),
            Self::Struct(object) => Type::Object(object.name.clone()),
            Self::Opaque(value) => Type::Opaque(value.type_name().into()),
        }
    }

    /// The name of that type: `list`, `kubernetes.Quantity`.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Type(_) => "type",
            Self::Optional(_) => "optional_type",
            Self::Struct(object) => &object.name,
            Self::Opaque(value) => value.type_name(),
        }
    }

    /// The name of the type that the API server's evaluator keeps such a value in; some of its errors tell it.
    pub(crate) fn go_type(&self) -> &str {
        match self {
            Self::Null => "types.Null",
            Self::Bool(_) => "types.Bool",
            Self::Int(_) => "types.Int",
            Self::Uint(_) => "types.Uint",
            Self::Double(_) => "types.Double",
            Self::String(_) => "types.String",
            Self::Bytes(_) => "types.Bytes",
            Self::List(_) => "*types.baseList",
            Self::Map(_) => "*types.baseMap",
            Self::Duration(_) => "types.Duration",
            Self::Timestamp(_) => "types.Timestamp",
            Self::Type(_) => "*types.Type",
            Self::Optional(_) => "*types.Optional",
            Self::Struct(object) if object.name.as_ref() == objects::JSON_PATCH => {
                "*mutation.JSONPatchVal"
            }
            Self::Struct(_) => "*dynamic.ObjectVal",
            Self::Opaque(value) => match value.type_name() {
                "net.IP" => "cel.IP",
                "net.CIDR" => "cel.CIDR",
                "kubernetes.URL" => "cel.URL",
                "kubernetes.Quantity" => "cel.Quantity",
                "kubernetes.Semver" => "cel.Semver",
                "kubernetes.NamedFormat" => "cel.Format",
                "kubernetes.authorization.Authorizer" => "library.authorizerVal",
                "kubernetes.authorization.PathCheck" => "library.pathCheckVal",
                "kubernetes.authorization.GroupCheck" => "library.groupCheckVal",
                "kubernetes.authorization.ResourceCheck" => "library.resourceCheckVal",
                "kubernetes.authorization.Decision" => "library.decisionVal",
                other => other,
            },
        }
    }

    /// Size in the cost model: code points, octets, elements, entries; 1 for everything else.
    #[must_use]
    pub fn cost_size(&self) -> u64 {
        match self {
            Self::String(text) => text.chars().count() as u64,
            Self::Bytes(octets) => octets.len() as u64,
            Self::List(list) => list.len() as u64,
            Self::Map(map) => map.len() as u64,
            Self::Opaque(value) => Opaque::size(value.as_ref()).unwrap_or(1),
            _ => 1,
        }
    }

    /// Whether `optional.ofNonZeroValue` takes it for empty.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Int(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Double(value) => *value == 0.0,
            Self::String(text) => text.is_empty(),
            Self::Bytes(octets) => octets.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Duration(nanos) => *nanos == 0,
            // The zero of Go's time is the year 1, not 1970.
            Self::Timestamp(at) => at.seconds == super::order::YEAR_ONE && at.nanos == 0,
            Self::Struct(object) => object.fields.is_empty(),
            Self::Type(_) | Self::Optional(_) | Self::Opaque(_) => false,
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if this is a boolean.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if this is an `int`.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }
}
