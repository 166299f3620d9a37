//! Snapshots for the judge: the set of policies and the namespaces, rebuilt when something changes.
//!
//! A set is published only when everything that decides is known: files read, our kinds and every parameter kind
//! listed (or known not to be served). Files that do not build are reported once and change nothing: the last good set
//! stays. At start, without a good set, the process is up and not ready, with the reason in its probe. An object of the
//! cluster that is wrong keeps nothing back: it is a fault of the set, which says what follows (`policy::faults`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use kube::Client;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::policies::{self, Built, Mistakes, Origins};
use super::registration::{self, Interest};
use super::watch::{Follower, State, View};
use crate::api::common::{GROUP, VERSION};
use crate::config::files::Changes;
use crate::model::gvk::Gvk;
use crate::model::json::Json;
use crate::policy::diagnostic::Sourced;
use crate::policy::set::Set;
use crate::policy::source::PROFILE_KIND;
use crate::telemetry::metrics::{Metrics, SetFacts};
use crate::telemetry::readiness::Readiness;

/// Readiness part: a set is loaded.
pub const POLICIES: &str = "policies";
/// Readiness part: the profiles of the cluster are listed.
pub const PROFILES: &str = "profiles";
/// Readiness part: the namespaces are listed.
pub const NAMESPACES: &str = "namespaces";

/// How often policy files are looked at even without a notification.
const POLL: Duration = Duration::from_secs(30);
/// Kind of our policies.
const POLICY_KIND: &str = "SandboxPolicy";

/// How long changes are gathered before a set is built: an apply of a directory is many events.
const GATHER: Duration = Duration::from_millis(100);

/// Namespace objects by name.
pub type Namespaces = HashMap<String, Arc<Json<'static>>>;

/// Where results go.
#[derive(Clone)]
pub struct Sinks {
    /// The set at work.
    pub set: Arc<ArcSwapOption<Set>>,
    /// What that set needs to see.
    pub interests: watch::Sender<Option<Arc<Vec<Interest>>>>,
    /// What is missing.
    pub readiness: Arc<Readiness>,
    /// Failures and the set's identity.
    pub metrics: Metrics,
}

/// Keeps `out` equal to the namespaces of `views`, for ever, and tells `changed` after each change.
pub async fn follow_namespaces(
    mut views: watch::Receiver<View>,
    (out, changed): (Arc<ArcSwapOption<Namespaces>>, Arc<Notify>),
    readiness: Arc<Readiness>,
) {
    loop {
        let view = views.borrow_and_update().clone();
        match view.state {
            State::Loaded => {
                let namespaces = view
                    .objects
                    .iter()
                    .map(|((_, name), object)| (name.clone(), Arc::clone(object)))
                    .collect();
                out.store(Some(Arc::new(namespaces)));
                changed.notify_waiters();
                readiness.ready(NAMESPACES);
            }
            State::Starting(reason) => readiness.waiting(NAMESPACES, reason),
            State::Absent => readiness.waiting(NAMESPACES, "the API server serves no namespaces"),
        }
        if views.changed().await.is_err() {
            return;
        }
    }
}

/// A followed kind.
struct Followed {
    views: watch::Receiver<View>,
    task: AbortHandle,
}

/// Loads policies.
pub struct Loader {
    origins: Origins,
    client: Client,
    sinks: Sinks,
    dirty: Arc<Notify>,
    followers: JoinSet<()>,
    kinds: BTreeMap<Gvk, Followed>,
    files: Option<Vec<Sourced>>,
    reported: BTreeSet<String>,
    /// Faults of the set at work, as they were logged.
    faults: BTreeSet<String>,
    /// What the type checker says about the set at work.
    warnings: BTreeSet<String>,
}

/// One look at all followed kinds.
type Views = BTreeMap<Gvk, View>;

/// The readiness part and the reason, if something that decides is not known yet.
fn missing(views: &Views) -> Option<(&'static str, String)> {
    views.iter().find_map(|(kind, view)| match &view.state {
        State::Starting(reason) => {
            let part = if *kind == own(PROFILE_KIND) {
                PROFILES
            } else {
                POLICIES
            };
            Some((part, format!("{}: {reason}", kind.kind)))
        }
        State::Absent | State::Loaded => None,
    })
}

/// What metrics and log say about a set.
fn facts(set: &Set) -> SetFacts<'_> {
    SetFacts {
        fingerprint: set.fingerprint(),
        policies: set.policies().count(),
        unbound: set.unbound().len(),
        profiles: set.profiles().len(),
        invalid: set
            .faults()
            .iter()
            .map(|fault| (fault.kind.as_str(), fault.name.as_str()))
            .collect(),
    }
}

fn own(kind: &str) -> Gvk {
    Gvk {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        kind: kind.to_owned(),
    }
}

impl Loader {
    /// Starts with nothing loaded.
    #[must_use]
    pub fn new(origins: Origins, client: Client, sinks: Sinks) -> Self {
        Self {
            origins,
            client,
            sinks,
            dirty: Arc::default(),
            followers: JoinSet::new(),
            kinds: BTreeMap::new(),
            files: None,
            reported: BTreeSet::new(),
            faults: BTreeSet::new(),
            warnings: BTreeSet::new(),
        }
    }

    /// Loads now and on every change, for ever.
    pub async fn run(mut self) {
        let mut changes = Changes::watch(&self.origins.paths, POLL);
        self.read_files();
        self.follow_needed(&Views::new());
        loop {
            self.load().await;
            let dirty = Arc::clone(&self.dirty);
            tokio::select! {
                () = dirty.notified() => {}
                () = changes.changed(), if !self.origins.paths.is_empty() => {
                    self.read_files();
                }
                Some(ended) = self.followers.join_next(), if !self.followers.is_empty() => {
                    // Followers run for ever unless they are no longer needed.
                    if ended.is_err_and(|error| error.is_panic()) {
                        tracing::error!("following a kind failed");
                        return;
                    }
                    continue;
                }
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    fn read_files(&mut self) {
        match self.origins.read() {
            Ok(files) => self.files = Some(files),
            Err(mistakes) => self.fail(mistakes),
        }
    }

    /// Follows our own kinds and those of all parameters, and nothing else. Whether all of them were followed before.
    fn follow_needed(&mut self, views: &Views) -> bool {
        let mut needed = BTreeSet::from([own(POLICY_KIND), own(PROFILE_KIND)]);
        needed.extend(policies::param_kinds(self.files.iter().flatten()));
        if let Some(view) = views.get(&own(POLICY_KIND)) {
            let objects: Vec<Sourced> = view
                .objects
                .values()
                .map(|object| Sourced::cluster(Json::clone(object)))
                .collect();
            needed.extend(policies::param_kinds(&objects));
        }
        self.kinds.retain(|kind, followed| {
            let keep = needed.contains(kind);
            if !keep {
                followed.task.abort();
            }
            keep
        });
        needed.retain(|kind| !self.kinds.contains_key(kind));
        let complete = needed.is_empty();
        for kind in needed {
            self.follow(kind);
        }
        complete
    }

    fn views(&self) -> Views {
        let copy =
            |(kind, followed): (&Gvk, &Followed)| (kind.clone(), followed.views.borrow().clone());
        self.kinds.iter().map(copy).collect()
    }

    fn follow(&mut self, kind: Gvk) {
        let (follower, views) = Follower::new(
            self.client.clone(),
            kind.clone(),
            self.sinks.metrics.clone(),
            Arc::clone(&self.dirty),
        );
        let task = self.followers.spawn(follower.run());
        self.kinds.insert(kind, Followed { views, task });
    }

    /// Builds from one consistent look at everything.
    async fn load(&mut self) {
        let views = self.views();
        if !self.follow_needed(&views) {
            return;
        }
        if let Some((part, reason)) = missing(&views) {
            // A kind that became needed while a set is at work does not take the readiness away.
            if self.sinks.set.load().is_none() {
                self.sinks.readiness.waiting(part, reason);
            }
            return;
        }
        self.sinks.readiness.ready(PROFILES);
        let Some(files) = self.files.clone() else {
            return;
        };
        let scopes = views
            .iter()
            .filter_map(|(kind, view)| Some(((kind.group.clone(), kind.kind.clone()), view.scope?)))
            .collect();
        let objects: Vec<Arc<Json<'static>>> = views
            .values()
            .filter(|view| view.settled())
            .flat_map(|view| view.objects.values().cloned())
            .collect();
        let settings = self.origins.settings(scopes);
        // Compiling hundreds of policies takes a core for a while; reviews go on meanwhile.
        let building =
            tokio::task::spawn_blocking(move || policies::build(files, objects, &settings));
        match building.await {
            Ok(Ok(built)) => self.publish(built),
            Ok(Err(mistakes)) => self.fail(mistakes),
            Err(error) => self.fail(vec![format!("building the policies failed: {error}")]),
        }
    }

    fn publish(&mut self, Built { set, warnings }: Built) {
        self.reported.clear();
        self.report_faults(&set);
        // whole seconds stay exact for 285 million years
        let now = Timestamp::now().as_second() as f64;
        let facts = facts(&set);
        self.sinks.metrics.set_loaded(&facts, now);
        self.report_warnings(warnings);
        let before = self.sinks.set.load();
        if before
            .as_ref()
            .is_some_and(|before| before.fingerprint() == set.fingerprint())
        {
            return;
        }
        tracing::info!(
            fingerprint = set.fingerprint(),
            policies = facts.policies,
            without_binding = facts.unbound,
            profiles = facts.profiles,
            "policies loaded"
        );
        for note in set.notes() {
            tracing::warn!(note, "about the policies");
        }
        let interests = Arc::new(registration::interests_of(&set));
        self.sinks.set.store(Some(Arc::new(set)));
        self.sinks.interests.send_replace(Some(interests));
    }

    /// Names what cannot be used: in the probe as long as it is so, in the log once.
    fn report_faults(&mut self, set: &Set) {
        let faults: BTreeSet<String> = set.faults().iter().map(ToString::to_string).collect();
        for fault in faults.difference(&self.faults) {
            tracing::error!(error = fault, "an object of the cluster cannot be used");
        }
        if faults.is_empty() {
            self.sinks.readiness.ready(POLICIES);
        } else {
            let all: Vec<&str> = faults.iter().map(String::as_str).collect();
            self.sinks.readiness.ready_except(POLICIES, all.join("; "));
        }
        self.faults = faults;
    }

    /// Counts what the type checker says about the expressions, and logs what it did not say of the set before.
    fn report_warnings(&mut self, warnings: Vec<String>) {
        let count = i64::try_from(warnings.len()).unwrap_or(i64::MAX);
        self.sinks.metrics.policy_warnings.set(count);
        let warnings: BTreeSet<String> = warnings.into_iter().collect();
        for warning in warnings.difference(&self.warnings) {
            tracing::warn!(warning, "a policy expression has a type mistake");
        }
        self.warnings = warnings;
    }

    /// Reports each mistake once and keeps what is at work.
    fn fail(&mut self, mistakes: Mistakes) {
        let keeps = self.sinks.set.load().is_some();
        let mistakes: BTreeSet<String> = mistakes.into_iter().collect();
        if mistakes == self.reported {
            return;
        }
        self.sinks.metrics.reload_failures.inc();
        for mistake in mistakes.difference(&self.reported) {
            tracing::error!(error = mistake, keeps, "policies not loaded");
        }
        if !keeps {
            let all: Vec<&str> = mistakes.iter().map(String::as_str).collect();
            self.sinks.readiness.waiting(POLICIES, all.join("; "));
        }
        self.reported = mistakes;
    }
}
