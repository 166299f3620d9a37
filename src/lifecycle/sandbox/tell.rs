//! What the status of a Sandbox says.

use super::*;

/// How long a status that only says "not yet" may wait for the Pod to become ready: the steps in between would cost the
/// API server a write each, and nobody waits for them.
const STARTING: Duration = Duration::from_secs(5);
/// The same for a Pod on its way out. Shorter, because until then the status calls the Sandbox ready.
const STOPPING: Duration = Duration::from_secs(3);

/// The status that there should be.
pub(super) fn status_of(
    observed: &Observed<'_>,
    found: &Found<'_>,
    service: &FoundService,
    errors: &[String],
) -> SandboxStatus {
    let sandbox = observed.sandbox;
    let before = sandbox.status.clone().unwrap_or_default();
    let state = match found {
        Found::Absent => PodState::Absent,
        Found::Unknown => PodState::Unknown,
        Found::Foreign => PodState::Foreign,
        Found::Several(count) => PodState::Several(*count),
        Found::Owned(pod) => PodState::Owned(facts(pod)),
    };
    let now = text(observed.now);
    let conditions = status::conditions(&status::Observed {
        before: before.conditions.as_deref().unwrap_or_default(),
        generation: generation(sandbox),
        now: &now,
        mode: mode(sandbox),
        pod: state,
        service: service.state,
        errors,
    });
    let (pod_ips, node_name) = match found {
        Found::Owned(pod) => (
            pod.status.pod_ips.iter().map(|ip| ip.ip.clone()).collect(),
            pod.spec.node_name.clone(),
        ),
        _ => (Vec::new(), None),
    };
    let name = name_of(sandbox);
    let (service, service_fqdn) = match service.named {
        None => (before.service, before.service_fqdn),
        Some(false) => (None, None),
        Some(true) => {
            let domain = observed.cluster_domain;
            let full = format!("{name}.{}.svc.{domain}", namespace_of(sandbox));
            (Some(name.to_owned()), Some(full))
        }
    };
    SandboxStatus {
        conditions: Some(conditions),
        service,
        service_fqdn,
        selector: Some(sandbox_selector(name)),
        pod_ips: (!pod_ips.is_empty()).then_some(pod_ips),
        node_name: node_name.filter(|name| !name.is_empty()),
    }
}

fn facts(pod: &Pod) -> PodFacts<'_> {
    PodFacts {
        phase: &pod.status.phase,
        ready: pod.condition("Ready").is_some_and(|c| c.status == "True"),
        has_ip: !pod.status.pod_ips.is_empty(),
        scheduled: pod
            .condition(types::POD_SCHEDULED)
            .map(|c| (c.status.as_str(), c.reason.as_str(), c.message.as_str())),
    }
}

/// What is to be told, if it differs from what the status says.
pub(super) fn statement(
    observed: &Observed<'_>,
    found: &Found<'_>,
    after: SandboxStatus,
) -> Option<Statement> {
    let before = observed.sandbox.status.clone().unwrap_or_default();
    let (was, is) = (ready(&before), ready(&after));
    let patch = difference(&json!(before), &json!(after))?;
    let is_ready = is.is_some_and(|c| c.status == "True");
    if only_the_generation(&before, &patch)
        && extension_owner(observed.sandbox) == Some("SandboxClaim")
    {
        return None;
    }
    let only_the_node = patch
        .as_object()
        .is_some_and(|fields| fields.len() == 1 && fields.contains_key("nodeName"));
    if only_the_node && !is_ready {
        return None;
    }
    let was_ready = was.is_some_and(|c| c.status == "True");
    let reason = is.map_or("", |c| c.reason.as_str());
    let patience = match found {
        Found::Absent | Found::Owned(_)
            if reason == reasons::DEPENDENCIES_NOT_READY && !was_ready =>
        {
            STARTING
        }
        Found::Owned(_) if reason == reasons::SANDBOX_SUSPENDED => STOPPING,
        _ => Duration::ZERO,
    };
    let several = reasons::MULTIPLE_PODS;
    let news = is.filter(|c| c.reason == several && was.is_none_or(|was| was.reason != several));
    let events = news.map(|c| Event {
        warning: true,
        reason: several,
        action: "Reconciling",
        note: c.message.clone(),
    });
    Some(Statement {
        status: Some(patch),
        patience,
        events: events.into_iter().collect(),
    })
}

/// Whether nothing but the generation that the conditions speak of has changed. A claim that takes a Sandbox over changes
/// its metadata and with it its generation; the claim speaks of its own, so the telling can wait for the next real news.
fn only_the_generation(before: &SandboxStatus, patch: &Value) -> bool {
    let blind = |conditions: Value| {
        let mut conditions = conditions;
        for condition in conditions.as_array_mut().into_iter().flatten() {
            condition["observedGeneration"] = Value::Null;
        }
        conditions
    };
    let alone = patch.as_object().is_some_and(|fields| fields.len() == 1);
    alone && blind(patch["conditions"].clone()) == blind(json!(before.conditions))
}
