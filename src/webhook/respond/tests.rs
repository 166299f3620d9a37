use serde_json::{Value, json};

use super::*;
use crate::model::gvk::{Gvk, Gvr};
use crate::model::path::FieldPath;
use crate::model::verdict::{Action, Blame, BlameRoot, MutationStep, Outcome as Came, Rule};
use crate::owned_json;

fn request() -> Request<'static> {
    let mut request = Request::create(
        Gvr::new("agents.x-k8s.io/v1beta1", "sandboxes"),
        owned_json!({"metadata": {"name": "box"}, "spec": {}}),
    );
    request.uid = "u-1".to_owned();
    request.kind = Gvk::new("agents.x-k8s.io/v1beta1", "Sandbox");
    request
}

fn finding(policy: &str, message: &str) -> Finding {
    Finding {
        policy: policy.to_owned(),
        binding: Some("bind".to_owned()),
        param: None,
        rule: Rule::Validation(0),
        actions: vec![Action::Deny],
        outcome: Came::Fail,
        denies: true,
        message: message.to_owned(),
        reason: Reason::Invalid,
        blame: None,
    }
}

fn as_json(review: &Review) -> Value {
    serde_json::to_value(review).expect("JSON")
}

#[test]
fn an_allowed_review_says_no_more_than_it_must() {
    let review = Review::of_verdict(&request(), &Verdict::default());
    assert_eq!(
        as_json(&review),
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": "u-1", "allowed": true}
        })
    );
    assert_eq!(review.outcome(), Outcome::Allowed);
}

#[test]
fn the_first_denial_shapes_the_status_and_all_are_causes_with_their_fields() {
    let mut host = finding("host", "no host network");
    host.reason = Reason::Forbidden;
    host.blame = Some(Blame {
        root: BlameRoot::Object,
        path: FieldPath::root().key("spec").key("hostNetwork"),
        value: Some(Json::Bool(true)),
    });
    let mut user = finding("user", "must run as non-root");
    user.blame = Some(Blame {
        root: BlameRoot::Object,
        path: FieldPath::root()
            .key("spec")
            .key("containers")
            .index(0)
            .key("runAsNonRoot"),
        value: None,
    });
    let mut passed = finding("other", "fine");
    passed.outcome = Came::Pass;
    passed.denies = false;
    let verdict = Verdict {
        findings: vec![passed, host, user],
        warnings: vec![
            "two\nlines".to_owned(),
            "two lines".to_owned(),
            "w".to_owned(),
        ],
        audit_annotations: BTreeMap::from([(
            "validation.policy.admission.k8s.io/validation_failure".to_owned(),
            "[]".to_owned(),
        )]),
        ..Verdict::default()
    };
    let review = Review::of_verdict(&request(), &verdict);
    assert_eq!(
        as_json(&review)["response"],
        json!({
            "uid": "u-1",
            "allowed": false,
            "status": {
                "status": "Failure",
                "message": "ValidatingAdmissionPolicy 'host' with binding 'bind' denied request: no host network",
                "reason": "Forbidden",
                "code": 403,
                "details": {
                    "name": "box",
                    "group": "agents.x-k8s.io",
                    "kind": "sandboxes",
                    "causes": [
                        {
                            "reason": "FieldValueInvalid",
                            "message": "ValidatingAdmissionPolicy 'host' with binding 'bind' denied request: no host network",
                            "field": "spec.hostNetwork"
                        },
                        {
                            "reason": "FieldValueRequired",
                            "message": "ValidatingAdmissionPolicy 'user' with binding 'bind' denied request: must run as non-root",
                            "field": "spec.containers[0].runAsNonRoot"
                        }
                    ]
                }
            },
            "auditAnnotations": {"validation.policy.admission.k8s.io.validation_failure": "[]"},
            "warnings": ["two lines", "w"]
        })
    );
    assert_eq!(
        (review.outcome(), review.code()),
        (Outcome::Denied, Some(403))
    );
    assert_eq!(review.denied_by, ["host/bind", "user/bind"]);
}

#[test]
fn a_failed_validation_is_422_invalid() {
    let verdict = Verdict {
        findings: vec![finding("p", "m")],
        ..Verdict::default()
    };
    let review = Review::of_verdict(&request(), &verdict);
    let status = &as_json(&review)["response"]["status"];
    assert_eq!(
        (&status["code"], &status["reason"]),
        (&json!(422), &json!("Invalid"))
    );
}

#[test]
fn thousands_of_denials_stay_a_short_answer() {
    let verdict = Verdict {
        findings: (0..1_000).map(|n| finding("p", &n.to_string())).collect(),
        ..Verdict::default()
    };
    let review = as_json(&Review::of_verdict(&request(), &verdict));
    let causes = review["response"]["status"]["details"]["causes"]
        .as_array()
        .expect("list");
    assert_eq!(causes.len(), CAUSES + 1);
    assert_eq!(causes[CAUSES], json!({"message": "and 936 more"}));
}

fn step(policy: &str, patch: Value) -> MutationStep {
    MutationStep {
        policy: policy.to_owned(),
        binding: "bind".to_owned(),
        patch: Json::from(patch),
    }
}

#[test]
fn the_patch_is_all_steps_in_order() {
    let mutated = Mutated {
        object: Some(owned_json!({"spec": {"a": 2}})),
        steps: vec![
            step("one", json!([{"op": "add", "path": "/spec/a", "value": 1}])),
            step(
                "two",
                json!([{"op": "replace", "path": "/spec/a", "value": 2}]),
            ),
        ],
        findings: vec![],
    };
    let review = Review::of_mutation(&request(), &mutated);
    let response = &as_json(&review)["response"];
    assert_eq!(response["patchType"], "JSONPatch");
    let document = STANDARD
        .decode(response["patch"].as_str().expect("text"))
        .expect("base64");
    assert_eq!(
        serde_json::from_slice::<Value>(&document).expect("JSON"),
        json!([
            {"op": "add", "path": "/spec/a", "value": 1},
            {"op": "replace", "path": "/spec/a", "value": 2}
        ])
    );
    assert_eq!(review.outcome(), Outcome::Mutated);
}

#[test]
fn without_a_change_or_an_object_there_is_neither_patch_nor_patch_type() {
    let undone = Mutated {
        object: None,
        steps: vec![step(
            "one",
            json!([{"op": "add", "path": "/a", "value": 1}]),
        )],
        findings: vec![],
    };
    let expected = json!({"uid": "u-1", "allowed": true});
    assert_eq!(
        as_json(&Review::of_mutation(&request(), &undone))["response"],
        expected
    );
    let mut delete = request();
    delete.object = Json::Null;
    let changed = Mutated {
        object: Some(owned_json!({})),
        ..undone
    };
    assert_eq!(
        as_json(&Review::of_mutation(&delete, &changed))["response"],
        expected
    );
}

#[test]
fn a_failed_mutation_is_403_with_reason_invalid_and_no_patch() {
    let mut failed = finding("m", "boom");
    failed.rule = Rule::Mutation(1);
    failed.outcome = Came::Error;
    let mut unconfigured = finding("n", "failed to configure policy: x");
    unconfigured.rule = Rule::MutatingPolicy;
    unconfigured.binding = None;
    let mutated = Mutated {
        object: Some(owned_json!({})),
        steps: vec![step(
            "one",
            json!([{"op": "add", "path": "/a", "value": 1}]),
        )],
        findings: vec![failed, unconfigured],
    };
    let review = as_json(&Review::of_mutation(&request(), &mutated));
    let response = &review["response"];
    assert_eq!(response["patch"], Value::Null);
    assert_eq!(response["status"]["code"], 403);
    assert_eq!(response["status"]["reason"], "Invalid");
    assert_eq!(
        response["status"]["message"],
        "policy 'm' with binding 'bind' denied request: boom"
    );
    assert_eq!(
        response["status"]["details"]["causes"][1]["message"],
        "policy \"n\" denied request: failed to configure policy: x"
    );
}

#[test]
fn audit_keys_are_qualified_names_behind_the_webhook_name() {
    assert_eq!(annotation_key("policy.example/key"), "policy.example.key");
    assert_eq!(annotation_key("-a//b-"), "a..b");
    let long = annotation_key(&format!("{}/key", "p".repeat(80)));
    let other = annotation_key(&format!("{}/kez", "p".repeat(80)));
    assert_eq!(long.len(), KEY_LENGTH);
    assert_ne!(long, other);
    for key in [long, annotation_key("///"), annotation_key("")] {
        assert!(!key.is_empty() && key.len() <= KEY_LENGTH, "{key}");
        assert!(
            key.starts_with(|c: char| c.is_ascii_alphanumeric()),
            "{key}"
        );
        assert!(key.ends_with(|c: char| c.is_ascii_alphanumeric()), "{key}");
    }
}

#[test]
fn a_failure_to_judge_refuses_with_500_and_the_uid() {
    let review = Review::of_failure("u-9", "the judge stopped");
    assert_eq!(
        as_json(&review)["response"],
        json!({
            "uid": "u-9",
            "allowed": false,
            "status": {"status": "Failure", "message": "the judge stopped", "reason": "InternalError", "code": 500}
        })
    );
    assert_eq!(review.outcome(), Outcome::Error);
}
