//! The one document behind every output of `test`.
//!
//! Versioned by [`VERSION`](super::document::VERSION), as the document of `check`.

mod text;

use serde::Serialize;

use super::document::{Problem, RuleRef};
use super::junit;

pub use text::{Options, render};

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of the document's shape.
    pub version: &'static str,
    /// Counts.
    pub summary: Summary,
    /// The suites, in order of their files.
    pub suites: Vec<SuiteRow>,
    /// The rules of their policies; absent when only some cases were run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Vec<CoverageRow>>,
    /// What could not be read or run at all.
    pub problems: Vec<Problem>,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Suites run.
    pub suites: usize,
    /// Cases run.
    pub cases: usize,
    /// Cases that came out as expected.
    pub pass: usize,
    /// Cases that did not.
    pub fail: usize,
    /// Cases that could not be run, and suites that could not be read.
    pub error: usize,
    /// Rules of the policies.
    pub rules: usize,
    /// Rules that hold in one case and do not in another.
    pub covered: usize,
}

/// One suite.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuiteRow {
    /// Its file.
    pub file: String,
    /// Its cases, in order.
    pub cases: Vec<CaseRow>,
}

/// How a case came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseVerdict {
    /// As expected.
    Pass,
    /// Not as expected.
    Fail,
    /// It could not be run.
    Error,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseRow {
    /// Its name.
    pub name: String,
    /// Line in the suite.
    pub line: Option<u32>,
    /// How it came out.
    pub verdict: CaseVerdict,
    /// What is not as expected, one sentence each.
    pub failures: Vec<String>,
}

/// One rule. A mutating policy counts as one rule: it fails where it changes the object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverageRow {
    /// Policy name.
    pub policy: String,
    /// Which rule.
    pub rule: RuleRef,
    /// Its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_file: Option<String>,
    /// Its line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_line: Option<u32>,
    /// Whether it changes objects.
    pub mutates: bool,
    /// Cases that it fails in, or changes.
    pub failed: usize,
    /// Cases that it holds in, or leaves as they are.
    pub passed: usize,
}

impl CoverageRow {
    /// Whether it is tested on both sides.
    #[must_use]
    pub const fn is_covered(&self) -> bool {
        self.failed > 0 && self.passed > 0
    }
}

impl Report {
    /// Counts.
    #[must_use]
    pub fn finish(mut self) -> Self {
        let cases = || self.suites.iter().flat_map(|suite| &suite.cases);
        let count = |verdict| cases().filter(|case| case.verdict == verdict).count();
        let rules = self.coverage.as_deref().unwrap_or_default();
        self.summary = Summary {
            suites: self.suites.len(),
            cases: cases().count(),
            pass: count(CaseVerdict::Pass),
            fail: count(CaseVerdict::Fail),
            error: count(CaseVerdict::Error) + self.problems.len(),
            rules: rules.len(),
            covered: rules.iter().filter(|rule| rule.is_covered()).count(),
        };
        self
    }

    /// Covered rules in a hundred, rounded down; a hundred of none.
    #[must_use]
    pub const fn percent(&self) -> usize {
        match self.summary.rules {
            0 => 100,
            rules => self.summary.covered * 100 / rules,
        }
    }

    /// The suites as JUnit XML.
    #[must_use]
    pub fn junit(&self) -> String {
        let problems = self.problems.iter().map(|problem| junit::Suite {
            name: problem.file.clone(),
            cases: vec![junit::Case {
                name: "suite".to_owned(),
                class: problem.file.clone(),
                line: problem.line,
                result: junit::CaseOutcome::Error(problem.message.clone()),
            }],
        });
        let suites = self.suites.iter().map(|suite| junit::Suite {
            name: suite.file.clone(),
            cases: suite
                .cases
                .iter()
                .map(|case| as_junit(suite, case))
                .collect(),
        });
        let mut all: Vec<junit::Suite> = problems.chain(suites).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        junit::write("sandfence test", &all)
    }
}

fn as_junit(suite: &SuiteRow, case: &CaseRow) -> junit::Case {
    let text = || case.failures.join("\n");
    junit::Case {
        name: case.name.clone(),
        class: suite.file.clone(),
        line: case.line,
        result: match case.verdict {
            CaseVerdict::Pass => junit::CaseOutcome::Passed(String::new()),
            CaseVerdict::Fail => junit::CaseOutcome::Failed("expectation".to_owned(), text()),
            CaseVerdict::Error => junit::CaseOutcome::Error(text()),
        },
    }
}
