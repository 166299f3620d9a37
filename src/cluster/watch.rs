//! One watched kind: listed, followed, kept as JSON documents, published as immutable views.
//!
//! A kind that the API server does not serve (yet) is a state, not an error, and is looked for again. Objects stay
//! untyped here, so that one that a newer or older version of its type would refuse cannot stop the others from being
//! listed; who types them reports it. After a first complete list, objects stay known through every outage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::discovery::{self, Scope as KubeScope};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use tokio::sync::{Notify, watch};

use super::backoff::Backoff;
use super::client::{self, ClientError, causes};
use crate::model::gvk::{Gvk, Scope};
use crate::model::json::Json;
use crate::telemetry::metrics::Metrics;

/// Objects of one kind by namespace (empty for cluster scope) and name.
pub type Objects = BTreeMap<(String, String), Arc<Json<'static>>>;

/// Pause before looking again for a kind that is not served.
const ABSENT: Duration = Duration::from_secs(10);
/// Events taken together into one view: a burst costs one copy of the index.
const BURST: usize = 512;
/// Objects per list page.
const PAGE: u32 = 500;

/// How far a kind is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not listed yet, with the reason.
    Starting(String),
    /// Not served by the API server.
    Absent,
    /// Listed at least once.
    Loaded,
}

/// What is known of one kind at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// How far.
    pub state: State,
    /// Scope, once discovered.
    pub scope: Option<Scope>,
    /// The objects.
    pub objects: Arc<Objects>,
}

impl View {
    /// Nothing known yet.
    #[must_use]
    pub fn starting() -> Self {
        Self {
            state: State::Starting("not listed yet".to_owned()),
            scope: None,
            objects: Arc::default(),
        }
    }

    /// Whether decisions may rely on it: listed, or known not to exist.
    #[must_use]
    pub const fn settled(&self) -> bool {
        matches!(self.state, State::Loaded | State::Absent)
    }
}

/// Follows one kind for ever.
pub struct Follower {
    client: Client,
    gvk: Gvk,
    metrics: Metrics,
    views: watch::Sender<View>,
    /// Told after every change of the view.
    dirty: Arc<Notify>,
    /// Only the object of this name.
    name: Option<&'static str>,
    /// Takes away what nobody reads before an object is kept.
    lighten: fn(&mut DynamicObject),
    backoff: Backoff,
}

impl Follower {
    /// A follower and where its views appear; `dirty` is notified after each.
    #[must_use]
    pub fn new(
        client: Client,
        gvk: Gvk,
        metrics: Metrics,
        dirty: Arc<Notify>,
    ) -> (Self, watch::Receiver<View>) {
        let (views, receiver) = watch::channel(View::starting());
        let follower = Self {
            client,
            gvk,
            metrics,
            views,
            dirty,
            name: None,
            lighten: |_| {},
            backoff: Backoff::default(),
        };
        (follower, receiver)
    }

    /// Follows only the object of this name.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Keeps objects without what `lighten` takes away.
    #[must_use]
    pub fn lightened(mut self, lighten: fn(&mut DynamicObject)) -> Self {
        self.lighten = lighten;
        self
    }

    /// Looks for the kind, then lists and watches it.
    pub async fn run(mut self) {
        loop {
            match self.discover().await {
                Ok(Some((resource, scope))) => {
                    self.backoff.reset();
                    self.change(|view| {
                        view.scope = Some(scope);
                        true
                    });
                    self.follow(&resource).await;
                }
                Ok(None) => {
                    self.absent();
                    tokio::time::sleep(ABSENT).await;
                }
                Err(error) => {
                    self.failed(&error.to_string());
                    tokio::time::sleep(self.backoff.next_pause()).await;
                }
            }
        }
    }

    async fn discover(&self) -> Result<Option<(ApiResource, Scope)>, ClientError> {
        let gvk = GroupVersionKind::gvk(&self.gvk.group, &self.gvk.version, &self.gvk.kind);
        let found = client::call(
            format!("discover {}", self.gvk),
            discovery::pinned_kind(&self.client, &gvk),
        )
        .await;
        match found {
            Ok((resource, capabilities)) => {
                let scope = match capabilities.scope {
                    KubeScope::Cluster => Scope::Cluster,
                    KubeScope::Namespaced => Scope::Namespaced,
                };
                Ok(Some((resource, scope)))
            }
            Err(ClientError::Call {
                cause: kube::Error::Discovery(_),
                ..
            }) => Ok(None),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes the view; `change` says whether anybody should know.
    fn change(&self, change: impl FnOnce(&mut View) -> bool) {
        if self.views.send_if_modified(change) {
            self.dirty.notify_one();
        }
    }

    fn absent(&self) {
        self.change(|view| {
            if view.state == State::Absent {
                return false;
            }
            tracing::info!(
                kind = %self.gvk,
                "not served by the API server, looking again from time to time; `sandfence render crds` prints the CRDs that belong to the fence"
            );
            *view = View {
                state: State::Absent,
                scope: None,
                objects: Arc::default(),
            };
            true
        });
    }

    fn failed(&self, reason: &str) {
        self.metrics.watch_failures.inc();
        self.change(|view| match &mut view.state {
            State::Starting(before) if before != reason => {
                tracing::warn!(kind = %self.gvk, error = reason, "cannot list, trying again");
                reason.clone_into(before);
                true
            }
            State::Starting(_) => false,
            State::Loaded | State::Absent => {
                tracing::debug!(kind = %self.gvk, error = reason, "watch interrupted");
                false
            }
        });
    }

    /// Watches until the kind is gone.
    async fn follow(&mut self, resource: &ApiResource) {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), resource);
        let mut config = watcher::Config::default().page_size(PAGE);
        if let Some(name) = self.name {
            config = config.fields(&format!("metadata.name={name}"));
        }
        let stream = watcher(api, config).default_backoff();
        let mut bursts = stream.boxed().ready_chunks(BURST);
        let mut index = Index::new(resource);
        index.lighten = self.lighten;
        while let Some(burst) = bursts.next().await {
            let mut changed = false;
            for event in burst {
                match event {
                    Ok(event) => changed |= index.take(event),
                    Err(error) => {
                        self.failed(&causes(&error));
                        if is_gone(&error) {
                            return;
                        }
                    }
                }
            }
            if changed {
                self.change(|view| {
                    view.state = State::Loaded;
                    view.objects = Arc::new(index.objects.clone());
                    true
                });
            }
        }
    }
}

/// Whether the API server no longer serves what is watched.
fn is_gone(error: &watcher::Error) -> bool {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status,
        _ => return false,
    };
    status.code == 404
}

/// Applies watch events.
struct Index<'a> {
    resource: &'a ApiResource,
    objects: Objects,
    listing: Option<Objects>,
    lighten: fn(&mut DynamicObject),
}

impl<'a> Index<'a> {
    fn new(resource: &'a ApiResource) -> Self {
        Self {
            resource,
            objects: Objects::new(),
            listing: None,
            lighten: |_| {},
        }
    }

    /// Whether a new view is due.
    fn take(&mut self, event: watcher::Event<DynamicObject>) -> bool {
        match event {
            watcher::Event::Init => {
                self.listing = Some(Objects::new());
                false
            }
            watcher::Event::InitApply(object) => {
                if let Some((key, document)) = self.read(object)
                    && let Some(listing) = &mut self.listing
                {
                    listing.insert(key, document);
                }
                false
            }
            watcher::Event::InitDone => {
                self.objects = self.listing.take().unwrap_or_default();
                true
            }
            watcher::Event::Apply(object) => match self.read(object) {
                Some((key, document)) => {
                    self.objects.insert(key, document);
                    true
                }
                None => false,
            },
            watcher::Event::Delete(object) => {
                let key = (object.namespace().unwrap_or_default(), object.name_any());
                self.objects.remove(&key).is_some()
            }
        }
    }

    fn read(&self, mut object: DynamicObject) -> Option<((String, String), Arc<Json<'static>>)> {
        // Bookkeeping of the API server, often larger than the object.
        object.metadata.managed_fields = None;
        (self.lighten)(&mut object);
        let key = (object.namespace().unwrap_or_default(), object.name_any());
        let document = document(object, self.resource)?;
        Some((key, Arc::new(document)))
    }
}

/// The object as a document that names its own type; items of lists of built-in kinds do not.
fn document(object: DynamicObject, resource: &ApiResource) -> Option<Json<'static>> {
    let mut value = serde_json::to_value(object).ok()?;
    let fields = value.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), resource.api_version.clone().into());
    fields.insert("kind".to_owned(), resource.kind.clone().into());
    Some(Json::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource() -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"))
    }

    fn object(name: &str, value: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "ns", "managedFields": [{"manager": "x"}]},
            "data": {"k": value}
        }))
        .expect("object")
    }

    fn names<'a>(index: &'a Index<'_>) -> Vec<&'a str> {
        index
            .objects
            .keys()
            .map(|(_, name)| name.as_str())
            .collect()
    }

    #[test]
    fn a_list_replaces_what_was_known_only_when_it_is_complete() {
        let resource = resource();
        let mut index = Index::new(&resource);
        assert!(!index.take(watcher::Event::Init));
        assert!(!index.take(watcher::Event::InitApply(object("a", "1"))));
        assert!(index.take(watcher::Event::InitDone));
        assert!(index.take(watcher::Event::Apply(object("b", "1"))));
        assert_eq!(names(&index), ["a", "b"]);
        // A second list without "a": it was deleted while nobody looked.
        assert!(!index.take(watcher::Event::Init));
        assert_eq!(names(&index), ["a", "b"], "still known while listing");
        assert!(!index.take(watcher::Event::InitApply(object("b", "2"))));
        assert!(index.take(watcher::Event::InitDone));
        assert_eq!(names(&index), ["b"]);
        assert!(index.take(watcher::Event::Delete(object("b", "2"))));
        assert!(!index.take(watcher::Event::Delete(object("b", "2"))));
        assert_eq!(names(&index), [] as [&str; 0]);
    }

    #[test]
    fn documents_name_their_type_and_carry_no_managed_fields() {
        let resource = resource();
        let mut index = Index::new(&resource);
        index.take(watcher::Event::Apply(object("a", "1")));
        let document = index.objects.values().next().expect("one");
        assert_eq!(
            document.to_string(),
            r#"{"apiVersion":"v1","data":{"k":"1"},"kind":"ConfigMap","metadata":{"name":"a","namespace":"ns"}}"#
        );
    }
}
