//! The document of `test` for people: one line for each suite, what failed, and which rules no case tries.

use std::fmt::Write as _;

use super::super::palette::{Palette, paint};
use super::super::plain;
use super::{CaseVerdict, CoverageRow, Report, SuiteRow};

/// How much is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Also the cases that pass and the rules that are covered.
    pub all: bool,
    /// Whether to use colour.
    pub colour: bool,
}

/// Renders the document.
#[must_use]
pub fn render(report: &Report, options: Options) -> String {
    let palette = Palette::new(options.colour);
    let mut out = String::new();
    for problem in &report.problems {
        let place = |number: Option<u32>| number.map(|n| format!(":{n}")).unwrap_or_default();
        let _ = writeln!(
            out,
            "{} {}{}{}: {}",
            paint(palette.bad, "ERROR"),
            plain::line(&problem.file),
            place(problem.line),
            place(problem.column),
            plain::block(&problem.message)
        );
    }
    for suite in &report.suites {
        suite_block(&mut out, suite, options, &palette);
    }
    if let Some(rules) = &report.coverage {
        for rule in rules {
            rule_line(&mut out, rule, options, &palette);
        }
    }
    out.push_str(&closing(report, &palette));
    out
}

fn suite_block(out: &mut String, suite: &SuiteRow, options: Options, palette: &Palette) {
    let total = suite.cases.len();
    let wrong = |case: &&super::CaseRow| case.verdict != CaseVerdict::Pass;
    let failed = suite.cases.iter().filter(wrong).count();
    let noun = if total == 1 { "case" } else { "cases" };
    let (word, count) = if failed == 0 {
        (paint(palette.good, "ok   "), format!("{total} {noun}"))
    } else {
        (
            paint(palette.bad, "FAIL "),
            format!("{failed} of {total} {noun}"),
        )
    };
    let file = plain::line(&suite.file);
    let _ = writeln!(out, "{word} {file}  {count}");
    for case in &suite.cases {
        let word = match case.verdict {
            CaseVerdict::Pass if options.all => paint(palette.good, "ok   "),
            CaseVerdict::Pass => continue,
            CaseVerdict::Fail => paint(palette.bad, "FAIL "),
            CaseVerdict::Error => paint(palette.bad, "ERROR"),
        };
        let line = case.line.map(|line| format!(":{line}")).unwrap_or_default();
        let name = plain::line(&case.name);
        let _ = writeln!(out, "  {word} {name}  {file}{line}");
        for failure in &case.failures {
            let _ = writeln!(out, "        {}", plain::line(failure));
        }
    }
}

fn rule_line(out: &mut String, rule: &CoverageRow, options: Options, palette: &Palette) {
    let what = match (rule.failed, rule.passed, rule.mutates) {
        (0, 0, _) => "no case reaches it".to_owned(),
        (0, _, false) => "no case fails it".to_owned(),
        (0, _, true) => "it changes no case".to_owned(),
        (_, 0, false) => "no case passes it".to_owned(),
        (_, 0, true) => "it changes every case".to_owned(),
        (failed, passed, false) if options.all => format!("{failed} fail, {passed} pass"),
        (failed, passed, true) if options.all => format!("{failed} changed, {passed} left"),
        _ => return,
    };
    let word = if rule.is_covered() {
        paint(palette.good, "covered")
    } else {
        paint(palette.warn, "untested")
    };
    let place = match (&rule.rule_file, rule.rule_line) {
        (Some(file), Some(line)) => format!("  {file}:{line}"),
        (Some(file), None) => format!("  {file}"),
        (None, _) => String::new(),
    };
    let name = rule.rule.label();
    let name = format!("{} {name}", rule.policy);
    let _ = writeln!(
        out,
        "{word} {}: {what}{}",
        plain::line(name.trim_end()),
        plain::line(&place)
    );
}

fn closing(report: &Report, palette: &Palette) -> String {
    let summary = &report.summary;
    let noun = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let verdict = if summary.error > 0 {
        paint(palette.bad, &format!("{} in error", summary.error))
    } else if summary.fail > 0 {
        paint(palette.bad, &format!("{} failed", summary.fail))
    } else if summary.cases == 0 {
        paint(palette.warn, "none run")
    } else {
        paint(palette.good, "all pass")
    };
    let coverage = match (&report.coverage, summary.rules) {
        (Some(_), rules @ 1..) => format!(
            "; {} of {} covered ({}%)",
            summary.covered,
            noun(rules, "rule"),
            report.percent()
        ),
        _ => String::new(),
    };
    format!(
        "{} in {}: {verdict}{coverage}\n",
        noun(summary.cases, "case"),
        noun(summary.suites, "suite")
    )
}
