//! `sandfence check` as a user runs it: outputs, exit codes, and what bad input gets.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// What a run printed, and its exit code.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}\nstdout: {}\nstderr: {}", self.stdout, self.stderr))
    }
}

/// Runs `sandfence check` in `tests/data/check`.
fn check(args: &[&str], stdin: &str) -> Run {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/check");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .arg("check")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut pipe = child.stdin.take().expect("piped");
    // The program may refuse its arguments before it reads: a closed pipe is then no failure of the test.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    Run {
        code: output.status.code().expect("not killed"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

const SANDBOX: &str = "\
apiVersion: agents.x-k8s.io/v1beta1
kind: Sandbox
metadata: {name: s}
spec:
  podTemplate:
    spec:
      containers:
      - {name: agent, image: 'ghcr.io/acme/agent:v1'}
";

#[test]
fn a_good_manifest_is_admitted_with_exit_code_0() {
    let run = check(&["-p", "policies", "manifests/good.yaml"], "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(
        run.stdout,
        "\
Sandbox default/good manifests/good.yaml:1 admitted
  changed on admission by team-label:
      apiVersion: agents.x-k8s.io/v1beta1
      kind: Sandbox
      metadata:
    +   labels:
    +     team: unknown
        name: good
        namespace: default
      spec:

1 object: all admitted, 1 changed on admission; rules: 2 pass, 0 fail, 0 skip, 0 error
"
    );
}

#[test]
fn a_bad_manifest_is_denied_with_the_lines_of_field_and_rule() {
    let run = check(&["-p", "policies", "-o", "json", "manifests/bad.yaml"], "");
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let mut document = run.json();
    let fingerprint = document["policySet"]["fingerprint"].take();
    assert_eq!(fingerprint.as_str().map(str::len), Some(16));
    let object = json!({
        "file": "manifests/bad.yaml", "line": 7, "apiVersion": "agents.x-k8s.io/v1beta1",
        "kind": "Sandbox", "namespace": "agents", "name": "bad",
    });
    let row = |index: usize, name: &str, rest: Value| {
        let mut row = json!({
            "object": object, "policy": "no-root", "binding": "everywhere",
            "rule": {"type": "validation", "index": index, "name": name},
            "action": "Deny", "verdict": "fail", "denies": true,
            "ruleFile": "policies/root.yaml", "severity": "high",
        });
        for (key, value) in rest.as_object().expect("an object") {
            row[key] = value.clone();
        }
        row
    };
    assert_eq!(
        document,
        json!({
            "version": "v1",
            "summary": {
                "objects": 2, "denied": 1, "mutated": 1, "exempt": 0, "pass": 0, "fail": 2, "skip": 0, "error": 0,
            },
            "policySet": {"fingerprint": null, "sources": ["policies"], "profiles": []},
            "results": [
                row(0, "run-as-user", json!({
                    "message": "a container runs as root; choose another runAsUser",
                    "reason": "Invalid", "code": 422,
                    "path": "spec.podTemplate.spec.containers[1].securityContext.runAsUser", "value": 0,
                    "line": 22, "column": 11, "ruleLine": 19,
                })),
                row(1, "host-network", json!({
                    "message": "spec.podTemplate.spec.hostNetwork is true; remove it",
                    "reason": "Forbidden", "code": 403,
                    "path": "spec.podTemplate.spec.hostNetwork", "value": true,
                    "line": 15, "column": 7, "ruleLine": 21,
                })),
            ],
            "mutations": [{
                "object": object, "policy": "team-label", "binding": "team-label",
                "patch": [{"op": "add", "path": "/metadata/labels", "value": {"team": "unknown"}}],
            }],
            "exemptions": [],
            "problems": [],
        })
    );
}

#[test]
fn the_pretty_form_points_into_the_manifest() {
    let run = check(&["-p", "policies", "manifests/bad.yaml"], "");
    let expected = "  \
  error[no-root]: spec.podTemplate.spec.hostNetwork is true; remove it
    --> manifests/bad.yaml:15:7
     |
  15 |       hostNetwork: true
     |       ^^^^^^^^^^^ spec.podTemplate.spec.hostNetwork
     = rule: policies/root.yaml:21
     = binding: everywhere (Deny), severity high
";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
}

#[test]
fn standard_input_and_the_built_in_packs_need_no_arguments() {
    let run = check(
        &["-", "-o", "json"],
        &SANDBOX.replace("agent:v1", "agent:latest"),
    );
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(
        run.stderr,
        "note: no --policies given: judging by the built-in packs\n\
         note: no GuardrailProfile among the inputs: judging by the shipped profile `restricted`; choose with --profile\n"
    );
    let document = run.json();
    assert_eq!(document["policySet"]["sources"], json!(["built-in packs"]));
    assert_eq!(document["policySet"]["profiles"], json!(["restricted"]));
    assert_eq!(document["results"][0]["object"]["file"], json!("<stdin>"));
    assert_eq!(
        document["results"][0]["policy"],
        json!("supply-chain-images")
    );
}

#[test]
fn severity_decides_the_exit_code_only() {
    let args = |level| ["-p", "policies", "--fail-on", level, "manifests/bad.yaml"];
    assert_eq!(check(&args("high"), "").code, 1);
    assert_eq!(check(&args("critical"), "").code, 0);
}

/// Judges `manifest` by the test policies and gives the problems or rows as text.
fn complaint(manifest: &str) -> (i32, Vec<String>) {
    let run = check(&["-p", "policies", "-o", "json", "-"], manifest);
    let document = run.json();
    let texts = |list: &str| {
        let rows = document[list].as_array().expect("a list").clone();
        rows.into_iter().map(|row| {
            let place = |key: &str| {
                row[key]
                    .as_u64()
                    .map(|n| format!("{n}:"))
                    .unwrap_or_default()
            };
            format!(
                "{}{} {}",
                place("line"),
                place("column"),
                row["message"].as_str().unwrap_or("?")
            )
        })
    };
    (
        run.code,
        texts("problems").chain(texts("results")).collect(),
    )
}

#[test]
fn what_is_no_manifest_is_refused_with_its_place() {
    let cases = [
        (
            "a: [1\nb: 2\n",
            2,
            "2:2: illegal placement of ':' indicator",
        ),
        (
            "{\"kind\": \"Sandbox\",",
            2,
            "1:20: expected a key in double quotes, found the end of the text",
        ),
        (
            "kind: Sandbox\n",
            2,
            "1:1: not a Kubernetes object: apiVersion is missing",
        ),
        (
            "apiVersion: v1\n",
            2,
            "1:1: not a Kubernetes object: kind is missing",
        ),
        (
            "- kind: Sandbox\n",
            2,
            "1:1: not a Kubernetes object: expected a mapping with apiVersion and kind",
        ),
        ("a: 1\na: 2\n", 2, "2:1: key \"a\" is already set at line 1"),
    ];
    for (manifest, code, message) in cases {
        let (found, texts) = complaint(manifest);
        assert_eq!(found, code, "{manifest:?}: {texts:?}");
        assert!(
            texts.iter().any(|text| text.contains(message)),
            "{manifest:?}: {texts:?}"
        );
    }
}

#[test]
fn an_unknown_version_or_kind_names_the_known_ones() {
    let (code, texts) = complaint(&SANDBOX.replace("v1beta1", "v1"));
    assert_eq!(code, 2);
    assert_eq!(
        texts,
        [
            "1:1: no such kind: agents.x-k8s.io/v1 Sandbox; known: agents.x-k8s.io/v1beta1 Sandbox, \
             agents.x-k8s.io/v1alpha1 Sandbox"
        ]
    );
    let (code, texts) = complaint(&SANDBOX.replace("kind: Sandbox", "kind: Sandpit"));
    assert_eq!(code, 2);
    assert!(texts[0].starts_with("1:1: no such kind: agents.x-k8s.io/v1beta1 Sandpit; known: "));
}

#[test]
fn what_the_schema_refuses_is_refused_before_any_policy() {
    let (code, texts) = complaint(&SANDBOX.replace(
        "spec:\n  podTemplate",
        "spec:\n  replicas: 1\n  podTemplate",
    ));
    assert_eq!(
        (code, texts.as_slice()),
        (
            1,
            ["5:3: spec.replicas: unknown field".to_owned()].as_slice()
        )
    );
    let (code, texts) = complaint(&SANDBOX.replace("name: agent,", "name: 7,"));
    assert_eq!(code, 1);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].contains("spec.podTemplate.spec.containers[0].name: Invalid value"),
        "{texts:?}"
    );
}

/// Judges a good manifest by the policies in `text`.
fn by_policies(text: &str) -> Run {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, text).expect("written");
    let run = check(
        &["-p", file.to_str().expect("UTF-8"), "manifests/good.yaml"],
        "",
    );
    let shown = run
        .stderr
        .replace(file.to_str().expect("UTF-8"), "policy.yaml");
    Run {
        stderr: shown,
        ..run
    }
}

const POLICY: &str = include_str!("data/check/policies/root.yaml");

#[test]
fn an_expression_that_does_not_compile_names_file_line_and_column() {
    let run = by_policies(&POLICY.replace("c.?securityContext", "d.?securityContext"));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert_eq!(
        run.stderr,
        "error: the policies cannot be used: 1 mistake\n\
         policy.yaml:19:49: ValidatingAdmissionPolicy/no-root: spec.validations[0].expression: \
         undeclared reference to 'd' (in container '')\n"
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = POLICY
        .replace("  matchConstraints:", "  matchConstraint:")
        .replace("reason: Forbidden", "reason: Nope")
        .replace(
            "validationActions: [Deny]",
            "validationActions: [Deny, Warn]",
        );
    let run = by_policies(&text);
    assert_eq!(run.code, 2);
    for part in [
        "error: the policies cannot be used: 4 mistakes",
        "policy.yaml:9:3: ValidatingAdmissionPolicy/no-root: spec.matchConstraint: unknown field",
        "policy.yaml:23:5: ValidatingAdmissionPolicy/no-root: spec.validations[1].reason: expected one of",
        "policy.yaml:31:3: ValidatingAdmissionPolicyBinding/everywhere: spec.validationActions: Deny and Warn",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[test]
fn a_missing_parameter_denies_with_the_reason() {
    let text = POLICY
        .replace(
            "  matchConstraints",
            "  paramKind: {apiVersion: v1, kind: ConfigMap}\n  matchConstraints",
        )
        .replace(
            "  policyName: no-root",
            "  policyName: no-root\n  paramRef: {name: absent, namespace: default, parameterNotFoundAction: Deny}",
        );
    let run = by_policies(&text);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(
        run.stdout.contains(
            "could not be judged: failed to configure binding: no params found for policy binding with `Deny` \
             parameterNotFoundAction"
        ),
        "{}",
        run.stdout
    );
}

#[test]
fn a_profile_with_an_impossible_quantity_is_refused_with_its_line() {
    let run = by_policies(
        "apiVersion: sandfence.dev/v1alpha1\nkind: GuardrailProfile\nmetadata: {name: p}\nspec:\n  resources:\n    maxVolumeSize: 12Foo\n",
    );
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(
        run.stderr.contains("policy.yaml:6:")
            && run.stderr.contains("spec.resources.maxVolumeSize"),
        "{}",
        run.stderr
    );
}

#[test]
fn nothing_to_judge_or_to_judge_by_is_exit_code_2() {
    let empty = tempfile::tempdir().expect("temporary folder");
    let path = empty.path().to_str().expect("UTF-8");
    let run = check(&["-p", "policies", path], "");
    assert_eq!(run.code, 2);
    assert!(run.stdout.contains("no manifest found"), "{}", run.stdout);
    let run = check(&["-p", path, "manifests"], "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("no policy found in"), "{}", run.stderr);
    let run = check(&["-p", "policies", "manifests/absent.yaml"], "");
    assert_eq!(run.code, 2);
    assert!(
        run.stdout.contains("manifests/absent.yaml: cannot be read"),
        "{}",
        run.stdout
    );
    let run = check(&[], "");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("Usage: sandfence check"),
        "{}",
        run.stderr
    );
    let run = check(&["-p", "policies", "--profile", "strict", "manifests"], "");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("no GuardrailProfile is named \"strict\""),
        "{}",
        run.stderr
    );
}

#[test]
fn rules_that_hold_or_do_not_apply_are_listed_on_request_only() {
    let text = POLICY.replace(
        "  matchConstraints:",
        "  matchConditions: [{name: never, expression: 'false'}]\n  matchConstraints:",
    );
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, text).expect("written");
    let file = file.to_str().expect("UTF-8");
    let quiet = check(&["-p", file, "manifests/good.yaml"], "");
    assert_eq!(
        (quiet.code, quiet.stderr.as_str(), quiet.stdout.as_str()),
        (
            0,
            "",
            "1 object: all admitted, 0 changed on admission; rules: 0 pass, 0 fail, 1 skip, 0 error\n"
        )
    );
    let all = check(&["-p", file, "--all", "manifests/good.yaml"], "");
    let expected = "note[no-root]: does not apply: its match conditions do not hold\n";
    assert!(all.stdout.contains(expected), "{}", all.stdout);
    let holds = check(&["-p", "policies", "--all", "manifests/good.yaml"], "");
    assert!(
        holds.stdout.contains("note[no-root]: holds\n"),
        "{}",
        holds.stdout
    );
}

#[test]
fn a_run_that_judges_nothing_says_so() {
    let run = by_policies(&POLICY.replace("resources: [sandboxes]", "resources: [sandbox]"));
    assert_eq!(run.code, 0);
    assert_eq!(
        run.stderr,
        "note: no rule judged or changed any of these manifests; look at the matchConstraints of the policies and their \
         bindings\n"
    );
    let widget = "apiVersion: acme.io/v1\nkind: Widget\nmetadata: {name: w}\n";
    let run = check(&["-p", "policies", "-"], widget);
    assert_eq!(run.code, 0);
    assert!(
        run.stderr.contains("note: no rule judged"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_profile_that_no_policy_takes_is_noted() {
    let run = check(
        &[
            "-p",
            "policies",
            "--profile",
            "baseline",
            "manifests/good.yaml",
        ],
        "",
    );
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (
            0,
            "note: GuardrailProfile baseline does nothing: no policy in policies has GuardrailProfile as its paramKind; \
             add the shipped packs to --policies or leave it out\n"
        )
    );
}

#[test]
fn what_the_policies_spare_is_exempt_and_not_admitted() {
    let text = SANDBOX.replace("{name: s}", "{name: s, namespace: kube-system}");
    assert_ne!(text, SANDBOX);
    let run = check(&["-o", "json", "-"], &text);
    assert_eq!(run.code, 0);
    let document = run.json();
    let row = &document["exemptions"][0];
    assert_eq!(row["object"]["namespace"], "kube-system");
    assert_eq!(
        row["reason"],
        "guardrail profiles never cover the namespace kube-system"
    );
    let policies = row["policies"].as_array().expect("policies").len();
    assert!(policies > 1, "{row}");
    assert_eq!(document["results"], json!([]));
    assert_eq!(
        document["summary"],
        json!({
            "objects": 1, "denied": 0, "mutated": 0, "exempt": 1, "pass": 0, "fail": 0, "skip": 0, "error": 0,
        })
    );
    let run = check(&["-"], &text);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].ends_with(" <stdin>:1 exempt"), "{}", run.stdout);
    assert_eq!(
        lines[1..],
        [
            format!(
                "  not judged by {policies} policies: guardrail profiles never cover the namespace kube-system"
            )
            .as_str(),
            "",
            "1 object: none judged, 1 exempt, 0 changed on admission; rules: 0 pass, 0 fail, 0 skip, 0 error",
        ]
    );
    assert!(!run.stderr.contains("no rule judged"), "{}", run.stderr);
    // Elsewhere the same object is judged.
    let document = check(&["-o", "json", "-"], SANDBOX).json();
    assert_eq!(document["exemptions"], json!([]));
    assert_eq!(document["summary"]["exempt"], 0);
}

#[test]
fn a_mistyped_word_is_answered_with_the_one_that_was_meant() {
    for (from, to, expected) in [
        (
            "  matchConstraints:",
            "  matchConstrants:",
            "policy.yaml:9:3: ValidatingAdmissionPolicy/no-root: spec.matchConstrants: unknown field, did you mean \"matchConstraints\"?",
        ),
        (
            "reason: Forbidden",
            "reason: Forbiden",
            "policy.yaml:23:5: ValidatingAdmissionPolicy/no-root: spec.validations[1].reason: expected one of \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\", found \"Forbiden\", did you mean \"Forbidden\"?",
        ),
        (
            "kind: ValidatingAdmissionPolicy\n",
            "kind: ValidatingAdmisionPolicy\n",
            ": ValidatingAdmisionPolicy/no-root: kind: unknown kind \"ValidatingAdmisionPolicy\", did you mean \"ValidatingAdmissionPolicy\"?",
        ),
    ] {
        let text = POLICY.replace(from, to);
        assert_ne!(text, POLICY, "{from}");
        let run = by_policies(&text);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    let (code, texts) = complaint(&SANDBOX.replace("kind: Sandbox\n", "kind: Sandboxx\n"));
    assert_eq!(code, 2);
    assert!(
        texts[0].starts_with(
            "1:1: no such kind: agents.x-k8s.io/v1beta1 Sandboxx, did you mean \"Sandbox\"? Known: "
        ),
        "{texts:?}"
    );
    let (code, texts) = complaint(&SANDBOX.replace("  podTemplate", "  podTemplte"));
    assert_eq!(code, 1);
    assert!(
        texts
            .iter()
            .any(|text| text
                .ends_with("spec.podTemplte: unknown field, did you mean \"podTemplate\"?")),
        "{texts:?}"
    );
    let run = check(&["--polices", "x", "-"], "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("'--policies'"), "{}", run.stderr);
}

#[test]
fn a_manifest_cannot_write_to_the_terminal() {
    let text = SANDBOX.replace("kind: Sandbox\n", "kind: \"Sandbox\\e[2J\"\n");
    assert_ne!(text, SANDBOX);
    let run = check(&["-"], &text);
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
    assert!(run.stdout.contains("\\u{1b}[2J"), "{}", run.stdout);
    let name = "x\\e[31m all admitted\\r\\u202e";
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: \"{name}\", namespace: \"{name}\"}}\nspec: {{hostNetwork: 7}}\n"
    );
    let run = check(&["-"], &text);
    assert_ne!(run.stdout, "");
    for bad in ['\u{1b}', '\r', '\u{202e}'] {
        assert!(!run.stdout.contains(bad), "{:?}", run.stdout);
        assert!(!run.stderr.contains(bad), "{:?}", run.stderr);
    }
}
