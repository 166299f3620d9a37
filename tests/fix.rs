//! `sandfence check --fix` and `--explain` as a user runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Runs `sandfence check ARGS` in a folder with the test policies.
fn check(folder: &Path, args: &[&str]) -> Output {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/check/policies");
    Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .arg("check")
        .arg("--policies")
        .arg(policies)
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

const MANIFESTS: &str = "\
# not touched, odd   spacing and all
kind:   ConfigMap
apiVersion: \"v1\"
metadata: {name: c}
--- # the sandbox
apiVersion: agents.x-k8s.io/v1beta1
kind: Sandbox
metadata:
  name: s  # its name
  # nothing follows
spec:
  podTemplate:
    spec:
      containers:
      - {name: agent, image: a}
---
apiVersion: v1
kind: List
items:
- apiVersion: agents.x-k8s.io/v1beta1
  kind: Sandbox
  metadata: {name: in-a-list}
  spec: {podTemplate: {spec: {containers: [{name: agent, image: a}]}}}
";

const FIXED: &str = "\
# not touched, odd   spacing and all
kind:   ConfigMap
apiVersion: \"v1\"
metadata: {name: c}
--- # the sandbox
apiVersion: agents.x-k8s.io/v1beta1
kind: Sandbox
metadata:
  name: s  # its name
  labels:
    team: unknown
  # nothing follows
spec:
  podTemplate:
    spec:
      containers:
      - {name: agent, image: a}
---
apiVersion: v1
kind: List
items:
- apiVersion: agents.x-k8s.io/v1beta1
  kind: Sandbox
  metadata: {labels: {team: unknown}, name: in-a-list}
  spec: {podTemplate: {spec: {containers: [{name: agent, image: a}]}}}
";

#[test]
fn manifests_are_corrected_in_place_and_the_rest_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.yaml");
    fs::write(&file, MANIFESTS).expect("written");
    let run = check(folder.path(), &["--fix", "m.yaml"]);
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(stderr(&run), "fixed m.yaml\n");
    assert_eq!(fs::read_to_string(&file).expect("text"), FIXED);
    assert!(stdout(&run).contains("2 changed on admission"));
    // What is fixed needs no fix.
    let again = check(folder.path(), &["--fix", "m.yaml"]);
    assert_eq!(stderr(&again), "");
    assert!(stdout(&again).contains("0 changed on admission"));
    assert_eq!(fs::read_to_string(&file).expect("text"), FIXED);
}

#[test]
fn a_patch_is_printed_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.yaml");
    fs::write(&file, MANIFESTS).expect("written");
    let run = check(folder.path(), &["--fix=patch", "m.yaml"]);
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(fs::read_to_string(&file).expect("text"), MANIFESTS);
    let patch = stdout(&run);
    assert!(
        patch.starts_with("--- a/m.yaml\n+++ b/m.yaml\n@@ -7,6 +7,8 @@\n"),
        "{patch}"
    );
    let changed: Vec<&str> = patch
        .lines()
        .skip(2)
        .filter(|line| line.starts_with(['+', '-']))
        .collect();
    assert_eq!(
        changed,
        [
            "+  labels:",
            "+    team: unknown",
            "-  metadata: {name: in-a-list}",
            "+  metadata: {labels: {team: unknown}, name: in-a-list}",
        ]
    );
}

#[test]
fn what_cannot_be_edited_is_written_anew_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.yaml");
    // The same mapping is meant in two places: an edit of one would change both.
    let text = "\
apiVersion: agents.x-k8s.io/v1beta1
kind: Sandbox
# lost
metadata: &m
  name: s
  annotations: {a: b}
spec: {podTemplate: {metadata: {annotations: {c: d}}, spec: {containers: [{name: agent, image: a}]}}}
---
# kept
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
";
    fs::write(
        &file,
        text.replace("{annotations: {c: d}}", "{labels: {x: z}}"),
    )
    .expect("written");
    let run = check(folder.path(), &["--fix", "m.yaml"]);
    assert_eq!(
        stderr(&run),
        "fixed m.yaml\n",
        "an anchor alone does no harm"
    );
    let shared = "\
apiVersion: agents.x-k8s.io/v1beta1
kind: Sandbox
# lost
metadata: {name: s, annotations: &a {a: b}, labels: &l {x: z}}
spec: {podTemplate: {metadata: {annotations: *a, labels: *l}, spec: {containers: [{name: agent, image: a}]}}}
---
# kept
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
";
    fs::write(&file, shared).expect("written");
    let run = check(folder.path(), &["--fix", "m.yaml"]);
    assert_eq!(
        stderr(&run),
        "note: m.yaml:1: the document was written anew: its comments and its order of keys are not kept\nfixed m.yaml\n"
    );
    let fixed = fs::read_to_string(&file).expect("text");
    assert!(!fixed.contains("# lost"), "{fixed}");
    assert!(
        fixed.ends_with("---\n# kept\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"),
        "{fixed}"
    );
    assert!(
        fixed.contains("  labels:\n    team: unknown\n    x: z\n"),
        "{fixed}"
    );
}

#[test]
fn standard_input_can_be_patched_and_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/check/policies");
    let file = folder.path().join("m.yaml");
    fs::write(&file, MANIFESTS).expect("written");
    let run = |fix: &str| {
        Command::new(env!("CARGO_BIN_EXE_sandfence"))
            .args(["check", fix, "-p"])
            .arg(&policies)
            .arg("-")
            .stdin(fs::File::open(&file).expect("readable"))
            .output()
            .expect("the binary runs")
    };
    let written = run("--fix");
    assert_eq!(written.status.code(), Some(2));
    assert_eq!(
        stderr(&written),
        "error: standard input cannot be fixed in place: use --fix=patch, or name a file\n"
    );
    let patch = run("--fix=patch");
    assert_eq!(patch.status.code(), Some(0));
    assert!(
        stdout(&patch).starts_with("--- a/<stdin>\n"),
        "{}",
        stdout(&patch)
    );
}

#[test]
fn every_policy_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("m.yaml"), MANIFESTS).expect("written");
    let run = check(folder.path(), &["--explain", "-o", "json", "m.yaml"]);
    let document: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let told: Vec<Value> = document["explanations"]
        .as_array()
        .expect("explanations")
        .iter()
        .filter(|one| one["object"]["name"] == "s" || one["object"]["name"] == "c")
        .map(|one| {
            let values = |list: &str| -> Vec<Value> {
                let steps = one[list].as_array().cloned().unwrap_or_default();
                steps
                    .iter()
                    .map(|step| {
                        assert!(step["cost"].as_u64() > Some(0), "{step}");
                        json!([step["name"], step["value"]])
                    })
                    .collect()
            };
            json!([
                one["policy"],
                one["binding"],
                one["matched"],
                one["why"],
                values("conditions"),
                values("rules"),
            ])
        })
        .collect();
    let not = |policy: &str, operation: &str| {
        let why = format!("matchConstraints: no rule is about {operation}");
        json!([policy, null, false, why, [], []])
    };
    assert_eq!(
        told,
        [
            not("team-label", "CREATE of configmaps"),
            not("no-root", "CREATE of configmaps"),
            json!([
                "team-label",
                "team-label",
                true,
                null,
                [],
                [["mutations[0]", EXPLAINED_CHANGE]]
            ]),
            json!([
                "no-root",
                "everywhere",
                true,
                null,
                [],
                [["run-as-user", "true"], ["host-network", "true"]]
            ]),
        ]
    );
    let pretty = check(folder.path(), &["--explain", "m.yaml"]);
    let pretty = stdout(&pretty);
    for line in [
        "ConfigMap default/c m.yaml:2 explained\n",
        "  no-root: not evaluated: matchConstraints: no rule is about CREATE of configmaps\n",
        "  no-root, binding everywhere: judged, cost ",
        "    rule host-network: true (cost ",
    ] {
        assert!(pretty.contains(line), "{line}{pretty}");
    }
}

const EXPLAINED_CHANGE: &str = "{\"metadata\":{\"labels\":{\"team\":\"unknown\"}}}";
