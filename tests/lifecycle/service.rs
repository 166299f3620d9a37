//! The headless Service of a Sandbox.

use anyhow::Result;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::harness::{ADOPTABLE, NAME_HASH, facts, owners, stage, template};

#[tokio::test]
async fn section_4_7_the_service_is_headless_and_has_the_ports_of_the_containers() -> Result<()> {
    let stage = stage("ports").await?;
    let ports =
        json!([{"containerPort": 8888, "name": "web"}, {"containerPort": 53, "protocol": "UDP"}]);
    let containers = json!([{"name": "main", "image": "registry.example/agent:1", "ports": ports}]);
    let pod = template(json!({}), json!({ "containers": containers }));
    stage
        .sandbox("my-sandbox", json!({"service": true, "podTemplate": pod}))
        .await?;
    stage.until_ready("my-sandbox").await?;
    let service = json!(stage.services.get("my-sandbox").await?);
    assert_eq!(service["spec"]["clusterIP"], "None");
    assert_eq!(service["spec"]["selector"], json!({NAME_HASH: "374de8f5"}));
    assert_eq!(
        service["metadata"]["labels"],
        json!({NAME_HASH: "374de8f5"})
    );
    assert_eq!(
        service["spec"]["ports"],
        json!([
            {"name": "p-53-udp", "port": 53, "protocol": "UDP", "targetPort": 53},
            {"name": "web", "port": 8888, "protocol": "TCP", "targetPort": 8888},
        ])
    );
    // A port that is added later is added there, and somebody's edit is taken back.
    let more = json!({"spec": {"podTemplate": {"spec": {"containers": [
        {"name": "main", "image": "registry.example/agent:1", "ports": [{"containerPort": 9000}]},
    ]}}}});
    stage.patch(&stage.sandboxes, "my-sandbox", more).await?;
    let ports =
        |service: &k8s_openapi::api::core::v1::Service| json!(service)["spec"]["ports"].clone();
    let only = json!([{"name": "p-9000-tcp", "port": 9000, "protocol": "TCP", "targetPort": 9000}]);
    stage
        .until_is(
            &stage.services,
            "my-sandbox",
            "to have the new port",
            |found| ports(found) == only,
        )
        .await?;
    stage
        .patch(
            &stage.services,
            "my-sandbox",
            json!({"spec": {"selector": {NAME_HASH: "x", "app": "x"}}}),
        )
        .await?;
    stage
        .until_is(
            &stage.services,
            "my-sandbox",
            "to select the sandbox again",
            |found| json!(found)["spec"]["selector"] == json!({NAME_HASH: "374de8f5"}),
        )
        .await?;
    Ok(())
}

#[tokio::test]
async fn section_4_7_a_service_comes_goes_and_stays_as_the_field_says() -> Result<()> {
    let stage = stage("tristate").await?;
    stage.sandbox("box", json!({})).await?;
    stage
        .until_ready_says("box", "True DependenciesReady Pod is Ready")
        .await?;
    assert!(stage.services.get_opt("box").await?.is_none());
    let exists = "True DependenciesReady Pod is Ready; Service Exists";
    for (wanted, said) in [
        (json!(true), exists),
        (Value::Null, exists),
        (json!(false), "True DependenciesReady Pod is Ready"),
    ] {
        stage
            .patch(
                &stage.sandboxes,
                "box",
                json!({"spec": {"service": wanted}}),
            )
            .await?;
        let sandbox = stage
            .until("box", said, |found| {
                let seen = found
                    .status
                    .iter()
                    .flat_map(|s| s.conditions.iter().flatten());
                let all = seen
                    .map(|c| c.observed_generation)
                    .all(|seen| seen == found.metadata.generation);
                all && super::harness::condition(found, "Ready") == said
            })
            .await?;
        let named = said == exists;
        assert_eq!(
            facts(&sandbox).get("serviceFQDN").is_some(),
            named,
            "{wanted}"
        );
        if !named {
            stage.until_gone(&stage.services, "box").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn section_4_7_only_a_marked_headless_service_is_taken() -> Result<()> {
    let stage = stage("take-service").await?;
    let service = |name: &str, labels: Value, address: Value| {
        json!({
            "metadata": {"name": name, "labels": labels},
            "spec": {"clusterIP": address, "ports": [{"port": 1}], "selector": {"app": "x"}},
        })
    };
    let marked = json!({ADOPTABLE: "true"});
    stage
        .create(
            &stage.services,
            service("marked", marked.clone(), json!("None")),
        )
        .await?;
    stage
        .create(&stage.services, service("plain", json!({}), json!("None")))
        .await?;
    let address = stage
        .create(&stage.services, service("address", marked, Value::Null))
        .await?;
    let address = address
        .spec
        .and_then(|spec| spec.cluster_ip)
        .unwrap_or_default();
    for name in ["marked", "plain", "address"] {
        stage.sandbox(name, json!({"service": true})).await?;
    }
    let sandbox = stage.until_ready("marked").await?;
    let service = stage.services.get("marked").await?;
    assert_eq!(json!(service.metadata.owner_references), owners(&sandbox));
    assert_eq!(
        json!(service)["spec"].get("ports"),
        None,
        "no container has ports"
    );
    for (name, message) in [
        (
            "plain",
            format!(
                "cannot adopt unowned service \"plain\": missing required service authorization label (\"{ADOPTABLE}\") or sandbox tracking label (\"{NAME_HASH}\")"
            ),
        ),
        (
            "address",
            format!(
                "cannot adopt unowned service \"address\": its clusterIP is \"{address}\", and the service of a sandbox is headless (\"None\")"
            ),
        ),
    ] {
        let said = format!("False ReconcilerError Error seen: {message}");
        stage.until_ready_says(name, &said).await?;
        assert!(
            stage
                .services
                .get(name)
                .await?
                .owner_references()
                .is_empty()
        );
        // Its Pod runs all the same: steps do not wait for each other.
        stage.pods.get(name).await?;
    }
    Ok(())
}
