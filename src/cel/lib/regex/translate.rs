//! From Go's syntax to that of the `regex` crate. Flags are resolved here: the result has none but those written around
//! single items. Groups do not capture, since nobody asks for captures.

use super::class::{self, Class};
use super::escape::single_escape;

/// Height of the syntax tree that Go allows.
pub(super) const MAX_HEIGHT: u32 = 1000;
/// Repetition that Go allows, also as a product of nested ones.
const MAX_REPEAT: u32 = 1000;

/// An error in Go's words: a code and the part of the pattern it is about.
pub(super) type Failure<'p> = (&'static str, &'p str);

const BAD_RANGE: &str = "invalid character class range";
pub(super) const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_CAPTURE: &str = "invalid named capture";
const BAD_PERL: &str = "invalid or unsupported Perl syntax";
const BAD_REPEAT: &str = "invalid nested repetition operator";
const BAD_REPEAT_SIZE: &str = "invalid repeat count";
const MISSING_BRACKET: &str = "missing closing ]";
const MISSING_PAREN: &str = "missing closing )";
const MISSING_ARGUMENT: &str = "missing argument to repetition operator";
pub(super) const TRAILING_BACKSLASH: &str = "trailing backslash at end of expression";
const UNEXPECTED_PAREN: &str = "unexpected )";
const TOO_DEEP: &str = "expression nests too deeply";

/// The pattern in the crate's syntax.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    Translator::new(pattern)
        .run()
        .map_err(|(code, part)| format!("error parsing regexp: {code}: `{part}`"))
}

/// Flags in force.
#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    multi_line: bool,
    dot_newline: bool,
    ungreedy: bool,
}

/// The item that a repetition operator would apply to.
#[derive(Clone, Copy)]
struct Atom {
    /// Where it starts in the output.
    start: usize,
    height: u32,
    /// Product of the repetitions inside.
    copies: u32,
}

/// What is open: a group, or the whole pattern.
struct Level {
    /// Flags to return to at its end.
    flags: Flags,
    /// Where it starts in the output.
    start: usize,
    /// Adds a level to the tree.
    captures: bool,
    /// Items of the current branch and the largest among them.
    items: u32,
    /// Branches before the current one.
    branches: u32,
    height: u32,
    copies: u32,
    last: Option<Atom>,
}

impl Level {
    fn new(flags: Flags, start: usize, captures: bool) -> Self {
        Self {
            flags,
            start,
            captures,
            items: 0,
            branches: 0,
            height: 0,
            copies: 1,
            last: None,
        }
    }

    /// Takes the last item into account, which nothing can repeat any more.
    fn settle(&mut self) {
        if let Some(atom) = self.last.take() {
            self.height = self.height.max(atom.height);
            self.copies = self.copies.max(atom.copies);
        }
    }
}

struct Translator<'p> {
    pattern: &'p str,
    rest: &'p str,
    flags: Flags,
    out: String,
    levels: Vec<Level>,
    /// The previous item, if it was a repetition: where its operator starts.
    repeated: Option<&'p str>,
}

/// A repetition operator as written.
struct Repeat<'p> {
    operator: &'p str,
    after: &'p str,
    /// Minimum and maximum of `{…}`.
    counts: Option<(u32, Option<u32>)>,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        Self {
            pattern,
            rest: pattern,
            flags: Flags::default(),
            out: String::with_capacity(pattern.len() * 2),
            levels: vec![Level::new(Flags::default(), 0, false)],
            repeated: None,
        }
    }

    fn run(mut self) -> Result<String, Failure<'p>> {
        while let Some(c) = self.rest.chars().next() {
            let before = self.rest;
            let repeats = self.item(c)?;
            self.repeated = repeats.then_some(before);
        }
        if self.levels.len() != 1 {
            return Err((MISSING_PAREN, self.pattern));
        }
        Ok(self.out)
    }

    /// Translates one item; whether it was a repetition.
    fn item(&mut self, c: char) -> Result<bool, Failure<'p>> {
        match c {
            '(' if self.rest.starts_with("(?") => self.perl_group()?,
            '(' => {
                self.skip(1);
                self.open(true);
            }
            '|' => {
                self.skip(1);
                let level = self.level();
                level.settle();
                level.branches += 1;
                level.items = 0;
                self.out.push('|');
            }
            ')' => self.close()?,
            '^' => self.simple(
                1,
                if self.flags.multi_line {
                    "(?m:^)"
                } else {
                    r"\A"
                },
            )?,
            '$' => self.simple(
                1,
                if self.flags.multi_line {
                    "(?m:$)"
                } else {
                    r"\z"
                },
            )?,
            '.' => self.simple(
                1,
                if self.flags.dot_newline {
                    "(?s:.)"
                } else {
                    r"[^\n]"
                },
            )?,
            '[' => self.class()?,
            '*' | '+' | '?' => {
                let (operator, after) = self.rest.split_at(1);
                self.repeat(&Repeat {
                    operator,
                    after,
                    counts: None,
                })?;
                return Ok(true);
            }
            '{' => {
                if let Some(repeat) = counted(self.rest) {
                    self.repeat(&repeat)?;
                    return Ok(true);
                }
                self.skip(1);
                self.literal(u32::from('{'))?;
            }
            '\\' => self.escape()?,
            other => {
                self.skip(other.len_utf8());
                self.literal(u32::from(other))?;
            }
        }
        Ok(false)
    }

    fn skip(&mut self, octets: usize) {
        self.rest = &self.rest[octets..];
    }

    fn level(&mut self) -> &mut Level {
        // The outermost level is never popped.
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// Records the item that starts at `start` in the output.
    fn push(&mut self, start: usize, height: u32, copies: u32) -> Result<(), Failure<'p>> {
        let level = self.level();
        level.settle();
        level.items += 1;
        level.last = Some(Atom {
            start,
            height,
            copies,
        });
        self.check_height(height)
    }

    fn check_height(&self, height: u32) -> Result<(), Failure<'p>> {
        if height > MAX_HEIGHT {
            return Err((TOO_DEEP, self.pattern));
        }
        Ok(())
    }

    fn simple(&mut self, octets: usize, translated: &str) -> Result<(), Failure<'p>> {
        self.skip(octets);
        let start = self.out.len();
        self.out.push_str(translated);
        self.push(start, 1, 1)
    }

    fn literal(&mut self, code: u32) -> Result<(), Failure<'p>> {
        let start = self.out.len();
        match char::from_u32(code) {
            Some(c) if self.flags.ignore_case => {
                self.out.push_str("(?i:");
                self.out
                    .push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                self.out.push(')');
            }
            Some(c) => self
                .out
                .push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            // A surrogate: no text holds one.
            None => self.out.push_str(r"[^\s\S]"),
        }
        self.push(start, 1, 1)
    }

    fn open(&mut self, captures: bool) {
        let level = Level::new(self.flags, self.out.len(), captures);
        self.levels.push(level);
        self.out.push_str("(?:");
    }

    fn close(&mut self) -> Result<(), Failure<'p>> {
        self.skip(1);
        self.level().settle();
        if self.levels.len() == 1 {
            return Err((UNEXPECTED_PAREN, self.pattern));
        }
        let Some(level) = self.levels.pop() else {
            return Err((UNEXPECTED_PAREN, self.pattern));
        };
        self.flags = level.flags;
        self.out.push(')');
        let concatenation = u32::from(level.items > 1);
        let alternation = u32::from(level.branches > 0);
        let height = level.height.max(1) + concatenation + alternation + u32::from(level.captures);
        self.push(level.start, height, level.copies)
    }

    /// `(?flags)`, `(?flags:`, `(?P<name>`, `(?<name>`
    fn perl_group(&mut self) -> Result<(), Failure<'p>> {
        let whole = self.rest;
        for prefix in ["(?P<", "(?<"] {
            if let Some(rest) = whole.strip_prefix(prefix).filter(|rest| !rest.is_empty()) {
                let Some((name, rest)) = rest.split_once('>') else {
                    return Err((BAD_CAPTURE, whole));
                };
                let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
                if name.is_empty() || !name.chars().all(word) {
                    return Err((BAD_CAPTURE, &whole[..whole.len() - rest.len()]));
                }
                self.rest = rest;
                self.open(true);
                return Ok(());
            }
        }
        self.perl_flags(whole)
    }

    fn perl_flags(&mut self, whole: &'p str) -> Result<(), Failure<'p>> {
        let mut flags = self.flags;
        let mut value = true;
        let mut seen = false;
        for (at, c) in whole[2..].char_indices() {
            match c {
                'i' => flags.ignore_case = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_newline = value,
                'U' => flags.ungreedy = value,
                '-' if value => {
                    value = false;
                    seen = false;
                    continue;
                }
                ':' | ')' if value || seen => {
                    self.skip(2 + at + 1);
                    if c == ':' {
                        self.open(false);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => return Err((BAD_PERL, &whole[..2 + at + c.len_utf8()])),
            }
            seen = true;
        }
        Err((BAD_PERL, whole))
    }

    fn repeat(&mut self, repeat: &Repeat<'p>) -> Result<(), Failure<'p>> {
        let lazy = repeat.after.starts_with('?');
        let after = &repeat.after[usize::from(lazy)..];
        let written = &self.rest[..self.rest.len() - after.len()];
        if repeat.counts.is_some_and(|(min, max)| refuses(min, max)) {
            return Err((
                BAD_REPEAT_SIZE,
                &self.rest[..self.rest.len() - repeat.after.len()],
            ));
        }
        if let Some(before) = self.repeated {
            return Err((BAD_REPEAT, &before[..before.len() - after.len()]));
        }
        let greedy = lazy == self.flags.ungreedy;
        let Some(atom) = self.level().last else {
            return Err((MISSING_ARGUMENT, written));
        };
        let factor = match repeat.counts {
            Some((min, max)) => max.unwrap_or(min),
            None => 1,
        };
        let copies = match repeat.counts {
            Some((_, Some(0))) => 1,
            _ => atom.copies.saturating_mul(factor.max(1)),
        };
        if copies > MAX_REPEAT {
            return Err((BAD_REPEAT_SIZE, written));
        }
        self.out.insert_str(atom.start, "(?:");
        self.out.push(')');
        self.out.push_str(repeat.operator);
        if !greedy {
            self.out.push('?');
        }
        let height = atom.height + 1;
        self.level().last = Some(Atom {
            height,
            copies,
            ..atom
        });
        self.rest = after;
        self.check_height(height)
    }

    fn escape(&mut self) -> Result<(), Failure<'p>> {
        match self.rest.chars().nth(1) {
            Some('A') => self.simple(2, r"\A"),
            Some('z') => self.simple(2, r"\z"),
            Some('b') => self.simple(2, r"(?-u:\b)"),
            Some('B') => self.simple(2, r"(?-u:\B)"),
            Some('Q') => {
                let quoted = &self.rest[2..];
                let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
                self.rest = rest;
                quoted.chars().try_for_each(|c| self.literal(u32::from(c)))
            }
            _ => {
                let mut class = Class::default();
                if self.class_escape(&mut class)? {
                    let start = self.out.len();
                    self.out
                        .push_str(&class.finish(false, self.flags.ignore_case));
                    return self.push(start, 1, 1);
                }
                let (code, rest) = single_escape(self.rest)?;
                self.rest = rest;
                self.literal(code)
            }
        }
    }

    /// `\d`, `\pL`, `\p{Greek}` and the like at the head of the rest, added to `class`; whether there was one.
    fn class_escape(&mut self, class: &mut Class) -> Result<bool, Failure<'p>> {
        let whole = self.rest;
        let mut chars = whole.chars();
        if chars.next() != Some('\\') {
            return Ok(false);
        }
        let kind = chars.next();
        let (ranges, negated) = match kind {
            Some('d') => (class::DIGIT, false),
            Some('D') => (class::DIGIT, true),
            Some('s') => (class::SPACE, false),
            Some('S') => (class::SPACE, true),
            Some('w') => (class::WORD, false),
            Some('W') => (class::WORD, true),
            Some('p' | 'P') => {
                let negated = kind == Some('P');
                return self.property(class, negated);
            }
            _ => return Ok(false),
        };
        class.group(ranges, negated);
        self.skip(2);
        Ok(true)
    }

    fn property(&mut self, class: &mut Class, negated: bool) -> Result<bool, Failure<'p>> {
        let whole = self.rest;
        let Some(first) = whole[2..].chars().next() else {
            return Err((BAD_RANGE, whole));
        };
        let (name, length) = if first == '{' {
            let end = whole.find('}').ok_or((BAD_RANGE, whole))?;
            (&whole[3..end], end + 1)
        } else {
            (&whole[2..2 + first.len_utf8()], 2 + first.len_utf8())
        };
        let (name, inverted) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let spelled = class::property(name).ok_or((BAD_RANGE, &whole[..length]))?;
        class.property(&spelled, negated != inverted);
        self.rest = &whole[length..];
        Ok(true)
    }

    fn class(&mut self) -> Result<(), Failure<'p>> {
        let whole = self.rest;
        self.skip(1);
        let negated = self.rest.starts_with('^');
        self.skip(usize::from(negated));
        let mut class = Class::default();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.posix_class(&mut class)? || self.class_escape(&mut class)? {
                continue;
            }
            self.class_range(&mut class, whole)?;
        }
        self.skip(1);
        let start = self.out.len();
        self.out
            .push_str(&class.finish(negated, self.flags.ignore_case));
        self.push(start, 1, 1)
    }

    /// `[:alpha:]` at the head of the rest, added to `class`; whether there was one.
    fn posix_class(&mut self, class: &mut Class) -> Result<bool, Failure<'p>> {
        let whole = self.rest;
        let Some((name, rest)) = whole
            .strip_prefix("[:")
            .and_then(|inner| inner.split_once(":]"))
        else {
            return Ok(false);
        };
        let (plain, negated) = match name.strip_prefix('^') {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let ranges = class::posix(plain).ok_or((BAD_RANGE, &whole[..whole.len() - rest.len()]))?;
        class.group(ranges, negated);
        self.rest = rest;
        Ok(true)
    }

    /// `a` or `a-z` inside a class.
    fn class_range(&mut self, class: &mut Class, whole: &'p str) -> Result<(), Failure<'p>> {
        let range = self.rest;
        let low = self.class_char(whole)?;
        let mut high = low;
        if self.rest.len() >= 2 && self.rest.starts_with('-') && !self.rest.starts_with("-]") {
            self.skip(1);
            high = self.class_char(whole)?;
            if high < low {
                return Err((BAD_RANGE, &range[..range.len() - self.rest.len()]));
            }
        }
        class.range(low, high);
        Ok(())
    }

    fn class_char(&mut self, whole: &'p str) -> Result<u32, Failure<'p>> {
        let Some(c) = self.rest.chars().next() else {
            return Err((MISSING_BRACKET, whole));
        };
        if c == '\\' {
            let (code, rest) = single_escape(self.rest)?;
            self.rest = rest;
            return Ok(code);
        }
        self.skip(c.len_utf8());
        Ok(u32::from(c))
    }
}

/// Whether counts are out of bounds or upside down.
fn refuses(min: u32, max: Option<u32>) -> bool {
    min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || min > max)
}

/// `{2}`, `{2,}`, `{2,5}` at the head of `text`; anything else is literal text.
fn counted(text: &str) -> Option<Repeat<'_>> {
    let (min, rest) = count(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = count(rest)?;
            (Some(max), rest)
        }
    };
    let after = rest.strip_prefix('}')?;
    Some(Repeat {
        operator: &text[..text.len() - after.len()],
        after,
        counts: Some((min, max)),
    })
}

/// A number without leading zeros; too large ones become the largest.
fn count(text: &str) -> Option<(u32, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
