//! Conversion reviews.

use super::*;

/// A review that asks for objects in a version.
fn conversion(desired: &str, objects: Vec<Value>) -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": {"uid": "c-1", "desiredAPIVersion": desired, "objects": objects},
    })
    .to_string()
}

fn sandbox(version: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("agents.x-k8s.io/{version}"), "kind": "Sandbox",
        "metadata": {"name": name, "namespace": "team", "uid": name, "generation": 3},
        "spec": spec,
    })
}

/// The answer to [`conversion`].
fn conversion_answer(objects: Vec<Value>, result: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "response": {"uid": "c-1", "convertedObjects": objects, "result": result},
    })
}

#[tokio::test]
async fn objects_of_mixed_versions_are_converted_in_order_before_anything_is_loaded() {
    let service = service_with(Arc::default(), Limits::default());
    let objects = vec![
        sandbox("v1beta1", "a", json!({"operatingMode": "Suspended"})),
        sandbox("v1alpha1", "b", json!({"replicas": 1})),
        sandbox("v1beta1", "c", json!({"operatingMode": "Running"})),
    ];
    let body = conversion("agents.x-k8s.io/v1alpha1", objects);
    let (status, answer) = service.post("/convert?timeout=30s", body).await;
    assert_eq!(status, StatusCode::OK);
    let converted = |name: &str, replicas: i64| {
        let mut object = sandbox("v1alpha1", name, json!({"replicas": replicas}));
        if name != "b" {
            object["status"] = json!({"replicas": replicas});
        }
        object
    };
    let expected = vec![converted("a", 0), converted("b", 1), converted("c", 1)];
    assert_eq!(
        answer,
        conversion_answer(expected, json!({"status": "Success"}))
    );
    let counted = ReviewLabels {
        webhook: "convert",
        operation: "CONVERT",
        outcome: "converted",
    };
    assert_eq!(
        service.metrics.reviews.get_or_create_owned(&counted).get(),
        1
    );
}

#[tokio::test]
async fn one_object_that_cannot_be_converted_fails_the_review() {
    let objects = vec![
        sandbox("v1beta1", "a", json!({})),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}),
    ];
    let body = conversion("agents.x-k8s.io/v1alpha1", objects);
    let (status, answer) = service().post("/convert", body).await;
    assert_eq!(status, StatusCode::OK);
    let message = "object 2 of 2: Pod p: v1 Pod is not convertible; expected Sandbox of agents.x-k8s.io or \
        SandboxTemplate, SandboxClaim or SandboxWarmPool of extensions.agents.x-k8s.io, in v1alpha1 or v1beta1";
    let result = json!({"status": "Failure", "message": message});
    assert_eq!(answer, conversion_answer(vec![], result));
}

#[tokio::test]
async fn thousands_of_objects_are_converted_in_one_review() {
    let limits = Limits {
        body: 1024 * 1024,
        ..Limits::default()
    };
    let service = service_with(testing::snapshots(), limits);
    let objects: Vec<Value> = (0..5_000)
        .map(|n| sandbox("v1alpha1", &format!("s{n}"), json!({"replicas": n % 2})))
        .collect();
    let body = conversion("agents.x-k8s.io/v1beta1", objects);
    let request = Request::post("/convert")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, body.len())
        .body(Body::from(body))
        .expect("request");
    let (status, answer) = service.send(request).await;
    assert_eq!(status, StatusCode::OK);
    let converted = answer["response"]["convertedObjects"]
        .as_array()
        .expect("list");
    let seen: Vec<(String, &str)> = converted
        .iter()
        .map(|object| {
            let text = |pointer| {
                object
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            (
                text("/metadata/name").to_owned(),
                text("/spec/operatingMode"),
            )
        })
        .collect();
    let expected: Vec<(String, &str)> = (0..5_000)
        .map(|n| (format!("s{n}"), ["Suspended", "Running"][n % 2]))
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_is_no_conversion_review_is_refused_with_the_reason() {
    let admission = testing::review("open", json!({})).to_string();
    let no_version = conversion("", vec![]);
    let no_uid = conversion("agents.x-k8s.io/v1beta1", vec![]).replace("c-1", "");
    let list = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"u","objects":{}}}"#;
    for (body, message) in [
        ("", "expected a ConversionReview, found an empty body"),
        (
            "[]",
            "expected a ConversionReview, found a JSON value that is no object",
        ),
        (
            admission.as_str(),
            "apiVersion: expected \"apiextensions.k8s.io/v1\" or \"apiextensions.k8s.io/v1beta1\", found \"admission.k8s.io/v1\"",
        ),
        (
            no_version.as_str(),
            "request.desiredAPIVersion: expected the version to convert to, found none",
        ),
        (
            no_uid.as_str(),
            "request.uid: expected the id that the answer must repeat, found none",
        ),
        (
            r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview"}"#,
            "request: expected the request to convert, found none",
        ),
        (
            list,
            "request.objects: invalid type: map, expected a sequence at line 1 column 97",
        ),
    ] {
        let (status, answer) = service().post("/convert", body.to_owned()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer, refusal(400, "BadRequest", message));
    }
}
