//! JUnit XML, as build servers read it: suites of cases, each passed, failed, in error or skipped. Without times and
//! hosts: the same input gives the same file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::{Document, ObjectRef, Row};
use super::markup::escape;
use crate::model::verdict::Outcome;

/// A file of cases.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    /// Its name: the file.
    pub name: String,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// What it belongs to.
    pub class: String,
    /// Line in the file.
    pub line: Option<u32>,
    /// How it came out.
    pub result: CaseOutcome,
}

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseOutcome {
    /// Fine; the text, if any, is worth reading all the same.
    Passed(String),
    /// Not as it should be: a word for the kind of failure, and the text.
    Failed(String, String),
    /// Could not be told.
    Error(String),
    /// Not looked at.
    Skipped(String),
}

/// Counts of a suite or of all.
#[derive(Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of<'c>(cases: impl Iterator<Item = &'c Case>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            counts.tests += 1;
            match case.result {
                CaseOutcome::Passed(_) => {}
                CaseOutcome::Failed(..) => counts.failures += 1,
                CaseOutcome::Error(_) => counts.errors += 1,
                CaseOutcome::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }

    fn attributes(self) -> String {
        let Self {
            tests,
            failures,
            errors,
            skipped,
        } = self;
        format!(
            "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\""
        )
    }
}

/// The file.
#[must_use]
pub fn write(name: &str, suites: &[Suite]) -> String {
    let all = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" {}>",
        escape(name),
        all.attributes()
    );
    for suite in suites {
        let counts = Counts::of(suite.cases.iter()).attributes();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" {counts}>",
            escape(&suite.name)
        );
        for case in &suite.cases {
            write_case(&mut out, suite, case);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn write_case(out: &mut String, suite: &Suite, case: &Case) {
    let line = case.line.map(|line| format!(" line=\"{line}\""));
    let _ = write!(
        out,
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\"{}",
        escape(&case.name),
        escape(&case.class),
        escape(&suite.name),
        line.unwrap_or_default()
    );
    let inner = match &case.result {
        CaseOutcome::Passed(text) if text.is_empty() => {
            out.push_str("/>\n");
            return;
        }
        CaseOutcome::Passed(text) => format!("<system-out>{}</system-out>", escape(text)),
        CaseOutcome::Failed(kind, text) => format!(
            "<failure message=\"{}\" type=\"{}\">{}</failure>",
            escape(text.lines().next().unwrap_or_default()),
            escape(kind),
            escape(text)
        ),
        CaseOutcome::Error(text) => format!(
            "<error message=\"{}\" type=\"error\">{}</error>",
            escape(text.lines().next().unwrap_or_default()),
            escape(text)
        ),
        CaseOutcome::Skipped(text) => format!("<skipped message=\"{}\"/>", escape(text)),
    };
    let _ = writeln!(out, ">\n      {inner}\n    </testcase>");
}

/// The document of `check`: a suite for each file, a case for each rule that was reported and for each object without
/// any. What only warns or is audited does not fail.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut files: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for problem in &document.problems {
        files.entry(&problem.file).or_default().push(Case {
            name: "file".to_owned(),
            class: problem.file.clone(),
            line: problem.line,
            result: CaseOutcome::Error(problem.message.clone()),
        });
    }
    let mut rows: BTreeMap<&ObjectRef, Vec<&Row>> = document
        .objects
        .iter()
        .map(|object| (object, Vec::new()))
        .collect();
    for row in &document.results {
        rows.entry(&row.object).or_default().push(row);
    }
    let exempt: BTreeMap<&ObjectRef, &str> = document
        .exemptions
        .iter()
        .map(|row| (&row.object, row.reason.as_str()))
        .collect();
    for (object, rows) in rows {
        let cases = files.entry(&object.file).or_default();
        if rows.is_empty() {
            cases.push(Case {
                name: "admission".to_owned(),
                class: object.title(),
                line: Some(object.line),
                result: exempt.get(object).map_or_else(
                    || CaseOutcome::Passed(String::new()),
                    |reason| CaseOutcome::Skipped((*reason).to_owned()),
                ),
            });
        }
        cases.extend(rows.into_iter().map(case));
    }
    let suites: Vec<Suite> = files
        .into_iter()
        .map(|(name, cases)| Suite {
            name: name.to_owned(),
            cases,
        })
        .collect();
    write("sandfence check", &suites)
}

fn case(row: &Row) -> Case {
    let text = format!("{}{}", row.message, row.place_of_rule());
    Case {
        name: row.title(),
        class: row.object.title(),
        line: row.line.or(Some(row.object.line)),
        result: match row.verdict {
            Outcome::Pass => CaseOutcome::Passed(String::new()),
            Outcome::Skip => CaseOutcome::Skipped(row.message.clone()),
            Outcome::Fail if row.denies => CaseOutcome::Failed(row.reason.clone(), text),
            Outcome::Error if row.denies => CaseOutcome::Error(text),
            Outcome::Fail | Outcome::Error => {
                CaseOutcome::Passed(format!("{:?}: {text}", row.action))
            }
        },
    }
}
