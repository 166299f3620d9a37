//! Performs the writes of a plan, in order, and tells what each came to.
//!
//! Answers are news: the object as it is now, or that it is gone. Only where an answer says that something else is there
//! than was thought (409) the object is read; nothing else reads from here.

use std::sync::Arc;

use futures::future::join_all;
use kube::Client;
use kube::Resource as _;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, Request};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::client::{self, ClientError};
use crate::lifecycle::plan::{Action, IN_BATCHES, Kind, Target, Write};

/// What a write showed.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The object as it is.
    Present(Kind, Value),
    /// There is none of this name (any more).
    Gone(Target),
}

/// A write that did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What and why, for people.
    pub text: String,
    /// Whether the same write may succeed in a moment.
    pub transient: bool,
}

/// What writes came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// What they showed.
    pub news: Vec<News>,
    /// What went wrong.
    pub failures: Vec<Failure>,
}

/// Writes at once. Fewer than the client allows calls, so that the lease, watches and registrations find a free one, and
/// so that the deadline of a call does not begin while it waits in line.
const WRITES: usize = 12;

/// Performs plans.
#[derive(Clone)]
pub struct Executor {
    client: Client,
    slots: Arc<Semaphore>,
}

impl Executor {
    /// Writes through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            slots: Arc::new(Semaphore::new(WRITES)),
        }
    }

    /// Performs `actions`. A failure leaves out the rest of its step and nothing else.
    pub async fn perform(&self, actions: Vec<Action>) -> Done {
        let mut done = Done::default();
        let mut rest = &actions[..];
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|action| action.step == first.step);
            let (step, others) = rest.split_at(same.count());
            rest = others;
            let mut size = 1;
            let mut left = step;
            while !left.is_empty() {
                let (batch, others) = left.split_at(size.min(left.len()));
                left = others;
                if !self.batch(batch, &mut done).await {
                    break;
                }
                if first.step >= IN_BATCHES {
                    size *= 2;
                }
            }
        }
        done
    }

    /// Performs writes at once. Whether all of them worked.
    async fn batch(&self, batch: &[Action], done: &mut Done) -> bool {
        let writes = batch.iter().map(async |action| {
            // The semaphore is never closed; without a permit the write would only be less orderly.
            let _slot = self.slots.acquire().await;
            write(&self.client, action).await
        });
        let before = done.failures.len();
        for result in join_all(writes).await {
            match result {
                Ok(news) => done.news.extend(news),
                Err(failure) => done.failures.push(failure),
            }
        }
        done.failures.len() == before
    }
}

/// Performs one write. What it showed, if anything.
async fn write(client: &Client, action: &Action) -> Result<Option<News>, Failure> {
    let Action { target, write, .. } = action;
    let kind = target.kind.names().2;
    let verb = match write {
        Write::Create(_) => "create",
        Write::Patch(_) => "patch",
        Write::Status(_) => "patch the status of",
        Write::Delete { .. } => "delete",
    };
    let what = if target.name.is_empty() {
        format!("cannot {verb} a {kind}")
    } else {
        format!("cannot {verb} {kind} \"{}\"", target.name)
    };
    let wrong = |text: String| Failure {
        text: format!("{what}: {text}"),
        transient: false,
    };
    let request = request(target, write).map_err(|error| wrong(error.to_string()))?;
    let answer = client::call(what.clone(), client.request::<Value>(request)).await;
    match answer {
        Ok(answer) => {
            tracing::info!(
                write = verb,
                kind,
                namespace = target.namespace,
                name = target.name,
                "written"
            );
            Ok(Some(match write {
                Write::Delete { .. } if is_gone(&answer) => News::Gone(target.clone()),
                _ => News::Present(target.kind, answer),
            }))
        }
        Err(error) => match (error.code(), write) {
            (Some(404), Write::Patch(_) | Write::Status(_) | Write::Delete { .. }) => {
                Ok(Some(News::Gone(target.clone())))
            }
            (Some(409), _) if !target.name.is_empty() && is_about_the_object(&error, write) => {
                read(client, target, &what).await.map(Some)
            }
            _ => Err(failure(&what, error)),
        },
    }
}

/// Whether the answer to a deletion says that the object is no more: some kinds answer with what they were.
fn is_gone(answer: &Value) -> bool {
    let meta = &answer["metadata"];
    let held = meta["finalizers"]
        .as_array()
        .is_some_and(|held| !held.is_empty());
    answer["kind"] == "Status"
        || meta["deletionTimestamp"].is_null()
        || (meta["deletionGracePeriodSeconds"] == 0 && !held)
}

/// Whether a conflict says that the object is not the one that was thought; a quota that is being counted is another.
fn is_about_the_object(error: &ClientError, write: &Write) -> bool {
    match (error, write) {
        (
            ClientError::Call {
                cause: kube::Error::Api(status),
                ..
            },
            Write::Create(_),
        ) => status.reason == "AlreadyExists",
        _ => true,
    }
}

/// What is there instead of what was thought.
async fn read(client: &Client, target: &Target, what: &str) -> Result<News, Failure> {
    let wrong = |text: String| Failure {
        text: format!("{what}: {text}"),
        transient: true,
    };
    let request = Request::new(path(target))
        .get(&target.name, &kube::api::GetParams::default())
        .map_err(|error| wrong(error.to_string()))?;
    match client::call(what.to_owned(), client.request::<Value>(request)).await {
        Ok(object) => Ok(News::Present(target.kind, object)),
        Err(error) if error.code() == Some(404) => Ok(News::Gone(target.clone())),
        Err(error) => Err(failure(what, error)),
    }
}

fn failure(what: &str, error: ClientError) -> Failure {
    let transient = match error.code() {
        Some(code) => matches!(code, 408 | 409 | 429 | 500..),
        None => true,
    };
    let text = match &error {
        ClientError::Call {
            cause: kube::Error::Api(status),
            ..
        } => format!("{what}: {}", status.message),
        // These say what was attempted themselves.
        other => other.to_string(),
    };
    Failure { text, transient }
}

fn resource(kind: Kind) -> ApiResource {
    let (group, version, kind, plural) = kind.names();
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

fn path(target: &Target) -> String {
    DynamicObject::url_path(&resource(target.kind), Some(&target.namespace))
}

fn request(
    target: &Target,
    write: &Write,
) -> Result<axum::http::Request<Vec<u8>>, kube::core::request::Error> {
    let builder = Request::new(path(target));
    let patch = PatchParams::default();
    match write {
        Write::Create(object) => {
            let params = PostParams {
                field_manager: target.kind.creator().map(str::to_owned),
                ..PostParams::default()
            };
            builder.create(&params, object.to_string().into_bytes())
        }
        Write::Patch(change) => builder.patch(&target.name, &patch, &Patch::Merge(change)),
        Write::Status(change) => {
            let change = serde_json::json!({ "status": change });
            builder.patch_subresource("status", &target.name, &patch, &Patch::Merge(&change))
        }
        Write::Delete { uid, foreground } => {
            let params = if *foreground {
                DeleteParams::foreground()
            } else {
                DeleteParams::default()
            };
            let params = params.preconditions(Preconditions {
                uid: Some(uid.clone()),
                resource_version: None,
            });
            builder.delete(&target.name, &params)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(target: &Target, write: &Write) -> (String, String, Value) {
        let request = request(target, write).expect("a request");
        let uri = request.uri();
        let query = uri.query().unwrap_or_default().trim_matches('&');
        let body = serde_json::from_slice(request.body()).expect("JSON");
        (
            request.method().to_string(),
            format!("{}?{query}", uri.path()),
            body,
        )
    }

    #[test]
    fn every_write_is_the_smallest_request_that_says_it() {
        let pod = Target::new(Kind::Pod, "team", "box");
        let claim = Target::new(Kind::Claim, "team", "mine");
        let claims = "/apis/extensions.agents.x-k8s.io/v1beta1/namespaces/team/sandboxclaims/mine";
        let delete = |foreground| Write::Delete {
            uid: "u".to_owned(),
            foreground,
        };
        for (target, write, method, uri, body) in [
            (
                &pod,
                Write::Create(json!({"a": 1})),
                "POST",
                "/api/v1/namespaces/team/pods?fieldManager=sandbox-controller".to_owned(),
                json!({"a": 1}),
            ),
            (
                &claim,
                Write::Patch(json!({"a": null})),
                "PATCH",
                format!("{claims}?"),
                json!({"a": null}),
            ),
            (
                &claim,
                Write::Status(json!({"a": 1})),
                "PATCH",
                format!("{claims}/status?"),
                json!({"status": {"a": 1}}),
            ),
            (
                &claim,
                delete(true),
                "DELETE",
                format!("{claims}?"),
                json!({"propagationPolicy": "Foreground", "preconditions": {"uid": "u"}}),
            ),
            (
                &pod,
                delete(false),
                "DELETE",
                "/api/v1/namespaces/team/pods/box?".to_owned(),
                json!({"preconditions": {"uid": "u"}}),
            ),
        ] {
            let expected = (method.to_owned(), uri, body);
            assert_eq!(said(target, &write), expected);
        }
    }

    #[test]
    fn an_answer_to_a_deletion_says_whether_anything_is_left() {
        let deleted = |more: Value| {
            let mut meta = json!({"deletionTimestamp": "2030-01-01T00:00:00Z"});
            for (key, value) in more.as_object().into_iter().flatten() {
                meta[key] = value.clone();
            }
            json!({"kind": "Pod", "metadata": meta})
        };
        for (answer, gone) in [
            (json!({"kind": "Status", "status": "Success"}), true),
            (json!({"kind": "Service", "metadata": {"name": "x"}}), true),
            (deleted(json!({"deletionGracePeriodSeconds": 0})), true),
            (deleted(json!({"deletionGracePeriodSeconds": 30})), false),
            (
                deleted(json!({"deletionGracePeriodSeconds": 0, "finalizers": ["x"]})),
                false,
            ),
        ] {
            assert_eq!(is_gone(&answer), gone, "{answer}");
        }
    }

    #[test]
    fn refusals_and_passing_troubles_are_told_apart_and_say_what_was_attempted() {
        let refused = |code: u16| {
            let status = kube::core::Status::failure("no room", "Because").with_code(code);
            let cause = kube::Error::Api(Box::new(status));
            failure(
                "cannot create Pod \"box\"",
                ClientError::Call {
                    what: "x".to_owned(),
                    cause,
                },
            )
        };
        for (code, transient) in [
            (400, false),
            (403, false),
            (422, false),
            (409, true),
            (429, true),
            (503, true),
        ] {
            let expected = Failure {
                text: "cannot create Pod \"box\": no room".to_owned(),
                transient,
            };
            assert_eq!(refused(code), expected, "{code}");
        }
        let silent = failure(
            "x",
            ClientError::Deadline {
                what: "w".to_owned(),
            },
        );
        assert_eq!(
            (silent.text.as_str(), silent.transient),
            ("w: no answer within 10 s", true)
        );
    }
}
