use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "agents.x-k8s.io", "version": "v1beta1", "kind": "Sandbox"},
            "resource": {"group": "agents.x-k8s.io", "version": "v1beta1", "resource": "sandboxes"},
            "requestKind": {"group": "agents.x-k8s.io", "version": "v1alpha1", "kind": "Sandbox"},
            "requestResource": {"group": "agents.x-k8s.io", "version": "v1alpha1", "resource": "sandboxes"},
            "name": "box",
            "namespace": "team",
            "operation": "UPDATE",
            "userInfo": {"username": "ann", "uid": "7", "groups": ["dev"], "extra": {"k": ["v"], "n": null}},
            "object": {"metadata": {"name": "box"}, "spec": {"replicas": 1}},
            "oldObject": {"metadata": {"name": "box"}},
            "dryRun": true,
            "options": {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"}
        }
    })
}

fn refused(body: &str) -> (Cause, String) {
    let rejection = decode(body.as_bytes()).expect_err("refused");
    (rejection.cause, rejection.message)
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut value = review();
    change(&mut value);
    value.to_string()
}

#[test]
fn every_field_arrives() {
    let body = review().to_string();
    let request = decode(body.as_bytes()).expect("valid");
    assert_eq!(request.uid, "u-1");
    assert_eq!(request.kind, Gvk::new("agents.x-k8s.io/v1beta1", "Sandbox"));
    assert_eq!(
        request.resource,
        Gvr::new("agents.x-k8s.io/v1beta1", "sandboxes")
    );
    assert_eq!(
        request.request_kind,
        Some(Gvk::new("agents.x-k8s.io/v1alpha1", "Sandbox"))
    );
    assert_eq!(
        request.request_resource,
        Some(Gvr::new("agents.x-k8s.io/v1alpha1", "sandboxes"))
    );
    assert_eq!(request.sub_resource, None);
    assert_eq!(request.request_sub_resource, None);
    assert_eq!(
        (request.name.as_str(), request.namespace.as_str()),
        ("box", "team")
    );
    assert_eq!(request.operation, Operation::Update);
    assert_eq!(
        request.user,
        UserInfo {
            username: "ann".to_owned(),
            uid: "7".to_owned(),
            groups: vec!["dev".to_owned()],
            extra: BTreeMap::from([
                ("k".to_owned(), vec!["v".to_owned()]),
                ("n".to_owned(), Vec::new())
            ]),
        }
    );
    assert_eq!(
        request.object.to_string(),
        r#"{"metadata":{"name":"box"},"spec":{"replicas":1}}"#
    );
    assert_eq!(
        request.old_object.str_at(&["metadata", "name"]),
        Some("box")
    );
    assert_eq!(request.options.str_at(&["kind"]), Some("UpdateOptions"));
    assert!(request.dry_run);
    assert_eq!(request.namespace_object, None);
}

#[test]
fn strings_of_the_object_borrow_from_the_body() {
    let body = review().to_string();
    let request = decode(body.as_bytes()).expect("valid");
    assert!(matches!(
        request.object.at(&["metadata", "name"]),
        Some(Json::String(Cow::Borrowed("box")))
    ));
}

#[test]
fn delete_and_connect_need_no_new_object() {
    let body = changed(|v| {
        v["request"]["operation"] = json!("DELETE");
        v["request"]["object"] = Value::Null;
        v["request"]["name"] = Value::Null;
    });
    let request = decode(body.as_bytes()).expect("valid");
    assert!(request.object.is_null());
    assert_eq!(request.name, "");
}

#[test]
fn what_is_no_review_is_refused_with_what_and_where() {
    let cases = [
        (
            String::new(),
            Cause::Empty,
            "expected an AdmissionReview, found an empty body",
        ),
        (
            " \n".to_owned(),
            Cause::Empty,
            "expected an AdmissionReview, found an empty body",
        ),
        (
            "{\"apiVersion\": nope}".to_owned(),
            Cause::Malformed,
            "the body is not JSON: expected ident at line 1 column 17",
        ),
        (
            "[]".to_owned(),
            Cause::NotAReview,
            "expected an AdmissionReview, found a JSON value that is no object",
        ),
        (
            changed(|v| v["apiVersion"] = json!("admission.k8s.io/v1beta1")),
            Cause::NotAReview,
            "apiVersion: expected \"admission.k8s.io/v1\", found \"admission.k8s.io/v1beta1\"",
        ),
        (
            changed(|v| v["kind"] = json!("ConversionReview")),
            Cause::NotAReview,
            "kind: expected \"AdmissionReview\", found \"ConversionReview\"",
        ),
        (
            "{\"kind\": \"AdmissionReview\"}".to_owned(),
            Cause::NotAReview,
            "apiVersion: expected \"admission.k8s.io/v1\", found none",
        ),
        (
            changed(|v| v["request"] = Value::Null),
            Cause::NotAReview,
            "request: expected the request to judge, found none",
        ),
        (
            changed(|v| v["request"]["uid"] = json!("")),
            Cause::NoUid,
            "request.uid: expected the id that the answer must repeat, found none",
        ),
        (
            changed(|v| v["request"]["object"] = Value::Null),
            Cause::Field,
            "request.object: operation UPDATE carries the new object, found none",
        ),
        (
            changed(|v| v["request"]["oldObject"] = json!("text")),
            Cause::Field,
            "request.oldObject: operation UPDATE carries an object, found another JSON value",
        ),
    ];
    for (body, cause, message) in cases {
        assert_eq!(refused(&body), (cause, message.to_owned()), "{body}");
    }
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    let (cause, message) = refused(&changed(|v| v["request"]["operation"] = json!("PATCH")));
    assert_eq!(cause, Cause::Field);
    assert!(
        message.starts_with("request.operation: unknown variant `PATCH`, expected one of `CREATE`, `UPDATE`, `DELETE`, `CONNECT`"),
        "{message}"
    );
    let (cause, message) = refused(&changed(|v| v["request"]["userInfo"]["groups"] = json!(7)));
    assert_eq!(cause, Cause::Field);
    assert!(
        message
            .starts_with("request.userInfo.groups: invalid type: integer `7`, expected a sequence"),
        "{message}"
    );
    // An unknown shape of another version is first of all another version.
    let other = changed(|v| {
        v["apiVersion"] = json!("admission.k8s.io/v2");
        v["request"]["kind"] = json!("flat");
    });
    assert_eq!(refused(&other).0, Cause::NotAReview);
}

#[test]
fn every_truncation_is_refused_as_such() {
    let body = review().to_string();
    for end in 1..body.len() {
        let (cause, message) = refused(&body[..end]);
        assert_eq!(cause, Cause::Truncated, "{end}: {message}");
    }
    assert!(
        refused(&body[..40])
            .1
            .starts_with("the body of 40 bytes ends inside the JSON document, at line 1 column 40")
    );
}

#[test]
fn a_field_given_twice_is_refused_since_readers_differ_in_which_one_counts() {
    let good = review().to_string();
    for (field, again) in [
        ("\"operation\":", "\"operation\":\"DELETE\","),
        ("\"object\":", "\"object\":{},"),
        ("\"namespace\":", "\"namespace\":\"kube-system\","),
    ] {
        let twice = good.replacen(field, &format!("{again}{field}"), 1);
        assert_ne!(twice, good, "{field}");
        let (cause, message) = refused(&twice);
        assert_eq!(cause, Cause::Field, "{message}");
        let name = field.trim_matches([':', '"']);
        assert!(
            message.contains(&format!("duplicate field `{name}`")),
            "{message}"
        );
    }
    let twice = good.replacen(
        "\"kind\":\"AdmissionReview\"",
        "\"kind\":\"AdmissionReview\",\"kind\":\"X\"",
        1,
    );
    assert_ne!(twice, good);
    assert_eq!(refused(&twice).0, Cause::NotAReview);
}

#[test]
fn invalid_utf8_and_lone_surrogates_are_malformed() {
    let good = review().to_string();
    let mut bytes = good.clone().into_bytes();
    let at = good.find("\"ann\"").expect("the user") + 1;
    bytes[at] = 0xff;
    let rejection = decode(&bytes).expect_err("refused");
    assert_eq!(rejection.cause, Cause::Malformed);
    assert!(
        rejection.message.contains("invalid unicode code point"),
        "{}",
        rejection.message
    );
    let (cause, _) = refused(&good.replace("\"ann\"", "\"\\ud800\""));
    assert_eq!(cause, Cause::Malformed);
}

#[test]
fn numbers_beyond_every_type_are_refused_and_long_ones_kept_apart() {
    let with = |number: &str| {
        review()
            .to_string()
            .replace("\"replicas\":1", &format!("\"replicas\":{number}"))
    };
    let (cause, message) = refused(&with("1e999"));
    assert_eq!(cause, Cause::Malformed, "{message}");
    assert!(message.contains("number out of range"), "{message}");
    for (number, expected) in [
        ("9223372036854775807", Json::Int(i64::MAX)),
        (
            "9223372036854775808",
            Json::Float(9_223_372_036_854_775_808.0),
        ),
        ("1e-999", Json::Float(0.0)),
    ] {
        let body = with(number);
        let request = decode(body.as_bytes()).expect("a review");
        assert_eq!(
            request.object.at(&["spec", "replicas"]),
            Some(&expected),
            "{number}"
        );
    }
}

#[test]
fn hostile_nesting_is_an_error_not_a_crash() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = review().to_string().replace("{\"replicas\":1}", &deep);
    let (cause, message) = refused(&body);
    assert_eq!(cause, Cause::Malformed);
    assert!(message.contains("recursion limit exceeded"), "{message}");
    assert_eq!(refused("{\"a\":\"\u{1}\"}").0, Cause::Malformed);
    assert!(decode(b"{\"a\":\"\xff\"}").is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn one_changed_byte_never_panics(at in 0_usize..900, byte in any::<u8>()) {
        let mut body = review().to_string().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        if let Ok(request) = decode(&body) {
            prop_assert!(!request.uid.is_empty());
        }
    }
}
