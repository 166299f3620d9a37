//! `sandfence test` as a user runs it: outputs, exit codes, coverage, watching, and what malformed suites get.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/test")
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandfence"));
    command.arg("test").args(args).current_dir(folder);
    command
}

/// Runs `sandfence test` in `tests/data/test`: exit code, stdout, stderr.
fn test(args: &[&str]) -> (i32, String, String) {
    let output = command(&data(), args).output().expect("the binary runs");
    let text = |octets| String::from_utf8(octets).expect("UTF-8");
    (
        output.status.code().expect("not killed"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_good_suite_is_one_line() {
    let (code, stdout, stderr) = test(&["suite.yaml"]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (
            0,
            "ok    suite.yaml  4 cases\n4 cases in 1 suite: all pass; 3 of 3 rules covered (100%)\n",
            ""
        )
    );
}

#[test]
fn everything_is_listed_when_asked_for() {
    let (code, stdout, _) = test(&["suite.yaml", "--all"]);
    assert_eq!(code, 0);
    assert_eq!(
        stdout,
        "\
ok    suite.yaml  4 cases
  ok    a sandbox of a team passes, without a token  suite.yaml:11
  ok    nobody's sandbox is refused  suite.yaml:16
  ok    an update by an administrator of a sandbox with a token is refused as well  suite.yaml:21
  ok    a token that is asked for stays  suite.yaml:28
covered owners team: 1 fail, 3 pass  policy.yaml:13
covered owners no-root: 1 fail, 3 pass  policy.yaml:15
covered tidy: 2 changed, 2 left  policy.yaml:32
4 cases in 1 suite: all pass; 3 of 3 rules covered (100%)
"
    );
}

#[test]
fn a_case_that_fails_says_what_is_not_as_expected() {
    let (code, stdout, _) = test(&["failing.suite.yaml"]);
    assert_eq!(code, 2, "a case that cannot be run is no verdict");
    assert_eq!(
        stdout,
        "\
FAIL  failing.suite.yaml  2 of 2 cases
  FAIL  wrong on purpose  failing.suite.yaml:5
        expected the patch [], found [{\"op\":\"add\",\"path\":\"/spec/podTemplate/spec/automountServiceAccountToken\",\"value\":false}]
        expected verdict allow, got deny
        unexpected finding of owners team: metadata.labels.team is not set; name the team that pays
  ERROR names what is not there  failing.suite.yaml:14
        no base is named \"nothing\"
untested owners team: no case passes it  policy.yaml:13
untested owners no-root: no case fails it  policy.yaml:15
untested tidy: it changes every case  policy.yaml:32
2 cases in 1 suite: 1 in error; 0 of 3 rules covered (0%)
"
    );
    let (code, stdout, _) = test(&["failing.suite.yaml", "--run", "^wrong"]);
    assert_eq!(code, 1);
    assert!(
        stdout.ends_with("1 case in 1 suite: 1 failed\n"),
        "a part of the cases says nothing about coverage: {stdout}"
    );
}

#[test]
fn suites_add_up_in_one_run() {
    let (_, stdout, _) = test(&["suite.yaml", "failing.suite.yaml"]);
    assert!(
        stdout.ends_with("6 cases in 2 suites: 1 in error; 3 of 3 rules covered (100%)\n"),
        "{stdout}"
    );
}

#[test]
fn malformed_suites_are_told_with_every_place() {
    let (code, stdout, _) = test(&["broken", "-o", "json"]);
    assert_eq!(code, 2);
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    let problem = |line: u32, column: u32, message: &str| json!({"file": "broken/suite.yaml", "line": line, "column": column, "message": message});
    assert_eq!(
        report,
        json!({
            "version": "v1",
            "summary": {"suites": 0, "cases": 0, "pass": 0, "fail": 0, "error": 7, "rules": 0, "covered": 0},
            "suites": [],
            "coverage": [],
            "problems": [
                problem(7, 12, "cases[0].expect.verdict: expected one of \"allow\", \"deny\", \"warn\", \"audit\", found \"refuse\""),
                problem(7, 61, "cases[0].expect.findings[0].matches: not a regular expression: unclosed group"),
                problem(8, 3, "cases[1].expects: unknown field, did you mean \"expect\"?"),
                problem(8, 3, "cases[1].object: an object or an oldObject is required"),
                problem(8, 3, "cases[1].name: a value is required"),
                problem(8, 3, "cases[1].expect.verdict: a value is required: allow, deny, warn or audit"),
                problem(10, 1, "not a suite: expected apiVersion sandfence.dev/v1alpha1 and kind PolicySuite"),
            ],
        })
    );
}

#[test]
fn mistakes_in_what_a_suite_names_are_told_where_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    let head = "apiVersion: sandfence.dev/v1alpha1\nkind: PolicySuite\n";
    let cases =
        "cases: [{name: a, object: {apiVersion: v1, kind: Pod}, expect: {verdict: allow}}]\n";
    write(
        "suite.yaml",
        &format!("{head}policies:\n- gone.yaml\n- broken.yaml\n{cases}"),
    );
    write("broken.yaml", "a: [\n");
    write(
        "b.suite.yaml",
        &format!("{head}policies: [wrong.yaml]\n{cases}"),
    );
    let policy = fs::read_to_string(data().join("policy.yaml")).expect("text");
    write("wrong.yaml", &policy.replace("hasValue()", "hasValu()"));
    let output = command(folder.path(), &[])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let starts: Vec<&str> = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("ERROR "))
        .collect();
    assert_eq!(starts.len(), 3, "{stdout}");
    for (start, expected) in starts.iter().zip([
        "wrong.yaml:13:54: ValidatingAdmissionPolicy/owners: spec.validations[0].expression: ",
        "suite.yaml:4:3: policies[0]: gone.yaml: cannot be read: ",
        "suite.yaml:5:3: policies[1]: broken.yaml:",
    ]) {
        assert!(start.starts_with(expected), "{start}");
    }
}

#[test]
fn nothing_to_run_is_no_success() {
    let empty = tempfile::tempdir().expect("a folder");
    let output = command(empty.path(), &[])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "ERROR .: no suite found; a suite is a file named suite.yaml or *.suite.yaml\n\
         0 cases in 0 suites: 1 in error\n"
    );
    let (code, stdout, _) = test(&["policy.yaml"]);
    assert_eq!(code, 2);
    assert!(
        stdout.starts_with("ERROR policy.yaml:1:1: not a suite: "),
        "{stdout}"
    );
}

#[test]
fn why_nothing_was_judged_is_told() {
    let (code, stdout, _) = test(&["loose", "--run", "."]);
    assert_eq!(code, 1);
    assert_eq!(
        stdout,
        "\
FAIL  loose/suite.yaml  2 of 2 cases
  FAIL  no binding puts the policy in force  loose/suite.yaml:4
        expected verdict deny, got allow
        no binding or profile of the case puts in force: loose
  FAIL  nothing is about pods  loose/suite.yaml:7
        expected verdict deny, got allow
        no policy is about CREATE of pods/v1
2 cases in 1 suite: 2 failed
"
    );
}

#[test]
fn coverage_below_what_is_wanted_fails() {
    let wanted = |percent| test(&["loose/half.yaml", "--coverage", percent]);
    let (code, stdout, stderr) = wanted("51");
    assert_eq!(
        (code, stderr.as_str()),
        (
            1,
            "note: ValidatingAdmissionPolicy/loose does nothing: no binding names it\nerror: 0% of the rules are covered, --coverage wants 51%\n",
        ),
        "{stdout}"
    );
    assert_eq!(wanted("0").0, 0);
    assert_eq!(wanted("101").0, 2, "no percentage");
}

#[test]
fn build_servers_get_junit() {
    let (code, stdout, _) = test(&["suite.yaml", "failing.suite.yaml", "-o", "junit"]);
    assert_eq!(code, 2);
    let document = roxmltree::Document::parse(&stdout).expect("XML");
    let root = document.root_element();
    let counts = |node: roxmltree::Node<'_, '_>| {
        ["tests", "failures", "errors", "skipped"].map(|key| node.attribute(key).map(str::to_owned))
    };
    let numbers = |texts: [&str; 4]| texts.map(|text| Some(text.to_owned()));
    assert_eq!(root.tag_name().name(), "testsuites");
    assert_eq!(counts(root), numbers(["6", "1", "1", "0"]));
    let suites: Vec<_> = root.children().filter(|node| node.is_element()).collect();
    assert_eq!(suites.len(), 2);
    assert_eq!(suites[0].attribute("name"), Some("failing.suite.yaml"));
    assert_eq!(counts(suites[0]), numbers(["2", "1", "1", "0"]));
    assert_eq!(counts(suites[1]), numbers(["4", "0", "0", "0"]));
    let failure = document
        .descendants()
        .find(|node| node.has_tag_name("failure"))
        .expect("a failure");
    let case = failure.parent_element().expect("a case");
    assert_eq!(
        ["name", "classname", "file", "line"].map(|key| case.attribute(key)),
        [
            "wrong on purpose",
            "failing.suite.yaml",
            "failing.suite.yaml",
            "5"
        ]
        .map(Some)
    );
    assert_eq!(failure.text().map(|text| text.lines().count()), Some(3));
}

#[test]
fn the_shipped_suites_pass_and_try_every_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = command(root, &["policies", "-o", "json", "--coverage", "100"])
        .output()
        .expect("the binary runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(report["summary"]["suites"], json!(4));
    assert_eq!(report["summary"]["covered"], report["summary"]["rules"]);
}

#[test]
fn a_change_runs_the_suite_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["suite.yaml", "policy.yaml"] {
        fs::copy(data().join(name), folder.path().join(name)).expect("copied");
    }
    let mut child = command(folder.path(), &["--watch", "suite.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || lines.next().expect("a line").expect("UTF-8");
    assert_eq!(next(), "ok    suite.yaml  4 cases");
    assert!(next().starts_with("4 cases in 1 suite: all pass"));
    let policy = folder.path().join("policy.yaml");
    let text = fs::read_to_string(&policy).expect("text");
    fs::write(&policy, text.replace("name the team", "tell the team")).expect("written");
    assert_eq!(next(), "");
    assert_eq!(next(), "policy.yaml changed");
    assert_eq!(next(), "ok    suite.yaml  4 cases");
    assert!(next().starts_with("4 cases in 1 suite: all pass"));
    fs::write(&policy, text.replace("metadata.labels.team is", "it is")).expect("written");
    assert_eq!(next(), "");
    assert_eq!(next(), "policy.yaml changed");
    assert_eq!(next(), "FAIL  suite.yaml  1 of 4 cases");
    child.kill().expect("still running");
    child.wait().expect("ended");
}

#[test]
fn help_and_completions_know_the_commands() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
            .args(args)
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let help = run(&["test", "--help"]);
    for word in ["--coverage", "--watch", "--run", "junit", "Exit codes:"] {
        assert!(help.contains(word), "{word}");
    }
    let help = run(&["check", "--help"]);
    for word in ["--fix", "--explain", "sarif", "policyreport", "html"] {
        assert!(help.contains(word), "{word}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        for word in ["coverage", "explain", "native", "policyreport"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
