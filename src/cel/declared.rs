//! Object types that a schema declares, as the API server's type checking of policies sees them.
//!
//! Nothing is built ahead: the name of an object type is its path below the root (`Pod.spec.containers.@idx`, where
//! `@idx` is an element of a list and `@elem` a value of a map), and a field is found by walking the schema along it.
//! Field names are escaped, so that no step of a path holds a dot.

use std::borrow::Cow;
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
    root: Arc<Structural>,
    fidelity: Fidelity,
}

/// What is at a place of the schema.
enum Shape<'s> {
    Simple(Type),
    List(&'s Structural),
    Map(&'s Structural),
    Object,
    /// Nothing that the language has a type for.
    Hidden,
}

impl Declared {
    /// The types of a kind with schema `root`, under `name`.
    #[must_use]
    pub fn new(name: &str, root: Arc<Structural>, fidelity: Fidelity) -> Self {
        Self {
            name: name.into(),
            root,
            fidelity,
        }
    }

    /// The type of an object of the kind.
    #[must_use]
    pub fn object(&self) -> Type {
        self.type_of(&self.root, &self.name).unwrap_or(Type::Dyn)
    }

    /// The type of `field` in the object type `object`; `None` when that is none of this kind's.
    pub(crate) fn field(&self, object: &str, field: &str) -> Option<Field> {
        let place = self.resolve(object)?;
        let Some((below, name)) = child(place, field) else {
            let open = self.fidelity == Fidelity::Lenient && is_open(place);
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
    fn resolve(&self, object: &str) -> Option<&Structural> {
        let rest = object.strip_prefix(self.name.as_ref())?;
        if rest.is_empty() {
            return Some(&self.root);
        }
        let mut steps = rest.strip_prefix('.')?.split('.');
        steps.try_fold(self.root.as_ref(), |place, step| {
            match (step, shape(place)) {
                ("@idx", Shape::List(below)) | ("@elem", Shape::Map(below)) => Some(below),
                (field, Shape::Object) => child(place, field).map(|(below, _)| below),
                _ => None,
            }
        })
    }

    /// The type of a place whose path is `path`; `None` when the place is hidden.
    fn type_of(&self, place: &Structural, path: &str) -> Option<Type> {
        Some(match shape(place) {
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

fn shape(place: &Structural) -> Shape<'_> {
    match place.kind {
        Kind::IntOrString => Shape::Simple(Type::Dyn),
        Kind::Array => place.items.as_deref().map_or(Shape::Hidden, Shape::List),
        Kind::Object => match &place.additional {
            Additional::Schema(value) => Shape::Map(value),
            Additional::None | Additional::Any => Shape::Object,
        },
        Kind::String => Shape::Simple(match place.format() {
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
fn child<'s>(place: &'s Structural, field: &str) -> Option<(&'s Structural, Cow<'s, str>)> {
    let mut fields = place.fields.iter();
    let written = fields.find_map(|own| {
        let name = escape(&own.name).filter(|name| name == field)?;
        Some((&own.schema, name))
    });
    written.or_else(|| {
        // A word of the language needs no escape behind a dot.
        let own = place.fields.iter().find(|own| &*own.name == field)?;
        let name = escape(&own.name).filter(|_| is_reserved(field))?;
        Some((&own.schema, name))
    })
}

/// Whether an object may have fields that its schema does not name.
fn is_open(place: &Structural) -> bool {
    place.preserve_unknown || matches!(place.additional, Additional::Any) || place.fields.is_empty()
}

#[cfg(test)]
mod tests;
