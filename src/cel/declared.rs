//! Object types that a schema declares, as the API server's type checking of policies sees them.
//!
//! Nothing is built ahead: the name of an object type is its path below the root (`Pod.spec.containers.@idx`, where
//! `@idx` is an element of a list and `@elem` a value of a map), and a field is found by walking the schema along it.
//! Field names are escaped, so that no step of a path holds a dot.

use std::sync::Arc;

use super::env::objects::Field;
use super::names::{escape, is_reserved};
use super::types::Type;
use crate::schema::Structural;
use crate::schema::structural::{Additional, Kind};

/// How closely declared types follow the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fidelity {
    /// As the API server declares them. What has no type of the language (quantities of built-in kinds, unknown fields
    /// that are kept) is not there, and using it is an issue.
    ApiServer,
    /// Such fields are there and may hold anything: what is left are mistakes.
    Lenient,
}

/// The object types of one kind.
#[derive(Clone, Debug)]
pub struct Declared {
    name: Arc<str>,
    root: &'static Structural,
    fidelity: Fidelity,
}

/// A place of the schema.
#[derive(Clone, Copy)]
enum Node {
    /// As the schema has it.
    Schema(&'static Structural),
    /// An object with `apiVersion`, `kind` and `metadata`, whether or not its schema says so.
    Resource(&'static Structural),
    /// The metadata of a resource whose schema does not say what is in it.
    Metadata,
    /// Text.
    Text,
}

/// What is at a place.
enum Shape {
    Simple(Type),
    List(Node),
    Map(Node),
    Object,
    /// Nothing that the language has a type for.
    Hidden,
}

impl Declared {
    /// The types of a kind with schema `root`, under `name`.
    #[must_use]
    pub fn new(name: &str, root: &'static Structural, fidelity: Fidelity) -> Self {
        Self {
            name: name.into(),
            root,
            fidelity,
        }
    }

    /// The type of an object of the kind.
    #[must_use]
    pub fn object(&self) -> Type {
        self.type_of(Node::Resource(self.root), &self.name)
            .unwrap_or(Type::Dyn)
    }

    /// The type of `field` in the object type `object`; `None` when that is none of this kind's.
    pub(crate) fn field(&self, object: &str, field: &str) -> Option<Field> {
        let node = self.resolve(object)?;
        let Some((below, name)) = node.child(field) else {
            let open = self.fidelity == Fidelity::Lenient && node.is_open();
            return Some(if open {
                Field::Of(Type::Dyn)
            } else {
                Field::Undefined
            });
        };
        let ty = self.type_of(below, &format!("{object}.{name}"));
        Some(ty.map_or(Field::Undefined, Field::Of))
    }

    /// The place that the name of an object type stands for.
    fn resolve(&self, object: &str) -> Option<Node> {
        let root = Node::Resource(self.root);
        let rest = object.strip_prefix(self.name.as_ref())?;
        if rest.is_empty() {
            return Some(root);
        }
        let mut steps = rest.strip_prefix('.')?.split('.');
        steps.try_fold(root, |node, step| match (step, node.shape()) {
            ("@idx", Shape::List(below)) | ("@elem", Shape::Map(below)) => Some(below),
            (field, Shape::Object) => node.child(field).map(|(below, _)| below),
            _ => None,
        })
    }

    /// The type of a place whose path is `path`; `None` when the place is hidden.
    fn type_of(&self, node: Node, path: &str) -> Option<Type> {
        Some(match node.shape() {
            Shape::Simple(ty) => ty,
            Shape::Object => Type::Object(path.into()),
            Shape::List(below) => Type::list(self.type_of(below, &format!("{path}.@idx"))?),
            Shape::Map(below) => {
                let value = self.type_of(below, &format!("{path}.@elem"))?;
                Type::map(Type::String, value)
            }
            Shape::Hidden => match self.fidelity {
                Fidelity::ApiServer => return None,
                Fidelity::Lenient => Type::Dyn,
            },
        })
    }
}

impl Node {
    /// The place of a part of a schema.
    fn below(schema: &'static Structural) -> Self {
        if schema.embedded {
            Self::Resource(schema)
        } else {
            Self::Schema(schema)
        }
    }

    fn shape(self) -> Shape {
        let schema = match self {
            Self::Text => return Shape::Simple(Type::String),
            Self::Metadata => return Shape::Object,
            Self::Schema(schema) | Self::Resource(schema) => schema,
        };
        match schema.kind {
            Kind::IntOrString => Shape::Simple(Type::Dyn),
            Kind::Array => match &schema.items {
                Some(items) => Shape::List(Self::below(items)),
                None => Shape::Hidden,
            },
            Kind::Object => match &schema.additional {
                Additional::Schema(value) => Shape::Map(Self::below(value)),
                Additional::None | Additional::Any => Shape::Object,
            },
            Kind::String => Shape::Simple(match schema.format() {
                "byte" => Type::Bytes,
                "duration" => Type::Duration,
                "date" | "date-time" => Type::Timestamp,
                _ => Type::String,
            }),
            Kind::Boolean => Shape::Simple(Type::Bool),
            Kind::Number => Shape::Simple(Type::Double),
            Kind::Integer => Shape::Simple(Type::Int),
            Kind::Any | Kind::NumberOrString => Shape::Hidden,
        }
    }

    /// The place of the field that an expression writes as `field`, and its escaped name.
    fn child(self, field: &str) -> Option<(Self, String)> {
        let schema = match (self, field) {
            (Self::Text, _) => return None,
            (Self::Metadata, "name" | "generateName")
            | (Self::Resource(_), "apiVersion" | "kind") => {
                return Some((Self::Text, field.to_owned()));
            }
            (Self::Metadata, _) => return None,
            (Self::Resource(schema), "metadata") => {
                let metadata = schema.field("metadata").filter(|own| tells_names(own));
                let below = metadata.map_or(Self::Metadata, Self::Schema);
                return Some((below, field.to_owned()));
            }
            (Self::Schema(schema) | Self::Resource(schema), _) => schema,
        };
        let written = |(name, below)| (Self::below(below), name);
        schema
            .fields
            .iter()
            .find_map(|own| {
                let name = escape(&own.name).filter(|name| name == field)?;
                Some((name.into_owned(), &own.schema))
            })
            .or_else(|| {
                let below = schema.field(field).filter(|_| is_reserved(field))?;
                Some((escape(field)?.into_owned(), below))
            })
            .map(written)
    }

    /// Whether an object may have fields that its schema does not name.
    fn is_open(self) -> bool {
        match self {
            Self::Text => false,
            Self::Metadata => true,
            Self::Schema(schema) | Self::Resource(schema) => {
                schema.preserve_unknown
                    || matches!(schema.additional, Additional::Any)
                    || schema.fields.is_empty()
            }
        }
    }
}

/// Whether a schema for metadata has what every resource has.
fn tells_names(metadata: &Structural) -> bool {
    let is_text = |name| {
        metadata
            .field(name)
            .is_some_and(|field| field.kind == Kind::String)
    };
    metadata.kind == Kind::Object && is_text("name") && is_text("generateName")
}

#[cfg(test)]
mod tests;
