//! Expression text, positions and compile errors.

use std::fmt;

/// The text of one expression with its line table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    text: String,
    /// Code point offset at which each line starts.
    lines: Vec<u32>,
}

/// Line and column, both counted from 1; columns in code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Source {
    /// Keeps `text` and finds its lines.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut lines = vec![0];
        for (offset, c) in text.chars().enumerate() {
            if c == '\n' {
                lines.push(u32::try_from(offset + 1).unwrap_or(u32::MAX));
            }
        }
        Self {
            text: text.to_owned(),
            lines,
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a code point offset; the first ones for offsets that are none.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        if offset >= LEFT_OUT {
            return Position { line: 1, column: 1 };
        }
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: offset - start + 1,
        }
    }
}

/// One thing wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Code point offset, or one of [`NOWHERE`], [`BEFORE`], [`LEFT_OUT`].
    pub offset: u32,
    /// What is wrong, in cel-go's words.
    pub message: String,
}

/// Offset of issues about the expression as a whole: cel-go prints them at line -1.
pub const NOWHERE: u32 = u32::MAX - 1;

/// Offset of issues that cel-go places in front of the text, at column 0: about what a syntax error left of an operand,
/// and all about an empty text.
pub const BEFORE: u32 = u32::MAX;

/// Offset of the closing line that counts the issues left out.
pub const LEFT_OUT: u32 = u32::MAX - 2;

/// How many issues are kept for one expression: cel-go's limit.
pub const MAX_ISSUES: usize = 100;

/// Longest source line, in bytes, that messages quote: cel-go's limit.
const MAX_SNIPPET: usize = 16_384;

impl Issue {
    /// An issue about the expression as a whole, such as a limit.
    #[must_use]
    pub fn nowhere(message: String) -> Self {
        Self {
            offset: NOWHERE,
            message,
        }
    }
}

/// Why an expression does not compile: every issue found, in source order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// The expression.
    pub source: Source,
    /// At least one.
    pub issues: Vec<Issue>,
}

impl std::error::Error for CompileError {}

impl CompileError {
    /// The first [`MAX_ISSUES`] of `issues` in the order of the text, those without a place first; and how many there
    /// were besides.
    #[must_use]
    pub fn new(source: Source, mut issues: Vec<Issue>) -> Self {
        let more = issues.len().saturating_sub(MAX_ISSUES);
        issues.truncate(MAX_ISSUES);
        issues.sort_by_key(|issue| issue.offset.wrapping_add(2));
        if more > 0 {
            issues.push(Issue {
                offset: LEFT_OUT,
                message: format!("{more} more errors were truncated"),
            });
        }
        Self { source, issues }
    }

    /// Where an issue is printed; `None` when it is about the expression as a whole.
    #[must_use]
    pub fn position(&self, issue: &Issue) -> Option<Position> {
        match issue.offset {
            NOWHERE | LEFT_OUT => None,
            BEFORE => Some(Position { line: 1, column: 0 }),
            offset => Some(self.source.position(offset)),
        }
    }
}

impl fmt::Display for CompileError {
    /// cel-go's layout: `ERROR: <input>:L:C: text`, the source line, a caret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, issue) in self.issues.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            let message = &issue.message;
            let Some(Position { line, column }) = self.position(issue) else {
                if issue.offset == NOWHERE {
                    f.write_str("ERROR: <input>:-1:0: ")?;
                }
                f.write_str(message)?;
                continue;
            };
            write!(f, "ERROR: <input>:{line}:{column}: {message}")?;
            if self.source.text.is_empty() {
                continue;
            }
            let text = self.source.text.split('\n').nth(line as usize - 1);
            let text = text.unwrap_or_default();
            if text.len() <= MAX_SNIPPET {
                write_snippet(
                    f,
                    &text.replace('\t', " "),
                    (column as usize).saturating_sub(1),
                )?;
            }
        }
        Ok(())
    }
}

/// The line, and a caret below the character after the first `before` ones; wide where the text may be.
fn write_snippet(f: &mut fmt::Formatter<'_>, line: &str, before: usize) -> fmt::Result {
    let wide = |c: char| c.len_utf8() > 1;
    write!(f, "\n | {line}\n | ")?;
    for c in line.chars().take(before) {
        f.write_str(if wide(c) { "\u{ff0e}" } else { "." })?;
    }
    let at = line.chars().nth(before);
    f.write_str(if at.is_some_and(wide) {
        "\u{ff3e}"
    } else {
        "^"
    })
}
