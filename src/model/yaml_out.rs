//! Writes JSON as block YAML: stable, minimal, readable by every YAML 1.1 and 1.2 reader as the same value.
//!
//! Keys come in the document's own order (sorted), lists are indented under their key by nothing, text that any reader
//! could take for something else is quoted, and multi-line text is a literal block. No line is ever folded.

use std::fmt::Write;

use super::json::Json;

/// The document as YAML, ending in a newline.
#[must_use]
pub fn to_yaml(value: &Json<'_>) -> String {
    let mut out = String::new();
    match value {
        Json::Object(map) if !map.is_empty() => object(&mut out, value, 0),
        Json::Array(items) if !items.is_empty() => array(&mut out, items, 0),
        _ => {
            scalar(&mut out, value, 0);
            out.push('\n');
        }
    }
    out
}

/// Documents as one YAML stream, each led by `---`.
#[must_use]
pub fn to_yaml_stream<'v, 'a: 'v>(documents: impl IntoIterator<Item = &'v Json<'a>>) -> String {
    let mut out = String::new();
    for document in documents {
        out.push_str("---\n");
        out.push_str(&to_yaml(document));
    }
    out
}

/// The entries of an object; the cursor stands where the first key belongs.
fn object(out: &mut String, value: &Json<'_>, indent: usize) {
    let entries = value.as_object().into_iter().flat_map(|map| map.iter());
    for (position, (key, member)) in entries.enumerate() {
        if position > 0 {
            pad(out, indent);
        }
        text(out, key);
        out.push(':');
        match member {
            Json::Object(map) if !map.is_empty() => {
                out.push('\n');
                pad(out, indent + 2);
                object(out, member, indent + 2);
            }
            Json::Array(items) if !items.is_empty() => {
                out.push('\n');
                pad(out, indent);
                array(out, items, indent);
            }
            _ => {
                out.push(' ');
                scalar(out, member, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn array(out: &mut String, items: &[Json<'_>], indent: usize) {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            pad(out, indent);
        }
        out.push_str("- ");
        match item {
            Json::Object(map) if !map.is_empty() => object(out, item, indent + 2),
            Json::Array(inner) if !inner.is_empty() => array(out, inner, indent + 2),
            _ => {
                scalar(out, item, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// A value on the current line; `indent` is where the lines of a literal block go.
fn scalar(out: &mut String, value: &Json<'_>, indent: usize) {
    match value {
        Json::String(value) if fits_literal_block(value) => {
            let body = value.strip_suffix('\n');
            out.push_str(if body.is_some() { "|" } else { "|-" });
            for line in body.unwrap_or(value).split('\n') {
                out.push('\n');
                if !line.is_empty() {
                    // A literal block of the root document still needs an indent.
                    pad(out, indent.max(2));
                    out.push_str(line);
                }
            }
        }
        Json::String(value) => text(out, value),
        Json::Array(_) => out.push_str("[]"),
        Json::Object(_) => out.push_str("{}"),
        Json::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
            // Keeps the fraction that tells it from an integer.
            let _ = write!(out, "{value:.1}");
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Several lines that a literal block gives back unchanged: no trailing blanks, no leading blank on the first line (it
/// would need an indentation mark), nothing unprintable, exactly one or no final newline.
fn fits_literal_block(value: &str) -> bool {
    let body = value.strip_suffix('\n').unwrap_or(value);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n'])
        && body.lines().all(|line| !line.ends_with([' ', '\t']))
        && body.chars().all(|c| c == '\n' || is_printable(c))
}

/// Printable in YAML, and no line break or byte order mark to any reader.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// One line of text: plain when nobody can mistake it, else in double quotes with JSON escapes.
fn text(out: &mut String, value: &str) {
    if is_plain(value) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) > 0xffff => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push('"');
}

/// Words that YAML 1.1 or 1.2 readers take for a boolean, null or number; compared without case.
const WORDS: &[&str] = &[
    "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf",
];

fn is_plain(value: &str) -> bool {
    let Some(first) = value.chars().next() else {
        return false;
    };
    // What starts like a number, an indicator or a sign may be one; what starts with a letter, `_` or `/` is text.
    let starts = first.is_ascii_alphabetic() || matches!(first, '_' | '/' | '$' | '^' | '(');
    let numeric_start = first.is_ascii_digit();
    (starts || (numeric_start && is_never_a_number(value)))
        && !value.ends_with([' ', ':'])
        && !value.contains(": ")
        && !value.contains(" #")
        && value.chars().all(is_printable)
        && !WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Text that starts with a digit but holds a letter that no number or time stamp of any YAML version has there.
fn is_never_a_number(value: &str) -> bool {
    value
        .chars()
        .any(|c| c.is_ascii_alphabetic() && !"abcdefxotzABCDEFXOTZ".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::owned_json;

    #[test]
    fn nested_documents_print_in_block_style() {
        let value = owned_json!({
            "b": [{"x": 1, "z": [1, [2, 3]]}, "text", [], {}],
            "a": {"deep": {"er": null}},
            "c": "one\ntwo\n",
            "d": "one\n  two",
        });
        let want = "\
a:
  deep:
    er: null
b:
- x: 1
  z:
  - 1
  - - 2
    - 3
- text
- []
- {}
c: |
  one
  two
d: |-
  one
    two
";
        assert_eq!(to_yaml(&value), want);
    }

    #[test]
    fn ambiguous_text_is_quoted() {
        for (value, want) in [
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("NULL", "\"NULL\""),
            ("1", "\"1\""),
            ("1e3", "\"1e3\""),
            ("0x1f", "\"0x1f\""),
            ("12:30:45", "\"12:30:45\""),
            ("2001-01-01", "\"2001-01-01\""),
            ("500m", "500m"),
            ("10Gi", "10Gi"),
            ("-", "\"-\""),
            ("- a", "\"- a\""),
            ("a: b", "\"a: b\""),
            ("a:b", "a:b"),
            ("a #b", "\"a #b\""),
            ("a:", "\"a:\""),
            ("*", "\"*\""),
            ("[a]", "\"[a]\""),
            (".status.x", "\".status.x\""),
            ("tab\there", "\"tab\\there\""),
            ("caf\u{e9}", "caf\u{e9}"),
            ("bell\u{7}", "\"bell\\u0007\""),
        ] {
            assert_eq!(
                to_yaml(&Json::from(serde_json::json!(value))),
                format!("{want}\n")
            );
        }
    }

    #[test]
    fn a_stream_marks_every_document() {
        let documents = [owned_json!({"a": 1}), owned_json!({"b": 2.0})];
        assert_eq!(to_yaml_stream(&documents), "---\na: 1\n---\nb: 2.0\n");
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[ -~\n\t\u{e9}]{0,12}".prop_map(Into::into),
            "[0-9a-fxo:.+-]{0,8}".prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[ -~]{0,6}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Reads YAML through the parser's events: plain scalars by the 1.2 core rules, everything else as text.
    fn read(text: &str) -> serde_json::Value {
        use saphyr_parser::{Event, Parser, ScalarStyle};
        fn build<'i>(events: &mut impl Iterator<Item = Event<'i>>) -> Option<serde_json::Value> {
            Some(match events.next()? {
                Event::Scalar(text, ScalarStyle::Plain, ..) => {
                    serde_json::from_str(&text).unwrap_or_else(|_| text.into_owned().into())
                }
                Event::Scalar(text, ..) => text.into_owned().into(),
                Event::SequenceStart(..) => {
                    let mut items = Vec::new();
                    while let Some(item) = build(events) {
                        items.push(item);
                    }
                    items.into()
                }
                Event::MappingStart(..) => {
                    let mut map = serde_json::Map::new();
                    while let Some(key) = build(events) {
                        let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                        map.insert(key, build(events)?);
                    }
                    map.into()
                }
                Event::SequenceEnd | Event::MappingEnd => return None,
                _ => return build(events),
            })
        }
        let events = Parser::new_from_str(text).map(|event| event.expect("valid YAML").0);
        build(&mut events.into_iter()).expect("one document")
    }

    proptest! {
        #[test]
        fn every_document_reads_back(value in any_json()) {
            let text = to_yaml(&Json::from(value.clone()));
            prop_assert_eq!(read(&text), value, "{}", text);
        }
    }
}
