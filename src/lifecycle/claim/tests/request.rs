//! Environment, volumes and metadata of claims.

use super::*;

#[test]
fn section_7_6_the_environment_follows_the_policy_of_the_template() {
    let env = |name: &str, container: Value| json!({"env": [{"name": name, "value": "2", "containerName": container}]});
    let injected = |policy: &str, claim: &Value| {
        let mut world = World::new(claim).with_member("warm", true);
        world.template.as_mut().expect("it")["spec"]["envVarsInjectionPolicy"] = json!(policy);
        world.settle();
        let containers = world
            .sandboxes
            .get("mine")
            .map(|made| made["spec"]["podTemplate"]["spec"]["containers"].clone());
        (
            containers.map(|c| json!([c[0]["env"], c[1]["env"]])),
            world.conditions().join("\n"),
        )
    };
    let one = |name: &str, value: &str| json!({"name": name, "value": value});
    for (policy, claim, expected) in [
        (
            "Allowed",
            env("B", Value::Null),
            json!([[one("A", "1"), one("B", "2")], null]),
        ),
        (
            "Allowed",
            env("B", json!("side")),
            json!([[one("A", "1")], [one("B", "2")]]),
        ),
        (
            "Overrides",
            env("A", json!("main")),
            json!([[one("A", "2")], null]),
        ),
    ] {
        assert_eq!(
            injected(policy, &claim).0,
            Some(expected),
            "{policy} {claim}"
        );
    }
    for (policy, claim, expected) in [
        (
            "Disallowed",
            env("B", Value::Null),
            "Ready False EnvVarsInjectionRejected environment variable injection rejected: environment variable injection is not allowed by the template policy",
        ),
        (
            "Allowed",
            env("A", Value::Null),
            "Ready False ReconcilerError Error seen: environment variable \"A\" is already defined in the template",
        ),
        (
            "Overrides",
            env("B", json!("none")),
            "Ready False ReconcilerError Error seen: container \"none\" for environment variable \"B\" not found",
        ),
    ] {
        assert_eq!(
            injected(policy, &claim),
            (None, expected.to_owned()),
            "{policy} {claim}"
        );
    }
}

#[test]
fn section_7_7_volumes_follow_the_policy_of_the_template() {
    let volume =
        |name: &str, size: &str| json!({"metadata": {"name": name}, "spec": {"size": size}});
    let made = |policy: &str, given: Value| {
        let mut world =
            World::new(&json!({ "volumeClaimTemplates": given })).with_member("warm", true);
        let spec = &mut world.template.as_mut().expect("it")["spec"];
        spec["volumeClaimTemplatesPolicy"] = json!(policy);
        spec["volumeClaimTemplates"] = json!([volume("data", "1")]);
        world.settle();
        let made = world
            .sandboxes
            .get("mine")
            .map(|made| made["spec"]["volumeClaimTemplates"].clone());
        (made, world.conditions().join("\n"))
    };
    for (policy, given, expected) in [
        (
            "Allowed",
            json!([volume("more", "2")]),
            json!([volume("data", "1"), volume("more", "2")]),
        ),
        (
            "Overrides",
            json!([volume("more", "2"), volume("data", "3")]),
            json!([volume("data", "3"), volume("more", "2")]),
        ),
    ] {
        assert_eq!(made(policy, given).0, Some(expected), "{policy}");
    }
    for (policy, given, message) in [
        (
            "Disallowed",
            json!([volume("more", "2")]),
            "volumeClaimTemplates are not allowed by the template policy",
        ),
        (
            "Allowed",
            json!([volume("data", "2")]),
            "volumeClaimTemplate \"data\" is already defined in the template, and its policy does not let claims override it",
        ),
        (
            "Allowed",
            json!([volume("a", "2"), volume("a", "2")]),
            "volumeClaimTemplate \"a\" appears twice in the claim",
        ),
        (
            "Allowed",
            json!([volume("", "2")]),
            "a volumeClaimTemplate of the claim has no name",
        ),
    ] {
        assert_eq!(
            made(policy, given),
            (
                None,
                format!("Ready False VolumeClaimTemplatesError {message}")
            ),
            "{policy}"
        );
    }
}

#[test]
fn section_7_5_metadata_of_a_claim_is_checked_and_conflicts_are_told() {
    for (metadata, message) in [
        (
            json!({"labels": {"x": "y"}}),
            "label \"x\": expected a domain before the name, one of sandbox.users.io",
        ),
        (
            json!({"labels": {"app": "Sandbox-Router"}}),
            "label \"app\": app=sandbox-router is the router's own",
        ),
        (
            json!({"labels": {"evil-sandbox.users.io/x": "y"}}),
            "label \"evil-sandbox.users.io/x\": the domain evil-sandbox.users.io is not allowed; allowed are sandbox.users.io",
        ),
        (
            json!({"annotations": {"sub.k8s.io/x": "y"}}),
            "annotation \"sub.k8s.io/x\": the domain k8s.io is reserved",
        ),
    ] {
        let mut world = World::new(&json!({ "additionalPodMetadata": metadata }));
        world.settle();
        let said = format!(
            "Ready False InvalidMetadata invalid additionalPodMetadata: failed to validate {message}"
        );
        assert_eq!(world.conditions(), [said]);
        assert!(
            world.plan().obstacles.is_empty(),
            "only a change of the claim helps"
        );
    }
    for metadata in [
        json!({"labels": {"a.sandbox.users.io/x": "y"}}),
        json!({"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "plain": "x"}}),
    ] {
        let mut world = World::new(&json!({ "additionalPodMetadata": metadata }));
        assert_eq!(world.settle()[0], "create Sandbox mine", "{metadata}");
    }
    let mut world =
        World::new(&json!({"additionalPodMetadata": {"labels": {"sandbox.users.io/x": "2"}}}));
    world.template.as_mut().expect("it")["spec"]["podTemplate"]["metadata"]["labels"]["sandbox.users.io/x"] =
        json!("1");
    world.settle();
    assert_eq!(
        world.conditions(),
        [
            "Ready False ReconcilerError Error seen: metadata override conflict: label \"sandbox.users.io/x\" is defined in template with value \"1\", but claim requests \"2\""
        ]
    );
}
