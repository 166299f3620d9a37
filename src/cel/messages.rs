//! The well-known messages of protobuf, which expressions may construct: `google.protobuf.Int64Value{value: 1}`.
//!
//! All but `google.protobuf.Empty` become plain values at once: wrappers what they wrap, `Struct` a map, `ListValue` a
//! list. Depends on `types`; pure tables. How values are made of fields: `super::eval::messages`.

use std::sync::Arc;

use super::types::{Ty, Type};

/// The one message that stays what it is.
pub(crate) const EMPTY: &str = "google.protobuf.Empty";

/// The only member of `google.protobuf.NullValue`, an `int`.
pub(crate) const NULL_VALUE: &str = "google.protobuf.NullValue.NULL_VALUE";

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    /// Full name.
    pub(crate) name: &'static str,
    /// What it is to an expression, or what it wraps.
    of: Ty,
    /// It wraps a scalar: null may stand for it.
    wraps: bool,
    /// Names and kinds of the fields.
    pub(crate) fields: &'static [(&'static str, Kind)],
}

/// The kind of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Float,
    Double,
    Bool,
    String,
    Bytes,
    /// `google.protobuf.NullValue`
    Null,
    /// `map<string, Value>`
    Entries,
    /// `repeated Value`
    Items,
    /// `google.protobuf.Struct`
    Struct,
    /// `google.protobuf.ListValue`
    List,
}

impl Kind {
    /// The type that an expression must give.
    pub(crate) fn ty(self) -> Type {
        match self {
            Self::Int32 | Self::Int64 | Self::Null => Type::Int,
            Self::Uint32 | Self::Uint64 => Type::Uint,
            Self::Float | Self::Double => Type::Double,
            Self::Bool => Type::Bool,
            Self::String => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Entries | Self::Struct => Type::map(Type::String, Type::Dyn),
            Self::Items | Self::List => Type::list(Type::Dyn),
        }
    }

    /// The type in the API server's memory, which its errors name.
    pub(crate) const fn go_type(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float => "float32",
            Self::Double => "float64",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Bytes => "[]uint8",
            Self::Null => "protoreflect.EnumNumber",
            Self::Entries | Self::Items => "*structpb.Value",
            Self::Struct => "*structpb.Struct",
            Self::List => "*structpb.ListValue",
        }
    }
}

impl Message {
    /// The type that a literal of this message has.
    pub(crate) fn result(&self) -> Type {
        let of = Type::from(&self.of);
        if self.wraps {
            return Type::Wrapper(Arc::new(of));
        }
        of
    }

    /// The kind of a field.
    pub(crate) fn field(&self, name: &str) -> Option<Kind> {
        let mut fields = self.fields.iter();
        let (_, kind) = fields.find(|(known, _)| *known == name)?;
        Some(*kind)
    }
}

const fn wrapper(name: &'static str, of: Ty, fields: &'static [(&'static str, Kind)]) -> Message {
    Message {
        name,
        of,
        wraps: true,
        fields,
    }
}

const fn message(name: &'static str, of: Ty, fields: &'static [(&'static str, Kind)]) -> Message {
    Message {
        name,
        of,
        wraps: false,
        fields,
    }
}

const TIME: &[(&str, Kind)] = &[("seconds", Kind::Int64), ("nanos", Kind::Int32)];

const MESSAGES: &[Message] = &[
    wrapper(
        "google.protobuf.BoolValue",
        Ty::Bool,
        &[("value", Kind::Bool)],
    ),
    wrapper(
        "google.protobuf.BytesValue",
        Ty::Bytes,
        &[("value", Kind::Bytes)],
    ),
    wrapper(
        "google.protobuf.DoubleValue",
        Ty::Double,
        &[("value", Kind::Double)],
    ),
    wrapper(
        "google.protobuf.FloatValue",
        Ty::Double,
        &[("value", Kind::Float)],
    ),
    wrapper(
        "google.protobuf.Int32Value",
        Ty::Int,
        &[("value", Kind::Int32)],
    ),
    wrapper(
        "google.protobuf.Int64Value",
        Ty::Int,
        &[("value", Kind::Int64)],
    ),
    wrapper(
        "google.protobuf.StringValue",
        Ty::String,
        &[("value", Kind::String)],
    ),
    wrapper(
        "google.protobuf.UInt32Value",
        Ty::Uint,
        &[("value", Kind::Uint32)],
    ),
    wrapper(
        "google.protobuf.UInt64Value",
        Ty::Uint,
        &[("value", Kind::Uint64)],
    ),
    message("google.protobuf.Duration", Ty::Duration, TIME),
    message("google.protobuf.Timestamp", Ty::Timestamp, TIME),
    message(EMPTY, Ty::Object(EMPTY), &[]),
    message(
        "google.protobuf.Struct",
        Ty::Map(&Ty::String, &Ty::Dyn),
        &[("fields", Kind::Entries)],
    ),
    message(
        "google.protobuf.ListValue",
        Ty::List(&Ty::Dyn),
        &[("values", Kind::Items)],
    ),
    message(
        "google.protobuf.Value",
        Ty::Dyn,
        &[
            ("null_value", Kind::Null),
            ("number_value", Kind::Double),
            ("string_value", Kind::String),
            ("bool_value", Kind::Bool),
            ("struct_value", Kind::Struct),
            ("list_value", Kind::List),
        ],
    ),
];

/// The message of this name.
pub(crate) fn find(name: &str) -> Option<&'static Message> {
    if !name.starts_with("google.protobuf.") {
        return None;
    }
    MESSAGES.iter().find(|message| message.name == name)
}
