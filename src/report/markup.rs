//! Text inside XML and HTML: what would end it is escaped, what neither may hold is replaced.

use std::fmt::Write as _;

/// A text as content of an element or of a quoted attribute.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Attributes are normalised: as references these three arrive as they are.
            '\n' | '\t' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if is_forbidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether XML 1.0 has no place for it, not even as a reference; or it would turn the text around it backwards.
fn is_forbidden(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}'
            | '\u{b}'
            | '\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_text_and_nothing_forbidden_is_left() {
        for (given, expected) in [
            ("plain, même 日本", "plain, même 日本"),
            (
                "</script><a b=\"c\" d='e'>&",
                "&lt;/script&gt;&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;",
            ),
            ("a\nb\tc\r", "a&#10;b&#9;c&#13;"),
            ("\u{0}\u{1b}[31m\u{ffff}", "\\u{0}\\u{1b}[31m\\u{ffff}"),
            ("\u{202e}desrever", "\\u{202e}desrever"),
        ] {
            assert_eq!(escape(given), expected);
        }
    }
}
