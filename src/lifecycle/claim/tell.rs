//! What the status of a claim says.

use super::*;

/// How long a status that only says "not yet" may wait: as long as that of the Sandbox it repeats.
const STARTING: Duration = Duration::from_secs(5);

/// Conditions under construction.
struct Conditions<'o> {
    list: Vec<Condition>,
    generation: Option<i64>,
    now: &'o str,
}

impl Conditions<'_> {
    /// Sets the condition Ready; its time moves with its status.
    fn ready(&mut self, status: &str, reason: &str, message: String) {
        let known = self
            .list
            .iter()
            .find(|c| c.kind == types::READY && c.status == status);
        let since = known.map_or_else(|| self.now.to_owned(), |c| c.last_transition_time.clone());
        self.put(Condition {
            kind: types::READY.to_owned(),
            status: status.to_owned(),
            observed_generation: self.generation,
            last_transition_time: since,
            reason: reason.to_owned(),
            message,
        });
    }

    fn put(&mut self, condition: Condition) {
        self.list.retain(|c| c.kind != condition.kind);
        self.list.push(condition);
        self.list.sort_by(|a, b| a.kind.cmp(&b.kind));
    }
}

fn before(observed: &Observed<'_>) -> SandboxClaimStatus {
    observed.claim.status.clone().unwrap_or_default()
}

fn now(observed: &Observed<'_>) -> String {
    observed.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn of(sandbox: &Sandbox, kind: &str) -> Option<Condition> {
    let conditions = sandbox
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().find(|c| c.kind == kind).cloned()
}

fn mirror(sandbox: &Sandbox) -> ClaimedSandbox {
    ClaimedSandbox {
        name: sandbox.metadata.name.clone(),
        pod_ips: sandbox
            .status
            .as_ref()
            .and_then(|status| status.pod_ips.clone()),
    }
}

/// What is to be told of an active claim.
pub(super) fn statement(
    observed: &Observed<'_>,
    found: Result<Option<&Sandbox>, Refusal>,
) -> Option<Statement> {
    let before = before(observed);
    let now = now(observed);
    let mut conditions = Conditions {
        list: before.conditions.clone().unwrap_or_default(),
        generation: observed.claim.metadata.generation,
        now: &now,
    };
    let mut claimed = before.sandbox.clone();
    match &found {
        Err(refusal) => conditions.ready("False", refusal.reason, refusal.message.clone()),
        Ok(None) => {
            claimed = None;
            conditions.list.retain(|c| c.kind != types::FINISHED);
            conditions.ready(
                "False",
                reasons::MISSING,
                "Sandbox does not exist".to_owned(),
            );
        }
        Ok(Some(sandbox)) => {
            claimed = Some(mirror(sandbox));
            forward(sandbox, &mut conditions);
        }
    }
    let after = SandboxClaimStatus {
        conditions: Some(conditions.list),
        sandbox: claimed,
    };
    let status = difference(&json!(before), &json!(after))?;
    let named = |status: &SandboxClaimStatus| status.sandbox.as_ref().and_then(|s| s.name.clone());
    let news = found
        .ok()
        .flatten()
        .filter(|_| named(&before) != named(&after));
    Some(Statement {
        status: Some(status),
        patience: patience(&before, &after, news.is_some()),
        events: news
            .and_then(|sandbox| obtained(observed, sandbox))
            .into_iter()
            .collect(),
    })
}

/// Repeats what a Sandbox says of itself.
fn forward(sandbox: &Sandbox, conditions: &mut Conditions<'_>) {
    match of(sandbox, types::FINISHED) {
        Some(finished) => conditions.put(finished),
        None => conditions.list.retain(|c| c.kind != types::FINISHED),
    }
    match of(sandbox, types::READY) {
        Some(ready) if ready.reason == shared::SANDBOX_EXPIRED => {
            let message = "Underlying Sandbox resource has expired independently of the Claim.";
            conditions.ready("False", shared::SANDBOX_EXPIRED, message.to_owned());
        }
        Some(ready) => conditions.put(Condition {
            observed_generation: conditions.generation,
            ..ready
        }),
        None => conditions.ready(
            "False",
            reasons::NOT_READY,
            "Sandbox is not ready".to_owned(),
        ),
    }
}

fn patience(before: &SandboxClaimStatus, after: &SandboxClaimStatus, new_name: bool) -> Duration {
    let ready = |status: &SandboxClaimStatus| {
        let conditions = status.conditions.iter().flatten();
        conditions
            .into_iter()
            .find(|c| c.kind == types::READY)
            .cloned()
    };
    let was_ready = ready(before).is_some_and(|c| c.status == "True");
    let starting = ready(after).is_some_and(|c| {
        matches!(
            c.reason.as_str(),
            shared::DEPENDENCIES_NOT_READY | reasons::NOT_READY
        )
    });
    if starting && !was_ready && !new_name {
        STARTING
    } else {
        Duration::ZERO
    }
}

fn obtained(observed: &Observed<'_>, sandbox: &Sandbox) -> Option<Event> {
    let name = observed::name(&sandbox.metadata);
    let warm = label(&sandbox.metadata, labels::LAUNCH_TYPE) == Some(WARM);
    let (reason, action, note) = if warm {
        (
            "SandboxAdopted",
            "Adoption",
            format!("Adopted warm pool Sandbox \"{name}\""),
        )
    } else {
        (
            "SandboxProvisioned",
            "Provisioning",
            format!("Created Sandbox \"{name}\""),
        )
    };
    event(observed, reason, action, note)
}

fn event(
    observed: &Observed<'_>,
    reason: &'static str,
    action: &'static str,
    note: String,
) -> Option<Event> {
    observed.settings.events.then_some(Event {
        warning: false,
        reason,
        action,
        note,
    })
}

/// What is told of a claim whose end has come.
pub(super) fn expiry(observed: &Observed<'_>, policy: ClaimShutdownPolicy) -> Option<Statement> {
    let message = "Claim expired. Sandbox cleanup initiated.".to_owned();
    let mut statement = told(observed, before(observed).sandbox, message)?;
    let expired = event(
        observed,
        reasons::EXPIRED,
        "Claim Expired",
        "Claim expired".to_owned(),
    );
    let deleted = (policy != ClaimShutdownPolicy::Retain)
        .then(|| format!("Deleting Claim (ShutdownPolicy={policy:?})"))
        .and_then(|note| event(observed, reasons::EXPIRED, "Deleting", note));
    statement.events = expired.into_iter().chain(deleted).collect();
    Some(statement)
}

/// What is told of a claim that stays after its end: whether its Sandbox is left, or is somebody else's.
pub(super) fn retained(
    observed: &Observed<'_>,
    left: bool,
    refusal: Option<String>,
) -> Option<Statement> {
    let before = before(observed).sandbox;
    if before.is_none() && refusal.is_none() {
        // Nothing is left to be told.
        return None;
    }
    let claimed = before.filter(|_| left);
    let message = refusal.unwrap_or_else(|| "Claim expired. Sandbox cleanup initiated.".to_owned());
    told(observed, claimed, message)
}

fn told(
    observed: &Observed<'_>,
    claimed: Option<ClaimedSandbox>,
    message: String,
) -> Option<Statement> {
    let before = before(observed);
    let now = now(observed);
    let mut conditions = Conditions {
        list: before.conditions.clone().unwrap_or_default(),
        generation: observed.claim.metadata.generation,
        now: &now,
    };
    conditions.ready("False", reasons::EXPIRED, message);
    let after = SandboxClaimStatus {
        conditions: Some(conditions.list),
        sandbox: claimed,
    };
    Some(Statement {
        status: Some(difference(&json!(before), &json!(after))?),
        patience: Duration::ZERO,
        events: Vec::new(),
    })
}
