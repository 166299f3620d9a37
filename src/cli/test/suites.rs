//! From paths to results: finds suites, reads what they name, runs them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use super::super::input::MAX_FILE_BYTES;
use crate::config::walk;
use crate::model::verdict::Rule;
use crate::model::yaml::{self, Document};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::suite::{self, CaseResult, RuleUse, SUITE_KIND};
use crate::report::document::{Problem, RuleRef, VERSION};
use crate::report::suites::{CaseRow, CaseVerdict, CoverageRow, Report, SuiteRow};

/// Endings of the names under which folders hold suites.
const NAMES: [&str; 2] = ["suite.yaml", "suite.yml"];

/// What came out.
pub struct Ran {
    /// The document.
    pub report: Report,
    /// What is loaded and without effect.
    pub notes: Vec<String>,
    /// Every file and folder that was looked at.
    pub used: BTreeSet<PathBuf>,
}

/// Rules by file, policy and place: suites that share a policy add up.
type Rules = BTreeMap<(Option<String>, String, bool, Rule), RuleUse>;

struct Runner<'r> {
    wanted: Option<&'r Regex>,
    suites: Vec<SuiteRow>,
    rules: Rules,
    problems: Vec<Problem>,
    notes: BTreeSet<String>,
    used: RefCell<BTreeSet<PathBuf>>,
}

/// Runs every suite that the paths name.
pub fn run(paths: &[PathBuf], wanted: Option<&Regex>) -> Ran {
    let mut runner = Runner {
        wanted,
        suites: Vec::new(),
        rules: Rules::new(),
        problems: Vec::new(),
        notes: BTreeSet::new(),
        used: RefCell::new(paths.iter().cloned().collect()),
    };
    for file in runner.find(paths) {
        runner.file(&file);
    }
    if runner.suites.is_empty() && runner.problems.is_empty() {
        let names: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        runner.problem(
            &names.join(", "),
            "no suite found; a suite is a file named suite.yaml or *.suite.yaml".to_owned(),
        );
    }
    runner.finish()
}

impl Runner<'_> {
    fn problem(&mut self, file: &str, message: String) {
        self.problems.push(Problem {
            file: file.to_owned(),
            line: None,
            column: None,
            message,
        });
    }

    /// The files of suites, in sorted order; those that are named, whatever their name.
    fn find(&mut self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut troubles = Vec::new();
        walk::files(paths, &mut |file| {
            match file {
                Ok(file) if paths.contains(&file) || is_suite_name(&file) => found.push(file),
                Ok(_) => {}
                Err(trouble) => troubles.push(trouble),
            }
            ControlFlow::Continue(())
        });
        for trouble in troubles {
            self.problem(&trouble.path.display().to_string(), trouble.why.to_string());
        }
        found
    }

    fn file(&mut self, path: &Path) {
        let name = shown(path);
        let text = match walk::read(path, MAX_FILE_BYTES) {
            Ok(text) => text,
            Err(trouble) => return self.problem(&name, trouble.why.to_string()),
        };
        let documents = match yaml::read(&name, &text) {
            Ok(documents) => documents,
            Err(error) => {
                return self.problems.push(Problem {
                    file: name,
                    line: Some(error.at.line),
                    column: Some(error.at.column),
                    message: error.message,
                });
            }
        };
        if documents.is_empty() {
            self.problem(&name, "the file is empty".to_owned());
        }
        for document in documents {
            self.suite(path, &name, document);
        }
    }

    fn suite(&mut self, path: &Path, name: &str, document: Document) {
        if !suite::is_suite(&document) {
            let at = document.marks.start();
            return self.problems.push(Problem {
                file: name.to_owned(),
                line: Some(at.line),
                column: Some(at.column),
                message: format!(
                    "not a suite: expected apiVersion sandfence.dev/v1alpha1 and kind {SUITE_KIND}"
                ),
            });
        }
        let suite = match suite::read(document) {
            Ok(suite) => suite,
            Err(mistakes) => return self.mistakes(name, mistakes),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let load = |relative: &str| self.load(folder, relative);
        let wanted = |case: &str| self.wanted.is_none_or(|pattern| pattern.is_match(case));
        match suite::run(&suite, &load, &wanted) {
            Err(mistakes) => self.mistakes(name, mistakes),
            Ok(ran) => {
                self.notes.extend(ran.notes);
                self.suites.push(SuiteRow {
                    file: name.to_owned(),
                    cases: ran.cases.into_iter().map(case_row).collect(),
                });
                for rule in ran.rules {
                    self.count(rule);
                }
            }
        }
    }

    /// Mistakes of a suite or of the policies that it names, each with its place.
    fn mistakes(&mut self, suite: &str, mistakes: Vec<Diagnostic>) {
        for mistake in mistakes {
            let file = mistake.file.as_deref().unwrap_or(suite);
            // The name of the suite is no news in the suite.
            let own = mistake.subject.starts_with(SUITE_KIND);
            let subject = Some(&mistake.subject).filter(|_| !own);
            let field = Some(&mistake.field).filter(|field| !field.is_empty());
            let parts = subject.into_iter().chain(field).chain([&mistake.message]);
            let parts: Vec<&str> = parts.map(String::as_str).collect();
            self.problems.push(Problem {
                file: file.to_owned(),
                line: mistake.position.map(|at| at.line),
                column: mistake.position.map(|at| at.column),
                message: parts.join(": "),
            });
        }
    }

    fn count(&mut self, rule: RuleUse) {
        let mutates = rule.rule == Rule::MutatingPolicy;
        let key = (
            rule.file.clone(),
            rule.policy.clone(),
            mutates,
            rule.rule.clone(),
        );
        let (failed, passed) = (rule.failed, rule.passed);
        let row = self.rules.entry(key).or_insert(RuleUse {
            failed: 0,
            passed: 0,
            ..rule
        });
        row.failed += failed;
        row.passed += passed;
    }

    /// The documents of a file or folder that a suite names.
    fn load(&self, folder: &Path, relative: &str) -> Result<Vec<Document>, String> {
        let path = joined(folder, relative);
        self.used.borrow_mut().insert(path.clone());
        let mut documents = Vec::new();
        let mut trouble = None;
        walk::files(&[path], &mut |file| {
            let read = file
                .and_then(|path| Ok((walk::read(&path, MAX_FILE_BYTES)?, path)))
                .map_err(|trouble| trouble.to_string())
                .and_then(|(text, path)| {
                    let name = shown(&path);
                    yaml::read(&name, &text).map_err(|error| error.to_string())
                });
            match read {
                Ok(read) => {
                    documents.extend(read);
                    ControlFlow::Continue(())
                }
                Err(text) => {
                    trouble = Some(text);
                    ControlFlow::Break(())
                }
            }
        });
        match trouble {
            Some(text) => Err(text),
            None => Ok(documents),
        }
    }

    fn finish(self) -> Ran {
        let coverage = self.rules.into_values().map(coverage_row).collect();
        let report = Report {
            version: VERSION,
            summary: Default::default(),
            suites: self.suites,
            // A part of the cases says nothing about what the whole tries.
            coverage: self.wanted.is_none().then_some(coverage),
            problems: self.problems,
        };
        Ran {
            report: report.finish(),
            notes: self.notes.into_iter().collect(),
            used: self.used.into_inner(),
        }
    }
}

fn case_row(case: CaseResult) -> CaseRow {
    CaseRow {
        name: case.name,
        line: case.position.map(|at| at.line),
        verdict: match (case.broken, case.failures.is_empty()) {
            (true, _) => CaseVerdict::Error,
            (false, true) => CaseVerdict::Pass,
            (false, false) => CaseVerdict::Fail,
        },
        failures: case.failures,
    }
}

fn coverage_row(rule: RuleUse) -> CoverageRow {
    CoverageRow {
        policy: rule.policy,
        mutates: rule.rule == Rule::MutatingPolicy,
        rule: RuleRef {
            name: rule.name,
            ..RuleRef::from(&rule.rule)
        },
        rule_file: rule.file,
        rule_line: rule.line,
        failed: rule.failed,
        passed: rule.passed,
    }
}

fn is_suite_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| {
        NAMES.iter().any(|ending| {
            name.strip_suffix(ending)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    })
}

/// A path as people would write it.
fn shown(path: &Path) -> String {
    joined(Path::new(""), path).display().to_string()
}

/// A path relative to a folder, without `.` and with `..` taken off what it cancels, as people would write it.
fn joined(folder: &Path, relative: impl AsRef<Path>) -> PathBuf {
    let mut out = PathBuf::new();
    for part in folder.join(relative).components() {
        match (part, out.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                out.pop();
            }
            (part, _) => out.push(part),
        }
    }
    if out.as_os_str().is_empty() {
        out.push(".");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_people_write_them() {
        for (folder, relative, expected) in [
            ("policies/mine", ".", "policies/mine"),
            (
                "policies/mine",
                "../profiles/a.yaml",
                "policies/profiles/a.yaml",
            ),
            ("", ".", "."),
            ("", "../a.yaml", "../a.yaml"),
            ("./x", "./a.yaml", "x/a.yaml"),
            ("/a", "/b/c.yaml", "/b/c.yaml"),
        ] {
            assert_eq!(joined(Path::new(folder), relative), PathBuf::from(expected));
        }
    }

    #[test]
    fn names_of_suites_end_as_such() {
        let is = |name: &str| is_suite_name(Path::new(name));
        assert!(is("a/suite.yaml") && is("b.suite.yml"));
        assert!(!is("mysuite.yaml") && !is("suite.json") && !is("suite"));
    }
}
