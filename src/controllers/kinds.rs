//! The watched kinds: where each is kept, what finds its objects, and whom its changes wake.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

use super::store::{Change, Name, Store};
use crate::api::keys::{annotations, labels};
use crate::api::v1beta1::{
    EXTENSIONS_GROUP, GROUP, Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool,
};
use crate::cluster::backoff::Backoff;
use crate::cluster::client::causes;
use crate::lifecycle::network;
use crate::lifecycle::observed::{
    self, NetworkPolicy, Pod, Service, VolumeClaim, annotation, label,
};
use crate::lifecycle::plan::{Kind, Target};
use crate::lifecycle::warm_pool::pool_of;
use crate::model::gvk::split_api_version;
use crate::telemetry::metrics::Metrics;

/// Objects per list page.
const PAGE: u32 = 500;

/// Everything that is known of the cluster.
#[derive(Debug)]
pub struct Stores {
    /// Sandboxes, found by the hash of their pool.
    pub sandboxes: Store<Sandbox>,
    /// Pods, found by the hash of their Sandbox.
    pub pods: Store<Pod>,
    /// Services.
    pub services: Store<Service>,
    /// Volume claims.
    pub volume_claims: Store<VolumeClaim>,
    /// Templates.
    pub templates: Store<SandboxTemplate>,
    /// Network policies.
    pub policies: Store<NetworkPolicy>,
    /// Pools, found by the name of their template.
    pub pools: Store<SandboxWarmPool>,
    /// Claims, found by their pool and by the Sandbox that they have written down.
    pub claims: Store<SandboxClaim>,
}

impl Default for Stores {
    fn default() -> Self {
        Self {
            sandboxes: Store::new(|sandbox| {
                tagged_by(&sandbox.metadata, labels::WARM_POOL_SANDBOX)
            }),
            pods: Store::new(|pod| tagged_by(&pod.metadata, labels::SANDBOX_NAME_HASH)),
            services: Store::new(|_| Vec::new()),
            volume_claims: Store::new(|_| Vec::new()),
            templates: Store::new(|_| Vec::new()),
            policies: Store::new(|_| Vec::new()),
            pools: Store::new(|pool| vec![pool.spec.sandbox_template_ref.name.clone()]),
            claims: Store::new(|claim| {
                let taken = annotation(&claim.metadata, annotations::SANDBOX_NAME).map(taken);
                let pool = of_pool(&claim.spec.warm_pool_ref.name);
                taken.into_iter().chain([pool]).collect()
            }),
        }
    }
}

/// The value of a label as a tag.
fn tagged_by(metadata: &ObjectMeta, key: &str) -> Vec<String> {
    label(metadata, key)
        .map(str::to_owned)
        .into_iter()
        .collect()
}

/// Tag of the claims that have written down this Sandbox.
#[must_use]
pub fn taken(sandbox: &str) -> String {
    format!("taken/{sandbox}")
}

/// Tag of the claims of a pool.
fn of_pool(pool: &str) -> String {
    format!("pool/{pool}")
}

/// An object to look at, by the kind whose controller does.
pub type Wake = (Kind, Name);

/// A watched kind.
pub trait Kept:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Where its objects are kept.
    fn store(stores: &mut Stores) -> &mut Store<Self>;

    /// Whom a change wakes.
    fn wakes(stores: &Stores, change: &Change<Self>) -> Vec<Wake>;
}

impl Kept for Sandbox {
    fn store(stores: &mut Stores) -> &mut Store<Self> {
        &mut stores.sandboxes
    }

    /// Itself, and the pools and claims whose it is or was.
    fn wakes(_: &Stores, change: &Change<Self>) -> Vec<Wake> {
        let mut found = vec![(Kind::Sandbox, change.name.clone())];
        for sandbox in [&change.old, &change.new].into_iter().flatten() {
            let pool = pool_of(sandbox).map(|pool| (Kind::WarmPool, pool));
            let claim = controller_of(sandbox, EXTENSIONS_GROUP, "SandboxClaim");
            let claim = claim.map(|claim| (Kind::Claim, claim));
            for (kind, owner) in pool.into_iter().chain(claim) {
                found.push((kind, (change.name.0.clone(), owner.to_owned())));
            }
        }
        found
    }
}

impl Kept for Pod {
    fn store(stores: &mut Stores) -> &mut Store<Self> {
        &mut stores.pods
    }

    fn wakes(stores: &Stores, change: &Change<Self>) -> Vec<Wake> {
        sandboxes_of(stores, change)
    }
}

impl Kept for Service {
    fn store(stores: &mut Stores) -> &mut Store<Self> {
        &mut stores.services
    }

    fn wakes(stores: &Stores, change: &Change<Self>) -> Vec<Wake> {
        sandboxes_of(stores, change)
    }
}

impl Kept for VolumeClaim {
    fn store(stores: &mut Stores) -> &mut Store<Self> {
        &mut stores.volume_claims
    }

    /// Volume claims are looked up, not acted on (contract 4.1).
    fn wakes(_: &Stores, _: &Change<Self>) -> Vec<Wake> {
        Vec::new()
    }
}

impl Kept for SandboxTemplate {
    fn store(stores: &mut Stores) -> &mut Store<Self> {
        &mut stores.templates
    }

    /// Itself and the pools that use it; when it is new, the claims of those pools too.
    fn wakes(stores: &Stores, change: &Change<Self>) -> Vec<Wake> {
        let (namespace, name) = &change.name;
        let mut found = vec![(Kind::Template, change.name.clone())];
        for pool in stores.pools.tagged(namespace, name) {
            let pool = observed::name(&pool.metadata);
            found.push((Kind::WarmPool, (namespace.clone(), pool.to_owned())));
            if change.old.is_none() {
                found.extend(claims_of_pool(stores, namespace, pool));
            }
        }
        found
    }
}

impl Kept for SandboxWarmPool {
    fn store(stores: &mut Stores) -> &mut Store<Self> {
        &mut stores.pools
    }

    /// Itself and, unless only its status changed, the claims that wait for it.
    fn wakes(stores: &Stores, change: &Change<Self>) -> Vec<Wake> {
        let generation =
            |pool: &Option<Arc<Self>>| pool.as_ref().and_then(|pool| pool.metadata.generation);
        let (namespace, name) = &change.name;
        let mut found = vec![(Kind::WarmPool, change.name.clone())];
        if generation(&change.old) != generation(&change.new) {
            found.extend(claims_of_pool(stores, namespace, name));
        }
        found
    }
}

impl Kept for SandboxClaim {
    fn store(stores: &mut Stores) -> &mut Store<Self> {
        &mut stores.claims
    }

    fn wakes(_: &Stores, change: &Change<Self>) -> Vec<Wake> {
        vec![(Kind::Claim, change.name.clone())]
    }
}

/// The claims of a pool.
fn claims_of_pool(stores: &Stores, namespace: &str, pool: &str) -> Vec<Wake> {
    let claims = stores.claims.tagged(namespace, &of_pool(pool));
    claims
        .map(|claim| {
            let name = observed::name(&claim.metadata).to_owned();
            (Kind::Claim, (namespace.to_owned(), name))
        })
        .collect()
}

impl Kept for NetworkPolicy {
    fn store(stores: &mut Stores) -> &mut Store<Self> {
        &mut stores.policies
    }

    /// The template whose policy has this name, whoever owns it: it may wait for the name.
    fn wakes(stores: &Stores, change: &Change<Self>) -> Vec<Wake> {
        let (namespace, name) = &change.name;
        network::template_of(name)
            .filter(|template| stores.templates.get(namespace, template).is_some())
            .map(|template| (Kind::Template, (namespace.clone(), template.to_owned())))
            .into_iter()
            .collect()
    }
}

/// The Sandbox that controls the object, and the one of the same name: it may be waiting for the object to go or to be
/// given to it.
fn sandboxes_of<K: Resource>(stores: &Stores, change: &Change<K>) -> Vec<Wake> {
    let mut found: Vec<Wake> = [&change.old, &change.new]
        .into_iter()
        .flatten()
        .filter_map(|object| controller_of(object, GROUP, "Sandbox"))
        .map(|name| (Kind::Sandbox, (change.name.0.clone(), name.to_owned())))
        .collect();
    let (namespace, name) = &change.name;
    if stores.sandboxes.get(namespace, name).is_some() {
        found.push((Kind::Sandbox, change.name.clone()));
    }
    found.sort();
    found.dedup();
    found
}

/// Name of the controlling owner, if it is of this group and kind, in whatever version.
fn controller_of<'a, K: Resource>(object: &'a Arc<K>, group: &str, kind: &str) -> Option<&'a str> {
    let owner = observed::controller(object.meta())?;
    let (of, _) = split_api_version(&owner.api_version);
    (of == group && owner.kind == kind).then_some(owner.name.as_str())
}

/// Something that a watch has told.
pub trait News: Send {
    /// Takes it in; whom it wakes.
    fn take(self: Box<Self>, stores: &mut Stores) -> Vec<Wake>;
}

impl<K: Kept> News for Event<K> {
    fn take(self: Box<Self>, stores: &mut Stores) -> Vec<Wake> {
        let changes = K::store(stores).take(*self);
        changes
            .iter()
            .flat_map(|change| K::wakes(stores, change))
            .collect()
    }
}

/// Watches a kind for ever, or until nobody listens. A kind that is not served (yet) is tried again.
pub async fn follow<K: Kept>(client: Client, news: mpsc::Sender<Box<dyn News>>, metrics: Metrics) {
    let kind = K::kind(&()).into_owned();
    let api: Api<DeserializeGuard<K>> = Api::all(client);
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = watcher(api, config).backoff(Backoff::default()).boxed();
    let mut complaint = String::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if matches!(event, Event::InitDone) {
                    complaint.clear();
                }
                let Some(event) = readable(event, &kind, &metrics) else {
                    continue;
                };
                if news.send(Box::new(event)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                metrics.watch_failures.inc();
                let text = causes(&error);
                if text != complaint {
                    tracing::warn!(kind, error = text, "cannot watch, trying again");
                    complaint = text;
                }
            }
        }
    }
}

/// The event of an object that can be read. One that cannot must not hide the others.
fn readable<K: Kept>(
    event: Event<DeserializeGuard<K>>,
    kind: &str,
    metrics: &Metrics,
) -> Option<Event<K>> {
    let open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => Some(object),
        Err(error) => {
            metrics.unreadable_objects.inc();
            tracing::error!(
                kind,
                namespace = error.metadata.namespace,
                name = error.metadata.name,
                error = error.error,
                "an object cannot be read and is left alone"
            );
            None
        }
    };
    Some(match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(object) => Event::InitApply(open(object)?),
        Event::Apply(object) => Event::Apply(open(object)?),
        Event::Delete(object) => Event::Delete(open(object)?),
    })
}

/// Does the same for whatever kind it is.
macro_rules! of_kind {
    ($kind:expr, $work:ident, ($($argument:expr),*)) => {
        match $kind {
            Kind::Sandbox => $work::<Sandbox>($($argument),*),
            Kind::Pod => $work::<Pod>($($argument),*),
            Kind::Service => $work::<Service>($($argument),*),
            Kind::VolumeClaim => $work::<VolumeClaim>($($argument),*),
            Kind::Template => $work::<SandboxTemplate>($($argument),*),
            Kind::NetworkPolicy => $work::<NetworkPolicy>($($argument),*),
            Kind::WarmPool => $work::<SandboxWarmPool>($($argument),*),
            Kind::Claim => $work::<SandboxClaim>($($argument),*),
        }
    };
}

/// Takes in what a write has shown. Whom that wakes.
///
/// # Errors
/// The answer of the API server is no object of its kind.
pub fn learn(stores: &mut Stores, kind: Kind, object: Value) -> Result<Vec<Wake>, String> {
    of_kind!(kind, learn_one, (stores, object))
}

/// Takes in that an object is gone. Whom that wakes.
pub fn forget(stores: &mut Stores, target: &Target) -> Vec<Wake> {
    of_kind!(target.kind, forget_one, (stores, target))
}

fn learn_one<K: Kept>(stores: &mut Stores, object: Value) -> Result<Vec<Wake>, String> {
    let object: K = serde_json::from_value(object).map_err(|error| error.to_string())?;
    let change = K::store(stores).learn(object);
    Ok(change.map_or_else(Vec::new, |change| K::wakes(stores, &change)))
}

fn forget_one<K: Kept>(stores: &mut Stores, target: &Target) -> Vec<Wake> {
    let change = K::store(stores).forget(&target.namespace, &target.name);
    change.map_or_else(Vec::new, |change| K::wakes(stores, &change))
}
