//! How expressions write the names of declared fields, as the API server escapes them.

use std::borrow::Cow;

/// Words that an expression cannot use as a name.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Whether `name` is a word of the language. Behind a dot it may still stand for the field of that name.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The field name `name` as expressions write it; `None` when no expression can.
pub(crate) fn escape(name: &str) -> Option<Cow<'_, str>> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if name.is_empty()
        || name.starts_with(|c: char| c.is_ascii_digit())
        || !name.chars().all(allowed)
    {
        return None;
    }
    if is_reserved(name) {
        return Some(Cow::Owned(format!("__{name}__")));
    }
    if !name.contains(['.', '-', '/']) && !name.contains("__") {
        return Some(Cow::Borrowed(name));
    }
    // Underscores first: the other escapes bring some of their own.
    let name = name.replace("__", "__underscores__");
    Some(Cow::Owned(
        name.replace('.', "__dot__")
            .replace('-', "__dash__")
            .replace('/', "__slash__"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_the_api_server_escapes_them() {
        for (name, escaped) in [
            ("plain", Some("plain")),
            ("_a_b", Some("_a_b")),
            ("$ref", None),
            ("1st", None),
            ("", None),
            ("é", None),
            ("namespace", Some("__namespace__")),
            ("names", Some("names")),
            ("a.b-c/d", Some("a__dot__b__dash__c__slash__d")),
            ("a__b", Some("a__underscores__b")),
            ("___", Some("__underscores___")),
            ("____", Some("__underscores____underscores__")),
            ("a__-", Some("a__underscores____dash__")),
        ] {
            assert_eq!(escape(name).as_deref(), escaped, "{name:?}");
        }
    }
}
