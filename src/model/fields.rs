//! Strict reading of documents: every field has a known name and type, and every mistake is reported with its path.

use std::cell::RefCell;
use std::fmt;

use super::json::Json;
use super::near;
use super::path::FieldPath;

/// One thing wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Which field.
    pub path: FieldPath,
    /// What was expected, what was found.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.0.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// The mistakes found so far in one document.
#[derive(Debug, Default)]
pub struct FieldErrors(RefCell<Vec<FieldError>>);

impl FieldErrors {
    /// Records a mistake; once, however often the field is read.
    pub fn push(&self, path: FieldPath, message: impl Into<String>) {
        let error = FieldError {
            path,
            message: message.into(),
        };
        let mut errors = self.0.borrow_mut();
        if !errors.contains(&error) {
            errors.push(error);
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in order of discovery.
    #[must_use]
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0.into_inner()
    }
}

/// A field that is read: perhaps absent. An explicit `null` counts as absent, as in Go.
#[derive(Clone)]
pub struct Field<'j> {
    path: FieldPath,
    value: Option<&'j Json<'j>>,
    errors: &'j FieldErrors,
}

/// The word for a value's type in messages.
fn type_name(value: &Json<'_>) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Int(_) => "an integer",
        Json::Float(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

impl<'j> Field<'j> {
    /// The document itself.
    #[must_use]
    pub fn root(document: &'j Json<'j>, errors: &'j FieldErrors) -> Self {
        Self::at(FieldPath::root(), Some(document), errors)
    }

    fn at(path: FieldPath, value: Option<&'j Json<'j>>, errors: &'j FieldErrors) -> Self {
        Self {
            path,
            value: value.filter(|value| !value.is_null()),
            errors,
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn path(&self) -> &FieldPath {
        &self.path
    }

    /// Where its mistakes are collected.
    #[must_use]
    pub const fn errors(&self) -> &'j FieldErrors {
        self.errors
    }

    /// Its value, if it has one.
    #[must_use]
    pub const fn value(&self) -> Option<&'j Json<'j>> {
        self.value
    }

    /// Whether it is there.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.value.is_some()
    }

    /// Records a mistake in this field.
    pub fn fail(&self, message: impl Into<String>) {
        self.errors.push(self.path.clone(), message);
    }

    fn mistyped(&self, wanted: &str, value: &Json<'_>) {
        self.fail(format!("expected {wanted}, found {}", type_name(value)));
    }

    /// The member `key`, absent when this is absent or no object.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let value = self.value.and_then(|value| value.get(key));
        Self::at(self.path.key(key), value, self.errors)
    }

    /// Refuses anything but an object with these members; false when it is absent or no object.
    #[must_use]
    pub fn object(&self, known: &[&str]) -> bool {
        let Some(value) = self.value else {
            return false;
        };
        let Json::Object(map) = value else {
            self.mistyped("an object", value);
            return false;
        };
        for (key, _) in map.iter() {
            if !known.contains(&key) {
                let hint = near::hint(key, known.iter().copied());
                self.errors
                    .push(self.path.key(key), format!("unknown field{hint}"));
            }
        }
        true
    }

    /// Its elements; none when it is absent.
    #[must_use]
    pub fn items(&self) -> Vec<Self> {
        match self.value {
            None => Vec::new(),
            Some(Json::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| Self::at(self.path.index(index), Some(item), self.errors))
                .collect(),
            Some(value) => {
                self.mistyped("a list", value);
                Vec::new()
            }
        }
    }

    /// Its text; `None` when it is absent, empty text is kept.
    #[must_use]
    pub fn text(&self) -> Option<&'j str> {
        match self.value? {
            Json::String(text) => Some(text),
            value => {
                self.mistyped("a string", value);
                None
            }
        }
    }

    /// Its text, which must be there and not empty.
    #[must_use]
    pub fn required_text(&self) -> Option<&'j str> {
        match self.value {
            Some(Json::String(text)) if !text.is_empty() => Some(text),
            None | Some(Json::String(_)) => {
                self.fail("a value is required");
                None
            }
            Some(value) => {
                self.mistyped("a string", value);
                None
            }
        }
    }

    /// Its elements, all of which must be text.
    #[must_use]
    pub fn texts(&self) -> Vec<&'j str> {
        let items = self.items();
        items
            .iter()
            .filter_map(|item| match item.value {
                None => {
                    item.fail("expected a string, found null");
                    None
                }
                Some(_) => item.text(),
            })
            .collect()
    }

    /// Its meaning in a table of words; `None` when it is absent or empty.
    #[must_use]
    pub fn word<T: Copy>(&self, table: &[(&str, T)]) -> Option<T> {
        let text = self.text().filter(|text| !text.is_empty())?;
        let found = table.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<String> = table.iter().map(|(word, _)| format!("{word:?}")).collect();
            let hint = near::hint(text, table.iter().map(|(word, _)| *word));
            self.fail(format!(
                "expected one of {}, found {text:?}{hint}",
                words.join(", ")
            ));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// Checks text by its syntax, recording what it must look like.
    pub fn check(&self, text: &str, syntax: fn(&str) -> Result<(), &'static str>) {
        if let Err(rule) = syntax(text) {
            self.fail(format!("{text:?} {rule}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_with_its_path() {
        let document = Json::parse(
            r#"{"a":{"b":1,"Name":"x","list":[1,"y",null]},"w":"Dny","e":"","n":null,"o":[]}"#,
        )
        .expect("valid");
        let errors = FieldErrors::default();
        let root = Field::root(&document, &errors);
        assert!(root.object(&["a", "w", "e", "n", "o"]));
        let a = root.key("a");
        assert!(a.object(&["b", "name", "list"]));
        assert_eq!(a.key("b").text(), None);
        assert_eq!(a.key("list").texts(), ["y"]);
        assert_eq!(root.key("w").word(&[("Deny", 1), ("Warn", 2)]), None);
        assert_eq!(root.key("e").required_text(), None);
        assert_eq!(root.key("n").required_text(), None);
        assert!(!root.key("n").object(&[]));
        assert!(!root.key("o").object(&[]));
        assert!(root.key("w").items().is_empty());
        let got: Vec<String> = errors.into_vec().iter().map(ToString::to_string).collect();
        assert_eq!(
            got,
            [
                "a.Name: unknown field, did you mean \"name\"?",
                "a.b: expected a string, found an integer",
                "a.list[0]: expected a string, found an integer",
                "a.list[2]: expected a string, found null",
                "w: expected one of \"Deny\", \"Warn\", found \"Dny\", did you mean \"Deny\"?",
                "e: a value is required",
                "n: a value is required",
                "o: expected an object, found a list",
                "w: expected a list, found a string",
            ]
        );
    }
}
