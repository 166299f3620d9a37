mod conversion;
mod hostile;

use axum::http::Method;
use base64::Engine as _;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::webhook::admit::Namespaces;
use crate::webhook::testing;

struct Service {
    router: Router,
    metrics: Metrics,
    readiness: Arc<Readiness>,
}

fn service_with(snapshots: Arc<Snapshots>, limits: Limits) -> Service {
    let metrics = Metrics::new();
    let readiness = Arc::new(Readiness::new(&["policies"]));
    let hooks = Hooks::new(snapshots, limits, metrics.clone(), Arc::clone(&readiness));
    Service {
        router: router(hooks),
        metrics,
        readiness,
    }
}

fn service() -> Service {
    service_with(testing::snapshots(), Limits::default())
}

impl Service {
    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("body")
            .to_bytes();
        let value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        (status, value)
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        self.send(
            Request::post(path)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.into())
                .expect("request"),
        )
        .await
    }

    fn rejected(&self, reason: &'static str) -> u64 {
        self.metrics
            .rejected
            .get_or_create_owned(&ReasonLabels { reason })
            .get()
    }
}

/// The refusal of a request that was never judged.
fn refusal(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code
    })
}

#[tokio::test]
async fn a_good_sandbox_is_allowed_and_a_bad_one_denied_with_the_rule() {
    let service = service();
    let (status, answer) = service
        .post(
            "/validate?timeout=5s",
            testing::review("open", json!({"ok": true})).to_string(),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer,
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": "u-1", "allowed": true}
        })
    );
    let (status, answer) = service
        .post("/validate", testing::review("open", json!({})).to_string())
        .await;
    assert_eq!(status, StatusCode::OK);
    let response = &answer["response"];
    assert_eq!(response["allowed"], false);
    assert_eq!(
        response["status"]["message"],
        "ValidatingAdmissionPolicy 'ok-required' with binding 'everywhere' denied request: spec.ok must be true"
    );
    assert_eq!(response["status"]["code"], 403);
    assert_eq!(response["status"]["reason"], "Forbidden");
}

#[tokio::test]
async fn the_namespace_comes_from_the_snapshot() {
    let service = service();
    let (_, answer) = service
        .post(
            "/validate",
            testing::review("closed", json!({"ok": true})).to_string(),
        )
        .await;
    assert_eq!(answer["response"]["status"]["code"], 422);
    assert_eq!(
        answer["response"]["status"]["message"],
        "ValidatingAdmissionPolicy 'ok-required' with binding 'everywhere' denied request: the namespace is closed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_made_a_moment_ago_is_waited_for() {
    let snapshots = testing::snapshots();
    let service = service_with(Arc::clone(&snapshots), Limits::default());
    let review = testing::review("fresh", json!({"ok": true})).to_string();
    let asked = service.post("/validate", review.clone());
    let arrives = async {
        tokio::task::yield_now().await;
        let object = json!({"metadata": {"name": "fresh", "labels": {"closed": ""}}});
        let mut namespaces = Namespaces::clone(&snapshots.namespaces.load_full().expect("loaded"));
        namespaces.insert("fresh".to_owned(), Arc::new(object.into()));
        snapshots.namespaces.store(Some(Arc::new(namespaces)));
        snapshots.namespaces_changed.notify_waiters();
    };
    let before = Instant::now();
    let ((_, answer), ()) = tokio::join!(asked, arrives);
    assert_eq!(before.elapsed(), Duration::ZERO, "no longer than it took");
    assert_eq!(
        answer["response"]["allowed"], false,
        "judged with the labels of the namespace: {answer}"
    );
    let review = review.replace("fresh", "never");
    let (_, answer) = service.post("/validate", review).await;
    assert_eq!(before.elapsed(), NAMESPACE_WAIT);
    assert_eq!(
        answer["response"]["allowed"], true,
        "no policy asks for its labels: {answer}"
    );
}

#[tokio::test]
async fn mutate_answers_with_a_patch_and_does_not_judge() {
    let service = service();
    let (status, answer) = service
        .post("/mutate", testing::review("open", json!({})).to_string())
        .await;
    assert_eq!(status, StatusCode::OK);
    let response = &answer["response"];
    assert_eq!(response["allowed"], true);
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = base64::engine::general_purpose::STANDARD
        .decode(response["patch"].as_str().expect("text"))
        .expect("base64");
    let operations: Vec<Value> = serde_json::from_slice(&patch).expect("JSON");
    assert_eq!(
        operations[0],
        json!({"op": "add", "path": "/metadata/labels", "value": {"fenced": "yes"}})
    );
    let (_, answer) = service
        .post(
            "/validate",
            testing::review("open", json!({"ok": true})).to_string(),
        )
        .await;
    assert_eq!(
        answer["response"].get("patch"),
        None,
        "only /mutate patches"
    );
}

#[tokio::test]
async fn malformed_and_foreign_bodies_get_400_with_the_reason() {
    let service = service();
    let good = testing::review("open", json!({})).to_string();
    let mut other = testing::review("open", json!({}));
    other["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let mut kind = testing::review("open", json!({}));
    kind["kind"] = json!("Sandbox");
    let cases = [
        ("{".to_owned(), "truncated"),
        ("{]".to_owned(), "malformed"),
        (String::new(), "empty"),
        (good[..good.len() / 2].to_owned(), "truncated"),
        (other.to_string(), "not_a_review"),
        (kind.to_string(), "not_a_review"),
    ];
    for path in ["/mutate", "/validate"] {
        for (body, word) in &cases {
            let before = service.rejected(word);
            let (status, answer) = service.post(path, body.clone()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{word}");
            assert_eq!(answer["kind"], "Status", "{word}");
            assert_eq!(answer["reason"], "BadRequest", "{word}");
            assert!(
                answer["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            assert_eq!(service.rejected(word), before + 1, "{word}");
        }
    }
}

#[tokio::test]
async fn a_wrong_content_type_gets_415() {
    let service = service();
    for (given, found) in [
        (Some("text/plain"), "text/plain"),
        (Some("application/yaml"), "application/yaml"),
        (Some("application/jsonp"), "application/jsonp"),
        (None, "none"),
    ] {
        let mut request = Request::post("/validate");
        if let Some(given) = given {
            request = request.header(header::CONTENT_TYPE, given);
        }
        let body = testing::review("open", json!({})).to_string();
        let (status, answer) = service
            .send(request.body(body.into()).expect("request"))
            .await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(
            answer,
            refusal(
                415,
                "UnsupportedMediaType",
                &format!("Content-Type: expected application/json, found {found}")
            )
        );
    }
    let (status, _) = service
        .send(
            Request::post("/validate")
                .header(header::CONTENT_TYPE, "Application/JSON; charset=utf-8")
                .body(
                    testing::review("open", json!({"ok": true}))
                        .to_string()
                        .into(),
                )
                .expect("request"),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_of_8_mib_passes_and_one_byte_more_gets_413() {
    let service = service();
    let limit = Limits::default().body;
    let mut body = testing::review("open", json!({"ok": true})).to_string();
    body.push_str(&" ".repeat(limit - body.len()));
    let (status, answer) = service.post("/validate", body.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["response"]["allowed"], true);
    body.push(' ');
    let (status, answer) = service.post("/validate", body.clone()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        answer,
        refusal(
            413,
            "RequestEntityTooLarge",
            "the body has more than that, at most 8388608 bytes are read"
        )
    );
    let announced = Request::post("/validate")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, "99999999999")
        .body(Body::empty())
        .expect("request");
    let (status, answer) = service.send(announced).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        answer["message"],
        "the body has 99999999999 bytes, at most 8388608 bytes are read"
    );
}

#[tokio::test]
async fn large_reviews_are_judged_all_the_same() {
    let service = service();
    let filling = "x".repeat(Limits::default().inline_body);
    let (status, answer) = service
        .post(
            "/validate",
            testing::review("open", json!({"filling": filling})).to_string(),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["response"]["status"]["code"], 403);
}

/// A body that never ends.
fn stalled() -> Body {
    let first =
        futures::stream::once(async { Ok::<_, std::io::Error>(Frame::data(Bytes::from("{"))) });
    Body::new(StreamBody::new(futures::StreamExt::chain(
        first,
        futures::stream::pending(),
    )))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up_before_the_api_server_does() {
    let service = service();
    let before = Instant::now();
    let (status, answer) = service.post("/validate?timeout=2s", stalled()).await;
    assert_eq!(before.elapsed(), Duration::from_millis(1_800));
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(
        answer,
        refusal(
            408,
            "Timeout",
            "the body did not arrive in the time that the API server gives"
        )
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_truncated() {
    let service = service();
    let broken = futures::stream::iter([
        Ok(Frame::data(Bytes::from("{\"kind\":"))),
        Err(std::io::Error::other("connection reset")),
    ]);
    let (status, answer) = service
        .post("/validate", Body::new(StreamBody::new(broken)))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer["message"],
        "the body ended before it was complete: connection reset"
    );
}

#[test]
fn the_patience_of_the_api_server_bounds_ours() {
    let longest = Duration::from_secs(10);
    let of = |uri: &str| patience(&uri.parse().expect("uri"), longest).as_millis();
    assert_eq!(of("/validate?timeout=5s"), 4_800);
    assert_eq!(of("/validate?timeout=30s"), 10_000);
    assert_eq!(of("/validate?a=b&timeout=1s"), 800);
    assert_eq!(of("/validate?timeout=0s"), 500);
    for odd in [
        "/validate",
        "/validate?timeout=",
        "/validate?timeout=xs",
        "/validate?timeout=-1s",
    ] {
        assert_eq!(of(odd), 10_000, "{odd}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_say_what_would_be_right() {
    let service = service();
    let (status, answer) = service.post("/", "x").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{answer}");
    let (status, answer) = service.post("/elsewhere", "x").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        answer,
        refusal(
            404,
            "NotFound",
            "/elsewhere: expected /mutate, /validate, /convert, /healthz or /readyz"
        )
    );
    let get = Request::builder()
        .method(Method::GET)
        .uri("/validate")
        .body(Body::empty())
        .expect("request");
    let (status, answer) = service.send(get).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        answer,
        refusal(405, "MethodNotAllowed", "GET /validate: expected POST")
    );
}

#[tokio::test]
async fn before_everything_is_loaded_nothing_is_judged() {
    let review = testing::review("open", json!({"ok": true})).to_string();
    let nothing = service_with(Arc::default(), Limits::default());
    let (status, answer) = nothing.post("/validate", review.clone()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer,
        refusal(
            503,
            "ServiceUnavailable",
            "not ready: the namespaces are not loaded yet"
        )
    );
    let half = testing::snapshots();
    half.set.store(None);
    let half = service_with(half, Limits::default());
    let (status, answer) = half.post("/mutate", review).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer["message"],
        "not ready: the policies are not loaded yet"
    );
    assert_eq!(half.rejected("not_ready"), 1);
}

#[tokio::test]
async fn a_policy_that_does_not_compile_is_refused_with_its_position() {
    let service = service();
    let kind = json!({"group": "sandfence.dev", "version": "v1alpha1", "kind": "SandboxPolicy"});
    let mut review = testing::review(
        "",
        json!({
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["agents.x-k8s.io"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["sandboxes"]
            }]},
            "validations": [{"expression": "object.spec.replicas >"}],
            "validationActions": ["Deny"]
        }),
    );
    let request = &mut review["request"];
    request["kind"] = kind;
    request["resource"] =
        json!({"group": "sandfence.dev", "version": "v1alpha1", "resource": "sandboxpolicies"});
    request["object"]["apiVersion"] = json!("sandfence.dev/v1alpha1");
    request["object"]["kind"] = json!("SandboxPolicy");
    request["object"]["metadata"] = json!({"name": "box"});
    let (status, answer) = service.post("/validate", review.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    let refused = &answer["response"]["status"];
    assert_eq!(refused["code"], 422, "{answer}");
    assert_eq!(refused["details"]["name"], "box");
    assert_eq!(refused["details"]["kind"], "sandboxpolicies");
    let cause = &refused["details"]["causes"][0];
    assert_eq!(cause["field"], "spec.validations[0].expression");
    let message = cause["message"].as_str().expect("text");
    assert!(
        message.ends_with("\n  object.spec.replicas >\n                        ^"),
        "{message}"
    );
    review["request"]["object"]["spec"]["validations"][0]["expression"] = json!("true");
    let (_, answer) = service.post("/validate", review.to_string()).await;
    assert_eq!(answer["response"], json!({"uid": "u-1", "allowed": true}));
}

#[tokio::test]
async fn probes_tell_alive_from_ready() {
    let service = service();
    let get = |path: &str| Request::get(path).body(Body::empty()).expect("request");
    assert_eq!(
        service.send(get("/healthz")).await,
        (StatusCode::OK, json!("ok\n"))
    );
    service
        .readiness
        .waiting("policies", "a.yaml:3:5: no such field");
    assert_eq!(
        service.send(get("/readyz")).await,
        (
            StatusCode::SERVICE_UNAVAILABLE,
            json!("[-]policies: a.yaml:3:5: no such field\nreadyz check failed\n")
        )
    );
    service.readiness.ready("policies");
    assert_eq!(
        service.send(get("/readyz")).await,
        (
            StatusCode::OK,
            json!("[+]policies ok\nreadyz check passed\n")
        )
    );
}

#[tokio::test]
async fn reviews_are_counted_by_what_they_came_to() {
    let service = service();
    for (path, spec) in [
        ("/validate", json!({"ok": true})),
        ("/validate", json!({})),
        ("/mutate", json!({})),
    ] {
        service
            .post(path, testing::review("open", spec).to_string())
            .await;
    }
    let plain = health::router(Arc::clone(&service.readiness), service.metrics.clone());
    let response = plain
        .oneshot(
            Request::get("/metrics")
                .body(Body::empty())
                .expect("request"),
        )
        .await
        .expect("infallible");
    let body = response
        .into_body()
        .collect()
        .await
        .expect("body")
        .to_bytes();
    let text = String::from_utf8_lossy(&body);
    for (webhook, outcome) in [
        ("validate", "allowed"),
        ("validate", "denied"),
        ("mutate", "mutated"),
    ] {
        let line = format!(
            "sandfence_admission_reviews_total{{webhook=\"{webhook}\",operation=\"CREATE\",outcome=\"{outcome}\"}} 1\n"
        );
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(
        text.contains(
            "sandfence_admission_review_duration_seconds_count{webhook=\"validate\"} 2\n"
        )
    );
}
