//! Types of the checker, and the const form in which function tables write them.

use std::fmt;
use std::sync::Arc;

/// A type as the checker computes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Unknown until run time; assignable to and from everything.
    Dyn,
    /// `null`
    Null,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `uint`
    Uint,
    /// `double`
    Double,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `google.protobuf.Duration`
    Duration,
    /// `google.protobuf.Timestamp`
    Timestamp,
    /// `list(T)`
    List(Arc<Type>),
    /// `map(K, V)`
    Map(Arc<Type>, Arc<Type>),
    /// `optional_type(T)`
    Optional(Arc<Type>),
    /// A scalar for which null may stand: `wrapper(T)`, of protobuf's wrapper messages.
    Wrapper(Arc<Type>),
    /// A type as a value: `type(T)`.
    Type(Arc<Type>),
    /// A type variable of an overload; never leaves the checker.
    Param(Arc<str>),
    /// An abstract type of a library, by its CEL name, such as `kubernetes.Quantity`.
    Opaque(Arc<str>),
    /// A declared object type by name (`kubernetes.AdmissionRequest`, `Object.spec`, `JSONPatch`); its fields are in
    /// the environment.
    Object(Arc<str>),
    /// Result of a failed check; unifies with everything so that one mistake is reported once.
    Error,
}

impl Type {
    /// `list(element)`
    #[must_use]
    pub fn list(element: Type) -> Self {
        Self::List(Arc::new(element))
    }

    /// `map(key, value)`
    #[must_use]
    pub fn map(key: Type, value: Type) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    /// `optional_type(inner)`
    #[must_use]
    pub fn optional(inner: Type) -> Self {
        Self::Optional(Arc::new(inner))
    }
}

impl Type {
    /// The name of the type at run time, parameters erased: `list`, `optional_type`, `kubernetes.Quantity`.
    #[must_use]
    pub fn runtime_name(&self) -> &str {
        match self {
            Self::Dyn => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "google.protobuf.Duration",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(..) => "map",
            Self::Optional(_) => "optional_type",
            Self::Wrapper(inner) => inner.runtime_name(),
            Self::Type(_) => "type",
            Self::Param(name) | Self::Opaque(name) | Self::Object(name) => name,
            Self::Error => "!error!",
        }
    }

    /// Whether two types are one but for wrappers, as the elements of a literal must be.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wrapper(a), b) | (b, Self::Wrapper(a)) => a.is_equivalent(b),
            (Self::List(a), Self::List(b))
            | (Self::Optional(a), Self::Optional(b))
            | (Self::Type(a), Self::Type(b)) => a.is_equivalent(b),
            (Self::Map(k1, v1), Self::Map(k2, v2)) => k1.is_equivalent(k2) && v1.is_equivalent(v2),
            (a, b) => a == b,
        }
    }

    /// The spelling of compile errors, which differs from [`fmt::Display`] for null, durations and timestamps.
    #[must_use]
    pub fn in_message(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Timestamp => "timestamp".to_owned(),
            Self::List(element) => format!("list({})", element.in_message()),
            Self::Map(key, value) => format!("map({}, {})", key.in_message(), value.in_message()),
            Self::Optional(inner) => format!("optional_type({})", inner.in_message()),
            Self::Wrapper(inner) => format!("wrapper({})", inner.in_message()),
            Self::Type(inner) => format!("type({})", inner.in_message()),
            other => other.runtime_name().to_owned(),
        }
    }

    /// What a composed variable of this type is declared as: scalars, timestamps, durations, lists and maps keep their
    /// type, every other type becomes `dyn`.
    #[must_use]
    pub fn degraded(&self) -> Self {
        match self {
            Self::Null
            | Self::Bool
            | Self::Int
            | Self::Uint
            | Self::Double
            | Self::String
            | Self::Bytes
            | Self::Duration
            | Self::Timestamp => self.clone(),
            Self::List(element) => Self::list(element.degraded()),
            Self::Map(key, value) => Self::map(key.degraded(), value.degraded()),
            _ => Self::Dyn,
        }
    }
}

impl fmt::Display for Type {
    /// The spelling of `must evaluate to … but got …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null_type"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("google.protobuf.Duration"),
            Self::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Optional(inner) => write!(f, "optional_type({inner})"),
            Self::Wrapper(inner) => write!(f, "wrapper({inner})"),
            Self::Type(inner) => write!(f, "type({inner})"),
            Self::Param(name) | Self::Opaque(name) | Self::Object(name) => f.write_str(name),
            Self::Error => f.write_str("!error!"),
        }
    }
}

/// A type in a function table.
#[derive(Clone, Copy, Debug)]
pub enum Ty {
    /// [`Type::Dyn`]
    Dyn,
    /// [`Type::Null`]
    Null,
    /// [`Type::Bool`]
    Bool,
    /// [`Type::Int`]
    Int,
    /// [`Type::Uint`]
    Uint,
    /// [`Type::Double`]
    Double,
    /// [`Type::String`]
    String,
    /// [`Type::Bytes`]
    Bytes,
    /// [`Type::Duration`]
    Duration,
    /// [`Type::Timestamp`]
    Timestamp,
    /// [`Type::List`]
    List(&'static Ty),
    /// [`Type::Map`]
    Map(&'static Ty, &'static Ty),
    /// [`Type::Optional`]
    Optional(&'static Ty),
    /// [`Type::Type`]
    Type(&'static Ty),
    /// [`Type::Param`]
    Param(&'static str),
    /// [`Type::Opaque`]
    Opaque(&'static str),
    /// [`Type::Object`]
    Object(&'static str),
}

impl From<&Ty> for Type {
    fn from(ty: &Ty) -> Self {
        match *ty {
            Ty::Dyn => Self::Dyn,
            Ty::Null => Self::Null,
            Ty::Bool => Self::Bool,
            Ty::Int => Self::Int,
            Ty::Uint => Self::Uint,
            Ty::Double => Self::Double,
            Ty::String => Self::String,
            Ty::Bytes => Self::Bytes,
            Ty::Duration => Self::Duration,
            Ty::Timestamp => Self::Timestamp,
            Ty::List(element) => Self::list(element.into()),
            Ty::Map(key, value) => Self::map(key.into(), value.into()),
            Ty::Optional(inner) => Self::optional(inner.into()),
            Ty::Type(inner) => Self::Type(Arc::new(inner.into())),
            Ty::Param(name) => Self::Param(name.into()),
            Ty::Opaque(name) => Self::Opaque(name.into()),
            Ty::Object(name) => Self::Object(name.into()),
        }
    }
}
