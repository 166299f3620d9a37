//! Type checking of policies against the real API server: for every policy of `tests/data/typecheck` and every shipped
//! one, `status.typeChecking` as kube-controller-manager writes it is what [`expression_warnings`] says.

mod support;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::PostParams;
use regex::Regex;
use sandfence::api::crds;
use sandfence::model::gvk::{Gvk, Gvr};
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::packs;
use sandfence::policy::source::{self, Item};
use sandfence::policy::typecheck::{expression_warnings, known_kinds};
use sandfence::schema::Structural;
use sandfence::schema::catalog::{self, Kinds};
use sandfence::schema::structural::Additional;
use serde_json::{Value, json};
use support::{Cluster, Removal};

const POLICIES: &str = include_str!("data/typecheck/policies.yaml");
const CRD: &str = include_str!("data/typecheck/crd.yaml");

/// How long the API server may take to publish the schema of a kind that it serves.
const PUBLICATION_LIMIT: Duration = Duration::from_secs(60);

/// Most issues that the API server tells of one expression.
const PLACES_AT_ONCE: usize = 100;

/// How many fields deep the schemas are compared: to those of each part of a container in the template of a workload.
const DEPTH: usize = 6;

/// Field and text of each warning.
type Warnings = Vec<(String, String)>;

/// Names of object types without the number that both sides put behind the kind to keep types apart.
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
fn ours(sourced: &Sourced, kinds: &Kinds) -> Result<Warnings> {
    let Ok(Item::Policy(policy, _)) = source::read(sourced) else {
        anyhow::bail!("{} is no policy", sourced.subject());
    };
    let warnings = expression_warnings(&policy, kinds).into_iter();
    warnings
        .map(|one| Ok((one.field_ref, without_numbers(&one.warning)?)))
        .collect()
}

/// Puts the policy there and waits until the controller has looked at it.
async fn theirs(cluster: &Cluster, policy: &Value) -> Result<(Warnings, Removal)> {
    let api: Api<ValidatingAdmissionPolicy> = Api::all(cluster.client());
    let name = policy["metadata"]["name"].as_str().context("named")?;
    // Not applied: variables of one name are no mistake, and cannot be applied.
    let stored = api
        .create(
            &PostParams::default(),
            &serde_json::from_value(policy.clone())?,
        )
        .await
        .with_context(|| format!("create {name}"))?;
    let removal = cluster.remove_at_end::<ValidatingAdmissionPolicy>(name);
    let generation = stored.metadata.generation;
    let looked_at = |policy: Option<&ValidatingAdmissionPolicy>| {
        let status = policy.and_then(|policy| policy.status.as_ref());
        status.is_some_and(|status| status.observed_generation == generation)
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

/// The CRD of the test data with the kinds known because of it.
fn custom() -> Result<(CustomResourceDefinition, Kinds)> {
    let brought = Sourced::read("crd.yaml", CRD)?;
    let (kinds, mistakes) = known_kinds(&brought);
    anyhow::ensure!(mistakes.is_empty(), "{mistakes:?}");
    let document = Value::from(&brought.first().context("the file holds a CRD")?.object);
    Ok((serde_json::from_value(document)?, kinds))
}

/// Makes the CRDs known to the API server and waits until its controller has their schemas. The API server publishes the
/// schema of a CRD some time after it serves the kind, and nothing tells: policies are made until one is checked for all of
/// them.
async fn publish(
    cluster: &Cluster,
    name: &str,
    documents: &[CustomResourceDefinition],
    kinds: &Kinds,
) -> Result<()> {
    cluster.apply_crds(documents).await?;
    let rules: Vec<Value> = documents
        .iter()
        .map(|crd| {
            let served = crd.spec.versions.iter().filter(|version| version.served);
            let versions: Vec<&str> = served.map(|version| version.name.as_str()).collect();
            json!({
                "apiGroups": [crd.spec.group], "apiVersions": versions, "operations": ["*"],
                "resources": [crd.spec.names.plural],
            })
        })
        .collect();
    let deadline = Instant::now() + PUBLICATION_LIMIT;
    for attempt in 1.. {
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": format!("{name}.{attempt}")},
            "spec": {
                "matchConstraints": {"resourceRules": rules},
                "validations": [{"expression": "object.missing == 1"}],
            },
        });
        let (found, _removal) = theirs(cluster, &policy).await?;
        let expected = ours(&Sourced::cluster(policy.into()), kinds)?;
        if found == expected {
            break;
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "ours: {expected:#?}\nthe API server's: {found:#?}"
        );
    }
    Ok(())
}

/// A control plane whose controller knows the schemas of all our kinds.
async fn cluster_with_schemas(name: &str) -> Result<Cluster> {
    let cluster = Cluster::shared().await?;
    let documents: Vec<CustomResourceDefinition> = crds::all(&crds::Options::default())
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()?;
    publish(&cluster, name, &documents, &Kinds::default()).await?;
    Ok(cluster)
}

/// Asserts that both sides say the same about a policy; how many warnings that are.
async fn assert_same(cluster: &Cluster, sourced: &Sourced, kinds: &Kinds) -> Result<usize> {
    let policy = serde_json::to_value(&sourced.object)?;
    let (found, _removal) = theirs(cluster, &policy).await?;
    let name = sourced.subject();
    let ours = ours(sourced, kinds)?;
    // The first warning that differs says more than both lists.
    for (own, real) in ours.iter().zip(&found) {
        assert_eq!(own, real, "{name}: ours, and the API server's");
    }
    let fields = |all: &Warnings| all.iter().map(|(field, _)| field.clone()).collect();
    let (own, real): (Vec<String>, Vec<String>) = (fields(&ours), fields(&found));
    assert_eq!(own, real, "{name}: fields of ours, and of the API server's");
    Ok(found.len())
}

#[tokio::test]
async fn warnings_are_those_of_the_api_server() -> Result<()> {
    let cluster = cluster_with_schemas("parity.schemas").await?;
    let (crd, kinds) = custom()?;
    let name = "things.typecheck.test.sandfence.dev";
    publish(
        &cluster,
        "parity.custom",
        std::slice::from_ref(&crd),
        &kinds,
    )
    .await?;
    let _removal = cluster.remove_at_end::<CustomResourceDefinition>(name);
    let mut warned = 0;
    for sourced in policies("policies.yaml", POLICIES)? {
        warned += assert_same(&cluster, &sourced, &kinds).await?;
    }
    assert!(warned > 100, "{warned} expressions were warned of");
    Ok(())
}

#[tokio::test]
async fn warnings_about_the_shipped_policies_are_those_of_the_api_server() -> Result<()> {
    let cluster = cluster_with_schemas("parity.schemas.shipped").await?;
    let mut seen = 0;
    for (file, text) in packs::FILES {
        for sourced in policies(file, text)? {
            assert_same(&cluster, &sourced, &Kinds::default()).await?;
            seen += 1;
        }
    }
    assert!(seen > 0, "the packs hold validating policies");
    Ok(())
}

/// Expressions for the fields of a schema, down to some depth; one for each place that can be written.
fn fields(schema: &Structural, written: &str, depth: usize, found: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    if let Some(items) = &schema.items {
        fields(items, &format!("{written}[0]"), depth, found);
    }
    if let Additional::Schema(value) = &schema.additional {
        found.push(format!("{written}['k']"));
        fields(value, &format!("{written}['k']"), depth, found);
    }
    let word = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    for field in schema.fields.iter().filter(|field| word(&field.name)) {
        let written = format!("{written}.{}", field.name);
        fields(&field.schema, &written, depth - 1, found);
        found.push(written);
    }
}

/// A policy that compares each of the places with something that no field is: the message tells the type of the field.
fn asking_types(name: &str, gvr: &Gvr, places: &[String], at_once: usize) -> Value {
    let expressions = places.chunks(at_once).map(|places| {
        let lines: Vec<String> = places
            .iter()
            .map(|place| format!("{place} == [[{{'x': duration('1s')}}]]"))
            .collect();
        json!({"expression": lines.join(" ||\n")})
    });
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [gvr.group], "apiVersions": [gvr.version], "operations": ["*"],
                "resources": [gvr.resource],
            }]},
            "validations": expressions.collect::<Vec<_>>(),
        },
    })
}

#[tokio::test]
async fn every_field_of_every_known_kind_has_the_type_that_the_api_server_gives_it() -> Result<()> {
    let cluster = cluster_with_schemas("parity.schemas.fields").await?;
    let mut asked = 0;
    for (index, entry) in catalog::entries().iter().enumerate() {
        let mut places = Vec::new();
        fields(entry.schema(), "object", DEPTH, &mut places);
        let name = format!("parity.fields.{index}");
        let policy = asking_types(&name, &entry.gvr, &places, PLACES_AT_ONCE);
        let sourced = Sourced::cluster(policy.into());
        let warned = assert_same(&cluster, &sourced, &Kinds::default()).await?;
        assert_eq!(
            warned,
            places.len().div_ceil(PLACES_AT_ONCE),
            "{}",
            entry.gvk
        );
        asked += places.len();
    }
    assert!(asked > 2_000, "{asked} fields were compared");
    Ok(())
}

#[tokio::test]
async fn issues_beyond_a_hundred_are_counted_as_the_api_server_counts_them() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let pods = Gvr::new("v1", "pods");
    let pod = catalog::get(&Gvk::new("v1", "Pod")).context("known")?;
    let mut places = Vec::new();
    fields(pod, "object", DEPTH, &mut places);
    let policy = asking_types("parity.many", &pods, &places, 2 * PLACES_AT_ONCE);
    let found = ours(&Sourced::cluster(policy.clone().into()), &Kinds::default())?;
    let left_out = found
        .iter()
        .filter(|(_, text)| text.contains("more errors were truncated"));
    assert!(left_out.count() > 1, "{found:?}");
    assert_same(
        &cluster,
        &Sourced::cluster(policy.into()),
        &Kinds::default(),
    )
    .await?;
    Ok(())
}

#[test]
fn names_of_types_lose_their_number() -> Result<()> {
    assert_eq!(
        without_numbers("'Pod123456789.spec' and 'ConfigMap2' but list(int) of v1beta1")?,
        "'Pod.spec' and 'ConfigMap' but list(int) of v1beta1"
    );
    Ok(())
}
