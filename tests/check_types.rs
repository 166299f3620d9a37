//! What `sandfence check` says about the types of policy expressions.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Runs `sandfence check` in `tests/data/check`.
fn check(args: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/check");
    Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .arg("check")
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_type_mistake_in_a_policy_is_a_warning_on_stderr() {
    let run = check(&["-p", "types.yaml", "manifests/good.yaml"]);
    assert_eq!(
        text(&run.stderr),
        "\
warning: types.yaml:19:33: ValidatingAdmissionPolicy/typed: spec.validations[0].expression: undefined field 'runtimeClass'
  |       object.spec.podTemplate.spec.runtimeClass == 'gvisor' || true
  | ..................................^
  = for agents.x-k8s.io/v1alpha1 Sandbox, agents.x-k8s.io/v1beta1 Sandbox
warning: types.yaml:19:23: ValidatingAdmissionPolicy/typed: spec.validations[0].expression: undefined field 'podTemplate'
"
    );
    assert_eq!(run.status.code(), Some(0));
    assert!(!text(&run.stdout).contains("runtimeClass"));
}

#[test]
fn strict_makes_a_finding_of_it() {
    let code = |args: &[&str]| check(args).status.code();
    let good = "manifests/good.yaml";
    assert_eq!(code(&["-p", "types.yaml", "--strict", good]), Some(1));
    assert_eq!(code(&["-p", "policies", "--strict", good]), Some(0));
    assert_eq!(
        code(&["--strict", "-p", "types.yaml", "none.yaml"]),
        Some(2)
    );
}

#[test]
fn the_document_has_every_warning_and_tells_false_alarms() {
    let run = check(&["-p", "types.yaml", "-o", "json", "manifests/good.yaml"]);
    let document: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    assert_eq!(document["policySet"]["warnings"], json!([]));
}

#[test]
fn policies_without_mistakes_have_no_warnings() {
    for args in [
        &["manifests/good.yaml"][..],
        &["-p", "policies", "manifests/good.yaml"],
    ] {
        let run = check(&[args, &["-o", "json"]].concat());
        let document: Value = serde_json::from_slice(&run.stdout).expect("JSON");
        assert_eq!(document["policySet"].get("warnings"), None, "{args:?}");
        assert!(
            !text(&run.stderr).contains("warning"),
            "{}",
            text(&run.stderr)
        );
    }
}
