//! Keeps the conversion settings of the agent-sandbox CRDs pointed at our webhook, as `apply` keeps the webhook
//! configurations.
//!
//! Without them the API server changes nothing but the version when an object is read in the other one, and fields are
//! lost. Nothing is written before the server can answer, only what differs, and only the conversion: the rest of a CRD
//! belongs to whoever installed it. A CRD that is missing is waited for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::apply::agrees;
use super::backoff::{self, Backoff};
use super::client::{self, ClientError};
use super::registration::NAME;
use super::watch::View;
use crate::api::crds;
use crate::config::settings::Endpoint;
use crate::model::gvk::{Gvk, split_api_version};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::readiness::Readiness;

/// Path of the conversion webhook.
pub const PATH: &str = "/convert";

/// The definitions whose conversion is ours.
pub const DEFINITIONS: [&str; 4] = [
    "sandboxclaims.extensions.agents.x-k8s.io",
    "sandboxes.agents.x-k8s.io",
    "sandboxtemplates.extensions.agents.x-k8s.io",
    "sandboxwarmpools.extensions.agents.x-k8s.io",
];

const API_VERSION: &str = "apiextensions.k8s.io/v1";
const KIND: &str = "CustomResourceDefinition";

/// Type of a definition.
#[must_use]
pub fn gvk() -> Gvk {
    Gvk::new(API_VERSION, KIND)
}

/// Drops what makes a definition large: its schemas decide nothing here.
pub fn lighten(definition: &mut DynamicObject) {
    if let Some(spec) = definition
        .data
        .get_mut("spec")
        .and_then(Value::as_object_mut)
    {
        spec.remove("versions");
    }
    if let Some(data) = definition.data.as_object_mut() {
        data.remove("status");
    }
    // `kubectl apply` keeps a copy of the whole document here.
    definition.metadata.annotations = None;
}

/// The settings for a webhook at `endpoint`, checked against the authorities in `ca_bundle` (PEM).
#[must_use]
pub fn settings(endpoint: &Endpoint, ca_bundle: Option<&str>) -> crds::Conversion {
    let endpoint = match endpoint {
        Endpoint::Service {
            name,
            namespace,
            port,
        } => crds::Endpoint::Service {
            namespace: namespace.clone(),
            name: name.clone(),
            path: PATH.to_owned(),
            port: *port,
        },
        Endpoint::Url { base, .. } => crds::Endpoint::Url(format!("{base}{PATH}")),
    };
    crds::Conversion::Webhook(crds::ConversionWebhook {
        endpoint,
        ca_bundle: ca_bundle.map(|pem| STANDARD.encode(pem)),
    })
}

/// The merge patch that makes a definition convert as `settings` say.
fn patch(settings: &Value) -> Value {
    let mut conversion = settings.clone();
    // The API server accepts one of the two, and a merge keeps what it is not told to drop.
    let client = &mut conversion["webhook"]["clientConfig"];
    for address in ["url", "service"] {
        if client.get(address).is_none() {
            client[address] = Value::Null;
        }
    }
    json!({ "spec": { "conversion": conversion } })
}

/// What decides about the settings.
pub struct Inputs {
    /// PEM of the authorities; `None` until there is a certificate.
    pub authority: watch::Receiver<Option<String>>,
    /// What the cluster has, in the order of [`DEFINITIONS`].
    pub present: [watch::Receiver<View>; 4],
}

/// Writes the settings.
pub struct Converter {
    client: Client,
    endpoint: Endpoint,
    inputs: Inputs,
    readiness: Arc<Readiness>,
    metrics: Metrics,
}

impl Converter {
    /// Writes through `client` for the server at `endpoint`.
    #[must_use]
    pub fn new(
        client: Client,
        endpoint: Endpoint,
        inputs: Inputs,
        readiness: Arc<Readiness>,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            endpoint,
            inputs,
            readiness,
            metrics,
        }
    }

    /// Follows its inputs for ever.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            match self.settle().await {
                Ok(()) => {
                    backoff.reset();
                    self.changed().await;
                }
                Err(error) => {
                    self.metrics.registration_failures.inc();
                    tracing::error!(%error, "cannot write the conversion settings");
                    tokio::time::sleep(backoff.next_pause()).await;
                }
            }
        }
    }

    /// Waits until an input differs from what was last looked at.
    async fn changed(&mut self) {
        let [claims, sandboxes, templates, pools] = &mut self.inputs.present;
        tokio::select! {
            Ok(()) = self.inputs.authority.changed() => {}
            Ok(()) = claims.changed() => {}
            Ok(()) = sandboxes.changed() => {}
            Ok(()) = templates.changed() => {}
            Ok(()) = pools.changed() => {}
            // Parts of the readiness are not watched.
            () = tokio::time::sleep(backoff::LONGEST) => {}
        }
    }

    /// Writes what differs.
    async fn settle(&mut self) -> Result<(), ClientError> {
        if !self.readiness.is_ready() {
            return Ok(());
        }
        let authority = self.inputs.authority.borrow_and_update().clone();
        let wanted = settings(&self.endpoint, authority.as_deref()).document();
        for (name, present) in DEFINITIONS.into_iter().zip(&mut self.inputs.present) {
            let view = present.borrow_and_update().clone();
            let key = (String::new(), name.to_owned());
            let Some(definition) = view.objects.get(&key) else {
                continue;
            };
            if agrees(&wanted, definition.at(&["spec", "conversion"])) {
                continue;
            }
            write(&self.client, name, &patch(&wanted)).await?;
            self.metrics.registrations.inc();
            tracing::info!(definition = name, "conversion settings written");
        }
        Ok(())
    }
}

async fn write(client: &Client, name: &str, patch: &Value) -> Result<(), ClientError> {
    let (group, version) = split_api_version(API_VERSION);
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, KIND));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let params = PatchParams {
        field_manager: Some(NAME.to_owned()),
        ..PatchParams::default()
    };
    client::call(
        format!("patch {KIND} {name}"),
        api.patch(name, &params, &Patch::Merge(patch)),
    )
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_those_with_two_versions() {
        let mut names: Vec<String> = crds::all(&crds::Options::default())
            .into_iter()
            .filter(|document| {
                document["spec"]["versions"]
                    .as_array()
                    .is_some_and(|v| v.len() == 2)
            })
            .filter_map(|document| Some(document["metadata"]["name"].as_str()?.to_owned()))
            .collect();
        names.sort();
        assert_eq!(names, DEFINITIONS);
    }

    #[test]
    fn a_service_and_a_url_exclude_each_other() {
        let endpoint = Endpoint::from_service("hook", "fence", 443).expect("valid");
        assert_eq!(
            patch(&settings(&endpoint, Some("PEM")).document()),
            json!({"spec": {"conversion": {
                "strategy": "Webhook",
                "webhook": {
                    "clientConfig": {
                        "service": {"name": "hook", "namespace": "fence", "port": 443, "path": "/convert"},
                        "url": null,
                        "caBundle": "UEVN",
                    },
                    "conversionReviewVersions": ["v1", "v1beta1"],
                },
            }}})
        );
        let endpoint = Endpoint::from_url("https://127.0.0.1:9443").expect("valid");
        assert_eq!(
            patch(&settings(&endpoint, None).document())["spec"]["conversion"]["webhook"]["clientConfig"],
            json!({"url": "https://127.0.0.1:9443/convert", "service": null})
        );
    }

    #[test]
    fn a_definition_is_kept_without_its_schemas() {
        let mut definition: DynamicObject = serde_json::from_value(json!({
            "metadata": {"name": "x", "annotations": {"a": "b"}},
            "spec": {"versions": [{}], "conversion": {"strategy": "None"}},
            "status": {},
        }))
        .expect("object");
        lighten(&mut definition);
        assert_eq!(
            serde_json::to_value(definition).expect("JSON"),
            json!({"metadata": {"name": "x"}, "spec": {"conversion": {"strategy": "None"}}})
        );
    }
}
