//! One review: decode, look up the namespace, ask the judge, form the answer.
//!
//! Everything here is synchronous and reads snapshots only. A panic of the judge is an answer like any other: the
//! request is not allowed, the uid is kept, the process goes on.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::decode::decode;
use super::reject::{Cause, Rejection};
use super::respond::{Outcome, Review};
use crate::api::common::GROUP;
use crate::model::json::Json;
use crate::model::request::{Operation, Request};
use crate::policy::diagnostic::{Diagnostic, Sourced};
use crate::policy::judge::judge;
use crate::policy::mutate::mutate;
use crate::policy::set::{Set, Settings};

/// Namespace objects by name.
pub type Namespaces = HashMap<String, Arc<Json<'static>>>;

/// What decisions are made with; written by the tasks that load, read by every request.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// The policies, once they and their parameters are loaded.
    pub set: Arc<ArcSwapOption<Set>>,
    /// The namespaces, once they are loaded.
    pub namespaces: Arc<ArcSwapOption<Namespaces>>,
    /// Told after every change of the namespaces.
    pub namespaces_changed: Arc<Notify>,
}

impl Snapshots {
    /// Waits until the namespace is known, or nothing is known at all. A namespace may be created and filled faster
    /// than the watch brings it here; the API server itself would look again at this point.
    pub async fn namespace_known(&self, name: &str) {
        loop {
            let changed = self.namespaces_changed.notified();
            tokio::pin!(changed);
            // Armed before the look, so that no change falls between look and wait.
            changed.as_mut().enable();
            let namespaces = self.namespaces.load_full();
            if namespaces.is_none_or(|namespaces| namespaces.contains_key(name)) {
                return;
            }
            changed.await;
        }
    }
}

/// What to do about a namespace that is not in the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Say so: it may still arrive.
    Report,
    /// Judge without it.
    Accept,
}

/// What came of a review.
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    /// An answer.
    Answered(Box<Answered>),
    /// Nothing yet: this namespace is not in the snapshot.
    UnknownNamespace(String),
}

/// Which of the two webhooks is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `/mutate`
    Mutate,
    /// `/validate`
    Validate,
}

impl Hook {
    /// Label of the metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// An answered review, with what metrics and logs say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer.
    pub review: Review,
    /// What it came to.
    pub outcome: Outcome,
    /// The verb.
    pub operation: Operation,
}

/// Answers one review; with [`Unknown::Report`] only if its namespace is known.
///
/// # Errors
/// The body is no review that can be answered, or nothing is loaded to judge it with.
pub fn admit(
    hook: Hook,
    body: &[u8],
    snapshots: &Snapshots,
    unknown: Unknown,
) -> Result<Admitted, Rejection> {
    let request = prepare(body, snapshots)?;
    let Some(set) = snapshots.set.load_full() else {
        return Err(Rejection::new(
            Cause::NotReady,
            "not ready: the policies are not loaded yet",
        ));
    };
    if unknown == Unknown::Report
        && lives_in_namespace(&request)
        && request.namespace_object.is_none()
    {
        return Ok(Admitted::UnknownNamespace(request.namespace));
    }
    let answered = evaluate(&request, |request| match hook {
        Hook::Mutate => Review::of_mutation(request, &mutate(&set, request)),
        Hook::Validate => match mistakes(request) {
            Some(mistakes) => Review::of_mistakes(request, &mistakes),
            None => Review::of_verdict(request, &judge(&set, request)),
        },
    });
    Ok(Admitted::Answered(Box::new(answered)))
}

fn lives_in_namespace(request: &Request<'_>) -> bool {
    let about_a_namespace =
        request.resource.group.is_empty() && request.resource.resource == "namespaces";
    !request.namespace.is_empty() && !about_a_namespace
}

/// What is wrong with a policy or profile of our own kinds that somebody wants to write; `None` when nothing is.
fn mistakes(request: &Request<'_>) -> Option<Vec<Diagnostic>> {
    let writes = matches!(request.operation, Operation::Create | Operation::Update);
    if request.kind.group != GROUP || !writes || request.sub_resource.is_some() {
        return None;
    }
    let object = Sourced::cluster(request.object.to_owned_json());
    Set::build(vec![object], &Settings::default()).err()
}

fn prepare<'a>(body: &'a [u8], snapshots: &Snapshots) -> Result<Request<'a>, Rejection> {
    let mut request = decode(body)?;
    record(&request);
    let namespaces = snapshots.namespaces.load();
    let Some(namespaces) = namespaces.as_ref() else {
        return Err(Rejection::new(
            Cause::NotReady,
            "not ready: the namespaces are not loaded yet",
        ));
    };
    if lives_in_namespace(&request) {
        request.namespace_object = namespaces.get(&request.namespace).cloned();
    }
    Ok(request)
}

/// What is known of the request, for the span around it.
fn record(request: &Request<'_>) {
    let span = tracing::Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("uid", request.uid.as_str());
    span.record("kind", tracing::field::display(&request.kind));
    span.record("operation", request.operation.as_str());
    span.record("namespace", request.namespace.as_str());
    span.record("name", request.name.as_str());
}

/// Runs the judge; its panic becomes a refusal.
fn evaluate(request: &Request<'_>, judge: impl FnOnce(&Request<'_>) -> Review) -> Answered {
    let started = Instant::now();
    // Nothing is shared that a panic could leave half-changed: the request is read, the set immutable.
    let review = catch_unwind(AssertUnwindSafe(|| judge(request))).unwrap_or_else(|_panic| {
        Review::of_failure(
            &request.uid,
            "sandfence failed while judging the request; its log has the details",
        )
    });
    let outcome = review.outcome();
    let span = tracing::Span::current();
    if !span.is_disabled() {
        span.record("allowed", review.response.allowed);
        span.record("mutated", outcome == Outcome::Mutated);
        span.record("code", review.code().unwrap_or(200));
        span.record("seconds", started.elapsed().as_secs_f64());
    }
    Answered {
        review,
        outcome,
        operation: request.operation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::testing;
    use serde_json::json;

    #[test]
    fn a_panic_of_the_judge_refuses_with_500_and_the_uid() {
        let body = testing::review("open", json!({})).to_string();
        let request = decode(body.as_bytes()).expect("valid");
        let answered = evaluate(&request, |_| panic!("a bug"));
        assert_eq!(answered.outcome, Outcome::Error);
        assert_eq!(
            serde_json::to_value(&answered.review).expect("JSON")["response"],
            json!({
                "uid": "u-1",
                "allowed": false,
                "status": {
                    "status": "Failure",
                    "message": "sandfence failed while judging the request; its log has the details",
                    "reason": "InternalError",
                    "code": 500
                }
            })
        );
    }

    #[test]
    fn a_namespace_is_not_in_itself() {
        let snapshots = testing::snapshots();
        let mut review = testing::review("open", json!({}));
        let body = review.to_string();
        let request = prepare(body.as_bytes(), &snapshots).expect("valid");
        assert!(request.namespace_object.is_some());
        review["request"]["resource"] =
            json!({"group": "", "version": "v1", "resource": "namespaces"});
        let body = review.to_string();
        let request = prepare(body.as_bytes(), &snapshots).expect("valid");
        assert_eq!(request.namespace_object, None);
        review = testing::review("unknown", json!({}));
        let body = review.to_string();
        let request = prepare(body.as_bytes(), &snapshots).expect("valid");
        assert_eq!(request.namespace_object, None);
    }
}
