//! Bytes of an AdmissionReview to a [`Request`] that borrows from them.
//!
//! One pass over the bytes when all is well. When it is not, a second pass finds out what to say: what was expected,
//! what was found, at which field or position.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::reject::{Cause, Rejection};
use crate::model::gvk::{Gvk, Gvr};
use crate::model::json::Json;
use crate::model::request::{Operation, Request, UserInfo};

/// The version of the review that is spoken.
pub const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind of the review.
pub const KIND: &str = "AdmissionReview";

/// What a body must be.
pub(super) struct Expected {
    /// Accepted API versions, the preferred one first.
    pub api_versions: &'static [&'static str],
    /// The kind.
    pub kind: &'static str,
    /// The kind in a sentence.
    pub a_kind: &'static str,
    /// What the request is for, in a sentence.
    pub purpose: &'static str,
}

const ADMISSION: Expected = Expected {
    api_versions: &[API_VERSION],
    kind: KIND,
    a_kind: "an AdmissionReview",
    purpose: "to judge",
};

/// A review as it comes in: who it says it is, and its request.
pub(super) trait Envelope<'a>: Deserialize<'a> {
    /// `apiVersion` and `kind`.
    fn identity(&self) -> (Option<&str>, Option<&str>);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request: Option<Wire<'a>>,
}

impl<'a> Envelope<'a> for Review<'a> {
    fn identity(&self) -> (Option<&str>, Option<&str>) {
        (self.api_version.as_deref(), self.kind.as_deref())
    }
}

/// As [`Review`], content unseen.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unseen {
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(default)]
    uid: String,
    kind: Gvk,
    resource: Gvr,
    #[serde(default)]
    sub_resource: Option<String>,
    #[serde(default)]
    request_kind: Option<Gvk>,
    #[serde(default)]
    request_resource: Option<Gvr>,
    #[serde(default)]
    request_sub_resource: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    operation: Operation,
    #[serde(default)]
    user_info: Option<WireUser>,
    #[serde(borrow, default)]
    object: Json<'a>,
    #[serde(borrow, default)]
    old_object: Json<'a>,
    #[serde(borrow, default)]
    options: Json<'a>,
    #[serde(default)]
    dry_run: Option<bool>,
}

/// Go writes nil lists as `null`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireUser {
    username: Option<String>,
    uid: Option<String>,
    groups: Option<Vec<String>>,
    extra: Option<BTreeMap<String, Option<Vec<String>>>>,
}

impl From<WireUser> for UserInfo {
    fn from(wire: WireUser) -> Self {
        Self {
            username: wire.username.unwrap_or_default(),
            uid: wire.uid.unwrap_or_default(),
            groups: wire.groups.unwrap_or_default(),
            extra: wire
                .extra
                .unwrap_or_default()
                .into_iter()
                .map(|(key, values)| (key, values.unwrap_or_default()))
                .collect(),
        }
    }
}

/// Reads one review.
///
/// # Errors
/// The body is no `admission.k8s.io/v1` AdmissionReview that can be judged and answered.
pub fn decode(body: &[u8]) -> Result<Request<'_>, Rejection> {
    let review: Review<'_> = read(body, &ADMISSION)?;
    let Some(wire) = review.request else {
        return Err(no_request(&ADMISSION));
    };
    check_content(&wire)?;
    Ok(into_request(wire))
}

/// Reads one review of the expected type.
///
/// # Errors
/// The body is something else.
pub(super) fn read<'a, T: Envelope<'a>>(
    body: &'a [u8],
    expected: &Expected,
) -> Result<T, Rejection> {
    let a_kind = expected.a_kind;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Rejection::new(
            Cause::Empty,
            format!("expected {a_kind}, found an empty body"),
        ));
    }
    // Derived decoders would take an array of the fields as well.
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if !is_object && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Err(Rejection::new(
            Cause::NotAReview,
            format!("expected {a_kind}, found a JSON value that is no object"),
        ));
    }
    let review: T =
        serde_json::from_slice(body).map_err(|error| diagnose::<T>(body, &error, expected))?;
    let (api_version, kind) = review.identity();
    check_type(api_version, kind, expected)?;
    Ok(review)
}

fn into_request(wire: Wire<'_>) -> Request<'_> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Request {
        uid: wire.uid,
        kind: wire.kind,
        resource: wire.resource,
        sub_resource: filled(wire.sub_resource),
        request_kind: wire.request_kind,
        request_resource: wire.request_resource,
        request_sub_resource: filled(wire.request_sub_resource),
        name: wire.name.unwrap_or_default(),
        namespace: wire.namespace.unwrap_or_default(),
        operation: wire.operation,
        user: wire.user_info.unwrap_or_default().into(),
        object: wire.object,
        old_object: wire.old_object,
        options: wire.options,
        dry_run: wire.dry_run.unwrap_or_default(),
        namespace_object: None,
    }
}

fn check_type(
    api_version: Option<&str>,
    kind: Option<&str>,
    expected: &Expected,
) -> Result<(), Rejection> {
    for (field, accepted, found) in [
        ("apiVersion", expected.api_versions, api_version),
        ("kind", &[expected.kind], kind),
    ] {
        if !found.is_some_and(|found| accepted.contains(&found)) {
            let found = found.map_or_else(|| "none".to_owned(), |found| format!("{found:?}"));
            let accepted: Vec<String> = accepted.iter().map(|a| format!("{a:?}")).collect();
            return Err(Rejection::new(
                Cause::NotAReview,
                format!("{field}: expected {}, found {found}", accepted.join(" or ")),
            ));
        }
    }
    Ok(())
}

fn check_content(wire: &Wire<'_>) -> Result<(), Rejection> {
    if wire.uid.is_empty() {
        return Err(Rejection::new(
            Cause::NoUid,
            "request.uid: expected the id that the answer must repeat, found none",
        ));
    }
    let field = |name: &str, expected: &str| {
        Rejection::new(
            Cause::Field,
            format!(
                "request.{name}: operation {} carries {expected}",
                wire.operation
            ),
        )
    };
    let needs_object = matches!(wire.operation, Operation::Create | Operation::Update);
    if needs_object && wire.object.as_object().is_none() {
        return Err(field("object", "the new object, found none"));
    }
    // Stored objects may be absent on the odd virtual subresource, but they are objects when they are there.
    for (name, value) in [("object", &wire.object), ("oldObject", &wire.old_object)] {
        if !value.is_null() && value.as_object().is_none() {
            return Err(field(name, "an object, found another JSON value"));
        }
    }
    Ok(())
}

pub(super) fn no_request(expected: &Expected) -> Rejection {
    Rejection::new(
        Cause::NotAReview,
        format!(
            "request: expected the request {}, found none",
            expected.purpose
        ),
    )
}

/// What to say about bytes that did not decode. Positions are those of the first pass.
fn diagnose<'a, T: Envelope<'a>>(
    body: &'a [u8],
    error: &serde_json::Error,
    expected: &Expected,
) -> Rejection {
    let position = format!("line {} column {}", error.line(), error.column());
    if error.is_eof() {
        return Rejection::new(
            Cause::Truncated,
            format!(
                "the body of {} bytes ends inside the JSON document, at {position}: truncated",
                body.len()
            ),
        );
    }
    if !error.is_data() {
        return Rejection::new(Cause::Malformed, format!("the body is not JSON: {error}"));
    }
    match serde_json::from_slice::<Unseen>(body) {
        Ok(unseen) => {
            let (api_version, kind) = (unseen.api_version.as_deref(), unseen.kind.as_deref());
            if let Err(rejection) = check_type(api_version, kind, expected) {
                return rejection;
            }
            if unseen.request.is_none() {
                return no_request(expected);
            }
        }
        Err(error) if error.is_data() => {
            return Rejection::new(
                Cause::NotAReview,
                format!("expected {}: {error}", expected.a_kind),
            );
        }
        Err(error) => return diagnose_syntax(&error),
    }
    let mut bytes = serde_json::Deserializer::from_slice(body);
    let located: Result<T, _> = serde_path_to_error::deserialize(&mut bytes);
    let message = match located {
        Err(located) => format!("{}: {}", located.path(), located.inner()),
        Ok(_) => error.to_string(),
    };
    Rejection::new(Cause::Field, message)
}

/// The second pass reads further than the first and may meet a syntax error there.
fn diagnose_syntax(error: &serde_json::Error) -> Rejection {
    let cause = if error.is_eof() {
        Cause::Truncated
    } else {
        Cause::Malformed
    };
    Rejection::new(cause, format!("the body is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
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
            message.starts_with(
                "request.userInfo.groups: invalid type: integer `7`, expected a sequence"
            ),
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
        assert!(refused(&body[..40]).1.starts_with(
            "the body of 40 bytes ends inside the JSON document, at line 1 column 40"
        ));
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
}
