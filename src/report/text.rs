//! The document for people: what was refused, where in the manifest, by which rule, and what the mutations change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use similar::{ChangeTag, TextDiff};

use super::document::{Document, ExemptionRow, ObjectRef, Row, Summary};
use super::palette::{Palette, paint};
use super::plain;
use crate::model::verdict::{Action, Outcome};

/// Lines of context around a change in a diff: enough to see the parent key of a field.
const DIFF_CONTEXT: usize = 3;

/// Parts of a text that change, each with some lines around: lines with their sign, `+`, `-` or a blank.
pub type Hunks = Vec<Vec<(char, String)>>;

/// What changes between two texts.
#[must_use]
pub fn hunks(before: &str, after: &str) -> Hunks {
    let diff = TextDiff::from_lines(before, after);
    let groups = diff.grouped_ops(DIFF_CONTEXT);
    let line = |change: similar::Change<&str>| {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        (sign, change.value().trim_end_matches('\n').to_owned())
    };
    let lines = groups.iter().map(|group| {
        let changes = group.iter().flat_map(|op| diff.iter_changes(op));
        changes.map(line).collect()
    });
    lines.collect()
}

/// What the rendering needs beside the document.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Text of every manifest, by file name.
    pub sources: BTreeMap<String, String>,
    /// Objects that mutations change, with what changes.
    pub changed: BTreeMap<ObjectRef, Hunks>,
    /// Whether to use colour.
    pub colour: bool,
}

/// A manifest with the places of its lines: rows look at one line each, however long the file.
struct Source<'t> {
    text: &'t str,
    /// Where each line begins, in octets.
    starts: Vec<usize>,
}

impl<'t> Source<'t> {
    fn new(text: &'t str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(after).collect();
        Self { text, starts }
    }

    /// A line, from 1, without its end.
    fn line(&self, number: u32) -> Option<&'t str> {
        let index = (number as usize).checked_sub(1)?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied();
        let line = self.text.get(start..end.unwrap_or(self.text.len()))?;
        Some(line.trim_end_matches(['\n', '\r']))
    }
}

/// What is said about one object.
#[derive(Default)]
struct Block<'d> {
    rows: Vec<&'d Row>,
    /// The policies that change it.
    by: BTreeSet<&'d str>,
    exemption: Option<&'d ExemptionRow>,
}

/// What rendering one row needs.
struct Context<'t> {
    texts: &'t Texts,
    sources: BTreeMap<&'t str, Source<'t>>,
    palette: Palette,
}

/// Renders the document.
#[must_use]
pub fn render(document: &Document, texts: &Texts) -> String {
    let context = Context {
        texts,
        sources: texts
            .sources
            .iter()
            .map(|(name, text)| (name.as_str(), Source::new(text)))
            .collect(),
        palette: Palette::new(texts.colour),
    };
    let palette = &context.palette;
    let mut out = String::new();
    for problem in &document.problems {
        let file = plain::line(&problem.file);
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            (Some(line), None) => format!("{file}:{line}"),
            _ => file.into_owned(),
        };
        let _ = writeln!(
            out,
            "{} {place}: {}",
            paint(palette.bad, "cannot judge"),
            plain::block(&problem.message)
        );
    }
    for (object, block) in &blocks(document) {
        if !out.is_empty() {
            out.push('\n');
        }
        object_block(&mut out, object, block, &context);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    super::explain::append(&mut out, &document.explanations, palette);
    out.push_str(&closing(&document.summary, palette));
    out
}

fn blocks(document: &Document) -> BTreeMap<&ObjectRef, Block<'_>> {
    let mut blocks: BTreeMap<&ObjectRef, Block<'_>> = BTreeMap::new();
    for row in &document.results {
        blocks.entry(&row.object).or_default().rows.push(row);
    }
    for row in &document.mutations {
        let block = blocks.entry(&row.object).or_default();
        block.by.insert(&row.policy);
    }
    for row in &document.exemptions {
        blocks.entry(&row.object).or_default().exemption = Some(row);
    }
    blocks
}

fn object_block(out: &mut String, object: &ObjectRef, block: &Block<'_>, context: &Context<'_>) {
    let palette = &context.palette;
    let Block {
        rows,
        by,
        exemption,
    } = block;
    let state = if rows.iter().any(|row| row.denies) {
        paint(palette.bad, "denied")
    } else if rows
        .iter()
        .any(|row| matches!(row.verdict, Outcome::Fail | Outcome::Error))
    {
        paint(palette.warn, "admitted, with findings")
    } else if exemption.is_some() && rows.is_empty() && by.is_empty() {
        paint(palette.warn, "exempt")
    } else {
        paint(palette.good, "admitted")
    };
    let name = object.title();
    let _ = writeln!(
        out,
        "{} {}:{} {state}",
        paint(palette.bold, &plain::line(&name)),
        plain::line(&object.file),
        object.line
    );
    if let Some(row) = exemption {
        let policies = match row.policies.len() {
            1 => "1 policy".to_owned(),
            count => format!("{count} policies"),
        };
        let reason = plain::line(&row.reason);
        let _ = writeln!(out, "  not judged by {policies}: {reason}");
    }
    for row in rows {
        row_block(out, row, context);
    }
    let changed = context.texts.changed.get(object);
    if let Some(hunks) = changed.filter(|_| !by.is_empty()) {
        let by: Vec<&str> = by.iter().copied().collect();
        let _ = writeln!(out, "  changed on admission by {}:", by.join(", "));
        diff(out, hunks, palette);
    }
}

fn row_block(out: &mut String, row: &Row, context: &Context<'_>) {
    let level = match (row.verdict, row.action) {
        (Outcome::Pass | Outcome::Skip, _) => Level::NOTE,
        (_, Action::Deny) => Level::ERROR,
        (_, Action::Warn) => Level::WARNING,
        (_, Action::Audit) => Level::INFO,
    };
    let verdict = match row.verdict {
        Outcome::Pass => "holds",
        Outcome::Skip => "does not apply: ",
        Outcome::Fail => "",
        Outcome::Error => "could not be judged: ",
    };
    let title = format!("{verdict}{}", plain::block(&row.message));
    let mut group = Group::with_title(level.primary_title(title).id(row.policy.clone()));
    let line = context
        .sources
        .get(row.object.file.as_str())
        .zip(row.line)
        .and_then(|(source, number)| Some((source.line(number)?, number)));
    if let Some((line, number)) = line {
        let label = match (&row.path, &row.value) {
            (Some(path), None) => format!("{path} is not set"),
            (Some(path), Some(_)) => path.clone(),
            (None, _) => String::new(),
        };
        group = group.element(
            Snippet::source(line)
                .line_start(number as usize)
                .path(plain::line(&row.object.file).into_owned())
                .annotation(
                    AnnotationKind::Primary
                        .span(span_of(line, row.column.unwrap_or(1)))
                        .label(plain::line(&label).into_owned()),
                ),
        );
    }
    let renderer = if context.texts.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let text = renderer.render(&[group]);
    for line in text.lines() {
        let _ = writeln!(out, "  {}", line.trim_end());
    }
    for note in notes(row) {
        let note = plain::line(&note);
        let _ = writeln!(out, "     = {}", paint(context.palette.dim, &note));
    }
}

/// What else is known of a row.
fn notes(row: &Row) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(file) = &row.rule_file {
        let line = row
            .rule_line
            .map(|line| format!(":{line}"))
            .unwrap_or_default();
        notes.push(format!("rule: {file}{line}"));
    }
    if let Some(binding) = &row.binding {
        notes.push(format!(
            "binding: {binding} ({:?}), severity {}",
            row.action,
            row.severity.as_str()
        ));
    }
    if let Some(exception) = &row.exception {
        notes.push(format!("exception: {exception}"));
    }
    notes
}

/// Octets of the word at a column (from 1, in characters) of a line; its end when the column is past it.
fn span_of(line: &str, column: u32) -> std::ops::Range<usize> {
    let skip = line
        .char_indices()
        .nth((column as usize).saturating_sub(1))
        .map_or(line.len(), |(at, _)| at);
    let rest = &line[skip..];
    let length = rest
        .find([' ', ':', ',', '}', ']'])
        .filter(|at| *at > 0)
        .unwrap_or(rest.len());
    skip..skip + length
}

fn diff(out: &mut String, hunks: &Hunks, palette: &Palette) {
    for (number, hunk) in hunks.iter().enumerate() {
        if number > 0 {
            let _ = writeln!(out, "    {}", paint(palette.dim, "..."));
        }
        for (sign, text) in hunk {
            let style = match sign {
                '-' => palette.bad,
                '+' => palette.good,
                _ => palette.dim,
            };
            let line = format!("{sign} {}", plain::line(text));
            let _ = writeln!(out, "    {}", paint(style, line.trim_end()));
        }
    }
}

fn closing(summary: &Summary, palette: &Palette) -> String {
    let Summary {
        objects,
        denied,
        mutated,
        exempt,
        fail,
        skip,
        error,
        pass,
    } = summary;
    let verdict = if *error > 0 {
        paint(palette.bad, "not everything could be judged")
    } else if *denied > 0 {
        paint(palette.bad, &format!("{denied} denied"))
    } else if *exempt > 0 && exempt == objects && pass + fail + skip == 0 {
        paint(palette.warn, "none judged")
    } else {
        paint(palette.good, "all admitted")
    };
    let noun = if *objects == 1 { "object" } else { "objects" };
    let exempt = match exempt {
        0 => String::new(),
        count => format!(", {count} exempt"),
    };
    format!(
        "{objects} {noun}: {verdict}{exempt}, {mutated} changed on admission; rules: {pass} pass, {fail} fail, {skip} skip, \
         {error} error\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_covers_the_key_at_the_place() {
        let source = Source::new("a: 1\r\nspec:\n  privileged: true\n");
        let word = |line, column| {
            let line = source.line(line)?;
            Some(&line[span_of(line, column)])
        };
        assert_eq!(word(3, 3), Some("privileged"));
        assert_eq!(word(1, 1), Some("a"));
        assert_eq!(word(1, 0), Some("a"));
        assert_eq!(word(3, 90), Some(""));
        assert_eq!(word(4, 1), Some(""));
        assert_eq!(word(0, 1), None);
        assert_eq!(word(9, 1), None);
    }
}
