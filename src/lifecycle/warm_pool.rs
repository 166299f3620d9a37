//! What to do about a SandboxWarmPool: who its members are, which go, how many come, and what its status says.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::blueprint::{self, WARM, is_stale};
use super::observed::{self, Ownership, Pod, controller, label, ownership, terminating};
use super::plan::{Action, Event, IN_BATCHES, Kind, Plan, Statement, Target, Write, difference};
use crate::api::conditions::types;
use crate::api::keys::{labels, name_hash};
use crate::api::v1beta1::{
    Sandbox, SandboxTemplate, SandboxWarmPool, SandboxWarmPoolStatus, UpdateStrategyType,
};

/// How long a status may wait for more members to become ready, which they do one after the other.
const FILLING: Duration = Duration::from_secs(1);
/// Time added to the end of a member's grace before looking, so that the clocks agree that it is over.
const SLACK: Duration = Duration::from_secs(2);

/// Steps, in the order in which they are taken.
mod step {
    use super::IN_BATCHES;

    pub const STALE: u8 = 0;
    pub const MARK: u8 = 1;
    pub const SURPLUS: u8 = IN_BATCHES;
    pub const CREATE: u8 = IN_BATCHES + 1;
}

/// Reason of the event about a pool that cannot grow.
const STUCK: &str = "WarmPoolNotProgressing";
/// Reason of the event that it can again.
const MOVING: &str = "WarmPoolProgressing";

/// How pools are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Members created or deleted in one go.
    pub max_batch: usize,
    /// How long a member may take to become ready.
    pub grace: Duration,
    /// How often members that find no room are looked at.
    pub recheck: Duration,
    /// Whether an autoscaler may evict members.
    pub evictable: bool,
}

/// A Sandbox with the label of the pool.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// It.
    pub sandbox: &'a Sandbox,
    /// Its Pod.
    pub pod: Option<&'a Pod>,
}

/// Everything that decides about a pool.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// The pool.
    pub pool: &'a SandboxWarmPool,
    /// Its template.
    pub template: Option<&'a SandboxTemplate>,
    /// Sandboxes with its label, by name.
    pub members: Vec<Member<'a>>,
    /// How pools are kept.
    pub settings: &'a Settings,
    /// Reason of the last event about it.
    pub told: Option<&'static str>,
    /// What writes of the last look came to, in words.
    pub failures: &'a [String],
    /// The time.
    pub now: Timestamp,
}

/// What to do.
#[must_use]
pub fn plan(observed: &Observed<'_>) -> Plan {
    if terminating(&observed.pool.metadata) {
        return Plan::default();
    }
    let mut work = Work {
        observed,
        actions: Vec::new(),
        active: Vec::new(),
        going: 0,
        stuck: 0,
        look: None,
    };
    for member in &observed.members {
        work.classify(member);
    }
    work.age();
    let statement = work.statement();
    work.resize();
    Plan {
        // What has just failed is told and tried again later.
        actions: if observed.failures.is_empty() {
            work.actions
        } else {
            Vec::new()
        },
        statement,
        obstacles: observed.failures.to_vec(),
        look_again: work.look,
        reserves: None,
    }
}

struct Work<'o, 'a> {
    observed: &'o Observed<'a>,
    actions: Vec<Action>,
    active: Vec<Member<'a>>,
    /// Members on their way out: their places are filled when they are gone.
    going: usize,
    /// Members without room.
    stuck: usize,
    look: Option<Duration>,
}

impl<'a> Work<'_, 'a> {
    fn write(&mut self, step: u8, name: &str, write: Write) {
        let namespace = self.observed.pool.metadata.namespace.as_deref();
        self.actions.push(Action {
            target: Target::new(Kind::Sandbox, namespace.unwrap_or_default(), name),
            write,
            step,
        });
    }

    fn delete(&mut self, step: u8, metadata: &ObjectMeta) {
        let deletion = Write::Delete {
            uid: observed::uid(metadata).to_owned(),
            foreground: false,
        };
        self.write(step, observed::name(metadata), deletion);
    }

    fn look_in(&mut self, pause: Duration) {
        self.look = Some(self.look.map_or(pause, |look| look.min(pause)));
    }

    fn classify(&mut self, member: &Member<'a>) {
        let metadata = &member.sandbox.metadata;
        let pool = &self.observed.pool.metadata;
        let whose = ownership(metadata, observed::uid(pool));
        let (ours, orphan) = (whose == Ownership::Ours, whose == Ownership::Nobodys);
        if !ours && !orphan {
            return;
        }
        if terminating(metadata) {
            self.going += usize::from(ours);
            return;
        }
        let strategy = self.observed.pool.spec.update_strategy.as_ref();
        let recreate =
            strategy.and_then(|strategy| strategy.kind) == Some(UpdateStrategyType::Recreate);
        if let Some(template) = self.observed.template
            && (recreate || orphan)
            && is_stale(member.sandbox, template, orphan)
        {
            self.delete(step::STALE, metadata);
            self.going += usize::from(ours);
            return;
        }
        let mut patch = json!({});
        if label(metadata, labels::LAUNCH_TYPE) != Some(WARM) {
            patch["metadata"]["labels"] = json!({ labels::LAUNCH_TYPE: WARM });
        }
        if orphan {
            let mut owners = json!(metadata.owner_references.as_deref().unwrap_or_default());
            if let Some(owners) = owners.as_array_mut() {
                owners.push(blueprint::owned_by_pool(pool));
            }
            patch["metadata"]["ownerReferences"] = owners;
        }
        if patch != json!({}) {
            // Nobody may take it in between.
            patch["metadata"]["resourceVersion"] = json!(metadata.resource_version);
            self.write(step::MARK, observed::name(metadata), Write::Patch(patch));
        }
        self.active.push(*member);
    }

    /// Replaces members that never became ready, except where others would have no room either.
    fn age(&mut self) {
        let grace = self.observed.settings.grace;
        for member in std::mem::take(&mut self.active) {
            let age = age(&member.sandbox.metadata, self.observed.now);
            if is_ready(member.sandbox) {
                self.active.push(member);
            } else if let Some(left) = grace.checked_sub(age) {
                let chance = chance(&member.sandbox.metadata);
                self.look_in((left + SLACK).mul_f64(chance));
                self.active.push(member);
            } else if has_no_room(&member) {
                self.stuck += 1;
                self.look_in(self.observed.settings.recheck);
                self.active.push(member);
            } else {
                self.delete(step::STALE, &member.sandbox.metadata);
                self.going += 1;
            }
        }
    }

    fn desired(&self) -> usize {
        let replicas = self.observed.pool.spec.replicas.unwrap_or(1);
        usize::try_from(replicas).unwrap_or_default()
    }

    /// Creates what is missing, or deletes what is too much: members that are not ready first, then the youngest.
    fn resize(&mut self) {
        let (desired, batch) = (self.desired(), self.observed.settings.max_batch);
        let missing = desired.saturating_sub(self.active.len() + self.going);
        if let Some(template) = self.observed.template
            && missing > 0
        {
            let evictable = self.observed.settings.evictable;
            let member = blueprint::member(self.observed.pool, template, evictable);
            for _ in 0..missing.min(batch) {
                self.write(step::CREATE, "", Write::Create(member.clone()));
            }
        }
        let surplus = self.active.len().saturating_sub(desired);
        let mut order: Vec<&Sandbox> = self.active.iter().map(|member| member.sandbox).collect();
        order.sort_by_key(|sandbox| {
            let created = sandbox
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0);
            (is_ready(sandbox), std::cmp::Reverse(created))
        });
        for sandbox in order.into_iter().take(surplus.min(batch)) {
            self.delete(step::SURPLUS, &sandbox.metadata);
        }
    }

    fn statement(&self) -> Option<Statement> {
        let pool = self.observed.pool;
        let before = pool.status.clone().unwrap_or_default();
        let ready = self
            .active
            .iter()
            .filter(|member| is_ready(member.sandbox))
            .count();
        let count = |count: usize| Some(i32::try_from(count).unwrap_or(i32::MAX));
        let hash = name_hash(observed::name(&pool.metadata));
        let after = SandboxWarmPoolStatus {
            replicas: count(self.active.len()),
            ready_replicas: count(ready),
            selector: Some(format!("{}={hash}", labels::WARM_POOL_SANDBOX)),
            observed_generation: pool.metadata.generation,
        };
        let status = difference(&json!(before), &json!(after));
        let events: Vec<Event> = self.event().into_iter().collect();
        if status.is_none() && events.is_empty() {
            return None;
        }
        let full = ready == self.desired() && self.active.len() == ready;
        let patience = if full || !events.is_empty() {
            Duration::ZERO
        } else {
            FILLING
        };
        Some(Statement {
            status,
            patience,
            events,
        })
    }

    fn event(&self) -> Option<Event> {
        let told = self.observed.told;
        let (warning, reason, note) = if self.stuck > 0 && told != Some(STUCK) {
            let grace = go_duration(self.observed.settings.grace);
            let note = format!(
                "{}/{} sandboxes are unschedulable past the {grace} readiness grace period; holding them instead of replacing (replacements would be equally unschedulable)",
                self.stuck,
                self.desired()
            );
            (true, STUCK, note)
        } else if self.stuck == 0 && told == Some(STUCK) {
            (false, MOVING, "Warm pool is progressing again".to_owned())
        } else {
            return None;
        };
        Some(Event {
            warning,
            reason,
            action: "Reconciling",
            note,
        })
    }
}

pub(super) fn is_ready(sandbox: &Sandbox) -> bool {
    let conditions = sandbox
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|c| c.kind == types::READY && c.status == "True")
}

fn has_no_room(member: &Member<'_>) -> bool {
    member.pod.is_some_and(|pod| {
        let scheduled = pod.condition(types::POD_SCHEDULED);
        let refused = scheduled.is_some_and(|c| c.status == "False" && c.reason == "Unschedulable");
        refused && !terminating(&pod.metadata)
    })
}

fn age(metadata: &ObjectMeta, now: Timestamp) -> Duration {
    let created = metadata
        .creation_timestamp
        .as_ref()
        .map_or(now, |time| time.0);
    Duration::try_from(now.duration_since(created)).unwrap_or_default()
}

/// A factor from 1 up to 1.5, another for each member, so that those of one batch are not all looked at in one instant.
fn chance(metadata: &ObjectMeta) -> f64 {
    let hash = name_hash(observed::uid(metadata));
    let part = u32::from_str_radix(&hash, 16).unwrap_or_default() % 1_000;
    1.0 + f64::from(part) / 2_000.0
}

/// A duration as Go prints it: `5m0s`, `1h0m0s`, `30s`.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

/// The pool that controls a Sandbox, by name.
#[must_use]
pub fn pool_of(sandbox: &Sandbox) -> Option<&str> {
    let owner = controller(&sandbox.metadata)?;
    let kind = super::extension_owner(sandbox)?;
    (kind == "SandboxWarmPool").then_some(owner.name.as_str())
}

#[cfg(test)]
mod tests;
