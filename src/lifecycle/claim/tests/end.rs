//! The end of a claim.

use super::*;

#[test]
fn section_7_9_an_ended_claim_is_told_first_and_then_goes_as_it_says() {
    let end = |policy: &str| {
        let mut world = World::new(&json!({})).with_member("warm", true);
        world.settle();
        world.claim["spec"]["lifecycle"] = json!({"shutdownTime": NOW, "shutdownPolicy": policy});
        world
    };
    let told = ["status after 0 s", "event ClaimExpired Claim expired"];
    let note =
        |policy: &str| format!("event ClaimExpired Deleting Claim (ShutdownPolicy={policy})");
    let mut gone = end("Delete");
    assert_eq!(
        gone.settle(),
        [told[0], told[1], &note("Delete"), "delete Claim mine"]
    );
    let mut gone = end("DeleteForeground");
    assert_eq!(
        gone.settle(),
        [
            told[0],
            told[1],
            &note("DeleteForeground"),
            "delete after its children Claim mine"
        ]
    );

    let mut kept = end("Retain");
    assert_eq!(kept.settle(), [told[0], told[1], "delete Sandbox warm"]);
    assert_eq!(
        kept.conditions(),
        ["Ready False ClaimExpired Claim expired. Sandbox cleanup initiated."]
    );
    assert_eq!(kept.claim["status"]["sandbox"]["name"], "warm");
    kept.sandboxes.clear();
    assert_eq!(kept.settle(), ["status after 0 s"]);
    assert_eq!(kept.claim["status"].get("sandbox"), None);

    let mut strange = end("Retain");
    strange.sandboxes.get_mut("warm").expect("it")["metadata"]["ownerReferences"] = json!([]);
    strange.settle();
    assert_eq!(
        strange.conditions(),
        [
            "Ready False ClaimExpired Claim expired. sandbox \"warm\" is not controlled by claim \"mine\"; deletion skipped."
        ]
    );
    let mut later = World::new(&json!({"lifecycle": {"shutdownTime": "2030-01-01T01:00:30Z"}}))
        .with_member("warm", true);
    later.settle();
    assert_eq!(later.plan().look_again, Some(Duration::from_secs(30)));
}

#[test]
fn section_7_9_a_finished_claim_keeps_that_after_its_time() {
    let mut world =
        World::new(&json!({"lifecycle": {"ttlSecondsAfterFinished": 0}})).with_member("warm", true);
    world.settle();
    let finished = json!({"type": "Finished", "status": "True", "reason": "PodFailed", "message": "m", "lastTransitionTime": READY_AT});
    let conditions = json!([world.ready_condition(), finished]);
    world.sandboxes.get_mut("warm").expect("it")["status"]["conditions"] = conditions;
    world.settle();
    world.sandboxes.clear();
    world.settle();
    assert_eq!(
        world.conditions(),
        [
            "Finished True PodFailed m",
            "Ready False ClaimExpired Claim expired. Sandbox cleanup initiated."
        ]
    );
}
