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
mod tests;
