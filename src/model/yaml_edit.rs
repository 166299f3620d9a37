//! Changes to a manifest in its text: what is not changed stays as it is written, comments and order included.
//!
//! Covers what mutations do in practice, members added to mappings and scalars replaced, in block and in flow style.
//! What comes out must be read again and compared: text can be stranger than this knows.

use super::json::Json;
use super::patch::{Op, Operation};
use super::path::{FieldPath, Step};
use super::yaml::{Marks, Position};
use super::yaml_out::to_yaml;

/// A change of the text: from, to, and what to put there.
struct Edit {
    start: usize,
    end: usize,
    /// How far in a block it is written: of two in one place, the deeper comes first.
    indent: usize,
    /// Whether it is the first member of a mapping in flow style, which those after it are parted from.
    first: bool,
    text: String,
}

/// The text with all operations done, which are about the document that `marks` and `value` describe; `None` when one
/// of them is beyond this.
#[must_use]
pub fn patched(
    text: &str,
    (marks, value): (&Marks, &Json<'_>),
    operations: &[Operation],
) -> Option<String> {
    let source = Source::new(text);
    let mut edits = Vec::new();
    for operation in operations {
        edits.push(source.edit(marks, value, operation)?);
    }
    edits.sort_by_key(|edit| (edit.start, std::cmp::Reverse(edit.indent)));
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut first_at = None;
    for edit in edits {
        out.push_str(text.get(done..edit.start)?);
        if first_at == Some(edit.start) {
            out.push_str(", ");
        }
        first_at = edit.first.then_some(edit.start);
        out.push_str(&edit.text);
        done = edit.end;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

struct Source<'t> {
    text: &'t str,
    /// Octet at which each line begins.
    starts: Vec<usize>,
    /// How lines end.
    newline: &'static str,
    json: bool,
}

impl<'t> Source<'t> {
    fn new(text: &'t str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after).collect(),
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
            json: text.trim_start().starts_with(['{', '[']),
        }
    }

    /// A line, from 0, with its end.
    fn line(&self, index: usize) -> Option<&'t str> {
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied();
        self.text.get(start..end.unwrap_or(self.text.len()))
    }

    fn offset(&self, at: Position) -> Option<usize> {
        let line = (at.line as usize).checked_sub(1)?;
        let column = (at.column as usize).checked_sub(1)?;
        let text = self.line(line)?;
        let inside = text.char_indices().nth(column).map(|(at, _)| at);
        let whole = (text.chars().count() == column).then_some(text.len());
        Some(self.starts.get(line)? + inside.or(whole)?)
    }

    fn edit(&self, marks: &Marks, value: &Json<'_>, operation: &Operation) -> Option<Edit> {
        let path = resolve(&operation.path, value)?;
        let new = operation.value.as_ref()?;
        match operation.op {
            Op::Add => {
                let Some(Step::Key(key)) = path.0.last() else {
                    return None;
                };
                let parent = path.parent()?;
                let Json::Object(members) = parent.find(value)? else {
                    return None;
                };
                let at = marks.value_position(&parent)?;
                let keys = members
                    .iter()
                    .filter_map(|(key, _)| marks.position(&parent.key(key)));
                self.add(at, keys.min(), key, new)
            }
            Op::Replace => {
                path.find(value)
                    .filter(|old| !matches!(old, Json::Null | Json::Array(_) | Json::Object(_)))?;
                let start = self.offset(marks.value_position(&path)?)?;
                let end = start + scalar_length(self.text.get(start..)?)?;
                let text = self.flow(new);
                Some(Edit {
                    start,
                    end,
                    indent: 0,
                    first: false,
                    text,
                })
            }
            Op::Remove | Op::Move | Op::Copy | Op::Test => None,
        }
    }

    /// Adds a member to the mapping at `at`, whose first key stands at `first`.
    fn add(
        &self,
        at: Position,
        first: Option<Position>,
        key: &str,
        new: &Json<'_>,
    ) -> Option<Edit> {
        let mut start = self.offset(at)?;
        if self.text.get(start..)?.starts_with('&') {
            // An anchor stands before what it names.
            start += self.text.get(start..)?.find([' ', '\n'])? + 1;
        }
        let empty = first.is_none();
        if self.text.get(start..)?.starts_with('{') {
            let key = if self.json {
                Json::from(key).to_string()
            } else {
                to_yaml(&Json::from(key)).trim_end().to_owned()
            };
            let comma = if empty { "" } else { ", " };
            return Some(Edit {
                start: start + 1,
                end: start + 1,
                indent: 0,
                first: empty,
                text: format!("{key}: {}{comma}", self.flow(new)),
            });
        }
        let first = first.filter(|_| !self.json)?;
        let indent = (first.column as usize).checked_sub(1)?;
        let end = self.end_of_mapping((first.line as usize).checked_sub(1)?, indent);
        let member = [(key, new.clone())].into_iter().collect();
        let mut text = String::new();
        if !self.text.get(..end)?.ends_with('\n') {
            text.push_str(self.newline);
        }
        for line in to_yaml(&Json::Object(member)).lines() {
            if !line.is_empty() {
                text.extend(std::iter::repeat_n(' ', indent));
            }
            text.push_str(line);
            text.push_str(self.newline);
        }
        Some(Edit {
            start: end,
            end,
            indent,
            first: false,
            text,
        })
    }

    /// Where the block mapping ends whose first key stands on line `first`, `indent` columns in: after its last line
    /// that is neither blank nor a comment.
    fn end_of_mapping(&self, first: usize, indent: usize) -> usize {
        let mut last = first;
        let mut index = first + 1;
        while let Some(line) = self.line(index) {
            let content = line.trim_start_matches(' ');
            let deep = line.len() - content.len();
            let content = content.trim_end();
            let marker = deep == 0 && ["---", "..."].iter().any(|mark| content.starts_with(mark));
            if !content.is_empty() && !content.starts_with('#') {
                if deep < indent || marker {
                    break;
                }
                last = index;
            }
            index += 1;
        }
        let next = self.starts.get(last + 1).copied();
        next.unwrap_or(self.text.len())
    }

    /// A value within a line; JSON is YAML as well.
    fn flow(&self, value: &Json<'_>) -> String {
        match value {
            Json::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Json::Object(map) => {
                let member = |(key, value)| {
                    let key = Json::from(key);
                    format!("{}: {}", self.flow(&key), self.flow(value))
                };
                let members: Vec<String> = map.iter().map(member).collect();
                format!("{{{}}}", members.join(", "))
            }
            scalar if self.json => scalar.to_string(),
            Json::String(text) if text.contains(['\n', ',', '[', ']', '{', '}']) => {
                value.to_string()
            }
            scalar => to_yaml(scalar).trim_end().to_owned(),
        }
    }
}

/// A JSON pointer as a path in the document; `None` where it leads through a scalar.
fn resolve(pointer: &str, root: &Json<'_>) -> Option<FieldPath> {
    let mut path = FieldPath::root();
    let mut at = Some(root);
    for part in pointer.strip_prefix('/')?.split('/') {
        let part = part.replace("~1", "/").replace("~0", "~");
        (path, at) = match at? {
            Json::Object(map) => (path.key(&part), map.get(&part)),
            Json::Array(items) => {
                let index = part.parse::<usize>().ok()?;
                (path.index(index), items.get(index))
            }
            _ => return None,
        };
    }
    Some(path)
}

/// Octets of the scalar that a text begins with, if it ends on its line.
fn scalar_length(text: &str) -> Option<usize> {
    let line = text.lines().next()?;
    match line.chars().next()? {
        '"' => {
            let mut escaped = false;
            for (at, c) in line.char_indices().skip(1) {
                if c == '"' && !escaped {
                    return Some(at + 1);
                }
                escaped = c == '\\' && !escaped;
            }
            None
        }
        '\'' => {
            // Inside, a quote is written twice.
            let mut at = 1;
            loop {
                at += line.get(at..)?.find('\'')? + 1;
                if line.get(at..)?.starts_with('\'') {
                    at += 1;
                } else {
                    return Some(at);
                }
            }
        }
        '&' | '*' | '!' | '|' | '>' | '{' | '[' => None,
        _ => {
            let ends = [" #", ",", "}", "]"]
                .iter()
                .filter_map(|end| line.find(end));
            let end = ends.min().unwrap_or(line.len());
            Some(line[..end].trim_end().len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::patch::{apply, diff};
    use super::super::yaml;
    use super::*;

    /// Adds `value` at a pointer of the first document, as text; checks that it means the same.
    fn edited(text: &str, pointer: &str, value: Json<'static>) -> Option<String> {
        let documents = yaml::read("t", text).expect("YAML");
        let document = documents.first().expect("a document");
        let there = resolve(pointer, &document.value)
            .is_some_and(|path| path.find(&document.value).is_some());
        let operation = Operation {
            op: if there { Op::Replace } else { Op::Add },
            path: pointer.to_owned(),
            from: None,
            value: Some(value),
        };
        let operations = [operation];
        let wanted = apply(&document.value, &operations).expect("applies");
        let out = patched(text, (&document.marks, &document.value), &operations)?;
        let again = yaml::read("t", &out).expect("still YAML");
        assert_eq!(diff(&again.first()?.value, &wanted), [], "{out}");
        assert_eq!(again.len(), documents.len());
        Some(out)
    }

    #[test]
    fn block_mappings_grow_at_their_end_and_comments_stay() {
        let text =
            "# head\na:\n  b: 1  # one\n  list:\n  - x\n  # about c\n  c: 2\n\n# tail\nd: 3\n";
        assert_eq!(
            edited(text, "/a/new", crate::owned_json!({"k": [1, "yes"]})).as_deref(),
            Some(
                "# head\na:\n  b: 1  # one\n  list:\n  - x\n  # about c\n  c: 2\n  new:\n    k:\n    - 1\n    - \"yes\"\n\n# tail\nd: 3\n"
            )
        );
        assert_eq!(
            edited("a: 1", "/b", Json::Bool(false)).as_deref(),
            Some("a: 1\nb: false\n")
        );
        assert_eq!(
            edited(
                "l:\r\n- a: |\r\n    # text\r\n  b: 2\r\n- c: 3\r\n",
                "/l/0/m",
                Json::Int(1)
            )
            .as_deref(),
            Some("l:\r\n- a: |\r\n    # text\r\n  b: 2\r\n  m: 1\r\n- c: 3\r\n")
        );
        assert_eq!(
            edited("a: 1\n---\nb: 2\n", "/m", Json::Int(1)).as_deref(),
            Some("a: 1\nm: 1\n---\nb: 2\n")
        );
    }

    #[test]
    fn flow_mappings_grow_at_their_front() {
        assert_eq!(
            edited("a: {b: 1} # c\n", "/a/m", crate::owned_json!({"x": ["z"]})).as_deref(),
            Some("a: {m: {x: [z]}, b: 1} # c\n")
        );
        assert_eq!(
            edited("a: {}\n", "/a/m", Json::Bool(true)).as_deref(),
            Some("a: {m: true}\n")
        );
        assert_eq!(
            edited("{\"a\": {\"b\": 1}}", "/a/m", Json::from("x")).as_deref(),
            Some("{\"a\": {\"m\": \"x\", \"b\": 1}}")
        );
    }

    #[test]
    fn several_changes_in_one_place_stand_in_order() {
        let text = "l:\n- a:\n    b: {}\n";
        let documents = yaml::read("t", text).expect("YAML");
        let document = &documents[0];
        let add = |path: &str| Operation {
            op: Op::Add,
            path: path.to_owned(),
            from: None,
            value: Some(Json::Int(1)),
        };
        let operations = ["/l/0/m", "/l/0/a/m", "/l/0/a/b/x", "/l/0/a/b/z", "/m"].map(add);
        assert_eq!(
            patched(text, (&document.marks, &document.value), &operations).as_deref(),
            Some("l:\n- a:\n    b: {x: 1, z: 1}\n    m: 1\n  m: 1\nm: 1\n")
        );
    }

    #[test]
    fn scalars_are_replaced_in_place() {
        for (text, expected) in [
            ("a: 1 # one\n", "a: new # one\n"),
            ("a: 'it''s'\nb: 2\n", "a: new\nb: 2\n"),
            ("a: \"q\\\"\" # c\n", "a: new # c\n"),
            ("{a: x, b: y}\n", "{a: \"new\", b: y}\n"),
        ] {
            let out = edited(text, "/a", Json::from("new"));
            assert_eq!(out.as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_beyond_is_refused() {
        assert_eq!(edited("a: [1]\n", "/a/1", Json::Int(2)), None);
        assert_eq!(edited("a: |\n  x\n", "/a", Json::Int(2)), None);
        assert_eq!(edited("a:\n  b: 1\n", "/a", Json::Int(2)), None);
    }
}
