//! What to do about a SandboxClaim: the Sandbox that it has, takes from a pool or gets made, what that Sandbox is told of
//! the claim, and the claim's end.
//!
//! A claim writes down which member it takes before it touches it, and takes over only what it wrote down: whatever
//! happens in between, the next look goes on from there. Nobody else takes a member that a claim has written down.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::blueprint::{self, WARM, is_stale};
use super::expiry::{Expiry, end_of_claim};
use super::observed::{
    self, NetworkPolicy, Ownership, annotation, label, ownership, terminating, texts,
};
use super::pick::{Pick, adoptable, pick};
use super::plan::{Action, Event, Kind, Plan, Statement, Target, Write, difference};
use super::warm_pool::pool_of;
use super::{changes, owner};
use crate::api::conditions::{Condition, reasons as shared, types};
use crate::api::keys::{annotations, labels, name_hash};
use crate::api::v1beta1::{
    ClaimShutdownPolicy, ClaimedSandbox, EXTENSIONS_GROUP, GROUP, Sandbox, SandboxClaim,
    SandboxClaimStatus, SandboxTemplate, SandboxWarmPool, UpdateStrategyType, VERSION,
};

mod request;
mod sandbox;
mod tell;

use request::Refusal;

/// Reasons of the condition Ready that only claims have, and those that refusals share with other kinds.
mod reasons {
    pub use crate::api::conditions::reasons::RECONCILER_ERROR;

    pub const TEMPLATE_NOT_FOUND: &str = "TemplateNotFound";
    pub const POOL_NOT_FOUND: &str = "WarmPoolNotFound";
    pub const INVALID_METADATA: &str = "InvalidMetadata";
    pub const ENV_REJECTED: &str = "EnvVarsInjectionRejected";
    pub const VOLUME_ERROR: &str = "VolumeClaimTemplatesError";
    pub const EXPIRED: &str = "ClaimExpired";
    pub const MISSING: &str = "SandboxMissing";
    pub const NOT_READY: &str = "SandboxNotReady";
}

/// How long a young claim waits for members that have no address yet, counted from its creation.
const PENDING: Duration = Duration::from_secs(2);
/// Longest pause between two looks at such members.
const PENDING_LOOK: Duration = Duration::from_millis(500);
/// Pause before looking again for a pool or template that is missing; its creation is noticed at once.
const MISSING_LOOK: Duration = Duration::from_secs(60);

/// Steps, in the order in which they are taken.
mod step {
    pub const CLEANUP: u8 = 0;
    pub const CLAIM: u8 = 1;
    pub const SANDBOX: u8 = 2;
}

/// How claims are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether claims are told when they were first seen and first ready.
    pub annotate: bool,
    /// Whether events are published.
    pub events: bool,
    /// Domains that labels of claims may have.
    pub domains: Vec<String>,
}

/// Everything that decides about a claim.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// The claim.
    pub claim: &'a SandboxClaim,
    /// Sandboxes of its namespace by name: those that it names, and the one of its own name.
    pub sandboxes: BTreeMap<&'a str, &'a Sandbox>,
    /// Its pool.
    pub pool: Option<&'a SandboxWarmPool>,
    /// The template of its pool.
    pub template: Option<&'a SandboxTemplate>,
    /// Members of its pool that no other claim has written down.
    pub candidates: Vec<&'a Sandbox>,
    /// The NetworkPolicy that older controllers made for it.
    pub legacy_policy: Option<&'a NetworkPolicy>,
    /// How claims are served.
    pub settings: &'a Settings,
    /// What writes of the last look came to, in words.
    pub failures: &'a [String],
    /// The time.
    pub now: Timestamp,
}

/// What to do.
#[must_use]
pub fn plan(observed: &Observed<'_>) -> Plan {
    let claim = observed.claim;
    if terminating(&claim.metadata) {
        return Plan::default();
    }
    let conditions = claim
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    let conditions = conditions.unwrap_or_default();
    let end = end_of_claim(claim.spec.lifecycle.as_ref(), conditions);
    let mut work = Work::new(observed);
    let mut plan = match Expiry::at(end, observed.now) {
        Expiry::Now => work.expired(conditions),
        Expiry::Never => work.active(),
        Expiry::In(left) => {
            let plan = work.active();
            if let Ok(left) = Duration::try_from(left) {
                work.look_in(left);
            }
            plan
        }
    };
    plan.actions = work.actions();
    plan.reserves = work.reserves;
    plan.look_again = work.look;
    plan
}

/// The Sandbox of a claim, as far as the claim knows.
enum Found<'a> {
    /// It is the claim's.
    Bound(&'a Sandbox),
    /// It is written down and still the pool's.
    WrittenDown(&'a Sandbox),
    /// What is written down is of no use.
    Useless,
    /// There is none.
    Nothing,
    /// Another object has its place.
    Refused(Refusal),
}

struct Work<'o, 'a> {
    observed: &'o Observed<'a>,
    /// Changes of the claim's annotations.
    notes: Map<String, Value>,
    /// Changes of the claim's labels.
    marks: Map<String, Value>,
    /// Whether the claim may only be changed as it was seen.
    locked: bool,
    writes: Vec<Action>,
    reserves: Option<String>,
    look: Option<Duration>,
}

impl<'o, 'a> Work<'o, 'a> {
    fn new(observed: &'o Observed<'a>) -> Self {
        Self {
            observed,
            notes: Map::new(),
            marks: Map::new(),
            locked: false,
            writes: Vec::new(),
            reserves: None,
            look: None,
        }
    }

    fn claim(&self) -> &'a SandboxClaim {
        self.observed.claim
    }

    fn name(&self) -> &'a str {
        observed::name(&self.claim().metadata)
    }

    fn look_in(&mut self, pause: Duration) {
        self.look = Some(self.look.map_or(pause, |look| look.min(pause)));
    }

    fn write(&mut self, step: u8, kind: Kind, name: &str, write: Write) {
        let namespace = self.claim().metadata.namespace.as_deref();
        self.writes.push(Action {
            target: Target::new(kind, namespace.unwrap_or_default(), name),
            write,
            step,
        });
    }

    /// All writes in order; none right after writes that failed.
    fn actions(&mut self) -> Vec<Action> {
        if !self.observed.failures.is_empty() {
            return Vec::new();
        }
        let (notes, marks) = (
            std::mem::take(&mut self.notes),
            std::mem::take(&mut self.marks),
        );
        let mut metadata = Map::new();
        for (part, changed) in [("annotations", notes), ("labels", marks)] {
            if !changed.is_empty() {
                metadata.insert(part.to_owned(), changed.into());
            }
        }
        if !metadata.is_empty() {
            if self.locked {
                let version = json!(self.claim().metadata.resource_version);
                metadata.insert("resourceVersion".to_owned(), version);
            }
            let patch = json!({ "metadata": metadata });
            self.write(step::CLAIM, Kind::Claim, self.name(), Write::Patch(patch));
        }
        let mut writes = std::mem::take(&mut self.writes);
        writes.sort_by_key(|action| action.step);
        writes
    }

    fn note(&mut self, key: &str, value: Option<&str>) {
        if annotation(&self.claim().metadata, key) != value {
            self.notes.insert(key.to_owned(), value.into());
        }
    }

    /// Tells the claim when it was first seen and first ready.
    fn stamp(&mut self) {
        if !self.observed.settings.annotate {
            return;
        }
        let noted = |key| annotation(&self.claim().metadata, key).is_some();
        let seen = noted(annotations::CONTROLLER_FIRST_OBSERVED_AT);
        let ready = self
            .claim()
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        let ready = ready
            .into_iter()
            .any(|c| c.kind == types::READY && c.status == "True");
        let first_ready = ready && !noted(annotations::CLAIM_FIRST_READY_AT);
        let now = self.observed.now.to_string();
        if first_ready {
            // One that was ready before anybody saw it was served by a controller that kept no such notes.
            let at = if seen { now.as_str() } else { "unknown" };
            self.note(annotations::CLAIM_FIRST_READY_AT, Some(at));
        }
        if !seen {
            self.note(annotations::CONTROLLER_FIRST_OBSERVED_AT, Some(&now));
        }
    }

    /// The name that the claim has written down.
    fn reference(&self) -> Option<&'a str> {
        let metadata = &self.claim().metadata;
        annotation(metadata, annotations::SANDBOX_NAME)
            .or_else(|| label(metadata, labels::SANDBOX_NAME))
    }

    fn refer(&mut self, sandbox: Option<&str>) {
        self.note(annotations::SANDBOX_NAME, sandbox);
        if label(&self.claim().metadata, labels::SANDBOX_NAME).is_some() {
            self.marks
                .insert(labels::SANDBOX_NAME.to_owned(), Value::Null);
        }
    }

    fn whose(&self, sandbox: &'a Sandbox) -> Ownership<'a> {
        ownership(&sandbox.metadata, observed::uid(&self.claim().metadata))
    }

    fn pool_name(&self) -> &'a str {
        &self.claim().spec.warm_pool_ref.name
    }

    fn find(&self) -> Found<'a> {
        let known = |name: &str| self.observed.sandboxes.get(name).copied();
        let told = self
            .claim()
            .status
            .as_ref()
            .and_then(|status| status.sandbox.as_ref()?.name.as_deref());
        if let Some(sandbox) = told.and_then(known)
            && self.whose(sandbox) == Ownership::Ours
        {
            return Found::Bound(sandbox);
        }
        match self.reference().map(known) {
            None => {}
            Some(None) => return Found::Useless,
            Some(Some(sandbox)) => match self.whose(sandbox) {
                Ownership::Ours => return Found::Bound(sandbox),
                Ownership::Others(_) if adoptable(sandbox, self.pool_name()) => {
                    return Found::WrittenDown(sandbox);
                }
                Ownership::Others(owner)
                    if pool_of(sandbox).is_some() || owner.kind == "SandboxClaim" =>
                {
                    return Found::Useless;
                }
                Ownership::Others(_) | Ownership::Nobodys => {}
            },
        }
        match known(self.name()) {
            None => Found::Nothing,
            Some(sandbox) if self.whose(sandbox) == Ownership::Ours => Found::Bound(sandbox),
            Some(_) => Found::Refused(Refusal::general(&format!(
                "{}. Please use a different claim name or delete the sandbox manually",
                self.not_ours(self.name())
            ))),
        }
    }

    fn not_ours(&self, sandbox: &str) -> String {
        format!(
            "sandbox \"{sandbox}\" is not controlled by claim \"{}\"",
            self.name()
        )
    }

    fn active(&mut self) -> Plan {
        self.stamp();
        self.clean_up();
        let found = request::check_metadata(self.claim(), &self.observed.settings.domains)
            .and_then(|()| match self.find() {
                Found::Bound(sandbox) => {
                    if self
                        .reference()
                        .is_some_and(|name| name == observed::name(&sandbox.metadata))
                    {
                        self.refer(self.reference());
                    }
                    self.keep(sandbox).map(|()| Some(sandbox))
                }
                Found::WrittenDown(sandbox) => self.take_over(sandbox).map(|()| None),
                Found::Useless => {
                    self.refer(None);
                    Ok(None)
                }
                Found::Nothing => self.obtain().map(|()| None),
                Found::Refused(refusal) => Err(refusal),
            });
        let found = match found {
            Ok(_) if !self.observed.failures.is_empty() => {
                Err(Refusal::general(&self.observed.failures.join("\n")))
            }
            other => other,
        };
        let obstacles = match &found {
            Err(refusal) if refusal.retried => vec![refusal.message.clone()],
            _ => Vec::new(),
        };
        // While members are waited for nothing is told.
        let waits = matches!(found, Ok(None)) && self.look.is_some() && self.writes.is_empty();
        Plan {
            statement: (!waits)
                .then(|| tell::statement(self.observed, found))
                .flatten(),
            obstacles,
            ..Plan::default()
        }
    }

    /// Deletes the NetworkPolicy that older controllers made for each claim.
    fn clean_up(&mut self) {
        if let Some(policy) = self.observed.legacy_policy
            && ownership(&policy.metadata, observed::uid(&self.claim().metadata)) == Ownership::Ours
            && !terminating(&policy.metadata)
        {
            let deletion = Write::Delete {
                uid: observed::uid(&policy.metadata).to_owned(),
                foreground: false,
            };
            let name = observed::name(&policy.metadata);
            self.write(step::CLEANUP, Kind::NetworkPolicy, name, deletion);
        }
    }

    /// Takes a member of the pool, or has a Sandbox made.
    fn obtain(&mut self) -> Result<(), Refusal> {
        let spec = &self.claim().spec;
        let own = spec.env.as_ref().is_some_and(|env| !env.is_empty())
            || spec
                .volume_claim_templates
                .as_ref()
                .is_some_and(|list| !list.is_empty());
        if let (Some(pool), Some(template), false) =
            (self.observed.pool, self.observed.template, own)
        {
            let strategy = pool
                .spec
                .update_strategy
                .as_ref()
                .and_then(|strategy| strategy.kind);
            let recreate = strategy == Some(UpdateStrategyType::Recreate);
            let fresh = self.observed.candidates.iter().copied();
            let fresh = fresh.filter(|sandbox| !recreate || !is_stale(sandbox, template, false));
            match pick(fresh, self.pool_name()) {
                Pick::Take(sandbox) => {
                    let name = observed::name(&sandbox.metadata);
                    self.refer(Some(name));
                    self.locked = true;
                    self.reserves = Some(name.to_owned());
                    return Ok(());
                }
                Pick::Pending => {
                    let created = self.claim().metadata.creation_timestamp.as_ref();
                    let age = created.map_or(Duration::ZERO, |time| {
                        Duration::try_from(self.observed.now.duration_since(time.0))
                            .unwrap_or_default()
                    });
                    if let Some(left) = PENDING.checked_sub(age).filter(|left| !left.is_zero()) {
                        self.look_in(left.min(PENDING_LOOK));
                        return Ok(());
                    }
                }
                Pick::Nothing => {}
            }
        }
        let cold = self.cold()?;
        self.write(
            step::SANDBOX,
            Kind::Sandbox,
            self.name(),
            Write::Create(cold),
        );
        Ok(())
    }

    /// The end, in two phases: first it is told, then claim or Sandbox goes.
    fn expired(&mut self, conditions: &[Condition]) -> Plan {
        let lifecycle = self.claim().spec.lifecycle.as_ref();
        let policy = lifecycle
            .and_then(|lifecycle| lifecycle.shutdown_policy)
            .unwrap_or_default();
        let told = conditions.iter().find(|c| c.kind == types::READY);
        if told.is_none_or(|c| c.reason != reasons::EXPIRED) {
            return Plan {
                statement: tell::expiry(self.observed, policy),
                ..Plan::default()
            };
        }
        if policy != ClaimShutdownPolicy::Retain {
            let deletion = Write::Delete {
                uid: observed::uid(&self.claim().metadata).to_owned(),
                foreground: policy == ClaimShutdownPolicy::DeleteForeground,
            };
            self.write(step::CLAIM, Kind::Claim, self.name(), deletion);
            return Plan {
                obstacles: self.observed.failures.to_vec(),
                ..Plan::default()
            };
        }
        let status = self.claim().status.as_ref();
        let name = status.and_then(|status| status.sandbox.as_ref()?.name.as_deref());
        let name = name.unwrap_or_else(|| self.name());
        let (left, refusal) = match self.observed.sandboxes.get(name).copied() {
            None => (false, None),
            Some(sandbox) if self.whose(sandbox) == Ownership::Ours => {
                if !terminating(&sandbox.metadata) {
                    let deletion = Write::Delete {
                        uid: observed::uid(&sandbox.metadata).to_owned(),
                        foreground: false,
                    };
                    self.write(step::SANDBOX, Kind::Sandbox, name, deletion);
                }
                (true, None)
            }
            Some(_) => {
                let message = format!("Claim expired. {}; deletion skipped.", self.not_ours(name));
                (false, Some(message))
            }
        };
        Plan {
            statement: tell::retained(self.observed, left, refusal),
            obstacles: self.observed.failures.to_vec(),
            ..Plan::default()
        }
    }
}

#[cfg(test)]
mod tests;
