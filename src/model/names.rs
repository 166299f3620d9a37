//! The syntax of Kubernetes names. Each check returns what the name must look like when it does not.

/// Longest DNS-1123 subdomain.
const MAX_SUBDOMAIN: usize = 253;
/// Longest label of either RFC, longest label value, longest name part of a qualified name.
const MAX_LABEL: usize = 63;

const SUBDOMAIN: &str = "must be lower-case letters, digits, '-' or '.', start and end with a letter or digit, and have at most 253 characters";
const LABEL: &str = "must be lower-case letters, digits or '-', start and end with a letter or digit, and have at most 63 characters";
const LABEL_1035: &str = "must be lower-case letters, digits or '-', start with a letter, end with a letter or digit, and have at most 63 characters";
const QUALIFIED: &str = "must be letters, digits, '-', '_' or '.', start and end with a letter or digit, and have at most 63 characters, with an optional DNS subdomain and '/' before it";
const VALUE: &str = "must be empty or letters, digits, '-', '_' or '.', start and end with a letter or digit, and have at most 63 characters";
const SEGMENT: &str = "must not be '.' or '..' nor contain '/' or '%'";
const IDENTIFIER: &str =
    "must be a CEL identifier: letters, digits or '_', no digit first, and no reserved word";

/// Words that the language keeps for itself.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

fn lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if lower(*first) && lower(*last))
        && bytes.iter().all(|b| lower(*b) || *b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_SUBDOMAIN && text.split('.').all(is_label)
}

fn is_qualified_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() <= MAX_LABEL
        && matches!((bytes.first(), bytes.last()),
            (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn unless(valid: bool, rule: &'static str) -> Result<(), &'static str> {
    if valid { Ok(()) } else { Err(rule) }
}

/// DNS-1123 subdomain: object names, API groups.
///
/// # Errors
/// What it must look like.
pub fn subdomain(text: &str) -> Result<(), &'static str> {
    unless(is_subdomain(text), SUBDOMAIN)
}

/// DNS-1123 label: namespaces.
///
/// # Errors
/// What it must look like.
pub fn label(text: &str) -> Result<(), &'static str> {
    unless(text.len() <= MAX_LABEL && is_label(text), LABEL)
}

/// DNS-1035 label: API versions and, in lower case, kinds.
///
/// # Errors
/// What it must look like.
pub fn label_1035(text: &str) -> Result<(), &'static str> {
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    unless(
        starts && text.len() <= MAX_LABEL && is_label(text),
        LABEL_1035,
    )
}

/// Qualified name: label and annotation keys, names of match conditions.
///
/// # Errors
/// What it must look like.
pub fn qualified(text: &str) -> Result<(), &'static str> {
    let valid = match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_qualified_part(name),
        None => is_qualified_part(text),
    };
    unless(valid, QUALIFIED)
}

/// Label value.
///
/// # Errors
/// What it must look like.
pub fn label_value(text: &str) -> Result<(), &'static str> {
    unless(text.is_empty() || is_qualified_part(text), VALUE)
}

/// One segment of a URL path: names of objects of any kind.
///
/// # Errors
/// What it must look like.
pub fn path_segment(text: &str) -> Result<(), &'static str> {
    let valid = !matches!(text, "." | "..") && !text.contains(['/', '%']);
    unless(valid, SEGMENT)
}

/// Name of a variable in an expression.
///
/// # Errors
/// What it must look like.
pub fn identifier(text: &str) -> Result<(), &'static str> {
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !RESERVED.contains(&text);
    unless(valid, IDENTIFIER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_syntax_accepts_and_refuses_what_the_api_server_does() {
        type Check = fn(&str) -> Result<(), &'static str>;
        let long = "a".repeat(64);
        let cases: [(&str, Check, &[&str], &[&str]); 7] = [
            (
                "subdomain",
                subdomain,
                &["a", "a-b.c9", "9a"],
                &["", "a..b", "-a", "a-", "A", "a_b", "a.-b"],
            ),
            ("label", label, &["a", "1-a"], &["", "a.b", &long]),
            (
                "label_1035",
                label_1035,
                &["v1", "a-b"],
                &["1a", "", "a.b", "A"],
            ),
            (
                "qualified",
                qualified,
                &["a", "A.b_c-9", "x.io/y"],
                &["", "/a", "X.io/a", "a/", "a/b/c", "-a", &long],
            ),
            (
                "label_value",
                label_value,
                &["", "a", "A.b_c"],
                &["a b", "-", &long],
            ),
            (
                "path_segment",
                path_segment,
                &["system:x", ""],
                &[".", "..", "a/b", "a%"],
            ),
            (
                "identifier",
                identifier,
                &["a", "_a9", "Object"],
                &["", "9a", "a-b", "in", "namespace", "é"],
            ),
        ];
        for (name, check, good, bad) in cases {
            for text in good {
                assert_eq!(check(text), Ok(()), "{name} {text}");
            }
            for text in bad {
                assert!(check(text).is_err(), "{name} {text}");
            }
        }
    }
}
