//! Keeps the webhook configurations as they should be: written by server-side apply when policies or certificates
//! change, and again when somebody edits or deletes them.
//!
//! Nothing is written before the server can answer: a registration that fails closed must not come before the webhook.
//! It stays when the process ends, so that a stopped webhook does not open the fence.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use serde_json::Value;
use tokio::sync::watch;

use super::backoff::Backoff;
use super::client::{self, ClientError};
use super::registration::{self, Configurations, NAME, Options};
use super::watch::{Objects, View};
use crate::config::settings::Endpoint;
use crate::model::gvk::{Gvk, split_api_version};
use crate::model::json::Json;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::readiness::Readiness;

/// Least time between two writes: two versions of this program that disagree must not heat up the API server.
const PACE: Duration = Duration::from_secs(1);

/// End of the names of our entries.
const OURS: &str = ".sandfence.dev";

/// Kinds that are written and watched.
pub const KINDS: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Name of the objects that are written.
pub const OBJECT: &str = NAME;

/// Type of one of [`KINDS`].
#[must_use]
pub fn gvk(kind: &str) -> Gvk {
    Gvk::new(registration::API_VERSION, kind)
}

/// What decides about the documents.
pub struct Inputs {
    /// What the loaded policies need; `None` until they are loaded.
    pub interests: watch::Receiver<Option<Arc<Vec<registration::Interest>>>>,
    /// PEM of the authorities; `None` until there is a certificate.
    pub authority: watch::Receiver<Option<String>>,
    /// What the cluster has, in the order of [`KINDS`].
    pub present: [watch::Receiver<View>; 2],
}

/// Writes the documents.
pub struct Applier {
    client: Client,
    endpoint: Endpoint,
    exempt_namespaces: Vec<String>,
    inputs: Inputs,
    readiness: Arc<Readiness>,
    metrics: Metrics,
}

impl Applier {
    /// Writes through `client` for the server at `endpoint`.
    #[must_use]
    pub fn new(
        client: Client,
        (endpoint, exempt_namespaces): (Endpoint, Vec<String>),
        inputs: Inputs,
        readiness: Arc<Readiness>,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            endpoint,
            exempt_namespaces,
            inputs,
            readiness,
            metrics,
        }
    }

    /// Follows its inputs for ever.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let pause = match self.settle().await {
                Ok(()) => {
                    backoff.reset();
                    self.changed().await;
                    PACE
                }
                Err(error) => {
                    self.metrics.registration_failures.inc();
                    tracing::error!(%error, "cannot write the webhook configurations");
                    backoff.next_pause()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits until an input differs from what was last looked at. A closed input never changes again.
    async fn changed(&mut self) {
        let [mutating, validating] = &mut self.inputs.present;
        tokio::select! {
            Ok(()) = self.inputs.interests.changed() => {}
            Ok(()) = self.inputs.authority.changed() => {}
            Ok(()) = mutating.changed() => {}
            Ok(()) = validating.changed() => {}
            // Parts of the readiness are not watched; a quiet cluster is looked at again now and then.
            () = tokio::time::sleep(super::backoff::LONGEST) => {}
        }
    }

    /// Writes what differs.
    async fn settle(&mut self) -> Result<(), ClientError> {
        if !self.readiness.is_ready() {
            return Ok(());
        }
        let Some(documents) = self.wanted() else {
            return Ok(());
        };
        for ((kind, wanted), present) in KINDS
            .iter()
            .zip([documents.mutating, documents.validating])
            .zip(&mut self.inputs.present)
        {
            let view = present.borrow_and_update().clone();
            if !agrees(&wanted, find(&view.objects)) {
                apply(&self.client, kind, &wanted).await?;
                self.metrics.registrations.inc();
                tracing::info!(
                    kind,
                    webhooks = wanted["webhooks"].as_array().map_or(0, Vec::len),
                    "webhook configuration written"
                );
            }
        }
        Ok(())
    }

    fn wanted(&mut self) -> Option<Configurations> {
        let interests = self.inputs.interests.borrow_and_update().clone()?;
        let ca_bundle = self.inputs.authority.borrow_and_update().clone();
        let options = Options {
            endpoint: self.endpoint.clone(),
            ca_bundle,
            exempt_namespaces: self.exempt_namespaces.clone(),
        };
        Some(registration::webhooks_for(&interests, &options))
    }
}

fn find(objects: &Objects) -> Option<&Json<'static>> {
    objects
        .get(&(String::new(), NAME.to_owned()))
        .map(|object| &**object)
}

/// Whether the object present has every field that is wanted; the API server adds defaults. Entries of lists are found
/// by their name where they have one: the API server keeps their order, not ours, and foreign entries are no business
/// of ours unless they carry our name.
pub(super) fn agrees(wanted: &Value, present: Option<&Json<'_>>) -> bool {
    match (wanted, present) {
        (Value::Object(fields), Some(present)) => fields
            .iter()
            .all(|(key, value)| agrees(value, present.get(key))),
        (Value::Array(items), None | Some(Json::Null)) => items.is_empty(),
        (Value::Array(items), Some(Json::Array(present))) => lists_agree(items, present),
        (value, Some(present)) => Json::from(value.clone()) == *present,
        (_, None) => false,
    }
}

fn lists_agree(items: &[Value], present: &[Json<'_>]) -> bool {
    let named = |name: &str| {
        present
            .iter()
            .find(|item| item.str_at(&["name"]) == Some(name))
    };
    let entries_agree = items.iter().enumerate().all(|(index, item)| {
        let there = match item["name"].as_str() {
            Some(name) => named(name),
            None => present.get(index),
        };
        agrees(item, there)
    });
    let is_wanted = |name: &str| items.iter().any(|item| item["name"] == name);
    let foreign = present
        .iter()
        .filter(|item| {
            item.str_at(&["name"])
                .is_some_and(|name| !name.ends_with(OURS) && !is_wanted(name))
        })
        .count();
    entries_agree && present.len() == items.len() + foreign
}

async fn apply(client: &Client, kind: &str, document: &Value) -> Result<(), ClientError> {
    let (group, version) = split_api_version(registration::API_VERSION);
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let params = PatchParams::apply(NAME).force();
    let applied = client::call(
        format!("apply {kind} {NAME}"),
        api.patch(NAME, &params, &Patch::Apply(document)),
    )
    .await?;
    // What somebody else has touched is theirs too and survives an apply; a stale entry of ours must not.
    if let Some(swept) = swept(&applied, document) {
        let params = PostParams {
            field_manager: Some(NAME.to_owned()),
            ..PostParams::default()
        };
        client::call(
            format!("replace {kind} {NAME}"),
            api.replace(NAME, &params, &swept),
        )
        .await?;
    }
    Ok(())
}

/// The object without entries of ours that are no longer wanted; `None` when there are none.
fn swept(applied: &DynamicObject, document: &Value) -> Option<DynamicObject> {
    let wanted = document["webhooks"].as_array()?;
    let mut object = applied.clone();
    let entries = object.data.get_mut("webhooks")?.as_array_mut()?;
    let before = entries.len();
    entries.retain(|entry| {
        let name = entry["name"].as_str().unwrap_or_default();
        !name.ends_with(OURS) || wanted.iter().any(|item| item["name"] == name)
    });
    (entries.len() < before).then_some(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owned_json;
    use serde_json::json;

    #[test]
    fn defaults_of_the_api_server_are_no_difference() {
        let wanted = json!({"webhooks": [{"name": "a", "rules": [{"apiGroups": [""]}]}]});
        let present = owned_json!({
            "metadata": {"uid": "1"},
            "webhooks": [{"name": "a", "rules": [{"apiGroups": [""], "scope": "*"}], "timeoutSeconds": 10}]
        });
        assert!(agrees(&wanted, Some(&present)));
        assert!(agrees(&json!({"webhooks": []}), Some(&owned_json!({}))));
    }

    #[test]
    fn order_and_foreign_entries_are_no_difference() {
        let wanted =
            json!({"webhooks": [{"name": "a.sandfence.dev"}, {"name": "b.sandfence.dev"}]});
        let present = owned_json!({"webhooks": [
            {"name": "b.sandfence.dev"}, {"name": "x.example.com"}, {"name": "a.sandfence.dev"}
        ]});
        assert!(agrees(&wanted, Some(&present)));
    }

    #[test]
    fn edits_removals_and_stale_entries_are_differences() {
        let wanted = json!({"webhooks": [{"name": "a.sandfence.dev", "failurePolicy": "Fail", "rules": ["r"]}]});
        let entry = json!({"name": "a.sandfence.dev", "failurePolicy": "Fail", "rules": ["r"]});
        for present in [
            owned_json!({"webhooks": [{"name": "a.sandfence.dev", "failurePolicy": "Ignore", "rules": ["r"]}]}),
            owned_json!({"webhooks": [{"name": "a.sandfence.dev", "failurePolicy": "Fail", "rules": ["r", "s"]}]}),
            owned_json!({"webhooks": []}),
            owned_json!({}),
            owned_json!({"webhooks": [entry, {"name": "b.sandfence.dev"}]}),
        ] {
            assert!(!agrees(&wanted, Some(&present)), "{present}");
        }
        assert!(!agrees(&wanted, None));
    }

    #[test]
    fn stale_entries_are_swept_and_foreign_ones_are_not() {
        let applied: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "sandfence", "resourceVersion": "3"},
            "webhooks": [{"name": "a.sandfence.dev"}, {"name": "b.sandfence.dev"}, {"name": "x.example.com"}],
        }))
        .expect("object");
        let swept_to = swept(
            &applied,
            &json!({"webhooks": [{"name": "a.sandfence.dev"}]}),
        )
        .expect("one is stale");
        assert_eq!(
            swept_to.data,
            json!({"webhooks": [{"name": "a.sandfence.dev"}, {"name": "x.example.com"}]})
        );
        assert_eq!(swept_to.metadata.resource_version.as_deref(), Some("3"));
        let both = json!({"webhooks": [{"name": "a.sandfence.dev"}, {"name": "b.sandfence.dev"}]});
        assert_eq!(swept(&applied, &both), None);
    }
}
