//! What is wrong with a policy, with the place in its file.

use std::fmt;
use std::sync::Arc;

use super::suite::is_suite;
use crate::model::fields::FieldError;
use crate::model::json::Json;
use crate::model::path::FieldPath;
use crate::model::yaml::{self, Document, Marks, Position, ReadError};

/// Where an object came from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A file, with the places of its fields.
    File {
        /// Its name, as the user gave it.
        file: Arc<str>,
        /// Where each field stands.
        marks: Marks,
    },
    /// The cluster, or this program itself.
    Cluster,
}

/// An object with its origin.
#[derive(Clone, Debug)]
pub struct Sourced {
    /// The object.
    pub object: Json<'static>,
    /// Where it came from.
    pub origin: Origin,
}

impl From<Document> for Sourced {
    fn from(document: Document) -> Self {
        Self {
            object: document.value,
            origin: Origin::File {
                file: document.file,
                marks: document.marks,
            },
        }
    }
}

impl Sourced {
    /// The objects of a policy file, lists taken apart. Suites, which lie beside policies and test them, are left out.
    ///
    /// # Errors
    /// The text is not YAML or JSON.
    pub fn read(name: &str, text: &str) -> Result<Vec<Self>, ReadError> {
        Ok(yaml::read(name, text)?
            .into_iter()
            .flat_map(Document::flatten)
            .filter(|document| !is_suite(document))
            .map(Self::from)
            .collect())
    }

    /// An object of the cluster.
    #[must_use]
    pub const fn cluster(object: Json<'static>) -> Self {
        Self {
            object,
            origin: Origin::Cluster,
        }
    }

    /// `kind/name`, for messages.
    #[must_use]
    pub fn subject(&self) -> String {
        let text = |keys: &[&str]| self.object.str_at(keys).unwrap_or_default();
        let (kind, name) = (text(&["kind"]), text(&["metadata", "name"]));
        match self.object.str_at(&["metadata", "namespace"]) {
            Some(namespace) if !namespace.is_empty() => format!("{kind}/{namespace}/{name}"),
            _ => format!("{kind}/{name}"),
        }
    }
}

impl Origin {
    /// The file, if there is one.
    #[must_use]
    pub const fn file(&self) -> Option<&Arc<str>> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Cluster => None,
        }
    }

    /// Where a field stands in the file, or its nearest ancestor.
    #[must_use]
    pub fn position(&self, path: &FieldPath) -> Option<Position> {
        match self {
            Self::File { marks, .. } => Some(marks.nearest(path)),
            Self::Cluster => None,
        }
    }
}

/// One line of source with a caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line: of the file or, without a file, of the expression.
    pub line: String,
    /// Column of the caret, from 1, in code points.
    pub column: u32,
}

/// One thing wrong with a policy, binding or profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file; `None` for objects of the cluster.
    pub file: Option<Arc<str>>,
    /// Line and column in the file.
    pub position: Option<Position>,
    /// `kind/name` of the object.
    pub subject: String,
    /// The field, such as `spec.validations[0].expression`; empty for the object as a whole.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The source around it.
    pub excerpt: Option<Excerpt>,
}

impl Diagnostic {
    /// A mistake in a field.
    #[must_use]
    pub fn field(subject: &str, origin: &Origin, error: &FieldError) -> Self {
        Self::at(
            subject,
            origin,
            &error.path,
            origin.position(&error.path),
            error.message.clone(),
        )
    }

    /// A mistake at line `line`, column `column` of the expression in a field.
    #[must_use]
    pub fn expression(
        subject: &str,
        origin: &Origin,
        path: &FieldPath,
        (text, line, column): (&str, u32, u32),
        message: String,
    ) -> Self {
        match origin {
            Origin::File { marks, .. } => {
                let position = marks.in_scalar(path, line, column);
                Self::at(subject, origin, path, Some(position), message)
            }
            Origin::Cluster => {
                let index = (line as usize).saturating_sub(1);
                let excerpt = Excerpt {
                    line: text.split('\n').nth(index).unwrap_or_default().to_owned(),
                    column,
                };
                Self {
                    excerpt: Some(excerpt),
                    ..Self::at(subject, origin, path, None, message)
                }
            }
        }
    }

    fn at(
        subject: &str,
        origin: &Origin,
        path: &FieldPath,
        position: Option<Position>,
        message: String,
    ) -> Self {
        let excerpt = match (origin, position) {
            (Origin::File { marks, .. }, Some(at)) => Some(Excerpt {
                line: marks.line(at.line).to_owned(),
                column: at.column,
            }),
            _ => None,
        };
        Self {
            file: origin.file().cloned(),
            position,
            subject: subject.to_owned(),
            field: path.to_string(),
            message,
            excerpt,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(at) = self.position {
                write!(f, "{}:{}:", at.line, at.column)?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}: ", self.subject)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}
