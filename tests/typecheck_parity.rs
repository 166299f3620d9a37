//! Type checking of policies against the real API server: for every policy of `tests/data/typecheck` and every shipped
//! one, `status.typeChecking` as kube-controller-manager writes it is what [`expression_warnings`] says.
//!
//! What the server says is also kept in `tests/data/typecheck/warnings.json`, which unit tests compare with; refresh it by
//! `SANDFENCE_REFRESH=1 cargo test --test typecheck_parity`.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use regex::Regex;
use sandfence::api::crds;
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::packs;
use sandfence::policy::source::{self, Item};
use sandfence::policy::typecheck::expression_warnings;
use serde_json::{Value, json};
use support::{Cluster, Removal};

const POLICIES: &str = include_str!("data/typecheck/policies.yaml");
const RECORDED: &str = include_str!("data/typecheck/warnings.json");

/// Field and text of each warning.
type Warnings = Vec<(String, String)>;

/// Names of object types without the number that the API server puts behind the kind.
fn without_numbers(text: &str) -> Result<String> {
    let named = Regex::new(r"\b([A-Z][A-Za-z]*)[0-9]+\b")?;
    Ok(named.replace_all(text, "$1").into_owned())
}

/// The validating policies of a file, each with a name of this test's own.
fn policies(file: &str, text: &str) -> Result<Vec<Sourced>> {
    let mut found = Vec::new();
    for mut sourced in Sourced::read(file, text)? {
        if sourced.object.str_at(&["kind"]) != Some("ValidatingAdmissionPolicy") {
            continue;
        }
        let name = sourced.object.str_at(&["metadata", "name"]);
        let name = format!("parity.{}", name.context("a policy has a name")?);
        if let Some(metadata) = sourced.object.get_mut("metadata") {
            *metadata = json!({ "name": name }).into();
        }
        found.push(sourced);
    }
    Ok(found)
}

/// What this project says about a policy.
fn ours(sourced: &Sourced) -> Result<Warnings> {
    let Ok(Item::Policy(policy, _)) = source::read(sourced) else {
        anyhow::bail!("{} is no policy", sourced.subject());
    };
    let warnings = expression_warnings(&policy).into_iter();
    warnings
        .map(|one| Ok((one.field_ref, without_numbers(&one.warning)?)))
        .collect()
}

/// Puts the policy there and waits until the controller has looked at this very version.
async fn theirs(cluster: &Cluster, policy: &Value) -> Result<(Warnings, Removal)> {
    let api: Api<ValidatingAdmissionPolicy> = Api::all(cluster.client());
    let name = policy["metadata"]["name"].as_str().context("named")?;
    let apply = PatchParams::apply("sandfence-tests").force();
    let stored = api
        .patch(name, &apply, &Patch::Apply(policy))
        .await
        .with_context(|| format!("apply {name}"))?;
    let removal = cluster.remove_at_end::<ValidatingAdmissionPolicy>(name);
    let generation = stored.metadata.generation;
    let looked_at = |policy: Option<&ValidatingAdmissionPolicy>| {
        let status = policy.and_then(|policy| policy.status.as_ref());
        status.is_some_and(|status| status.observed_generation >= generation)
    };
    let found = cluster
        .wait(&api, name, "to be type checked", looked_at)
        .await?;
    let checking = found
        .and_then(|policy| policy.status)
        .and_then(|status| status.type_checking);
    let warnings = checking
        .and_then(|checking| checking.expression_warnings)
        .unwrap_or_default();
    let warnings = warnings
        .into_iter()
        .map(|one| Ok((one.field_ref, without_numbers(&one.warning)?)))
        .collect::<Result<_>>()?;
    Ok((warnings, removal))
}

/// A control plane whose controller knows the schemas of all our kinds. The API server publishes the schema of a CRD
/// some time after it serves the kind, and nothing tells: a policy is changed until it is checked for all of them.
async fn cluster_with_schemas() -> Result<Cluster> {
    let cluster = Cluster::shared().await?;
    let documents: Vec<CustomResourceDefinition> = crds::all(&crds::Options::default())
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()?;
    cluster.apply_crds(&documents).await?;
    let rules: Vec<Value> = documents
        .iter()
        .map(|crd| {
            let versions: Vec<&str> = crd.spec.versions.iter().map(|v| v.name.as_str()).collect();
            json!({
                "apiGroups": [crd.spec.group], "apiVersions": versions, "operations": ["*"],
                "resources": [crd.spec.names.plural],
            })
        })
        .collect();
    for attempt in 0.. {
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "parity.schemas"},
            "spec": {
                "matchConstraints": {"resourceRules": rules},
                "validations": [{"expression": format!("object.missing == {attempt}")}],
            },
        });
        let (found, _removal) = theirs(&cluster, &policy).await?;
        if found == ours(&Sourced::cluster(policy.into()))? {
            break;
        }
    }
    Ok(cluster)
}

#[tokio::test]
async fn warnings_are_those_of_the_api_server() -> Result<()> {
    let cluster = cluster_with_schemas().await?;
    let mut recorded: BTreeMap<String, Warnings> = BTreeMap::new();
    let mut expected: BTreeMap<String, Warnings> = BTreeMap::new();
    for sourced in policies("policies.yaml", POLICIES)? {
        let policy = serde_json::to_value(&sourced.object)?;
        let name = policy["metadata"]["name"].as_str().unwrap_or_default();
        let name = name.trim_start_matches("parity.").to_owned();
        let (found, _removal) = theirs(&cluster, &policy).await?;
        recorded.insert(name.clone(), found);
        expected.insert(name, ours(&sourced)?);
    }
    let text = serde_json::to_string_pretty(&recorded)? + "\n";
    if std::env::var_os("SANDFENCE_REFRESH").is_some_and(|value| value == "1") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/typecheck/warnings.json");
        std::fs::write(path, &text)?;
    } else {
        assert_eq!(
            text, RECORDED,
            "the API server says something else than was recorded"
        );
    }
    for (name, expected) in &expected {
        assert_eq!(
            expected, &recorded[name],
            "{name}: ours, and the API server's"
        );
    }
    Ok(())
}

#[tokio::test]
async fn warnings_about_the_shipped_policies_are_those_of_the_api_server() -> Result<()> {
    let cluster = cluster_with_schemas().await?;
    let mut seen = 0;
    for (file, text) in packs::FILES {
        for sourced in policies(file, text)? {
            let policy = serde_json::to_value(&sourced.object)?;
            let (found, _removal) = theirs(&cluster, &policy).await?;
            assert_eq!(ours(&sourced)?, found, "{file}: ours, and the API server's");
            seen += 1;
        }
    }
    assert!(seen > 0, "the packs hold validating policies");
    Ok(())
}
