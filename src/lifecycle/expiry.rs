//! When sandboxes and claims end.

use jiff::{SignedDuration, Timestamp};

use crate::api::conditions::{Condition, types};
use crate::api::v1beta1::ClaimLifecycle;

/// Shortest pause before looking at an expiry in the future again: a clock that is a moment behind must not make a
/// busy loop.
const SHORTEST: SignedDuration = SignedDuration::from_secs(2);

/// How an object stands towards its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It has none.
    Never,
    /// It comes after this time.
    In(SignedDuration),
    /// It has come.
    Now,
}

impl Expiry {
    /// Towards `end`, seen at `now`.
    #[must_use]
    pub fn at(end: Option<Timestamp>, now: Timestamp) -> Self {
        match end {
            None => Self::Never,
            Some(end) if now >= end => Self::Now,
            Some(end) => Self::In(end.duration_since(now)),
        }
    }

    /// When to look again at a Sandbox.
    #[must_use]
    pub fn next_look(self) -> Option<SignedDuration> {
        match self {
            Self::In(remaining) => Some(remaining.max(SHORTEST)),
            Self::Never | Self::Now => None,
        }
    }
}

/// When a claim ends: at its shutdown time, or so long after its Pod has ended, whichever comes first. Times that do not
/// parse are none: the API server has checked them.
#[must_use]
pub fn end_of_claim(
    lifecycle: Option<&ClaimLifecycle>,
    conditions: &[Condition],
) -> Option<Timestamp> {
    let lifecycle = lifecycle?;
    let shutdown = lifecycle.shutdown_time.as_deref().and_then(parse);
    let after_finish = lifecycle.ttl_seconds_after_finished.and_then(|ttl| {
        let finished = conditions
            .iter()
            .find(|condition| condition.kind == types::FINISHED && condition.status == "True")?;
        let since = parse(&finished.last_transition_time)?;
        since
            .checked_add(SignedDuration::from_secs(ttl.into()))
            .ok()
    });
    shutdown.into_iter().chain(after_finish).min()
}

/// A time as Kubernetes writes it.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        parse(text).expect("a time")
    }

    #[test]
    fn section_4_2_expiry_comes_with_its_instant_and_is_not_looked_for_too_often() {
        let now = time("2030-01-01T00:00:00Z");
        let seconds = SignedDuration::from_secs;
        for (end, expiry, look) in [
            (None, Expiry::Never, None),
            (Some("2030-01-01T00:00:00Z"), Expiry::Now, None),
            (Some("2029-12-31T23:59:59Z"), Expiry::Now, None),
            (
                Some("2030-01-01T00:00:01Z"),
                Expiry::In(seconds(1)),
                Some(seconds(2)),
            ),
            (Some("2030-01-01T01:00:00+01:00"), Expiry::Now, None),
            (
                Some("2030-01-01T00:01:00Z"),
                Expiry::In(seconds(60)),
                Some(seconds(60)),
            ),
        ] {
            let seen = Expiry::at(end.map(time), now);
            assert_eq!((seen, seen.next_look()), (expiry, look), "{end:?}");
        }
    }

    #[test]
    fn section_7_9_a_claim_ends_at_the_earlier_of_both_times() {
        let finished = |status: &str| Condition {
            kind: types::FINISHED.to_owned(),
            status: status.to_owned(),
            last_transition_time: "2030-01-01T00:00:00Z".to_owned(),
            ..Condition::default()
        };
        for (shutdown, ttl, status, end) in [
            (None, None, "True", None),
            (
                Some("2030-01-01T00:00:30Z"),
                None,
                "True",
                Some("2030-01-01T00:00:30Z"),
            ),
            (
                Some("2030-01-01T00:00:30Z"),
                Some(10),
                "True",
                Some("2030-01-01T00:00:10Z"),
            ),
            (
                Some("2030-01-01T00:00:30Z"),
                Some(60),
                "True",
                Some("2030-01-01T00:00:30Z"),
            ),
            (None, Some(0), "True", Some("2030-01-01T00:00:00Z")),
            (None, Some(0), "False", None),
        ] {
            let lifecycle = ClaimLifecycle {
                shutdown_time: shutdown.map(str::to_owned),
                ttl_seconds_after_finished: ttl,
                shutdown_policy: None,
            };
            assert_eq!(
                end_of_claim(Some(&lifecycle), &[finished(status)]),
                end.map(time),
                "{shutdown:?} {ttl:?} {status}"
            );
        }
        assert_eq!(end_of_claim(None, &[finished("True")]), None);
    }
}
