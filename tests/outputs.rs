//! The outputs of `sandfence check` for other programs: each valid by the rules of its format, each saying the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use sandfence::model::yaml;
use serde_json::{Value, json};

/// Runs `sandfence check -p policies -o FORMAT ARGS` in `tests/data/check`.
fn check(format: &str, args: &[&str]) -> (i32, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/check");
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["check", "-p", "policies", "-o", format])
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    let code = output.status.code().expect("not killed");
    (code, String::from_utf8(output.stdout).expect("UTF-8"))
}

const MANIFESTS: [&str; 2] = ["manifests/good.yaml", "manifests/bad.yaml"];

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_output_is_the_same_for_the_same_input_and_keeps_the_exit_code() {
    for format in ["json", "yaml", "sarif", "junit", "html", "policyreport"] {
        let first = check(format, &MANIFESTS);
        assert_eq!(first.0, 1, "{format}");
        assert_eq!(first, check(format, &MANIFESTS), "{format}");
        assert!(first.1.ends_with('\n'), "{format}");
        assert!(
            !first.1.contains(env!("CARGO_MANIFEST_DIR")),
            "{format} names the folder"
        );
    }
}

/// What SARIF 2.1.0 asks of the parts that are used here.
fn assert_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    for run in list(&log["runs"]) {
        let driver = &run["tool"]["driver"];
        assert!(driver["name"].is_string());
        let rules = list(&driver["rules"]);
        let ids: BTreeSet<&str> = rules
            .iter()
            .filter_map(|rule| rule["id"].as_str())
            .collect();
        assert_eq!(ids.len(), rules.len(), "rule ids are unique");
        for rule in rules {
            let level = rule["defaultConfiguration"]["level"].as_str();
            assert!(matches!(level, Some("error" | "warning" | "note" | "none")));
            let score = rule["properties"]["security-severity"].as_str();
            let score: f64 = score.and_then(|text| text.parse().ok()).expect("a number");
            assert!((0.0..=10.0).contains(&score));
        }
        assert!(run["invocations"][0]["executionSuccessful"].is_boolean());
        assert!(run["results"].is_array());
        for result in list(&run["results"]) {
            let index = result["ruleIndex"].as_u64().expect("an index");
            let index = usize::try_from(index).expect("small");
            assert_eq!(result["ruleId"], rules[index]["id"]);
            let (kind, level) = (result["kind"].as_str(), result["level"].as_str());
            assert_eq!(kind == Some("fail"), level != Some("none"), "{result}");
            assert!(
                !result["message"]["text"]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty()
            );
            for location in list(&result["locations"]) {
                let place = &location["physicalLocation"];
                let uri = place["artifactLocation"]["uri"].as_str().expect("a URI");
                assert!(!uri.contains([' ', '<', '>', '\\']), "{uri}");
                for key in ["startLine", "startColumn"] {
                    let number = &place["region"][key];
                    assert!(number.is_null() || number.as_u64() > Some(0), "{place}");
                }
            }
        }
    }
}

#[test]
fn sarif_names_rules_places_and_severities() {
    let (_, text) = check("sarif", &MANIFESTS);
    let log = parsed(&text);
    assert_sarif(&log);
    let run = &log["runs"][0];
    let results: Vec<Value> = list(&run["results"])
        .iter()
        .map(|result| {
            json!([
                result["ruleId"],
                result["level"],
                result["locations"][0]["physicalLocation"],
                result["relatedLocations"][0]["physicalLocation"]["region"]["startLine"],
            ])
        })
        .collect();
    let place = |line: u32, column: u32| {
        json!({
            "artifactLocation": {"uri": "manifests/bad.yaml"},
            "region": {"startLine": line, "startColumn": column},
        })
    };
    assert_eq!(
        results,
        [
            json!(["no-root/run-as-user", "error", place(22, 11), 19]),
            json!(["no-root/host-network", "error", place(15, 7), 21]),
        ]
    );
    let scores: Vec<&Value> = list(&run["tool"]["driver"]["rules"])
        .iter()
        .map(|rule| &rule["properties"]["security-severity"])
        .collect();
    assert_eq!(scores, ["8.0", "8.0"]);
    // With the rules that hold, and with what cannot be read.
    let (code, text) = check(
        "sarif",
        &["--all", "manifests/good.yaml", "no such file.yaml"],
    );
    assert_eq!(code, 2);
    let log = parsed(&text);
    assert_sarif(&log);
    let run = &log["runs"][0];
    let kinds: BTreeSet<&str> = list(&run["results"])
        .iter()
        .filter_map(|result| result["kind"].as_str())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["pass"]));
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let told = &invocation["toolExecutionNotifications"][0];
    assert_eq!(
        told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "no%20such%20file.yaml"
    );
}

#[test]
fn junit_counts_what_it_holds() {
    let (_, text) = check("junit", &MANIFESTS);
    let document = roxmltree::Document::parse(&text).expect("XML");
    let root = document.root_element();
    let number = |node: roxmltree::Node<'_, '_>, key: &str| {
        let text = node.attribute(key).expect("a count");
        text.parse::<usize>().expect("a number")
    };
    for node in document
        .descendants()
        .filter(|node| node.has_tag_name("testsuite") || *node == root)
    {
        let count = |tag: &str| {
            node.descendants()
                .filter(|one| one.has_tag_name(tag))
                .count()
        };
        for (key, tag) in [
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ] {
            assert_eq!(number(node, key), count(tag), "{key}");
        }
    }
    let cases: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .map(|node| {
            let text = |key| node.attribute(key).unwrap_or_default().to_owned();
            let failed = node.children().any(|one| one.has_tag_name("failure"));
            (
                text("file"),
                text("line"),
                text("classname"),
                text("name"),
                failed,
            )
        })
        .collect();
    let case = |file: &str, line: &str, class: &str, name: &str, failed| {
        let text = |text: &str| text.to_owned();
        (text(file), text(line), text(class), text(name), failed)
    };
    let (bad, good) = ("manifests/bad.yaml", "manifests/good.yaml");
    assert_eq!(
        cases,
        [
            case(bad, "2", "ConfigMap default/unrelated", "admission", false),
            case(bad, "22", "Sandbox agents/bad", "no-root run-as-user", true),
            case(
                bad,
                "15",
                "Sandbox agents/bad",
                "no-root host-network",
                true
            ),
            case(good, "1", "Sandbox default/good", "admission", false),
        ]
    );
}

/// A manifest whose every text tries to be something else.
const HOSTILE: &str = "\
apiVersion: agents.x-k8s.io/v1beta1
kind: Sandbox
metadata: {name: '</script><img src=x onerror=alert(1)>\"]]>&amp;', namespace: '--><b>'}
spec: {podTemplate: {spec: {hostNetwork: true, containers: [{name: '<i>', image: a}]}}}
";

#[test]
fn pages_and_files_are_well_formed_whatever_the_manifest_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("<hostile>&\"'.yaml");
    std::fs::write(&file, HOSTILE).expect("written");
    let name = file.display().to_string();
    let (_, page) = check("html", &[&name, "manifests/bad.yaml"]);
    let page = page.strip_prefix("<!DOCTYPE html>\n").expect("a page");
    let document = roxmltree::Document::parse(page).expect("well-formed");
    let tags: BTreeSet<&str> = document
        .descendants()
        .filter(|node| node.is_element())
        .map(|node| node.tag_name().name())
        .collect();
    for tag in ["img", "b", "i", "a", "link"] {
        assert!(!tags.contains(tag), "{tag}");
    }
    let script = document
        .descendants()
        .find(|node| node.has_tag_name("script"))
        .expect("the document");
    assert_eq!(script.attribute("type"), Some("application/json"));
    let data = parsed(script.text().expect("text"));
    let (_, alone) = check("json", &[&name, "manifests/bad.yaml"]);
    assert_eq!(data, parsed(&alone), "the page holds the same document");
    let (_, junit) = check("junit", &[&name]);
    roxmltree::Document::parse(&junit).expect("well-formed");
    let (_, sarif) = check("sarif", &[&name]);
    assert_sarif(&parsed(&sarif));
    let (_, reports) = check("policyreport", &[&name]);
    yaml::read("reports", &reports).expect("YAML");
}

#[test]
fn policy_reports_tell_one_object_each() {
    let (_, text) = check("policyreport", &MANIFESTS);
    let reports: Vec<Value> = yaml::read("reports", &text)
        .expect("YAML")
        .iter()
        .map(|document| Value::from(&document.value))
        .collect();
    let told: Vec<Value> = reports
        .iter()
        .map(|report| {
            json!([
                report["kind"],
                report["metadata"]["namespace"],
                report["scope"]["name"],
                report["summary"]
            ])
        })
        .collect();
    let summary = |fail: u32| json!({"pass": 0, "fail": fail, "warn": 0, "error": 0, "skip": 0});
    assert_eq!(
        told,
        [
            json!(["PolicyReport", "default", "unrelated", summary(0)]),
            json!(["PolicyReport", "agents", "bad", summary(2)]),
            json!(["PolicyReport", "default", "good", summary(0)]),
        ]
    );
    for report in &reports {
        assert_eq!(report["apiVersion"], "wgpolicyk8s.io/v1alpha2");
    }
    assert_eq!(
        reports[1]["results"][1],
        json!({
            "source": "sandfence",
            "policy": "no-root",
            "rule": "host-network",
            "result": "fail",
            "scored": true,
            "severity": "high",
            "message": "spec.podTemplate.spec.hostNetwork is true; remove it",
            "properties": {
                "action": "Deny",
                "binding": "everywhere",
                "path": "spec.podTemplate.spec.hostNetwork",
                "line": "15",
                "ruleLine": "21",
            },
        })
    );
}

#[test]
fn many_files_come_in_order_and_show_no_bar_in_a_pipe() {
    const COUNT: usize = 1_200;
    let folder = tempfile::tempdir().expect("a folder");
    for at in 0..COUNT {
        let text = format!(
            "{{apiVersion: agents.x-k8s.io/v1beta1, kind: Sandbox, metadata: {{name: s{at}}}, spec: {{podTemplate: {{spec: \
             {{hostNetwork: true, containers: [{{name: a, image: a}}]}}}}}}}}\n"
        );
        std::fs::write(folder.path().join(format!("{at:04}.yaml")), text).expect("written");
    }
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/check/policies");
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["check", "-o", "json", "-p"])
        .arg(policies)
        .arg(".")
        .current_dir(folder.path())
        .output()
        .expect("the binary runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let names: Vec<&str> = list(&document["results"])
        .iter()
        .filter_map(|row| row["object"]["name"].as_str())
        .collect();
    let expected: Vec<String> = (0..COUNT).map(|at| format!("s{at}")).collect();
    assert_eq!(names, expected);
    assert_eq!(document["summary"]["denied"], json!(COUNT));
}

#[test]
fn a_namespace_counts_however_its_kind_is_spelled() {
    let folder = tempfile::tempdir().expect("a folder");
    let spelled = "{\"apiVersion\": \"v1\", \"kind\": \"Name\\u0073pace\", \"metadata\": {\"name\": \"p\", \"labels\": {\"env\": \"production\"}}}";
    let sandbox = "{apiVersion: agents.x-k8s.io/v1beta1, kind: Sandbox, metadata: {name: s, namespace: p}, spec: {podTemplate: \
                   {spec: {containers: [{name: a, image: a}]}}}}";
    std::fs::write(folder.path().join("a.yaml"), sandbox).expect("written");
    std::fs::write(folder.path().join("b.json"), spelled).expect("written");
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/test/policy.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["check", "-o", "json", "a.yaml", "b.json", "-p"])
        .arg(policy)
        .current_dir(folder.path())
        .output()
        .expect("the binary runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let bindings: Vec<&Value> = list(&document["results"])
        .iter()
        .map(|row| &row["binding"])
        .collect();
    assert_eq!(bindings, ["owners", "owners-production"]);
}
