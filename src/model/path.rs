//! Field paths: printed as Kubernetes prints them, and as JSON pointers.

use std::fmt;

use super::json::Json;

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Member of an object.
    Key(String),
    /// Element of a list.
    Index(usize),
}

/// A place inside a document, from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(pub Vec<Step>);

impl FieldPath {
    /// The root.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// This path with one more object key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// This path with one more list index.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// The path without its last step; `None` at the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// The value there.
    #[must_use]
    pub fn find<'v, 'a>(&self, root: &'v Json<'a>) -> Option<&'v Json<'a>> {
        self.0.iter().try_fold(root, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.as_array()?.get(*index),
        })
    }

    /// Where `target` lives inside `root`, told by its address: works for any borrowed part of the same tree.
    #[must_use]
    pub fn locate(root: &Json<'_>, target: &Json<'_>) -> Option<Self> {
        fn walk(value: &Json<'_>, target: *const (), steps: &mut Vec<Step>) -> bool {
            if std::ptr::from_ref(value).cast::<()>() == target {
                return true;
            }
            match value {
                Json::Array(items) => items.iter().enumerate().any(|(index, item)| {
                    steps.push(Step::Index(index));
                    walk(item, target, steps) || {
                        steps.pop();
                        false
                    }
                }),
                Json::Object(map) => map.iter().any(|(key, item)| {
                    steps.push(Step::Key(key.to_owned()));
                    walk(item, target, steps) || {
                        steps.pop();
                        false
                    }
                }),
                _ => false,
            }
        }
        let mut steps = Vec::new();
        walk(root, std::ptr::from_ref(target).cast::<()>(), &mut steps).then_some(Self(steps))
    }

    /// Reads what [`fmt::Display`] prints, up to the first character that cannot go on: `None` when `text` does not
    /// begin with a path.
    #[must_use]
    pub fn parse_prefix(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            if let Some(inside) = rest.strip_prefix("['") {
                let (key, after) = inside.split_once("']")?;
                steps.push(Step::Key(key.to_owned()));
                rest = after;
            } else if let Some(inside) = rest.strip_prefix('[') {
                let (index, after) = inside.split_once(']')?;
                steps.push(Step::Index(index.parse().ok()?));
                rest = after;
            } else {
                let name = match rest.strip_prefix('.') {
                    Some(name) if !steps.is_empty() => name,
                    None if steps.is_empty() => rest,
                    _ => break,
                };
                let plain = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
                let end = name.find(plain).unwrap_or(name.len());
                if end == 0 {
                    break;
                }
                steps.push(Step::Key(name[..end].to_owned()));
                rest = &name[end..];
            }
        }
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// RFC 6901 form: `/spec/containers/0`.
    #[must_use]
    pub fn pointer(&self) -> String {
        let mut out = String::new();
        for step in &self.0 {
            out.push('/');
            match step {
                Step::Key(key) => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => out.push_str(&index.to_string()),
            }
        }
        out
    }
}

impl FieldPath {
    /// As schema validation of the API server prints it: every key after a dot, quoted never.
    #[must_use]
    pub fn dotted(&self) -> String {
        let mut out = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push_str(key);
                }
                Step::Index(index) => {
                    out.push('[');
                    out.push_str(&index.to_string());
                    out.push(']');
                }
            }
        }
        out
    }
}

impl fmt::Display for FieldPath {
    /// `spec.containers[0].image`; keys that are no plain names are quoted: `metadata.labels['a/b']`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if is_plain(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(key)?;
                }
                Step::Key(key) => write!(f, "['{key}']")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_like_kubernetes_and_as_pointer() {
        let path = FieldPath::root()
            .key("metadata")
            .key("labels")
            .key("a/b~c")
            .index(2)
            .key("x");
        assert_eq!(path.to_string(), "metadata.labels['a/b~c'][2].x");
        assert_eq!(path.pointer(), "/metadata/labels/a~1b~0c/2/x");
    }

    #[test]
    fn reads_back_what_it_prints() {
        let path = FieldPath::root()
            .key("metadata")
            .key("labels")
            .key("a/b~c")
            .index(2)
            .key("x");
        assert_eq!(FieldPath::parse_prefix(&path.to_string()), Some(path));
        let read = |text| FieldPath::parse_prefix(text).map(|path| path.to_string());
        assert_eq!(
            read("spec.volumes[0].hostPath (volume x) is /"),
            Some("spec.volumes[0].hostPath".into())
        );
        assert_eq!(read("spec.a: must be 1"), Some("spec.a".into()));
        assert_eq!(read("(nothing)"), None);
        assert_eq!(read("spec.a[x]"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn locates_a_part_by_its_address_not_its_value() {
        let root = Json::parse(r#"{"a":[{"v":1},{"v":1}]}"#).expect("valid");
        let part = root
            .get("a")
            .and_then(|a| a.as_array())
            .and_then(|a| a[1].get("v"))
            .expect("there");
        let path = FieldPath::locate(&root, part).expect("inside");
        assert_eq!(path.to_string(), "a[1].v");
        assert_eq!(path.find(&root), Some(part));
        assert_eq!(FieldPath::locate(&root, &Json::Int(1)), None);
    }
}
