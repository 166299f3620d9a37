//! The fence from the outside: what a user of kubectl sees when a Sandbox is fine, is put right, or is refused.
//!
//! The same manifests (`tests/data/fence/`) go through three doors, which must agree: the webhook of `sandfence serve`,
//! the shipped policies as plain in-tree objects of the API server, and `sandfence check`, which sees no cluster.

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod behind;
mod cases;

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use behind::{Fence, bind_natively, serve};
use cases::{DIRECT_POD, REFUSED, WEAKENED, admitted, bound, manifest, repository, sentence};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::Value;

/// The causes that the API server passes on from the webhook: all refusals, not only the first.
async fn causes(fence: &Fence, manifest: &Value) -> Result<Vec<String>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "agents.x-k8s.io",
        "v1beta1",
        "Sandbox",
    ));
    let api: Api<DynamicObject> =
        Api::namespaced_with(fence.cluster.client(), fence.namespace.name(), &resource);
    let object: DynamicObject = serde_json::from_value(manifest.clone())?;
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&parameters, &object).await {
        Err(kube::Error::Api(status)) => Ok(status
            .details
            .into_iter()
            .flat_map(|details| details.causes)
            .map(|cause| cause.message)
            .collect()),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("{} was admitted", object.name_any()),
    }
}

/// Runs `check -o json` on one manifest.
fn check(manifest: &str) -> Result<(Option<i32>, Value)> {
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["check", "--output", "json", "--profile", "restricted"])
        .arg("--policies")
        .arg(repository("policies"))
        .arg(repository("tests/data/fence").join(manifest))
        .output()?;
    let document = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.code(), document))
}

/// A manifest as JSON.
fn parsed(name: &str) -> Result<Value> {
    let documents = sandfence::model::yaml::read(name, &manifest(name)?)?;
    let [document] = documents.as_slice() else {
        bail!("{name}: expected one document, found {}", documents.len());
    };
    Ok(serde_json::to_value(&document.value)?)
}

/// Applies the additions and replacements of a JSON patch.
fn patched(mut object: Value, patch: &Value) -> Result<Value> {
    for operation in patch.as_array().context("a patch is a list")? {
        let path = operation["path"]
            .as_str()
            .context("an operation has a path")?;
        let (parent, key) = path
            .rsplit_once('/')
            .context("a path starts with a slash")?;
        let value = operation["value"].clone();
        match object.pointer_mut(parent) {
            Some(Value::Object(fields)) => {
                fields.insert(key.replace("~1", "/").replace("~0", "~"), value);
            }
            Some(Value::Array(items)) if key == "-" => items.push(value),
            Some(Value::Array(items)) => items.insert(key.parse()?, value),
            _ => bail!("the patch names {path}, whose parent is not there"),
        }
    }
    Ok(object)
}

#[tokio::test]
async fn the_webhook_holds_the_fence_and_lists_every_refusal() -> Result<()> {
    let fence = Fence::build().await?;
    let mut serve = serve(&fence.cluster).await?;
    fence.settle(Some(&mut serve)).await?;
    let held = fence.hold().await;
    held.with_context(|| format!("sandfence serve wrote {}", serve.log().display()))?;
    for case in REFUSED {
        let mut found = causes(&fence, &parsed(case.manifest)?).await?;
        let mut expected: Vec<String> = case.by.iter().map(sentence).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{}", case.manifest);
    }
    assert_eq!(serve.stop()?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn every_known_way_out_is_stopped_by_its_rule() -> Result<()> {
    let fence = Fence::build().await?;
    let mut serve = serve(&fence.cluster).await?;
    fence.settle(Some(&mut serve)).await?;
    let held = attacks::Siege::lay(&fence).await?.hold().await;
    let tried = held.with_context(|| format!("sandfence serve wrote {}", serve.log().display()))?;
    anyhow::ensure!(tried >= attacks::FEWEST, "only {tried} ways out are tried");
    assert_eq!(serve.stop()?.code(), Some(0));
    Ok(())
}

#[test]
fn check_refuses_the_same_manifests_in_the_same_words() -> Result<()> {
    for case in REFUSED.iter().chain([&WEAKENED, &DIRECT_POD]) {
        let (code, document) = check(case.manifest)?;
        let rows = document["results"].as_array().context("results")?;
        let mut found: Vec<String> = rows
            .iter()
            .filter(|row| row["denies"] == true)
            .map(|row| format!("{} {} {}", row["policy"], row["binding"], row["message"]))
            .collect();
        let mut expected: Vec<String> = case
            .by
            .iter()
            .map(|&(policy, message)| format!("{policy:?} {:?} {message:?}", bound(policy)))
            .collect();
        found.sort();
        expected.sort();
        assert_eq!((code, found), (Some(1), expected), "{}", case.manifest);
    }
    Ok(())
}

#[test]
fn check_shows_the_changes_that_the_cluster_makes() -> Result<()> {
    for (name, expected) in admitted() {
        let (code, document) = check(name)?;
        assert_eq!(code, Some(0), "{name}: {document:#}");
        let rows = document["mutations"].as_array().context("mutations")?;
        let changed = rows
            .iter()
            .try_fold(parsed(name)?, |object, row| patched(object, &row["patch"]))?;
        assert_eq!(changed["spec"]["podTemplate"]["spec"], expected, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn the_api_server_alone_holds_the_fence() -> Result<()> {
    let fence = Fence::build().await?;
    bind_natively(&fence.cluster).await?;
    fence.settle(None).await?;
    fence.hold().await
}
