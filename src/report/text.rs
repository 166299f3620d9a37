//! The document for people: what was refused, where in the manifest, by which rule, and what the mutations change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::document::{Document, ObjectRef, Row, Summary};
use crate::model::verdict::{Action, Outcome};

/// Lines of context around a change in a diff: enough to see the parent key of a field.
const DIFF_CONTEXT: usize = 3;

/// What the rendering needs beside the document.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Text of every manifest, by file name.
    pub sources: BTreeMap<String, String>,
    /// Objects that mutations change: YAML before and after.
    pub changed: BTreeMap<ObjectRef, (String, String)>,
    /// Whether to use colour.
    pub colour: bool,
}

/// Colours by meaning.
struct Palette {
    bold: Style,
    bad: Style,
    warn: Style,
    good: Style,
    dim: Style,
}

impl Palette {
    const fn new(colour: bool) -> Self {
        if !colour {
            let plain = Style::new();
            return Self {
                bold: plain,
                bad: plain,
                warn: plain,
                good: plain,
                dim: plain,
            };
        }
        Self {
            bold: Style::new().bold(),
            bad: AnsiColor::Red.on_default().bold(),
            warn: AnsiColor::Yellow.on_default().bold(),
            good: AnsiColor::Green.on_default(),
            dim: Style::new().dimmed(),
        }
    }
}

/// Paints `text` with `style`.
fn paint(style: Style, text: &str) -> String {
    format!("{}{text}{}", style.render(), style.render_reset())
}

/// Renders the document.
#[must_use]
pub fn render(document: &Document, texts: &Texts) -> String {
    let palette = Palette::new(texts.colour);
    let mut out = String::new();
    for problem in &document.problems {
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", problem.file),
            (Some(line), None) => format!("{}:{line}", problem.file),
            _ => problem.file.clone(),
        };
        let _ = writeln!(
            out,
            "{} {place}: {}",
            paint(palette.bad, "cannot judge"),
            problem.message
        );
    }
    let mut objects: BTreeMap<&ObjectRef, Vec<&Row>> = BTreeMap::new();
    for row in &document.results {
        objects.entry(&row.object).or_default().push(row);
    }
    for row in &document.mutations {
        objects.entry(&row.object).or_default();
    }
    for (object, rows) in &objects {
        if !out.is_empty() {
            out.push('\n');
        }
        object_block(&mut out, object, rows, document, texts, &palette);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&closing(&document.summary, &palette));
    out
}

fn object_block(
    out: &mut String,
    object: &ObjectRef,
    rows: &[&Row],
    document: &Document,
    texts: &Texts,
    palette: &Palette,
) {
    let denied = rows.iter().any(|row| row.denies);
    let state = if denied {
        paint(palette.bad, "denied")
    } else if rows
        .iter()
        .any(|row| matches!(row.verdict, Outcome::Fail | Outcome::Error))
    {
        paint(palette.warn, "admitted, with findings")
    } else {
        paint(palette.good, "admitted")
    };
    let name = if object.namespace.is_empty() {
        format!("{} {}", object.kind, object.name)
    } else {
        format!("{} {}/{}", object.kind, object.namespace, object.name)
    };
    let _ = writeln!(
        out,
        "{} {}:{} {state}",
        paint(palette.bold, &name),
        object.file,
        object.line
    );
    for row in rows {
        row_block(out, row, texts, palette);
    }
    let by: BTreeSet<&str> = document
        .mutations
        .iter()
        .filter(|row| row.object == *object)
        .map(|row| row.policy.as_str())
        .collect();
    if let Some((before, after)) = texts.changed.get(object).filter(|_| !by.is_empty()) {
        let by: Vec<&str> = by.into_iter().collect();
        let _ = writeln!(out, "  changed on admission by {}:", by.join(", "));
        diff(out, before, after, palette);
    }
}

fn row_block(out: &mut String, row: &Row, texts: &Texts, palette: &Palette) {
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
    let title = format!("{verdict}{}", row.message);
    let source = texts.sources.get(&row.object.file);
    let span = source
        .zip(row.line)
        .and_then(|(text, line)| span_of(text, line, row.column.unwrap_or(1)));
    let mut group = Group::with_title(level.primary_title(title).id(row.policy.clone()));
    if let (Some(text), Some(span)) = (source, span) {
        let label = match (&row.path, &row.value) {
            (Some(path), None) => format!("{path} is not set"),
            (Some(path), Some(_)) => path.clone(),
            (None, _) => String::new(),
        };
        group = group.element(
            Snippet::source(text.as_str())
                .path(row.object.file.clone())
                .annotation(AnnotationKind::Primary.span(span).label(label)),
        );
    }
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
    let renderer = if texts.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let text = renderer.render(&[group]);
    for line in text.lines() {
        let _ = writeln!(out, "  {}", line.trim_end());
    }
    for note in notes {
        let _ = writeln!(out, "     = {}", paint(palette.dim, &note));
    }
}

/// Byte range of the word at a line and column (both from 1, in characters); the line's end when the column is past it.
fn span_of(text: &str, line: u32, column: u32) -> Option<std::ops::Range<usize>> {
    let mut start = 0;
    for (number, content) in (1..).zip(text.split_inclusive('\n')) {
        if number < line {
            start += content.len();
            continue;
        }
        let content = content.trim_end_matches(['\n', '\r']);
        let skip = content
            .char_indices()
            .nth(column as usize - 1)
            .map_or(content.len(), |(at, _)| at);
        let rest = &content[skip..];
        let length = rest
            .find([' ', ':', ',', '}', ']'])
            .filter(|at| *at > 0)
            .unwrap_or(rest.len());
        return Some(start + skip..start + skip + length);
    }
    None
}

fn diff(out: &mut String, before: &str, after: &str, palette: &Palette) {
    let diff = TextDiff::from_lines(before, after);
    for (number, group) in diff.grouped_ops(DIFF_CONTEXT).iter().enumerate() {
        if number > 0 {
            let _ = writeln!(out, "    {}", paint(palette.dim, "..."));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ("-", palette.bad),
                ChangeTag::Insert => ("+", palette.good),
                ChangeTag::Equal => (" ", palette.dim),
            };
            let line = format!("{sign} {}", change.value().trim_end_matches('\n'));
            let _ = writeln!(out, "    {}", paint(style, line.trim_end()));
        }
    }
}

fn closing(summary: &Summary, palette: &Palette) -> String {
    let Summary {
        objects,
        denied,
        mutated,
        fail,
        skip,
        error,
        pass,
    } = summary;
    let verdict = if *error > 0 {
        paint(palette.bad, "not everything could be judged")
    } else if *denied > 0 {
        paint(palette.bad, &format!("{denied} denied"))
    } else {
        paint(palette.good, "all admitted")
    };
    let noun = if *objects == 1 { "object" } else { "objects" };
    format!(
        "{objects} {noun}: {verdict}, {mutated} changed on admission; rules: {pass} pass, {fail} fail, {skip} skip, \
         {error} error\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_covers_the_key_at_the_place() {
        let text = "a: 1\nspec:\n  privileged: true\n";
        assert_eq!(
            span_of(text, 3, 3).map(|span| &text[span]),
            Some("privileged")
        );
        assert_eq!(span_of(text, 1, 1).map(|span| &text[span]), Some("a"));
        assert_eq!(span_of(text, 3, 90).map(|span| &text[span]), Some(""));
        assert_eq!(span_of(text, 9, 1), None);
    }
}
