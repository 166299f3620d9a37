use super::*;
use crate::model::yaml;

/// The documents below `policies/<pack>`, as the suite names them.
fn shipped(pack: &str, path: &str) -> Result<Vec<Document>, String> {
    let files = crate::policy::packs::FILES.iter();
    let documents = files
        .filter(|(name, _)| match path {
            "." => name.starts_with(&format!("policies/{pack}/")),
            path => name.ends_with(path.trim_start_matches("..")),
        })
        .flat_map(|(name, text)| yaml::read(name, text).expect("shipped files are valid"))
        .collect();
    Ok(documents)
}

fn suite(text: &str) -> Result<Suite, Vec<String>> {
    let mut documents = yaml::read("suite.yaml", text).expect("valid YAML");
    let document = documents.remove(0);
    assert!(is_suite(&document));
    read(document).map_err(|diagnostics| diagnostics.iter().map(ToString::to_string).collect())
}

fn passes(pack: &str, text: &str) {
    let suite = suite(text).expect("a valid suite");
    let results = run(&suite, &|path| shipped(pack, path), &|_| true)
        .expect("loads")
        .cases;
    assert_eq!(results.len(), suite.cases.len());
    let failed: Vec<String> = results
        .iter()
        .filter(|result| !result.failures.is_empty())
        .map(|result| format!("{}: {}", result.name, result.failures.join("\n    ")))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

macro_rules! suites_pass {
    ($($test:ident: $pack:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            passes($pack, include_str!(concat!("../../../policies/", $pack, "/suite.yaml")));
        }
    )*};
}

suites_pass! {
    the_suite_of_the_guardrails_passes: "sandbox-guardrails",
    the_suite_of_pod_security_passes: "pod-security",
    the_suite_of_sandbox_integrity_passes: "sandbox-integrity",
    the_suite_of_supply_chain_passes: "supply-chain",
}

const POLICIES: &str = "
apiVersion: sandfence.dev/v1alpha1
kind: SandboxPolicy
metadata: {name: one, annotations: {sandfence.dev/rules: first}}
spec:
  matchConstraints:
    resourceRules: &rules
    - {apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [configmaps]}
  validationActions: [Deny]
  validations:
  - {expression: object == null || object.data.a != 'bad', message: a is bad}
  - {expression: object == null || request.userInfo.username != 'eve', message: eve}
---
apiVersion: sandfence.dev/v1alpha1
kind: SandboxPolicy
metadata: {name: two}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  validationActions: [Warn]
  validations:
  - {expression: namespaceObject.metadata.labels.?env.orValue('') != 'prod', message: prod}
---
apiVersion: sandfence.dev/v1alpha1
kind: SandboxPolicy
metadata: {name: three}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  matchConditions:
  - {name: grow, expression: has(object.data.grow)}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: 'Object{data: {\"grow\": object.data.grow + \"x\"}}'}
";

fn one_case(case: &str) -> Vec<String> {
    let text = format!(
        "apiVersion: sandfence.dev/v1alpha1
kind: PolicySuite
policies: [p.yaml]
bases:
  c: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: c}}, data: {{a: good}}}}
cases:
- {{name: x, {case}}}
"
    );
    let suite = suite(&text).expect("a valid suite");
    let load = |path: &str| match path {
        "p.yaml" => Ok(yaml::read(path, POLICIES).expect("valid YAML")),
        _ => Err(format!("{path}: no such file")),
    };
    let mut results = run(&suite, &load, &|_| true).expect("loads").cases;
    assert_eq!(results.len(), 1);
    results.remove(0).failures
}

#[test]
fn cases_pass_and_fail_for_the_reasons_they_give() {
    let bad = "object: {base: c, set: {/data/a: bad}}";
    let cases: [(String, &[&str]); 15] = [
        ("object: {base: c}, expect: {verdict: allow, unchanged: true}".to_owned(), &[]),
        ("object: {base: c}, expect: {verdict: deny, findings: [{policy: one, rule: first}]}".to_owned(), &[
            "expected verdict deny, got allow",
            "missing finding of one first",
        ]),
        (format!("{bad}, expect: {{verdict: deny}}"), &[]),
        (format!("{bad}, expect: {{verdict: deny, findings: [{{policy: one, rule: first, contains: is bad}}]}}"), &[]),
        (format!("{bad}, expect: {{verdict: deny, findings: [{{policy: one, rule: first, contains: fine}}]}}"), &[
            "unexpected finding of one first: a is bad",
            "missing finding of one first with \"fine\"",
        ]),
        (format!("{bad}, expect: {{verdict: allow}}"), &[
            "expected verdict allow, got deny",
            "unexpected finding of one first: a is bad",
        ]),
        (format!("{bad}, policies: [two], expect: {{verdict: allow}}"), &[]),
        ("object: {base: c}, policies: [four], expect: {verdict: allow}".to_owned(), &["no policy is named \"four\""]),
        ("object: {base: c}, profile: p, expect: {verdict: allow}".to_owned(), &["no profile is named \"p\"; there are: "]),
        ("object: {base: d}, expect: {verdict: allow}".to_owned(), &["no base is named \"d\""]),
        ("object: {base: c}, request: {user: {username: eve}}, expect: {verdict: deny, findings: [{policy: one, rule: 'validations[1]'}]}".to_owned(), &[]),
        ("object: {base: c}, namespaceLabels: {env: prod}, expect: {verdict: warn, findings: [{policy: two, rule: 'validations[0]'}]}".to_owned(), &[]),
        ("oldObject: {base: c, set: {/data/a: bad}}, expect: {verdict: allow}".to_owned(), &[]),
        ("object: {base: c, set: {/data/grow: x}}, expect: {verdict: allow, mutated: {/data/grow: xx, /data/b: null}}".to_owned(), &[
            "a second run of the mutations changes the object again: three [{\"op\":\"replace\",\"path\":\"/data/grow\",\"value\":\"xxx\"}]",
        ]),
        ("object: {base: c, remove: [/data/z]}, expect: {verdict: allow}".to_owned(), &["\"/data/z\" cannot be removed: there is nothing"]),
    ];
    for (case, want) in cases {
        assert_eq!(one_case(&case), want, "{case}");
    }
}

#[test]
fn suites_are_read_strictly() {
    let text = "apiVersion: sandfence.dev/v1alpha1
kind: PolicySuite
policy: [x]
cases:
- {name: a, object: {base: c, file: d}, expect: {verdict: maybe}}
- {object: {base: c, set: {data: 1}}, request: {operation: PATCH}, expect: {verdict: deny, unchanged: true}}
- {name: b, expect: {verdict: allow, findings: []}}
";
    assert_eq!(
        suite(text).expect_err("mistakes"),
        [
            "suite.yaml:3:1: PolicySuite/suite.yaml: policy: unknown field",
            "suite.yaml:5:13: PolicySuite/suite.yaml: cases[0].object: expected either a base or a file",
            "suite.yaml:5:50: PolicySuite/suite.yaml: cases[0].expect.verdict: expected one of \"allow\", \"deny\", \"warn\", \"audit\", found \"maybe\"",
            "suite.yaml:6:3: PolicySuite/suite.yaml: cases[1].name: a value is required",
            "suite.yaml:6:28: PolicySuite/suite.yaml: cases[1].object.set.data: expected a JSON pointer, which starts with /",
            "suite.yaml:6:49: PolicySuite/suite.yaml: cases[1].request.operation: expected one of \"CREATE\", \"UPDATE\", \"DELETE\", \"CONNECT\", found \"PATCH\"",
            "suite.yaml:6:92: PolicySuite/suite.yaml: cases[1].expect.unchanged: goes with verdict allow only",
            "suite.yaml:7:3: PolicySuite/suite.yaml: cases[2].object: an object or an oldObject is required",
            "suite.yaml:7:38: PolicySuite/suite.yaml: cases[2].expect.findings: goes with verdicts deny, warn and audit only",
        ]
    );
}

#[test]
fn pointers_make_missing_parents() {
    let mut object = crate::owned_json!({"list": ["a"]});
    for (pointer, value) in [
        ("/new/0/deep", 1),
        ("/list/1", 2),
        ("/list/-", 3),
        ("/a~1b/c", 4),
    ] {
        objects::set(&mut object, pointer, Json::Int(value)).expect("can be set");
    }
    assert_eq!(
        object.to_string(),
        r#"{"a/b":{"c":4},"list":["a",2,3],"new":[{"deep":1}]}"#
    );
    assert_eq!(
        objects::set(&mut object, "/list/9", Json::Null),
        Err("\"/list/9\" cannot be set: there is no place for \"9\"".to_owned())
    );
    objects::remove(&mut object, "/list/0").expect("is there");
    assert_eq!(objects::get(&object, "/list/0"), Ok(Some(&Json::Int(2))));
}
