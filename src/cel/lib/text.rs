//! Text in quotes, as Go writes it.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

/// Characters that Go prints as they are: letters, marks, numbers, punctuation, symbols, and of the blanks only the
/// ASCII one.
static PRINTABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\A[\p{L}\p{M}\p{N}\p{P}\p{S} ]\z").expect("the pattern is constant and valid")
});

/// Go's `%q`: double quotes, escapes for what is not printable.
#[must_use]
pub fn go_quote(text: &str) -> String {
    go_quote_octets(text.as_bytes())
}

/// The same for octets; those that are no UTF-8 appear as `\xNN`.
#[must_use]
pub fn go_quote_octets(octets: &[u8]) -> String {
    let mut quoted = String::with_capacity(octets.len() + 2);
    quoted.push('"');
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_quoted(&mut quoted, c);
        }
        for octet in chunk.invalid() {
            quoted.push_str(&format!("\\x{octet:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

/// Go's `%q` of a code point: single quotes; what is none appears as the replacement character.
#[must_use]
pub fn go_quote_rune(code: Option<u32>) -> String {
    let c = code
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut quoted = String::from("'");
    match c {
        '\'' => quoted.push_str("\\'"),
        '"' => quoted.push('"'),
        other => push_quoted(&mut quoted, other),
    }
    quoted.push('\'');
    quoted
}

fn push_quoted(out: &mut String, c: char) {
    let escape = match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{b}' => "\\v",
        ' '..='~' => return out.push(c),
        _ if c > '\u{7f}' && PRINTABLE.is_match(c.encode_utf8(&mut [0; 4])) => return out.push(c),
        _ => {
            let code = u32::from(c);
            let written = match code {
                0..=0x7f => write!(out, "\\x{code:02x}"),
                0x80..=0xffff => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
            return;
        }
    };
    out.push_str(escape);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        let cases = [
            ("abc", r#""abc""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\u{0}\u{1b}\u{7f}", r#""\x00\x1b\x7f""#),
            ("é世😀\u{301}", "\"é世😀\u{301}\""),
            (
                "\u{85}\u{a0}\u{200b}\u{feff}\u{2028}",
                r#""\u0085\u00a0\u200b\ufeff\u2028""#,
            ),
            ("\u{10ffff}\u{e000}", r#""\U0010ffff\ue000""#),
        ];
        for (text, expected) in cases {
            assert_eq!(go_quote(text), expected, "{text:?}");
        }
        assert_eq!(go_quote_octets(b"%a\xc3\xff"), r#""%a\xc3\xff""#);
    }
}
