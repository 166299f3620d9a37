//! Waiting for the cluster to reach a state, by watching, with a deadline and an account of what was seen instead.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many of the namespace's latest events an account shows.
const SHOWN_EVENTS: usize = 10;

/// Watches one object until it meets the condition, which gets `None` while the object does not exist.
pub async fn until<K>(
    api: &Api<K>,
    name: &str,
    expected: &str,
    limit: Duration,
    condition: impl Fn(Option<&K>) -> bool,
) -> Result<Option<K>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    let mut seen = Seen::Nothing;
    let watching = async {
        let mut changes = pin!(watcher::watch_object(api.clone(), name));
        while let Some(change) = changes.next().await {
            match change {
                Ok(object) if condition(object.as_ref()) => return Ok(object),
                Ok(object) => seen = Seen::Object(Box::new(object)),
                // The watcher tries again by itself; what it could not do is told at the deadline.
                Err(error) => seen = Seen::Error(format!("{error:#}")),
            }
        }
        bail!("the watch of {name} ended")
    };
    match tokio::time::timeout(limit, watching).await {
        Ok(result) => result,
        Err(_) => bail!(
            "expected {name} {expected} within {limit:?}; {}",
            seen.account()?
        ),
    }
}

/// The last news of a watch.
enum Seen<K> {
    Nothing,
    Object(Box<Option<K>>),
    Error(String),
}

impl<K: Resource + Clone + Serialize> Seen<K> {
    fn account(self) -> Result<String> {
        Ok(match self {
            Self::Nothing => "the API server has not answered".to_owned(),
            Self::Error(error) => format!("the watch failed: {error}"),
            Self::Object(object) => match *object {
                None => "it does not exist".to_owned(),
                Some(mut object) => {
                    object.managed_fields_mut().clear();
                    format!(
                        "it is\n{}",
                        serde_json::to_string_pretty(&object).context("print the object")?
                    )
                }
            },
        })
    }
}

/// The latest events of a namespace, one a line: they often name the cause of a missing change.
pub async fn events(client: Client, namespace: &str) -> Result<String> {
    let api: Api<Event> = Api::namespaced(client, namespace);
    let mut events = api.list(&ListParams::default()).await?.items;
    events.sort_by_key(|event| {
        event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0)
    });
    let skipped = events.len().saturating_sub(SHOWN_EVENTS);
    Ok(events
        .iter()
        .skip(skipped)
        .map(|event| {
            format!(
                "{} {}: {}: {}\n",
                event.involved_object.kind.as_deref().unwrap_or_default(),
                event.involved_object.name.as_deref().unwrap_or_default(),
                event.reason.as_deref().unwrap_or_default(),
                event.message.as_deref().unwrap_or_default()
            )
        })
        .collect())
}
