//! Where fields stand in the text: a flat pre-order table, 40 bytes per field.

use std::hash::Hasher;
use std::sync::Arc;

use fnv::FnvHasher;

use crate::model::path::{FieldPath, Step};

/// Line and column, both from 1; columns in code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Position {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// How a scalar is written, as far as positions inside it need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No scalar, or one that is written elsewhere (alias).
    None,
    /// Plain or quoted: starts at the value's own position.
    Flow,
    /// `|`: content starts on the next line, this many columns in.
    Literal(u16),
    /// `>`
    Folded(u16),
}

/// One value of a document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Hash of the key, or the index, under the parent.
    step: u64,
    /// Number of nodes of its subtree, itself included.
    size: u32,
    /// Of the key; of the value itself for list items and roots.
    pub key: Position,
    /// Of the value.
    pub value: Position,
    pub style: Style,
}

fn hash(key: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(key.as_bytes());
    hasher.finish()
}

impl Node {
    pub const fn leaf(at: Position, style: Style) -> Self {
        Self {
            step: 0,
            size: 1,
            key: at,
            value: at,
            style,
        }
    }

    pub const fn container(at: Position) -> Self {
        Self::leaf(at, Style::None)
    }

    pub fn set_key(&mut self, key: &str, at: Position) {
        self.step = hash(key);
        self.key = at;
    }

    pub fn set_index(&mut self, index: usize) {
        self.step = index as u64;
    }

    /// Appends a finished child to the container at the front of `nodes`.
    pub fn adopt(nodes: &mut Vec<Self>, child: Vec<Self>) {
        nodes[0].size += u32::try_from(child.len()).unwrap_or(u32::MAX);
        nodes.extend(child);
    }

    /// Ends the container at `at`, whose children are all nodes after it.
    pub fn close(nodes: &mut [Self], at: usize) {
        nodes[at].size = u32::try_from(nodes.len() - at).unwrap_or(u32::MAX);
    }

    pub fn subtree(nodes: &[Self], at: usize) -> &[Self] {
        &nodes[at..at + nodes[at].size as usize]
    }

    pub fn child_key(nodes: &[Self], at: usize, key: &str) -> Option<usize> {
        Self::child(nodes, at, hash(key))
    }

    pub fn child_index(nodes: &[Self], at: usize, index: usize) -> Option<usize> {
        Self::child(nodes, at, index as u64)
    }

    fn child(nodes: &[Self], at: usize, step: u64) -> Option<usize> {
        let end = at + nodes.get(at)?.size as usize;
        let mut child = at + 1;
        while child < end {
            if nodes[child].step == step {
                return Some(child);
            }
            child += nodes[child].size as usize;
        }
        None
    }

    /// Levels below and including the first node.
    pub fn height(nodes: &[Self]) -> usize {
        let mut ends: Vec<usize> = Vec::new();
        let mut highest = 0;
        for (at, node) in nodes.iter().enumerate() {
            while ends.last().is_some_and(|end| *end <= at) {
                ends.pop();
            }
            ends.push(at + node.size as usize);
            highest = highest.max(ends.len());
        }
        highest
    }
}

/// Where the fields of one document stand.
#[derive(Clone, Debug)]
pub struct Marks {
    text: Arc<str>,
    nodes: Arc<[Node]>,
    root: usize,
}

impl Marks {
    pub(super) fn new(text: Arc<str>, nodes: Vec<Node>) -> Self {
        Self {
            text,
            nodes: nodes.into(),
            root: 0,
        }
    }

    /// The marks of item `index` of the list under `items`.
    pub(super) fn item(&self, index: usize) -> Self {
        let root = Node::child_key(&self.nodes, self.root, "items")
            .and_then(|items| Node::child_index(&self.nodes, items, index))
            .unwrap_or(self.root);
        Self {
            text: Arc::clone(&self.text),
            nodes: Arc::clone(&self.nodes),
            root,
        }
    }

    fn step(&self, at: usize, step: &Step) -> Option<usize> {
        match step {
            Step::Key(key) => Node::child_key(&self.nodes, at, key),
            Step::Index(index) => Node::child_index(&self.nodes, at, *index),
        }
    }

    fn find(&self, path: &FieldPath) -> Option<&Node> {
        let at = path
            .0
            .iter()
            .try_fold(self.root, |at, step| self.step(at, step))?;
        self.nodes.get(at)
    }

    /// Where the document starts.
    #[must_use]
    pub fn start(&self) -> Position {
        self.nodes
            .get(self.root)
            .map_or(Position::START, |node| node.value)
    }

    /// Where the field stands: its key, or the value itself for list items; `None` when the document has no such field.
    #[must_use]
    pub fn position(&self, path: &FieldPath) -> Option<Position> {
        self.find(path).map(|node| node.key)
    }

    /// Where the value of the field stands.
    #[must_use]
    pub fn value_position(&self, path: &FieldPath) -> Option<Position> {
        self.find(path).map(|node| node.value)
    }

    /// Where the field stands or, when it is absent, its nearest ancestor that is there.
    #[must_use]
    pub fn nearest(&self, path: &FieldPath) -> Position {
        let mut at = self.root;
        for step in &path.0 {
            match self.step(at, step) {
                Some(child) => at = child,
                None => break,
            }
        }
        self.nodes.get(at).map_or(Position::START, |node| node.key)
    }

    /// Where line `line`, column `column` of the text of the scalar at `path` stands in the file. Exact for literal
    /// blocks, plain and quoted scalars; for folded blocks the line is that of the same words.
    #[must_use]
    pub fn in_scalar(&self, path: &FieldPath, line: u32, column: u32) -> Position {
        let Some(node) = self.find(path) else {
            return self.nearest(path);
        };
        let lines = Lines::new(&self.text);
        let wanted = Position { line, column };
        match node.style {
            Style::None => node.value,
            Style::Flow => lines.in_flow(node.value, wanted),
            Style::Literal(indent) => Position {
                line: node.value.line + line,
                column: column + u32::from(indent),
            },
            Style::Folded(indent) => lines.in_folded(node.value, u32::from(indent), wanted),
        }
    }

    /// The text of line `line` of the file, for excerpts.
    #[must_use]
    pub fn line(&self, line: u32) -> &str {
        let index = (line as usize).saturating_sub(1);
        self.text.lines().nth(index).unwrap_or_default()
    }
}

/// The lines of a text, to look at the source around a scalar.
pub struct Lines<'t> {
    starts: Vec<usize>,
    text: &'t str,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            starts: std::iter::once(0).chain(breaks).collect(),
            text,
        }
    }

    /// From line `line` (from 1) to the end of the text.
    fn rest(&self, line: u32) -> &'t str {
        let start = self.starts.get((line as usize).saturating_sub(1));
        start.map_or("", |start| &self.text[*start..])
    }

    /// Where the `|` or `>` of the block scalar header on this line stands.
    pub fn header(&self, line: u32) -> Position {
        let text = self.rest(line).lines().next().unwrap_or_default();
        let text = text.split(" #").next().unwrap_or_default();
        let byte = text.rfind(['|', '>']).unwrap_or(0);
        let column = text[..byte].chars().count() + 1;
        Position {
            line: line.max(1),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    /// Columns before the content of a block scalar whose header stands at `header` and whose content is `content`:
    /// what the first line with text has in the source, less what of it belongs to the content.
    pub fn block_indent(&self, header: Position, content: &str) -> u16 {
        let spaces = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let first = |text: &str| {
            text.lines()
                .find(|line| !line.trim().is_empty())
                .map_or(0, spaces)
        };
        let source = first(self.rest(header.line + 1));
        u16::try_from(source.saturating_sub(first(content))).unwrap_or(u16::MAX)
    }

    /// Walks a plain or quoted scalar at `start`, counting the characters of its value.
    fn in_flow(&self, start: Position, wanted: Position) -> Position {
        let skip = start.column as usize - 1;
        let mut source = Walk {
            chars: self.rest(start.line).chars().skip(skip).collect(),
            next: 0,
            at: start,
        };
        source.skip_properties();
        let quote = source.peek(0).filter(|c| matches!(c, '"' | '\''));
        if quote.is_some() {
            source.advance(1);
        }
        let mut value = Position::START;
        while value < wanted && !source.ended() {
            source.value_char(quote, &mut value);
        }
        source.at
    }

    /// Lines of a folded scalar are joined by a blank, except around blank and further indented lines.
    fn in_folded(&self, header: Position, indent: u32, wanted: Position) -> Position {
        let mut value = Position::START;
        let mut blank = 0;
        // Whether the line before is further indented; `None` before the first.
        let mut before: Option<bool> = None;
        for (line, text) in (header.line + 1..).zip(self.rest(header.line + 1).lines()) {
            if text.trim().is_empty() {
                blank += 1;
                continue;
            }
            let deeper = text
                .chars()
                .nth(indent as usize)
                .is_some_and(|c| c == ' ' || c == '\t');
            let breaks = match before {
                None => blank,
                Some(before) => blank + u32::from(before || deeper),
            };
            if breaks > 0 {
                value = Position {
                    line: value.line + breaks,
                    column: 1,
                };
            } else if before.is_some() {
                value.column += 1;
            }
            let width = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            let width = width.saturating_sub(indent);
            if value.line == wanted.line && wanted.column <= value.column + width {
                return Position {
                    line,
                    column: indent + 1 + wanted.column.saturating_sub(value.column),
                };
            }
            value.column += width;
            (before, blank) = (Some(deeper), 0);
        }
        header
    }
}

/// A place in the source that moves forward.
struct Walk {
    chars: Vec<char>,
    next: usize,
    at: Position,
}

impl Walk {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.next + ahead).copied()
    }

    const fn ended(&self) -> bool {
        self.next >= self.chars.len()
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            match self.peek(0) {
                Some('\n') => {
                    self.at.line += 1;
                    self.at.column = 1;
                }
                _ => self.at.column += 1,
            }
            self.next += 1;
        }
    }

    /// Skips anchor and tag before the scalar itself.
    fn skip_properties(&mut self) {
        while self.peek(0).is_some_and(|c| matches!(c, '&' | '!')) {
            while self.peek(0).is_some_and(|c| !c.is_whitespace()) {
                self.advance(1);
            }
            self.skip_break();
        }
    }

    /// Consumes the source of one character of the value and moves `value` past it.
    fn value_char(&mut self, quote: Option<char>, value: &mut Position) {
        let mut newline = false;
        match (quote, self.peek(0)) {
            (Some('"'), Some('\\')) => {
                newline = self.peek(1) == Some('n');
                let length = match self.peek(1) {
                    Some('x') => 4,
                    Some('u') => 6,
                    Some('U') => 10,
                    _ => 2,
                };
                self.advance(length);
            }
            (Some('\''), Some('\'')) => self.advance(2),
            (_, Some(c)) if c.is_whitespace() && self.breaks_here() => {
                let breaks = self.skip_break();
                if breaks > 1 {
                    value.line += breaks - 1;
                    value.column = 1;
                    return;
                }
            }
            _ => self.advance(1),
        }
        if newline {
            value.line += 1;
            value.column = 1;
        } else {
            value.column += 1;
        }
    }

    /// Whether only white space is left on the line.
    fn breaks_here(&self) -> bool {
        self.chars[self.next..]
            .iter()
            .find(|c| **c == '\n' || !c.is_whitespace())
            == Some(&'\n')
    }

    /// Skips white space up to the next word; the number of line breaks in it.
    fn skip_break(&mut self) -> u32 {
        let mut breaks = 0;
        while let Some(c) = self.peek(0).filter(|c| c.is_whitespace()) {
            breaks += u32::from(c == '\n');
            self.advance(1);
        }
        breaks
    }
}
