use super::*;
use crate::model::json::Json;
use crate::model::verdict::{Finding, Outcome, Verdict};
use crate::policy::judge::judge;
use crate::policy::mutate::mutate;
use crate::policy::set::{Set, Settings};
use crate::policy::testing::{create, json, policy, sources};

const OBJECT: &str =
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}}"#;

/// A SandboxPolicy `broken` of the cluster over ConfigMaps with further spec lines.
fn stored(spec: &str) -> Sourced {
    let text = format!(
        "apiVersion: sandfence.dev/v1alpha1
kind: SandboxPolicy
metadata: {{name: broken}}
spec:
  matchConstraints:
    resourceRules:
    - {{apiGroups: ['', sandfence.dev], apiVersions: ['*'], operations: [CREATE], resources: [configmaps, sandboxpolicies]}}
  {}
",
        spec.trim_matches('\n').replace('\n', "\n  ")
    );
    in_cluster(&text)
}

fn in_cluster(text: &str) -> Sourced {
    let sourced = sources(text).pop().expect("one object");
    Sourced::cluster(sourced.object)
}

/// A good policy `p` from a file, which denies ConfigMaps without `data.a`, and these objects of the cluster.
fn with(cluster: impl IntoIterator<Item = Sourced>) -> Set {
    let mut objects = sources(&policy(
        "validations:\n- {expression: 'has(object.data.a)', message: a is missing}",
        "Deny",
    ));
    objects.extend(cluster);
    Set::build_sparing(objects, &Settings::default()).expect("the files are fine")
}

fn faults(set: &Set) -> Vec<String> {
    set.faults().iter().map(ToString::to_string).collect()
}

fn denials(verdict: &Verdict) -> Vec<String> {
    verdict.denials().map(Finding::denial).collect()
}

const BROKEN: &str = "matchConditions: [{name: ours, expression: object.metadata.name != 'theirs'}]
validations: [{expression: object.data.a >}]
validationActions: [Audit]";

#[test]
fn a_stored_policy_that_does_not_compile_takes_nothing_with_it_and_refuses_what_it_matches() {
    let set = with([stored(BROKEN)]);
    let mistake =
        "spec.validations[0].expression: Syntax error: mismatched input '<EOF>' expecting";
    let told = faults(&set);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(&format!("SandboxPolicy/broken: {mistake}"))
            && told[0].ends_with(": what it matches is refused"),
        "{told:?}"
    );
    let verdict = judge(&set, &create(OBJECT));
    let denied = denials(&verdict);
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert!(
        denied[0].starts_with(&format!(
            "ValidatingAdmissionPolicy 'broken' denied request: failed to configure policy: \
             SandboxPolicy/broken cannot be used: {mistake}"
        )),
        "{denied:?}"
    );
    assert_eq!(verdict.findings[0].outcome, Outcome::Error);
    // The good policy goes on judging.
    let bare =
        create(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"theirs"},"data":{}}"#);
    assert_eq!(
        denials(&judge(&set, &bare)),
        ["ValidatingAdmissionPolicy 'p' with binding 'b' denied request: a is missing"]
    );
}

#[test]
fn what_its_match_conditions_rule_out_is_none_of_its_business() {
    let set = with([stored(BROKEN)]);
    let theirs = create(&OBJECT.replace("\"c\"", "\"theirs\""));
    assert_eq!(denials(&judge(&set, &theirs)), [] as [&str; 0]);
    // Conditions that do not compile themselves rule out nothing, and are not registered at the API server.
    let set = with([stored(&BROKEN.replace("!= 'theirs'", "!= unknown"))]);
    assert_eq!(denials(&judge(&set, &theirs)).len(), 1);
    let demand = set.demands().into_iter().find(|d| d.policy == "broken");
    assert_eq!(demand.expect("still wanted").conditions, []);
}

#[test]
fn failure_policy_ignore_lets_pass_what_cannot_be_judged() {
    let set = with([stored(&format!("failurePolicy: Ignore\n{BROKEN}"))]);
    assert!(faults(&set)[0].ends_with(": what it matches passes (failurePolicy Ignore)"));
    let verdict = judge(&set, &create(OBJECT));
    assert!(verdict.allowed());
    assert_eq!(verdict.findings.len(), 1, "it is told all the same");
}

#[test]
fn a_policy_that_cannot_be_used_does_not_refuse_its_own_repair() {
    let set = with([stored("validations: [{expression: nope}]")]);
    let mut request = create(OBJECT);
    assert!(!judge(&set, &request).allowed());
    request.resource = crate::model::gvk::Gvr::new("sandfence.dev/v1alpha1", "sandboxpolicies");
    request.namespace = String::new();
    request.namespace_object = None;
    assert!(judge(&set, &request).allowed());
}

#[test]
fn a_stored_mutating_policy_that_cannot_be_used_refuses_once() {
    let spec = "reinvocationPolicy: IfNeeded
mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{data: 1 + }'}}]";
    let set = with([stored(spec)]);
    let mutated = mutate(&set, &create(OBJECT));
    assert_eq!(mutated.object, None);
    let denied: Vec<String> = mutated.findings.iter().map(Finding::denial).collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert!(
        denied[0].starts_with(
            "policy \"broken\" denied request: failed to configure policy: SandboxPolicy/broken cannot be used: "
        ),
        "{denied:?}"
    );
}

#[test]
fn unknown_fields_of_another_version_refuse_too() {
    let set = with([stored(
        "validation: [{expression: 'true'}]\nvalidations: [{expression: 'true'}]",
    )]);
    assert_eq!(
        faults(&set),
        [
            "SandboxPolicy/broken: spec.validation: unknown field, did you mean \"validations\"?: what it matches is refused"
        ]
    );
    assert!(!judge(&set, &create(OBJECT)).allowed());
}

#[test]
fn a_policy_that_does_not_say_what_it_is_about_is_left_out() {
    let mut broken = stored("validations: [{expression: 'false'}]");
    let rules = broken
        .object
        .get_mut("spec")
        .and_then(|spec| spec.get_mut("matchConstraints"))
        .expect("there");
    *rules = json(r#"{"resourceRules": "all"}"#);
    let set = with([broken]);
    assert_eq!(
        faults(&set),
        [
            "SandboxPolicy/broken: spec.matchConstraints.resourceRules: expected a list, found a string; \
             spec.matchConstraints.resourceRules: at least one rule is required: it counts for nothing"
        ]
    );
    assert!(judge(&set, &create(OBJECT)).allowed());
    assert_eq!(set.policies().count(), 1);
}

#[test]
fn a_stored_policy_with_the_name_of_a_file_policy_does_not_bind_that_one() {
    let objects = sources(
        policy(
            "validations:\n- {expression: 'false', message: never}",
            "Deny",
        )
        .split("---")
        .next()
        .expect("the policy without its binding"),
    );
    let twin = stored("validations: [{expression: 'false'}]\nfailurePolicy: Ignore");
    let mut twin = twin.object;
    if let Some(Json::Object(metadata)) = twin.get_mut("metadata") {
        metadata.insert("name", Json::from("p"));
    }
    let objects = objects
        .into_iter()
        .chain([Sourced::cluster(twin)])
        .collect();
    let set = Set::build_sparing(objects, &Settings::default()).expect("the files are fine");
    assert_eq!(
        faults(&set),
        [
            "SandboxPolicy/p: metadata.name: another validating policy \"p\" is in p.yaml:1: remove or rename one: \
             what it matches passes (failurePolicy Ignore)"
        ]
    );
    assert!(judge(&set, &create(OBJECT)).allowed(), "p has no binding");
}

/// A guardrail from a file that takes profiles, and a profile of the cluster with this spec.
fn guarded(spec: &str) -> Set {
    let guard = policy(
        "paramKind: {apiVersion: sandfence.dev/v1alpha1, kind: GuardrailProfile}\nvalidations:\n- expression: 'true'",
        "Deny",
    );
    let mut objects = sources(guard.split("---").next().expect("policy"));
    objects.push(in_cluster(&format!(
        "apiVersion: sandfence.dev/v1alpha1\nkind: GuardrailProfile\nmetadata: {{name: bad}}\nspec: {spec}\n"
    )));
    Set::build_sparing(objects, &Settings::default()).expect("the files are fine")
}

#[test]
fn where_a_profile_cannot_be_used_its_namespaces_stay_closed() {
    let impossible =
        "{resources: {maxVolumeSize: 12Foo}, namespaceSelector: {matchLabels: {env: test}}}";
    let set = guarded(impossible);
    let told = faults(&set);
    assert!(
        told.len() == 1
            && told[0].starts_with("GuardrailProfile/bad: spec.resources.maxVolumeSize: ")
            && told[0].ends_with(": what it matches is refused"),
        "{told:?}"
    );
    let denied = denials(&judge(&set, &create(OBJECT)));
    assert_eq!(denied.len(), 1);
    assert!(
        denied[0].starts_with(
            "ValidatingAdmissionPolicy 'p' with binding 'p-bad' denied request: failed to configure binding: \
             GuardrailProfile/bad cannot be used: spec.resources.maxVolumeSize: "
        ),
        "{denied:?}"
    );
    let elsewhere = guarded(&impossible.replace("env: test", "env: other"));
    assert!(judge(&elsewhere, &create(OBJECT)).allowed());
}

#[test]
fn a_profile_that_denies_nothing_is_left_out_when_it_cannot_be_used() {
    let set = guarded("{enforcement: Audit, resources: {maxVolumeSize: 12Foo}}");
    assert!(faults(&set)[0].ends_with(": it counts for nothing"));
    assert!(judge(&set, &create(OBJECT)).allowed());
    assert_eq!(set.profiles().len(), 0);
}

#[test]
fn files_are_still_taken_whole_or_not_at_all() {
    let mut objects = sources(&policy("validations:\n- expression: nope", "Deny"));
    objects.push(stored("validations: [{expression: nope}]"));
    let mistakes = Set::build_sparing(objects, &Settings::default()).expect_err("a bad file");
    let subjects: Vec<&str> = mistakes.iter().map(|d| d.subject.as_str()).collect();
    assert_eq!(subjects, ["ValidatingAdmissionPolicy/p"]);
    assert!(
        Set::build(
            vec![stored("validations: [{expression: nope}]")],
            &Settings::default()
        )
        .is_err(),
        "what is about to be written is judged strictly"
    );
}
