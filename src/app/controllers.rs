//! The controllers connected: watches, election, loop.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::serve::Shared;
use super::supervise::Tasks;
use crate::api::v1beta1::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use crate::cluster::lease::{Elector, identity};
use crate::config::settings::{Controllers, Extensions};
use crate::controllers::engine::{Context, Engine, Inputs};
use crate::controllers::kinds::{Kept, News, follow};
use crate::lifecycle::observed::{NetworkPolicy, Pod, Service, VolumeClaim};
use crate::lifecycle::{claim, warm_pool};

/// News that may wait to be taken in; watches wait when there are more.
const NEWS: usize = 1_024;

/// Starts everything that the controllers need.
pub(super) fn spawn(shared: &Shared, tasks: &mut Tasks, settings: &Controllers) {
    let (sender, news) = mpsc::channel(NEWS);
    watch_kind::<Sandbox>(shared, tasks, "sandboxes-watch", &sender);
    watch_kind::<Pod>(shared, tasks, "pods-watch", &sender);
    watch_kind::<Service>(shared, tasks, "services-watch", &sender);
    watch_kind::<VolumeClaim>(shared, tasks, "volume-claims-watch", &sender);
    let mut controllers = vec![crate::controllers::sandboxes(settings.sandbox_workers)];
    if let Some(extensions) = &settings.extensions {
        watch_kind::<SandboxTemplate>(shared, tasks, "templates-watch", &sender);
        watch_kind::<NetworkPolicy>(shared, tasks, "network-policies-watch", &sender);
        watch_kind::<SandboxWarmPool>(shared, tasks, "warm-pools-watch", &sender);
        controllers.push(crate::controllers::templates(extensions.template_workers));
        watch_kind::<SandboxClaim>(shared, tasks, "claims-watch", &sender);
        controllers.push(crate::controllers::warm_pools(extensions.pool_workers));
        controllers.push(crate::controllers::claims(extensions.claim_workers));
    }
    let (leading, leads) = watch::channel(settings.election.is_none());
    let quiet = CancellationToken::new();
    if let Some(election) = settings.election.clone() {
        let namespace = election
            .namespace
            .unwrap_or_else(|| shared.client.default_namespace().to_owned());
        let elector = Elector::new(
            shared.client.clone(),
            namespace,
            identity(),
            shared.metrics.clone(),
            leading,
        );
        let electing = elector.run(tasks.stop_token(), quiet.clone());
        tasks.spawn_draining("leader-election", electing);
    }
    let engine = Engine::new(
        shared.client.clone(),
        context(shared, settings.extensions.as_ref()),
        controllers,
        shared.metrics.clone(),
    );
    let inputs = Inputs {
        news,
        leading: leads,
        stop: tasks.stop_token(),
        quiet,
    };
    tasks.spawn_draining("controllers", engine.run(inputs));
}

fn context(shared: &Shared, extensions: Option<&Extensions>) -> Context {
    let extensions = extensions.cloned().unwrap_or_default();
    Context {
        cluster_domain: shared.settings.cluster_domain.clone(),
        pools: warm_pool::Settings {
            max_batch: extensions.max_batch,
            grace: extensions.grace,
            recheck: extensions.recheck,
            evictable: extensions.evictable,
        },
        claims: claim::Settings {
            annotate: extensions.annotate_claims,
            events: extensions.claim_events,
            domains: extensions.label_domains,
        },
    }
}

fn watch_kind<K: Kept>(
    shared: &Shared,
    tasks: &mut Tasks,
    name: &'static str,
    news: &mpsc::Sender<Box<dyn News>>,
) {
    let following = follow::<K>(shared.client.clone(), news.clone(), shared.metrics.clone());
    tasks.spawn(name, following);
}
