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
warning: types.yaml:19:18: ValidatingAdmissionPolicy/typed: spec.validations[0].expression: undefined field 'podTemplate'
  |       object.spec.podTemplate.spec.runtimeClass == 'gvisor' || true
  | .................^
  = for v1 Pod
warning: types.yaml:19:35: ValidatingAdmissionPolicy/typed: spec.validations[0].expression: undefined field 'runtimeClass'
  |       object.spec.podTemplate.spec.runtimeClass == 'gvisor' || true
  | ..................................^
  = for agents.x-k8s.io/v1alpha1 Sandbox, agents.x-k8s.io/v1beta1 Sandbox
warning: types.yaml:20:56: ValidatingAdmissionPolicy/typed: spec.validations[1].expression: undefined field 'containers'
  |   - expression: object.kind != 'Pod' || has(object.spec.containers[0].resources.limits)
  | .......................................................^
  = for agents.x-k8s.io/v1alpha1 Sandbox, agents.x-k8s.io/v1beta1 Sandbox
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
    let sandboxes = json!([
        "agents.x-k8s.io/v1alpha1 Sandbox",
        "agents.x-k8s.io/v1beta1 Sandbox"
    ]);
    let warning = |index, message, kinds: &Value, place: [u32; 4], false_alarm| {
        json!({
            "policy": "ValidatingAdmissionPolicy/typed",
            "field": format!("spec.validations[{index}].expression"),
            "kinds": kinds,
            "message": message,
            "file": "types.yaml",
            "line": place[0],
            "column": place[1],
            "expressionLine": place[2],
            "expressionColumn": place[3],
            "falseAlarm": false_alarm,
        })
    };
    let pods = json!(["v1 Pod"]);
    assert_eq!(
        document["policySet"]["warnings"],
        json!([
            warning(
                0,
                "undefined field 'podTemplate'",
                &pods,
                [19, 18, 1, 40],
                false
            ),
            warning(
                0,
                "undefined field 'runtimeClass'",
                &sandboxes,
                [19, 35, 1, 57],
                false
            ),
            warning(1, "undefined field 'limits'", &pods, [20, 44, 1, 28], true),
            warning(
                1,
                "undefined field 'containers'",
                &sandboxes,
                [20, 56, 1, 40],
                false
            ),
        ])
    );
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

#[test]
fn kinds_of_crds_among_the_inputs_are_known() {
    let policies = ["-p", "typed/policies.yaml"];
    let warning = "\
warning: typed/policies.yaml:13:28: ValidatingAdmissionPolicy/widgets: spec.validations[0].expression: undefined field 'colour'
  |   - expression: object.spec.colour != 'red'
  | ...........................^
  = for example.com/v1 Widget
";
    let alone = check(&[&policies[..], &["typed/widget.yaml"]].concat());
    assert_eq!(text(&alone.stderr), "");
    let beside = check(&[&policies[..], &["typed/widget.yaml", "typed/crd.yaml"]].concat());
    assert_eq!(text(&beside.stderr), warning);
    let among = check(&[
        "-p",
        "typed/policies.yaml,typed/crd.yaml",
        "typed/widget.yaml",
    ]);
    assert_eq!(text(&among.stderr), warning);
}

#[test]
fn a_crd_without_a_usable_schema_is_noted_and_its_kinds_are_not_checked() {
    let run = check(&[
        "-p",
        "typed/policies.yaml",
        "typed/widget.yaml",
        "typed/broken-crd.yaml",
    ]);
    assert_eq!(
        text(&run.stderr),
        "note: no policy is type-checked for the kinds of a CRD: typed/broken-crd.yaml:9:3: CustomResourceDefinition/widgets.example.com: spec.versions: schema.properties[spec]: type: expected one JSON type, found \"text\"\n"
    );
    assert_eq!(run.status.code(), Some(0));
}

#[test]
fn a_policy_cannot_write_to_the_terminal() {
    let folder = tempfile::tempdir().expect("folder");
    let policies = include_str!("data/check/typed/policies.yaml");
    let coloured = policies.replace("'red'", "'\u{202e}red'");
    let path = folder.path().join("policies.yaml");
    std::fs::write(&path, coloured).expect("file");
    let path = path.to_str().expect("text");
    let run = check(&["-p", path, "typed/widget.yaml", "typed/crd.yaml"]);
    let said = text(&run.stderr);
    assert!(
        said.contains("object.spec.colour != '\\u{202e}red'\n"),
        "{said}"
    );
    assert!(!said.contains('\u{202e}'), "{said}");
}
