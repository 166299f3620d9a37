//! The end of a Sandbox.

use super::*;

#[test]
fn section_4_8_an_expired_sandbox_is_told_first_and_then_loses_pod_and_service() {
    let end = json!({"service": true, "shutdownTime": "2030-01-01T01:00:00Z"});
    let mut world = running(&end);
    assert_eq!(world.plan().look_again, Some(Duration::from_secs(3_600)));
    world.now = "2030-01-01T01:00:00Z";
    let mut deleted = world.clone();
    deleted.sandbox["spec"]["shutdownPolicy"] = json!("Delete");

    assert_eq!(
        world.settle(),
        [
            "status after 0 s",
            "delete Pod my-sandbox",
            "delete Service my-sandbox",
            "status after 0 s"
        ]
    );
    assert_eq!(
        world.conditions(),
        [
            "Ready False SandboxExpired Sandbox has expired",
            "Suspended False NotSuspended Sandbox is not suspended",
        ]
    );
    let fields: Vec<&String> = world.sandbox["status"]
        .as_object()
        .expect("status")
        .keys()
        .collect();
    assert_eq!(fields, ["conditions"]);

    let writes = [
        "status after 0 s",
        "delete Pod my-sandbox",
        "delete Service my-sandbox",
        "delete Sandbox my-sandbox",
    ];
    assert_eq!(deleted.settle(), writes);

    // A later end brings it back.
    world.gone("my-sandbox");
    world.service = None;
    world.sandbox["spec"]["shutdownTime"] = json!("2040-01-01T00:00:00Z");
    assert_eq!(world.settle()[0], "create Pod my-sandbox");
}

#[test]
fn section_4_8_what_could_not_be_deleted_keeps_the_sandbox() {
    for policy in ["Delete", "Retain"] {
        let mut world = running(&json!({"shutdownPolicy": policy}));
        world.sandbox["spec"]["shutdownTime"] = json!(NOW);
        let statement = world.plan().statement.expect("the end is told");
        let status = statement.status.expect("a status to write");
        merge(&mut world.sandbox["status"], &status);
        world.failures = vec!["cannot delete Pod".to_owned()];
        let plan = world.plan();
        assert_eq!(
            (plan.actions, plan.statement, plan.obstacles),
            (vec![], None, world.failures.clone()),
            "{policy}"
        );
    }
}
