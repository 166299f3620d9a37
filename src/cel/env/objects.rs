//! Object types whose fields are declared: the admission request and the namespace.

use crate::cel::types::{Ty, Type};

/// An object type: its name and the types of its fields.
type Object = (&'static str, &'static [(&'static str, Ty)]);

/// `request`
pub(crate) const REQUEST: &str = "kubernetes.AdmissionRequest";
/// `namespaceObject`
pub(crate) const NAMESPACE: &str = "kubernetes.Namespace";
/// `variables`; its fields are those of the environment.
pub(crate) const VARIABLES: &str = "kubernetes.variables";
/// The root of constructed objects.
pub(crate) const OBJECT: &str = "Object";
/// One JSON patch operation.
pub(crate) const JSON_PATCH: &str = "JSONPatch";

/// The variables that admission binds in every evaluation.
pub(crate) const STANDARD: [&str; 5] = [
    "object",
    "oldObject",
    "params",
    "request",
    "namespaceObject",
];

const STRINGS: Ty = Ty::List(&Ty::String);
const STRING_MAP: Ty = Ty::Map(&Ty::String, &Ty::String);
const GVK: Ty = Ty::Object("kubernetes.GroupVersionKind");
const GVR: Ty = Ty::Object("kubernetes.GroupVersionResource");

const OBJECTS: &[Object] = &[
    (
        "kubernetes.GroupVersionKind",
        &[
            ("group", Ty::String),
            ("version", Ty::String),
            ("kind", Ty::String),
        ],
    ),
    (
        "kubernetes.GroupVersionResource",
        &[
            ("group", Ty::String),
            ("version", Ty::String),
            ("resource", Ty::String),
        ],
    ),
    (
        "kubernetes.UserInfo",
        &[
            ("username", Ty::String),
            ("uid", Ty::String),
            ("groups", STRINGS),
            ("extra", Ty::Map(&Ty::String, &STRINGS)),
        ],
    ),
    (
        REQUEST,
        &[
            ("kind", GVK),
            ("resource", GVR),
            ("subResource", Ty::String),
            ("requestKind", GVK),
            ("requestResource", GVR),
            ("requestSubResource", Ty::String),
            ("name", Ty::String),
            ("namespace", Ty::String),
            ("operation", Ty::String),
            ("userInfo", Ty::Object("kubernetes.UserInfo")),
            ("dryRun", Ty::Bool),
            ("options", Ty::Dyn),
        ],
    ),
    ("kubernetes.NamespaceSpec", &[("finalizers", STRINGS)]),
    (
        "kubernetes.NamespaceCondition",
        &[
            ("status", Ty::String),
            ("type", Ty::String),
            ("lastTransitionTime", Ty::Timestamp),
            ("message", Ty::String),
            ("reason", Ty::String),
        ],
    ),
    (
        "kubernetes.NamespaceStatus",
        &[
            (
                "conditions",
                Ty::List(&Ty::Object("kubernetes.NamespaceCondition")),
            ),
            ("phase", Ty::String),
        ],
    ),
    (
        "kubernetes.NamespaceMetadata",
        &[
            ("name", Ty::String),
            ("generateName", Ty::String),
            ("namespace", Ty::String),
            ("labels", STRING_MAP),
            ("annotations", STRING_MAP),
            ("UID", Ty::String),
            ("creationTimestamp", Ty::Timestamp),
            ("deletionGracePeriodSeconds", Ty::Int),
            ("deletionTimestamp", Ty::Timestamp),
            ("generation", Ty::Int),
            ("resourceVersion", Ty::String),
            ("finalizers", STRINGS),
        ],
    ),
    (
        NAMESPACE,
        &[
            ("metadata", Ty::Object("kubernetes.NamespaceMetadata")),
            ("spec", Ty::Object("kubernetes.NamespaceSpec")),
            ("status", Ty::Object("kubernetes.NamespaceStatus")),
        ],
    ),
];

/// What a field lookup found.
#[derive(Debug)]
pub(crate) enum Field {
    /// The type of the field.
    Of(Type),
    /// The object type has no such field.
    Undefined,
    /// Nobody knows the fields of this type.
    Unresolved,
}

/// The type of `field` in the object type `name`.
pub(crate) fn field(name: &str, field: &str) -> Field {
    let Some((_, fields)) = OBJECTS.iter().find(|(object, _)| *object == name) else {
        return Field::Unresolved;
    };
    fields
        .iter()
        .find(|(name, _)| *name == field)
        .map_or(Field::Undefined, |(_, ty)| Field::Of(ty.into()))
}

/// The type of `field` in a type that mutations construct.
pub(crate) fn constructed_field(name: &str, field: &str) -> Field {
    if name != JSON_PATCH {
        return Field::Of(Type::Dyn);
    }
    match field {
        "op" | "path" | "from" => Field::Of(Type::String),
        "value" => Field::Of(Type::Dyn),
        _ => Field::Undefined,
    }
}

/// Whether `name` is a type that mutations construct.
pub(crate) fn is_constructed(name: &str) -> bool {
    name == JSON_PATCH
        || name
            .strip_prefix(OBJECT)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Names of types that expressions may use as values.
pub(crate) fn named_type(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "google.protobuf.Duration" => Type::Duration,
        "int" => Type::Int,
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "null_type" => Type::Null,
        "string" => Type::String,
        "google.protobuf.Timestamp" => Type::Timestamp,
        "type" => crate::cel::lib::standard::bare_type(),
        "uint" => Type::Uint,
        "optional_type" | "net.IP" | "net.CIDR" => Type::Opaque(name.into()),
        _ => return None,
    })
}
