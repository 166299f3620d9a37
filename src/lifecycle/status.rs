//! The conditions of a Sandbox, from what is known of its Pod and Service.
//!
//! Conditions that say the same as before stay where and as they are, so that comparing the lists tells whether there is
//! anything to write; the time of a condition moves only with its status.

use crate::api::conditions::{Condition, reasons, types};
use crate::api::v1beta1::OperatingMode;

/// What is known of the Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodState<'a> {
    /// There is none.
    Absent,
    /// It could not be found out.
    Unknown,
    /// So many belong to the Sandbox.
    Several(usize),
    /// The Pod of that name is somebody else's.
    Foreign,
    /// It is this one.
    Owned(PodFacts<'a>),
}

/// What counts of a Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodFacts<'a> {
    /// `status.phase`.
    pub phase: &'a str,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Whether it has an address.
    pub has_ip: bool,
    /// Its condition `PodScheduled`: status, reason, message.
    pub scheduled: Option<(&'a str, &'a str, &'a str)>,
}

/// What is known of the Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// None is needed.
    NotRequired,
    /// It is there.
    Present,
    /// It should be there.
    Missing,
}

/// What the conditions are made from.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The conditions there are.
    pub before: &'a [Condition],
    /// The generation of the Sandbox.
    pub generation: i64,
    /// The time, RFC 3339.
    pub now: &'a str,
    /// What the Sandbox should do.
    pub mode: OperatingMode,
    /// Its Pod.
    pub pod: PodState<'a>,
    /// Its Service.
    pub service: ServiceState,
    /// What went wrong, in order.
    pub errors: &'a [String],
}

/// A condition without its time and generation.
type Said<'a> = (&'a str, &'a str, String);

/// The conditions that there should be.
#[must_use]
pub fn conditions(observed: &Observed<'_>) -> Vec<Condition> {
    let mut list = List::of(observed.before, observed.generation, observed.now);
    list.say(types::SUSPENDED, Some(suspended(observed)));
    list.say(types::FINISHED, finished(observed));
    list.say(types::POD_SCHEDULED, scheduled(observed));
    list.say(types::READY, Some(ready(observed)));
    list.conditions
}

/// The conditions of a Sandbox whose time has come; what it was before stays told.
#[must_use]
pub fn expired(before: &[Condition], generation: i64, now: &str) -> Vec<Condition> {
    let mut list = List::of(before, generation, now);
    let message = "Sandbox has expired".to_owned();
    list.say(types::POD_SCHEDULED, None);
    list.say(
        types::READY,
        Some(("False", reasons::SANDBOX_EXPIRED, message)),
    );
    list.conditions
}

struct List<'a> {
    conditions: Vec<Condition>,
    generation: i64,
    now: &'a str,
}

impl<'a> List<'a> {
    fn of(before: &[Condition], generation: i64, now: &'a str) -> Self {
        Self {
            conditions: before.to_vec(),
            generation,
            now,
        }
    }

    /// Sets or removes a condition.
    fn say(&mut self, kind: &str, said: Option<Said<'_>>) {
        let at = self.conditions.iter().position(|known| known.kind == kind);
        let Some((status, reason, message)) = said else {
            self.conditions.retain(|known| known.kind != kind);
            return;
        };
        let known = at.and_then(|at| self.conditions.get_mut(at));
        let since = match &known {
            Some(known) if known.status == status => known.last_transition_time.clone(),
            _ => self.now.to_owned(),
        };
        let condition = Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            observed_generation: Some(self.generation),
            last_transition_time: since,
            reason: reason.to_owned(),
            message,
        };
        match known {
            Some(known) => *known = condition,
            None => self.conditions.push(condition),
        }
    }
}

fn suspended(observed: &Observed<'_>) -> Said<'static> {
    let (status, reason, message) = match (observed.mode, observed.pod) {
        (OperatingMode::Running, _) => {
            ("False", reasons::NOT_SUSPENDED, "Sandbox is not suspended")
        }
        (_, PodState::Unknown | PodState::Several(_)) => (
            "Unknown",
            reasons::POD_STATE_UNKNOWN,
            "Pod state is unknown. Sandbox suspension cannot be confirmed",
        ),
        (_, PodState::Absent) => (
            "True",
            reasons::POD_TERMINATED,
            "Pod has been terminated. Sandbox is suspended",
        ),
        (_, PodState::Foreign) => (
            "False",
            reasons::POD_NOT_OWNED,
            "Refused to delete pod because it is not owned by this sandbox",
        ),
        (_, PodState::Owned(_)) => (
            "False",
            reasons::POD_TERMINATING,
            "Pod is terminating. Sandbox is suspending",
        ),
    };
    (status, reason, message.to_owned())
}

/// How the Pod ended, if it did.
fn end(pod: PodState<'_>) -> Option<(&'static str, &'static str)> {
    let PodState::Owned(facts) = pod else {
        return None;
    };
    match facts.phase {
        "Succeeded" => Some((reasons::POD_SUCCEEDED, "Pod completed successfully")),
        "Failed" => Some((reasons::POD_FAILED, "Pod failed")),
        _ => None,
    }
}

fn finished(observed: &Observed<'_>) -> Option<Said<'static>> {
    end(observed.pod).map(|(reason, message)| ("True", reason, message.to_owned()))
}

fn scheduled<'a>(observed: &Observed<'a>) -> Option<Said<'a>> {
    let unknown = |message: &str| {
        let reason = reasons::POD_SCHEDULING_UNKNOWN;
        Some(("Unknown", reason, message.to_owned()))
    };
    match observed.pod {
        PodState::Absent | PodState::Foreign => None,
        PodState::Unknown | PodState::Several(_) => {
            unknown("Pod state is unknown. Pod scheduling cannot be determined")
        }
        PodState::Owned(facts) => match facts.scheduled {
            None => unknown("Pod has not reported a PodScheduled condition yet"),
            Some((status, reason, message)) => {
                let reason = match (reason, status) {
                    ("", "True") => reasons::POD_SCHEDULED,
                    ("", _) => reasons::POD_SCHEDULING_UNKNOWN,
                    (reason, _) => reason,
                };
                Some((status, reason, message.to_owned()))
            }
        },
    }
}

/// Ready: the first that fits.
fn ready(observed: &Observed<'_>) -> Said<'static> {
    if let PodState::Several(count) = observed.pod {
        let message = format!(
            "multiple Pods ({count}) are controlled by this Sandbox; refusing to choose or create a Pod"
        );
        return ("False", reasons::MULTIPLE_PODS, message);
    }
    if !observed.errors.is_empty() {
        let message = format!("Error seen: {}", observed.errors.join("\n"));
        return ("False", reasons::RECONCILER_ERROR, message);
    }
    if observed.mode == OperatingMode::Suspended {
        let message = match observed.pod {
            PodState::Owned(_) | PodState::Foreign => "Sandbox is suspending",
            _ => "Sandbox is suspended",
        };
        return ("False", reasons::SANDBOX_SUSPENDED, message.to_owned());
    }
    if let Some((reason, message)) = end(observed.pod) {
        return ("False", reason, message.to_owned());
    }
    let (usable, base) = match observed.pod {
        PodState::Owned(facts) if facts.phase != "Running" => {
            (false, format!("Pod exists with phase: {}", facts.phase))
        }
        PodState::Owned(PodFacts { ready: false, .. }) => {
            (false, "Pod is Running but not Ready".to_owned())
        }
        PodState::Owned(PodFacts { has_ip: false, .. }) => {
            (false, "Pod is Ready but has no podIPs yet".to_owned())
        }
        PodState::Owned(_) => (true, "Pod is Ready".to_owned()),
        _ => (false, "Pod does not exist".to_owned()),
    };
    let suffix = match observed.service {
        ServiceState::NotRequired => "",
        ServiceState::Present => "; Service Exists",
        ServiceState::Missing => "; Service does not exist",
    };
    let message = base + suffix;
    if usable && observed.service != ServiceState::Missing {
        ("True", reasons::DEPENDENCIES_READY, message)
    } else {
        ("False", reasons::DEPENDENCIES_NOT_READY, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2030-01-01T00:00:00Z";
    const UP: PodFacts<'static> = PodFacts {
        phase: "Running",
        ready: true,
        has_ip: true,
        scheduled: Some(("True", "", "")),
    };

    fn observed(
        mode: OperatingMode,
        pod: PodState<'static>,
        service: ServiceState,
    ) -> Observed<'static> {
        Observed {
            before: &[],
            generation: 4,
            now: NOW,
            mode,
            pod,
            service,
            errors: &[],
        }
    }

    /// One line per condition.
    fn told(conditions: &[Condition]) -> Vec<String> {
        conditions
            .iter()
            .map(|c| {
                assert_eq!(c.observed_generation, Some(4));
                format!("{} {} {} {}", c.kind, c.status, c.reason, c.message)
            })
            .collect()
    }

    const NOT_SUSPENDED: &str = "Suspended False NotSuspended Sandbox is not suspended";

    #[test]
    fn section_4_9_a_running_sandbox_tells_what_its_pod_and_service_lack() {
        use ServiceState::{Missing, NotRequired, Present};
        let scheduled = "PodScheduled True PodScheduled ";
        let unreported = "PodScheduled Unknown PodSchedulingUnknown Pod has not reported a PodScheduled condition yet";
        let owned = PodState::Owned;
        let pending = PodFacts {
            phase: "Pending",
            ..PodFacts::default()
        };
        let ended = |phase| PodState::Owned(PodFacts { phase, ..UP });
        for (pod, service, more) in [
            (
                owned(UP),
                Present,
                vec![
                    scheduled,
                    "Ready True DependenciesReady Pod is Ready; Service Exists",
                ],
            ),
            (
                owned(UP),
                NotRequired,
                vec![scheduled, "Ready True DependenciesReady Pod is Ready"],
            ),
            (
                owned(UP),
                Missing,
                vec![
                    scheduled,
                    "Ready False DependenciesNotReady Pod is Ready; Service does not exist",
                ],
            ),
            (
                PodState::Absent,
                NotRequired,
                vec!["Ready False DependenciesNotReady Pod does not exist"],
            ),
            (
                owned(pending),
                NotRequired,
                vec![
                    unreported,
                    "Ready False DependenciesNotReady Pod exists with phase: Pending",
                ],
            ),
            (
                owned(PodFacts { ready: false, ..UP }),
                NotRequired,
                vec![
                    scheduled,
                    "Ready False DependenciesNotReady Pod is Running but not Ready",
                ],
            ),
            (
                owned(PodFacts {
                    has_ip: false,
                    ..UP
                }),
                Present,
                vec![
                    scheduled,
                    "Ready False DependenciesNotReady Pod is Ready but has no podIPs yet; Service Exists",
                ],
            ),
            (
                ended("Succeeded"),
                Present,
                vec![
                    "Finished True PodSucceeded Pod completed successfully",
                    scheduled,
                    "Ready False PodSucceeded Pod completed successfully",
                ],
            ),
            (
                ended("Failed"),
                NotRequired,
                vec![
                    "Finished True PodFailed Pod failed",
                    scheduled,
                    "Ready False PodFailed Pod failed",
                ],
            ),
            (
                PodState::Several(2),
                NotRequired,
                vec![
                    "PodScheduled Unknown PodSchedulingUnknown Pod state is unknown. Pod scheduling cannot be determined",
                    "Ready False MultiplePods multiple Pods (2) are controlled by this Sandbox; refusing to choose or create a Pod",
                ],
            ),
            (
                owned(PodFacts {
                    scheduled: Some(("False", "", "no room")),
                    ..pending
                }),
                NotRequired,
                vec![
                    "PodScheduled False PodSchedulingUnknown no room",
                    "Ready False DependenciesNotReady Pod exists with phase: Pending",
                ],
            ),
        ] {
            let made = conditions(&observed(OperatingMode::Running, pod, service));
            assert_eq!(
                told(&made),
                [vec![NOT_SUSPENDED], more].concat(),
                "{pod:?} {service:?}"
            );
        }
    }

    #[test]
    fn section_4_9_a_suspended_sandbox_tells_how_far_its_pod_is_gone() {
        let scheduled = "PodScheduled True PodScheduled ";
        for (pod, lines) in [
            (
                PodState::Absent,
                vec![
                    "Suspended True PodTerminated Pod has been terminated. Sandbox is suspended",
                    "Ready False SandboxSuspended Sandbox is suspended",
                ],
            ),
            (
                PodState::Owned(UP),
                vec![
                    "Suspended False PodTerminating Pod is terminating. Sandbox is suspending",
                    scheduled,
                    "Ready False SandboxSuspended Sandbox is suspending",
                ],
            ),
            (
                PodState::Foreign,
                vec![
                    "Suspended False PodNotOwned Refused to delete pod because it is not owned by this sandbox",
                    "Ready False SandboxSuspended Sandbox is suspending",
                ],
            ),
        ] {
            let made = conditions(&observed(
                OperatingMode::Suspended,
                pod,
                ServiceState::Present,
            ));
            assert_eq!(told(&made), lines, "{pod:?}");
        }
        let errors = ["no".to_owned(), "never".to_owned()];
        let mut broken = observed(
            OperatingMode::Suspended,
            PodState::Unknown,
            ServiceState::NotRequired,
        );
        broken.errors = &errors;
        assert_eq!(
            told(&conditions(&broken)),
            [
                "Suspended Unknown PodStateUnknown Pod state is unknown. Sandbox suspension cannot be confirmed",
                "PodScheduled Unknown PodSchedulingUnknown Pod state is unknown. Pod scheduling cannot be determined",
                "Ready False ReconcilerError Error seen: no\nnever",
            ]
        );
    }

    #[test]
    fn section_4_9_times_move_with_the_status_alone_and_nothing_new_is_nothing_to_write() {
        let first = conditions(&observed(
            OperatingMode::Running,
            PodState::Absent,
            ServiceState::NotRequired,
        ));
        let up = PodState::Owned(UP);
        let mut later = observed(OperatingMode::Running, up, ServiceState::NotRequired);
        later.before = &first;
        later.now = "2030-01-01T00:01:00Z";
        let second = conditions(&later);
        let times: Vec<(&str, &str)> = second
            .iter()
            .map(|c| (c.kind.as_str(), c.last_transition_time.as_str()))
            .collect();
        assert_eq!(
            times,
            [
                ("Suspended", NOW),
                ("Ready", later.now),
                ("PodScheduled", later.now)
            ]
        );
        let mut again = later;
        again.before = &second;
        again.now = "2030-01-01T00:02:00Z";
        assert_eq!(conditions(&again), second);
    }

    #[test]
    fn section_4_8_an_expired_sandbox_keeps_what_it_was() {
        let failed = PodState::Owned(PodFacts {
            phase: "Failed",
            ..UP
        });
        let before = conditions(&observed(
            OperatingMode::Running,
            failed,
            ServiceState::NotRequired,
        ));
        let after = expired(&before, 4, NOW);
        assert_eq!(
            told(&after),
            [
                NOT_SUSPENDED,
                "Finished True PodFailed Pod failed",
                "Ready False SandboxExpired Sandbox has expired"
            ]
        );
        assert_eq!(expired(&after, 4, "2031-01-01T00:00:00Z"), after);
    }
}
