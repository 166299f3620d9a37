//! What sandboxes are made of by template: the members of warm pools, and whether a member still is what its template
//! says.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::observed::{self, label};
use super::{Texts, network, owner};
use crate::api::keys::{annotations, labels, name_hash};
use crate::api::v1beta1::{
    EXTENSIONS_GROUP, GROUP, Sandbox, SandboxTemplate, SandboxWarmPool, VERSION,
    VolumeClaimTemplate,
};
use crate::model::quantity::Quantity;

/// The value of the label that says how a member was started.
pub const WARM: &str = "warm";
/// The value of the label that says who asked for a member.
const CREATOR: &str = "controller";

/// A member of a pool, to be created under a name that the API server chooses.
#[must_use]
pub fn member(pool: &SandboxWarmPool, template: &SandboxTemplate, evictable: bool) -> Value {
    let (pool, spec) = (&pool.metadata, &template.spec);
    let template_name = observed::name(&template.metadata);
    let mut marks = Texts::from([
        (
            labels::WARM_POOL_SANDBOX.to_owned(),
            name_hash(observed::name(pool)),
        ),
        (
            labels::TEMPLATE_REF_HASH.to_owned(),
            name_hash(template_name),
        ),
        (
            labels::POD_TEMPLATE_HASH.to_owned(),
            name_hash(&json!(spec.pod_template).to_string()),
        ),
        (labels::TEMPLATE_HASH.to_owned(), hash(template)),
    ]);
    let given = spec.pod_template.metadata.clone().unwrap_or_default();
    let mut pod_labels = given.labels.unwrap_or_default();
    pod_labels.extend(marks.clone());
    let mut noted = given.annotations.unwrap_or_default();
    if evictable {
        let key = annotations::SAFE_TO_EVICT.to_owned();
        noted.entry(key).or_insert_with(|| "true".to_owned());
    }
    let mut pod_metadata = json!({ "labels": pod_labels });
    if !noted.is_empty() {
        pod_metadata["annotations"] = json!(noted);
    }
    let mut document =
        json!({"podTemplate": {"metadata": pod_metadata, "spec": pod_spec(template)}});
    if let Some(volumes) = spec
        .volume_claim_templates
        .as_ref()
        .filter(|list| !list.is_empty())
    {
        document["volumeClaimTemplates"] = json!(volumes);
    }
    if let Some(service) = spec.service {
        document["service"] = service.into();
    }
    marks.insert(labels::LAUNCH_TYPE.to_owned(), WARM.to_owned());
    marks.insert(labels::CREATED_BY.to_owned(), CREATOR.to_owned());
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "Sandbox",
        "metadata": {
            "generateName": format!("{}-", observed::name(pool)),
            "namespace": pool.namespace,
            "labels": marks,
            "annotations": { annotations::TEMPLATE_REF: template_name },
            "ownerReferences": [owned_by_pool(pool)],
        },
        "spec": document,
    })
}

/// The entry of `metadata.ownerReferences` that makes a pool the controller of its members.
#[must_use]
pub fn owned_by_pool(pool: &ObjectMeta) -> Value {
    owner(
        EXTENSIONS_GROUP,
        "SandboxWarmPool",
        pool.name.as_deref(),
        pool.uid.as_deref(),
    )
}

/// The hash of all that members take from a template. Only this controller compares it, and where it differs the
/// contents decide, so it need not be upstream's.
fn hash(template: &SandboxTemplate) -> String {
    let spec = &template.spec;
    let all = json!({
        "podTemplate": spec.pod_template,
        "volumeClaimTemplates": spec.volume_claim_templates,
        "service": spec.service,
    });
    name_hash(&all.to_string())
}

/// The Pod spec that a template gives, with its secure defaults.
pub(super) fn pod_spec(template: &SandboxTemplate) -> Value {
    let mut pod = template.spec.pod_template.spec.clone();
    network::secure(&template.spec, &mut pod);
    pod
}

/// Whether a Sandbox is no longer what the template says. For one without an owner the contents alone decide.
#[must_use]
pub fn is_stale(sandbox: &Sandbox, template: &SandboxTemplate, orphan: bool) -> bool {
    let found = |key| label(&sandbox.metadata, key);
    let template_hash = name_hash(observed::name(&template.metadata));
    if found(labels::TEMPLATE_REF_HASH) != Some(template_hash.as_str()) {
        return true;
    }
    if !orphan && found(labels::TEMPLATE_HASH) == Some(hash(template).as_str()) {
        return false;
    }
    !means_the_same(sandbox, template)
}

fn means_the_same(sandbox: &Sandbox, template: &SandboxTemplate) -> bool {
    let volumes = |list: &Option<Vec<VolumeClaimTemplate>>| {
        let list = list.as_deref().unwrap_or_default().iter();
        list.map(|one| {
            let name = one
                .metadata
                .as_ref()
                .and_then(|metadata| metadata.name.clone());
            (name.unwrap_or_default(), meaning(&one.spec))
        })
        .collect::<Vec<_>>()
    };
    let (is, says) = (&sandbox.spec, &template.spec);
    is.service == says.service
        && volumes(&is.volume_claim_templates) == volumes(&says.volume_claim_templates)
        && meaning(&is.pod_template.spec) == meaning(&pod_spec(template))
}

/// A spec without the differences that mean nothing: what is absent or empty, and how a quantity is written.
fn meaning(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| {
                !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
            })
            .map(|(key, value)| {
                let amount = match key.as_str() {
                    "limits" | "requests" | "overhead" => amounts(value),
                    "sizeLimit" | "divisor" => amount(value),
                    _ => None,
                };
                (key.clone(), amount.unwrap_or_else(|| meaning(value)))
            })
            .collect(),
        Value::Array(items) => items.iter().map(meaning).collect(),
        other => other.clone(),
    }
}

fn amounts(value: &Value) -> Option<Value> {
    let fields = value.as_object()?.iter();
    Some(
        fields
            .map(|(key, value)| (key.clone(), amount(value).unwrap_or_else(|| value.clone())))
            .collect(),
    )
}

fn amount(value: &Value) -> Option<Value> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(json!(Quantity::parse(&text).ok()?.as_approximate_float()))
}
