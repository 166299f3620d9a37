//! Manifests as text: multi-document YAML and JSON into [`Json`], with the place of every field.
//!
//! Scalars resolve as `kubectl` and the Go libraries resolve them (YAML 1.1: `yes`, `on`, `0644`), duplicate keys are
//! errors, and everything that a hostile file could grow (nesting, aliases, size) has a limit. Depends on `model`
//! alone; pure: the caller reads the file.

mod build;
mod json_text;
mod marks;
mod scalar;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use super::json::Json;
pub use marks::{Marks, Position};

/// Longest text that is read: a full dump of a large namespace fits, a mistaken disk image does not.
pub const MAX_TEXT: usize = 64 << 20;

/// Deepest nesting, the same as for JSON on the wire.
pub const MAX_DEPTH: usize = 128;

/// Nodes that aliases and merge keys may add to one file: far above any hand-written manifest, far below what exhausts
/// memory.
pub const MAX_EXPANSION: usize = 200_000;

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it says.
    pub value: Json<'static>,
    /// Where each field stands.
    pub marks: Marks,
    /// The name of the file, as the user gave it.
    pub file: Arc<str>,
}

/// Why a text is no manifest, with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The name of the file, as the user gave it.
    pub file: Arc<str>,
    /// Where.
    pub at: Position,
    /// What is wrong there.
    pub message: String,
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, at, message } = self;
        write!(f, "{file}:{}:{}: {message}", at.line, at.column)
    }
}

/// What went wrong at a place, before the file's name is added.
#[derive(Debug)]
struct Fault {
    at: Position,
    message: String,
}

impl Fault {
    fn new(at: Position, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

/// Reads all documents of `text`; `name` is for messages. Documents that are empty or `null` are skipped.
///
/// A text that starts with `{` or `[` is read as a stream of JSON documents, and as YAML when it is not JSON.
///
/// # Errors
/// The text is neither, repeats a key, or exceeds [`MAX_TEXT`], [`MAX_DEPTH`] or [`MAX_EXPANSION`].
pub fn read(name: &str, text: &str) -> Result<Vec<Document>, ReadError> {
    let file: Arc<str> = name.into();
    let error = |fault: Fault| ReadError {
        file: Arc::clone(&file),
        at: fault.at,
        message: fault.message,
    };
    if text.len() > MAX_TEXT {
        let message = format!(
            "the text has {} bytes, at most {MAX_TEXT} are read: split it",
            text.len()
        );
        return Err(error(Fault::new(Position::START, message)));
    }
    let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(text).into();
    let parts = if text.trim_start().starts_with(['{', '[']) {
        json_text::documents(&text).or_else(|fault| build::documents(&text).map_err(|_| fault))
    } else {
        build::documents(&text)
    };
    let documents = parts
        .map_err(error)?
        .into_iter()
        .filter(|(value, _)| !value.is_null())
        .map(|(value, nodes)| Document {
            value,
            marks: Marks::new(Arc::clone(&text), nodes),
            file: Arc::clone(&file),
        })
        .collect();
    Ok(documents)
}

impl Document {
    /// The objects in it: the items of a `List` (or of a `…List` kind, whose items inherit version and kind when they
    /// name none), each with its place; anything else is itself.
    #[must_use]
    pub fn flatten(self) -> Vec<Self> {
        let kind = self.value.str_at(&["kind"]).unwrap_or_default();
        let Some(item_kind) = kind.strip_suffix("List").map(str::to_owned) else {
            return vec![self];
        };
        let api_version = self.value.str_at(&["apiVersion"]).map(str::to_owned);
        let Self {
            value: Json::Object(mut map),
            marks,
            file,
        } = self
        else {
            return vec![self];
        };
        let items = match map.remove("items") {
            Some(Json::Array(items)) => items,
            Some(Json::Null) => Vec::new(),
            other => {
                if let Some(other) = other {
                    map.insert("items", other);
                }
                let value = Json::Object(map);
                return vec![Self { value, marks, file }];
            }
        };
        let mut out = Vec::with_capacity(items.len());
        for (index, mut value) in items.into_iter().enumerate() {
            if let (Json::Object(item), Some(api_version)) = (&mut value, &api_version)
                && !item_kind.is_empty()
                && !item.contains_key("kind")
            {
                item.insert("kind", Json::from(item_kind.clone()));
                item.entry_or("apiVersion", Json::from(api_version.clone()));
            }
            let item = Self {
                value,
                marks: marks.item(index),
                file: Arc::clone(&file),
            };
            // Depth is bounded: a list inside a list costs two levels of nesting each.
            out.extend(item.flatten());
        }
        out
    }
}
