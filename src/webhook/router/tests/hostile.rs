//! What a hostile peer or user tries.

use super::*;

#[tokio::test(start_paused = true)]
async fn bodies_that_are_never_finished_cannot_take_all_memory() {
    let limits = Limits {
        bodies: 4_096,
        ..Limits::default()
    };
    let service = service_with(testing::snapshots(), limits);
    let review = testing::review("open", json!({"ok": true})).to_string();
    assert!(review.len() < 4_096);
    // Nearly all of it is held by a peer that sends no more.
    let first = futures::stream::once(async {
        Ok::<_, std::io::Error>(Frame::data(vec![b' '; 4_000].into()))
    });
    let stalled = Body::new(StreamBody::new(futures::StreamExt::chain(
        first,
        futures::stream::pending(),
    )));
    let before = Instant::now();
    let (held, refused) = tokio::join!(
        service.post("/validate?timeout=10s", stalled),
        service.post("/validate?timeout=2s", review.clone()),
    );
    assert_eq!(held.0, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(
        refused,
        (
            StatusCode::SERVICE_UNAVAILABLE,
            refusal(
                503,
                "ServiceUnavailable",
                "other bodies take all of the 4096 bytes there are for them: try again"
            )
        )
    );
    assert_eq!(service.rejected("overloaded"), 1);
    assert_eq!(before.elapsed(), Duration::from_millis(9_800));
    // It came back with the end of the request.
    let (status, answer) = service.post("/validate", review).await;
    assert_eq!(
        (status, &answer["response"]["allowed"]),
        (StatusCode::OK, &json!(true))
    );
}

#[tokio::test]
async fn bodies_in_pieces_are_put_together() {
    let service = service();
    let review = testing::review("open", json!({"ok": true})).to_string();
    let pieces: Vec<_> = review
        .as_bytes()
        .chunks(7)
        .map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    let body = Body::new(StreamBody::new(futures::stream::iter(pieces)));
    let (status, answer) = service.post("/validate", body).await;
    assert_eq!(
        (status, &answer["response"]["allowed"]),
        (StatusCode::OK, &json!(true))
    );
}

#[tokio::test]
async fn an_object_that_claims_another_namespace_is_judged_in_the_one_of_the_request() {
    let service = service();
    let mut review = testing::review("closed", json!({"ok": true}));
    for claimed in ["open", "kube-system"] {
        review["request"]["object"]["metadata"]["namespace"] = json!(claimed);
        let (_, answer) = service.post("/validate", review.to_string()).await;
        assert_eq!(
            answer["response"]["status"]["message"],
            "ValidatingAdmissionPolicy 'ok-required' with binding 'everywhere' denied request: the namespace is closed",
            "{claimed}"
        );
    }
    // Nor does the kind that it claims take it away from the policies for its resource.
    let mut review = testing::review("open", json!({}));
    review["request"]["object"]["kind"] = json!("Lease");
    review["request"]["object"]["apiVersion"] = json!("coordination.k8s.io/v1");
    review["request"]["kind"] =
        json!({"group": "coordination.k8s.io", "version": "v1", "kind": "Lease"});
    let (_, answer) = service.post("/validate", review.to_string()).await;
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
}

#[tokio::test]
async fn a_profile_with_an_impossible_quantity_is_refused_with_its_field() {
    let service = service();
    let mut review = testing::review("", json!({"resources": {"maxVolumeSize": "12Gib"}}));
    let request = &mut review["request"];
    request["kind"] =
        json!({"group": "sandfence.dev", "version": "v1alpha1", "kind": "GuardrailProfile"});
    request["resource"] =
        json!({"group": "sandfence.dev", "version": "v1alpha1", "resource": "guardrailprofiles"});
    request["object"]["apiVersion"] = json!("sandfence.dev/v1alpha1");
    request["object"]["kind"] = json!("GuardrailProfile");
    request["object"]["metadata"] = json!({"name": "box"});
    let (status, answer) = service.post("/validate", review.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    let refused = &answer["response"]["status"];
    assert_eq!(refused["code"], 422, "{answer}");
    let cause = &refused["details"]["causes"][0];
    assert_eq!(cause["field"], "spec.resources.maxVolumeSize");
    assert!(
        cause["message"]
            .as_str()
            .is_some_and(|text| text.contains("12Gib") && text.contains("write a quantity such as")),
        "{cause}"
    );
    review["request"]["object"]["spec"]["resources"]["maxVolumeSize"] = json!("12Gi");
    let (_, answer) = service.post("/validate", review.to_string()).await;
    assert_eq!(answer["response"], json!({"uid": "u-1", "allowed": true}));
}
