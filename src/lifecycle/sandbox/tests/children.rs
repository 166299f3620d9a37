//! Services and volume claims.

use super::*;

#[test]
fn section_4_7_the_service_follows_the_three_states_of_its_field() {
    let owned = json!([reference()]);
    let adoptable = json!({"agents.x-k8s.io/adoptable": "true"});
    let service = |owners: &Value, labels: &Value, address: &str| {
        json!({
            "metadata": {"name": "my-sandbox", "namespace": "team", "uid": "s", "ownerReferences": owners, "labels": labels},
            "spec": {"clusterIP": address, "selector": {"agents.x-k8s.io/sandbox-name-hash": HASH}},
        })
    };
    let hash = json!({"agents.x-k8s.io/sandbox-name-hash": HASH});
    let stranger = other("Deployment", "d");
    let refusal = "Ready False ReconcilerError Error seen: service \"my-sandbox\" is owned by Deployment/d (UID: u-9), not by sandbox \"my-sandbox\"";
    let plain = "Ready True DependenciesReady Pod is Ready";
    let exists = "Ready True DependenciesReady Pod is Ready; Service Exists";
    let unmarked = "Ready False ReconcilerError Error seen: cannot adopt unowned service \"my-sandbox\": missing required service authorization label (\"agents.x-k8s.io/adoptable\") or sandbox tracking label (\"agents.x-k8s.io/sandbox-name-hash\")";
    let address = "Ready False ReconcilerError Error seen: cannot adopt unowned service \"my-sandbox\": its clusterIP is \"10.0.0.9\", and the service of a sandbox is headless (\"None\")";
    for (wanted, present, writes, ready) in [
        (
            Value::Null,
            Some(service(&owned, &hash, "None")),
            vec![],
            exists,
        ),
        (
            Value::Null,
            Some(service(&owned, &json!({}), "None")),
            vec!["patch Service my-sandbox"],
            exists,
        ),
        (
            Value::Null,
            Some(service(&json!([]), &adoptable, "None")),
            vec![],
            plain,
        ),
        (
            Value::Null,
            Some(service(&stranger, &hash, "None")),
            vec![],
            refusal,
        ),
        (
            json!(true),
            Some(service(&owned, &hash, "None")),
            vec![],
            exists,
        ),
        (
            json!(true),
            Some(service(&json!([]), &adoptable, "None")),
            vec!["patch Service my-sandbox"],
            exists,
        ),
        (
            json!(true),
            Some(service(&json!([]), &hash, "")),
            vec!["patch Service my-sandbox"],
            exists,
        ),
        (
            json!(true),
            Some(service(&json!([]), &json!({}), "None")),
            vec![],
            unmarked,
        ),
        (
            json!(true),
            Some(service(&json!([]), &adoptable, "10.0.0.9")),
            vec![],
            address,
        ),
        (
            json!(true),
            Some(service(&stranger, &hash, "None")),
            vec![],
            refusal,
        ),
        (
            json!(false),
            Some(service(&owned, &hash, "None")),
            vec!["delete Service my-sandbox"],
            plain,
        ),
        (
            json!(false),
            Some(service(&json!([]), &adoptable, "None")),
            vec![],
            plain,
        ),
        (
            json!(false),
            Some(service(&stranger, &hash, "None")),
            vec![],
            plain,
        ),
    ] {
        let mut world = running(&json!({}));
        world.sandbox["spec"]["service"] = wanted.clone();
        world.service = present.clone();
        let told = world.settle();
        let written: Vec<&String> = told
            .iter()
            .filter(|line| !line.starts_with("status"))
            .collect();
        assert_eq!(written, writes, "{wanted} {present:?}");
        assert_eq!(world.ready(), ready, "{wanted} {present:?}");
        let named = ready == exists;
        assert_eq!(
            world.sandbox["status"].get("service").is_some(),
            named,
            "{wanted} {present:?}"
        );
        assert_eq!(
            !world.plan().obstacles.is_empty(),
            ready.contains("ReconcilerError")
        );
    }
}

#[test]
fn section_4_7_volume_claims_come_first_and_the_first_refusal_ends_them() {
    let template = |name: &str| json!({"metadata": {"name": name}, "spec": {}});
    let spec = json!({"volumeClaimTemplates": [template("a"), template("b"), template("c")]});
    let mut world = World::new(&spec);
    assert_eq!(
        world.settle(),
        [
            "create VolumeClaim a-my-sandbox",
            "create VolumeClaim b-my-sandbox",
            "create VolumeClaim c-my-sandbox",
            "create Pod my-sandbox",
            "patch Sandbox my-sandbox",
            "status after 5 s"
        ]
    );
    let mut world = World::new(&spec);
    let claim = |owners: Value, labels: Value| json!({"metadata": {"name": "x", "uid": "x", "ownerReferences": owners, "labels": labels}});
    world.claims.insert(
        "a-my-sandbox".to_owned(),
        claim(json!([]), json!({"agents.x-k8s.io/adoptable": "true"})),
    );
    world.claims.insert(
        "b-my-sandbox".to_owned(),
        claim(other("StatefulSet", "s"), json!({})),
    );
    assert_eq!(
        world.settle(),
        [
            "patch VolumeClaim a-my-sandbox",
            "create Pod my-sandbox",
            "patch Sandbox my-sandbox",
            "status after 0 s"
        ]
    );
    assert_eq!(
        world.claims["a-my-sandbox"]["metadata"]["ownerReferences"],
        json!([reference()])
    );
    assert_eq!(
        world.ready(),
        "Ready False ReconcilerError Error seen: PVC \"b-my-sandbox\" is owned by StatefulSet/s (UID: u-9), not by sandbox \"my-sandbox\""
    );
}
