//! What to do about a Sandbox: its volume claims, its Pod, its Service, its end and what its status says.
//!
//! Children count as its own by the uid of their controlling owner alone; labels and names only narrow the search. What
//! belongs to somebody else is never changed and never deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::expiry::{self, Expiry};
use super::observed::{
    self, Ownership, Pod, Service, VolumeClaim, adoptable, annotation, ownership, terminating,
    texts,
};
use super::plan::{Action, Event, Kind, Plan, Statement, Target, Write, difference};
use super::status::{self, PodFacts, PodState, ServiceState};
use super::{extension_owner, name_of, namespace_of, owned_by_sandbox, pod, service, volume};
use crate::api::conditions::{Condition, reasons, types};
use crate::api::keys::{annotations, labels, name_hash, sandbox_selector};
use crate::api::v1beta1::{OperatingMode, Sandbox, SandboxStatus, ShutdownPolicy};

mod service_of;
mod tell;

use tell::{statement, status_of};

/// Steps, in the order in which they are taken.
mod step {
    pub const VOLUMES: u8 = 0;
    pub const POD: u8 = 1;
    pub const SERVICE: u8 = 2;
    pub const SELF: u8 = 3;
}

/// Everything that decides about a Sandbox.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// The Sandbox.
    pub sandbox: &'a Sandbox,
    /// Pods of its namespace by name: those with the hash of its name, and those of the names in question.
    pub pods: BTreeMap<&'a str, &'a Pod>,
    /// The Service of its name.
    pub service: Option<&'a Service>,
    /// Volume claims of its namespace by name: those of its templates.
    pub volume_claims: BTreeMap<&'a str, &'a VolumeClaim>,
    /// What writes of the last look came to, in words.
    pub failures: &'a [String],
    /// Domain of the cluster's DNS.
    pub cluster_domain: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// What to do.
#[must_use]
pub fn plan(observed: &Observed<'_>) -> Plan {
    if terminating(&observed.sandbox.metadata) {
        return Plan::default();
    }
    let end = observed.sandbox.spec.shutdown_time.as_deref();
    let expiry = Expiry::at(end.and_then(expiry::parse), observed.now);
    let mut plan = match expiry {
        Expiry::Now => expired(observed),
        Expiry::Never | Expiry::In(_) => active(observed),
    };
    let look = expiry.next_look();
    plan.look_again = look.and_then(|look| Duration::try_from(look).ok());
    plan
}

/// What was found out so far.
struct Work<'o, 'a> {
    observed: &'o Observed<'a>,
    uid: &'a str,
    hash: String,
    actions: Vec<Action>,
    errors: Vec<String>,
}

/// What is known of the Pod.
enum Found<'a> {
    Absent,
    Unknown,
    Foreign,
    Several(usize),
    Owned(&'a Pod),
}

/// What is known of the Service.
struct FoundService {
    state: ServiceState,
    /// Whether the status names it; `None` leaves what it says.
    named: Option<bool>,
}

impl<'o, 'a> Work<'o, 'a> {
    fn new(observed: &'o Observed<'a>) -> Self {
        Self {
            observed,
            uid: observed::uid(&observed.sandbox.metadata),
            hash: name_hash(name_of(observed.sandbox)),
            actions: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Plans a write, unless writes have just failed: then it is told first and tried again later.
    fn write(&mut self, step: u8, kind: Kind, name: &str, write: Write) {
        if self.observed.failures.is_empty() {
            self.always(step, kind, name, write);
        }
    }

    fn always(&mut self, step: u8, kind: Kind, name: &str, write: Write) {
        let target = Target::new(kind, namespace_of(self.observed.sandbox), name);
        self.actions.push(Action {
            target,
            write,
            step,
        });
    }

    fn running(&self) -> bool {
        mode(self.observed.sandbox) == OperatingMode::Running
    }

    /// Makes the annotation with the Pod's name say this.
    fn note_pod(&mut self, pod: Option<&str>) {
        let sandbox = self.observed.sandbox;
        if annotation(&sandbox.metadata, annotations::POD_NAME) == pod {
            return;
        }
        let patch = json!({"metadata": {"annotations": { annotations::POD_NAME: pod }}});
        self.always(
            step::POD,
            Kind::Sandbox,
            name_of(sandbox),
            Write::Patch(patch),
        );
    }

    /// The patch that takes an object that nobody owns, with what else is to be changed.
    fn adoption(&self, metadata: &ObjectMeta, drift: Option<Value>) -> Write {
        let owners = metadata.owner_references.iter().flatten();
        let mut all: Vec<Value> = owners
            .filter_map(|owner| serde_json::to_value(owner).ok())
            .collect();
        all.push(owned_by_sandbox(self.observed.sandbox));
        let mut patch = drift.unwrap_or_else(|| json!({}));
        patch["metadata"]["ownerReferences"] = all.into();
        // The object that was looked at, not another that took its name.
        patch["metadata"]["uid"] = observed::uid(metadata).into();
        Write::Patch(patch)
    }

    fn not_ours(&self, what: &str, name: &str, whose: Ownership<'_>) -> String {
        match whose {
            Ownership::Others(owner) => format!(
                "{what} \"{name}\" is owned by {}/{} (UID: {}), not by sandbox \"{}\"",
                owner.kind,
                owner.name,
                owner.uid,
                name_of(self.observed.sandbox)
            ),
            Ownership::Ours | Ownership::Nobodys => format!(
                "cannot adopt unowned {what} \"{name}\": missing required {what} authorization label (\"{}\") or sandbox tracking label (\"{}\")",
                labels::ADOPTABLE,
                labels::SANDBOX_NAME_HASH
            ),
        }
    }

    fn volumes(&mut self) {
        for wanted in volume::claims(self.observed.sandbox) {
            let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
            let Some(present) = self.observed.volume_claims.get(name) else {
                self.write(
                    step::VOLUMES,
                    Kind::VolumeClaim,
                    name,
                    Write::Create(wanted.clone()),
                );
                continue;
            };
            match ownership(&present.metadata, self.uid) {
                Ownership::Ours => {}
                Ownership::Nobodys if adoptable(&present.metadata, &self.hash) => {
                    let adoption = self.adoption(&present.metadata, None);
                    self.write(step::VOLUMES, Kind::VolumeClaim, name, adoption);
                }
                whose => {
                    self.errors.push(self.not_ours("PVC", name, whose));
                    return;
                }
            }
        }
    }

    fn pod(&mut self) -> Found<'a> {
        let pods = &self.observed.pods;
        let owned: Vec<&'a Pod> = pods
            .values()
            .copied()
            .filter(|pod| ownership(&pod.metadata, self.uid) == Ownership::Ours)
            .collect();
        match owned[..] {
            [] => self.pod_of_nobody_known(),
            [pod] => {
                self.owned_pod(pod);
                Found::Owned(pod)
            }
            _ => Found::Several(owned.len()),
        }
    }

    fn owned_pod(&mut self, pod: &'a Pod) {
        let name = observed::name(&pod.metadata);
        if !self.running() {
            if !terminating(&pod.metadata) {
                self.write(step::POD, Kind::Pod, name, deletion(&pod.metadata));
            }
            return;
        }
        let (labels, noted) = (
            texts(pod.metadata.labels.as_ref()),
            texts(pod.metadata.annotations.as_ref()),
        );
        if let Some(patch) = pod::drift(self.observed.sandbox, &labels, &noted) {
            self.write(step::POD, Kind::Pod, name, Write::Patch(patch));
        }
        if self.observed.failures.is_empty() {
            self.note_pod(Some(name));
        }
    }

    /// No Pod is ours: one may be in the place of ours.
    fn pod_of_nobody_known(&mut self) -> Found<'a> {
        let sandbox = self.observed.sandbox;
        let tracked = annotation(&sandbox.metadata, annotations::POD_NAME);
        let places = [tracked.unwrap_or_default(), name_of(sandbox)];
        let present = places.iter().find_map(|name| self.observed.pods.get(name));
        match present {
            None if self.running() => self.missing_pod(),
            None => {
                self.note_pod(None);
                Found::Absent
            }
            Some(_) if !self.running() => {
                self.note_pod(None);
                Found::Foreign
            }
            Some(pod) => {
                self.strange_pod(pod);
                Found::Unknown
            }
        }
    }

    fn missing_pod(&mut self) -> Found<'a> {
        let sandbox = self.observed.sandbox;
        if self.observed.failures.is_empty() {
            let pod = pod::create(sandbox);
            self.write(step::POD, Kind::Pod, name_of(sandbox), Write::Create(pod));
            return Found::Absent;
        }
        // A Pod that could not be created is not to be named.
        self.note_pod(None);
        Found::Unknown
    }

    fn strange_pod(&mut self, pod: &'a Pod) {
        let name = observed::name(&pod.metadata);
        match ownership(&pod.metadata, self.uid) {
            Ownership::Nobodys if adoptable(&pod.metadata, &self.hash) => {
                let (labels, noted) = (
                    texts(pod.metadata.labels.as_ref()),
                    texts(pod.metadata.annotations.as_ref()),
                );
                let drift = pod::drift(self.observed.sandbox, &labels, &noted);
                let adoption = self.adoption(&pod.metadata, drift);
                self.write(step::POD, Kind::Pod, name, adoption);
            }
            whose => {
                self.errors.push(self.not_ours("pod", name, whose));
                if matches!(whose, Ownership::Others(_)) {
                    self.note_pod(None);
                }
            }
        }
    }
}

fn mode(sandbox: &Sandbox) -> OperatingMode {
    sandbox.spec.operating_mode.unwrap_or_default()
}

fn deletion(metadata: &ObjectMeta) -> Write {
    Write::Delete {
        uid: observed::uid(metadata).to_owned(),
        foreground: false,
    }
}

fn active(observed: &Observed<'_>) -> Plan {
    let mut work = Work::new(observed);
    work.volumes();
    let pod = work.pod();
    let service = if matches!(pod, Found::Several(_)) {
        FoundService {
            state: ServiceState::NotRequired,
            named: None,
        }
    } else {
        work.service()
    };
    let mut errors = work.errors;
    errors.extend_from_slice(observed.failures);
    let after = status_of(observed, &pod, &service, &errors);
    Plan {
        actions: work.actions,
        statement: statement(observed, &pod, after),
        obstacles: errors,
        ..Plan::default()
    }
}

/// The end, in two phases: first it is told, then everything but the volumes goes.
fn expired(observed: &Observed<'_>) -> Plan {
    let sandbox = observed.sandbox;
    let before = sandbox.status.clone().unwrap_or_default();
    let now = text(observed.now);
    let told = before.conditions.as_deref().unwrap_or_default();
    let marked = ready(&before).is_some_and(|c| c.reason == reasons::SANDBOX_EXPIRED);
    let conditions = status::expired(told, generation(sandbox), &now);
    if !marked {
        let after = SandboxStatus {
            conditions: Some(conditions),
            ..before.clone()
        };
        return Plan {
            statement: told_at_once(&before, &after),
            ..Plan::default()
        };
    }
    let mut work = Work::new(observed);
    for pod in observed.pods.values() {
        let ours = ownership(&pod.metadata, work.uid) == Ownership::Ours;
        if ours && !terminating(&pod.metadata) {
            let name = observed::name(&pod.metadata);
            work.write(step::POD, Kind::Pod, name, deletion(&pod.metadata));
        }
    }
    if let Some(service) = observed.service
        && ownership(&service.metadata, work.uid) == Ownership::Ours
    {
        work.delete_service(service);
    }
    let done = observed.failures.is_empty();
    let mut statement = None;
    if sandbox.spec.shutdown_policy.unwrap_or_default() == ShutdownPolicy::Delete {
        if work.actions.is_empty() {
            let write = deletion(&sandbox.metadata);
            work.write(step::SELF, Kind::Sandbox, name_of(sandbox), write);
        }
    } else if done {
        let after = SandboxStatus {
            conditions: Some(conditions),
            ..SandboxStatus::default()
        };
        statement = told_at_once(&before, &after);
    }
    Plan {
        actions: work.actions,
        statement,
        obstacles: observed.failures.to_vec(),
        ..Plan::default()
    }
}

fn told_at_once(before: &SandboxStatus, after: &SandboxStatus) -> Option<Statement> {
    Some(Statement {
        status: Some(difference(&json!(before), &json!(after))?),
        patience: Duration::ZERO,
        events: Vec::new(),
    })
}

fn ready(status: &SandboxStatus) -> Option<&Condition> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    conditions.iter().find(|c| c.kind == types::READY)
}

fn generation(sandbox: &Sandbox) -> i64 {
    sandbox.metadata.generation.unwrap_or_default()
}

/// The time as conditions hold it: whole seconds, as the API server writes them.
fn text(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
