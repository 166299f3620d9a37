//! Character classes: named groups, and the writing of a class for the `regex` crate.

use std::fmt::Write as _;

use regex::Regex;

/// Ranges of code points, both ends included.
pub(super) type Ranges = &'static [(char, char)];

/// `\d`, `[[:digit:]]`
pub(super) const DIGIT: Ranges = &[('0', '9')];
/// `\s`: without the vertical tab, unlike `[[:space:]]`.
pub(super) const SPACE: Ranges = &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')];
/// `\w`, `[[:word:]]`
pub(super) const WORD: Ranges = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// Script names with at most four letters; the other short names that the `regex` crate knows are abbreviations, which
/// Go does not take.
const SHORT_SCRIPTS: [&str; 15] = [
    "ahom", "cham", "han", "kawi", "lao", "lisu", "miao", "modi", "mro", "newa", "nko", "thai",
    "toto", "vai", "yi",
];

/// The group behind a POSIX name such as `alnum`.
pub(super) fn posix(name: &str) -> Option<Ranges> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\u{7f}')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
        "digit" => DIGIT,
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}

/// The crate's spelling of a Unicode category or script, `gc=Lu`, `sc=Greek`; names are matched loosely.
pub(super) fn property(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if !name.chars().all(plain) {
        return None;
    }
    let loose: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let loose = loose.to_ascii_lowercase();
    if matches!(loose.as_str(), "any" | "ascii" | "assigned") {
        return Some(loose);
    }
    let known = |spelled: String| {
        Regex::new(&format!(r"\p{{{spelled}}}"))
            .is_ok()
            .then_some(spelled)
    };
    let category = known(format!("gc={loose}"));
    if loose.len() <= 4 && !SHORT_SCRIPTS.contains(&loose.as_str()) {
        return category;
    }
    category.or_else(|| known(format!("sc={loose}")))
}

/// A class under construction, in the crate's syntax.
#[derive(Default)]
pub(super) struct Class {
    items: String,
}

impl Class {
    /// Adds a range of code points. Surrogates are left out: no text holds them.
    pub(super) fn range(&mut self, low: u32, high: u32) {
        let low = if (0xd800..=0xdfff).contains(&low) {
            0xe000
        } else {
            low
        };
        let high = if (0xd800..=0xdfff).contains(&high) {
            0xd7ff
        } else {
            high
        };
        if low <= high {
            let written = write!(self.items, r"\u{{{low:x}}}-\u{{{high:x}}}");
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
    }

    /// Adds a group, or everything outside of it.
    pub(super) fn group(&mut self, ranges: Ranges, negated: bool) {
        self.items.push_str(if negated { "[^" } else { "[" });
        for (low, high) in ranges {
            self.range(u32::from(*low), u32::from(*high));
        }
        self.items.push(']');
    }

    /// Adds a Unicode property, or everything outside of it.
    pub(super) fn property(&mut self, spelled: &str, negated: bool) {
        self.items.push_str(if negated { r"\P{" } else { r"\p{" });
        self.items.push_str(spelled);
        self.items.push('}');
    }

    /// The class as an expression.
    pub(super) fn finish(&self, negated: bool, ignore_case: bool) -> String {
        let class = match (self.items.is_empty(), negated) {
            (true, false) => r"[^\s\S]".to_owned(),
            (true, true) => r"[\s\S]".to_owned(),
            (false, false) => format!("[{}]", self.items),
            (false, true) => format!("[^{}]", self.items),
        };
        if ignore_case {
            format!("(?i:{class})")
        } else {
            class
        }
    }
}
