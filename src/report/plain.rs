//! Texts of other people on a terminal: a name or message from a manifest must not move the cursor, recolour or hide
//! what else is printed, nor make it read backwards.

use std::borrow::Cow;

/// A text within one line: every control character and every mark that changes the direction of writing is shown as its
/// escape.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, acts)
}

/// A text that may have several lines and tabs, otherwise as [`line`].
#[must_use]
pub fn block(text: &str) -> Cow<'_, str> {
    escaped(text, |c| acts(c) && c != '\n' && c != '\t')
}

/// Whether a terminal would do something else than print it.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if bad(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        for (given, expected) in [
            ("plain, même 日本", "plain, même 日本"),
            ("x\u{1b}[2J\u{1b}[31mred", "x\\u{1b}[2J\\u{1b}[31mred"),
            ("all fine\rdenied", "all fine\\rdenied"),
            ("\u{202e}desrever\u{9b}1m", "\\u{202e}desrever\\u{9b}1m"),
            ("a\nb\tc", "a\\nb\\tc"),
        ] {
            assert_eq!(line(given), expected);
        }
        assert_eq!(block("a\nb\tc\u{7}"), "a\nb\tc\\u{7}");
        assert!(matches!(line("same"), Cow::Borrowed("same")));
    }
}
