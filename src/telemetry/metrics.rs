//! Every metric of the webhook, in one registry that is handed to the components.
//!
//! Labels come from closed sets (`&'static str`) or are bounded in number and cleared when they end, durations are seconds, sizes bytes, times Unix seconds. Names carry
//! the prefix `sandfence_`; the encoder adds `_total` to counters.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Seconds with a fraction.
pub type Seconds = Gauge<f64, AtomicU64>;

/// What one review came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReviewLabels {
    /// `mutate` or `validate`.
    pub webhook: &'static str,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: &'static str,
    /// `allowed`, `mutated`, `denied` or `error`.
    pub outcome: &'static str,
}

/// Which webhook.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WebhookLabels {
    /// `mutate` or `validate`.
    pub webhook: &'static str,
}

/// Why something was refused before it was judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabels {
    /// One word out of a closed set.
    pub reason: &'static str,
}

/// Which loaded set of policies is at work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SetLabels {
    /// The fingerprint, which changes whenever the set would decide differently.
    pub fingerprint: String,
}

/// Which controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerLabels {
    /// Its name.
    pub controller: &'static str,
}

/// What one look at an object came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PassLabels {
    /// The controller.
    pub controller: &'static str,
    /// `done`, `retried` or `blocked`.
    pub outcome: &'static str,
}

/// An object of the cluster that cannot be used. Shown while it is so; the number shown at once is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ObjectLabels {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What is said about a set of policies that came into force.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SetFacts<'s> {
    /// Identifies it.
    pub fingerprint: &'s str,
    /// Policies in it.
    pub policies: usize,
    /// Those that no binding puts in force.
    pub unbound: usize,
    /// Guardrail profiles in force.
    pub profiles: usize,
    /// Kind and name of objects that cannot be used.
    pub invalid: Vec<(&'s str, &'s str)>,
}

/// Most objects that are named one by one in [`Metrics::invalid_objects`].
const NAMED_OBJECTS: usize = 100;

/// From 25 microseconds (a warm decision takes about 15) to the ten seconds after which no API server waits.
const REVIEW_SECONDS: [f64; 16] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.5, 1.0, 5.0, 10.0,
];

/// The handles of all metrics; cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Reviews answered.
    pub reviews: Family<ReviewLabels, Counter>,
    /// Time from the complete body to the complete answer.
    pub review_seconds: Family<WebhookLabels, Histogram>,
    /// Requests refused before they were judged.
    pub rejected: Family<ReasonLabels, Counter>,
    /// Open connections.
    pub connections: Gauge,
    /// Connections closed by a limit.
    pub connections_refused: Family<ReasonLabels, Counter>,
    /// When the serving certificate ends.
    pub certificate_expiry: Seconds,
    /// Certificates found and not used.
    pub certificate_failures: Family<ReasonLabels, Counter>,
    /// Always one; its label tells the set at work.
    pub policy_set: Family<SetLabels, Gauge>,
    /// Policies in the set.
    pub policies: Gauge,
    /// Policies in the set that nothing puts in force.
    pub policies_without_binding: Gauge,
    /// Guardrail profiles in force.
    pub profiles: Gauge,
    /// One for each policy object of the cluster that cannot be used.
    pub invalid_objects: Family<ObjectLabels, Gauge>,
    /// Warnings of the type checker about the set.
    pub policy_warnings: Gauge,
    /// Sets that were not used because something in them was wrong.
    pub reload_failures: Counter,
    /// When a set was last built without error.
    pub reload_success: Seconds,
    /// Objects of watched kinds that could not be read.
    pub unreadable_objects: Counter,
    /// Failed attempts to list or watch.
    pub watch_failures: Counter,
    /// Failed attempts to write the webhook registration.
    pub registration_failures: Counter,
    /// Writes of the webhook registration.
    pub registrations: Counter,
    /// Looks of controllers at objects.
    pub controller_passes: Family<PassLabels, Counter>,
    /// Objects that wait for a look.
    pub controller_queue: Family<ControllerLabels, Gauge>,
    /// One while this process is the one that writes.
    pub leader: Gauge,
    /// Failed attempts to take or keep the lease.
    pub lease_failures: Counter,
    registry: Arc<Registry>,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new() -> Self {
        let mut root = Registry::default();
        let ours = root.sub_registry_with_prefix("sandfence");
        macro_rules! add {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                ours.register($name, $help, metric.clone());
                metric
            }};
        }
        let review_seconds: Family<WebhookLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(REVIEW_SECONDS));
        Self {
            reviews: add!(
                "admission_reviews",
                "Admission reviews answered",
                Family::default()
            ),
            review_seconds: add!(
                "admission_review_duration_seconds",
                "Time from the complete body to the complete answer",
                review_seconds
            ),
            rejected: add!(
                "admission_rejected_requests",
                "Requests refused before they were judged",
                Family::default()
            ),
            connections: add!("connections", "Open webhook connections", Gauge::default()),
            connections_refused: add!(
                "connections_refused",
                "Webhook connections closed by a limit",
                Family::default()
            ),
            certificate_expiry: add!(
                "certificate_expiry_timestamp_seconds",
                "When the serving certificate ends",
                Seconds::default()
            ),
            certificate_failures: add!(
                "certificate_failures",
                "Certificates found and not used",
                Family::default()
            ),
            policy_set: add!(
                "policy_set_info",
                "The set of policies at work",
                Family::default()
            ),
            policies: add!("policies", "Policies in the set at work", Gauge::default()),
            policies_without_binding: add!(
                "policies_without_binding",
                "Policies in the set at work that no binding or profile puts in force",
                Gauge::default()
            ),
            profiles: add!(
                "guardrail_profiles",
                "Guardrail profiles in force",
                Gauge::default()
            ),
            invalid_objects: add!(
                "invalid_objects",
                "Policy objects of the cluster that cannot be used",
                Family::default()
            ),
            policy_warnings: add!(
                "policy_type_warnings",
                "Type mistakes in the expressions of the policies at work",
                Gauge::default()
            ),
            reload_failures: add!(
                "policy_reload_failures",
                "Policy sets not used because something in them was wrong",
                Counter::default()
            ),
            reload_success: add!(
                "policy_reload_success_timestamp_seconds",
                "When a policy set was last built without error",
                Seconds::default()
            ),
            unreadable_objects: add!(
                "unreadable_objects",
                "Objects of watched kinds that could not be read",
                Counter::default()
            ),
            watch_failures: add!(
                "watch_failures",
                "Failed attempts to list or watch",
                Counter::default()
            ),
            registration_failures: add!(
                "registration_failures",
                "Failed attempts to write the webhook registration",
                Counter::default()
            ),
            registrations: add!(
                "registrations",
                "Writes of the webhook registration",
                Counter::default()
            ),
            controller_passes: add!(
                "controller_passes",
                "Looks of controllers at objects",
                Family::default()
            ),
            controller_queue: add!(
                "controller_queue_depth",
                "Objects that wait for a look of their controller",
                Family::default()
            ),
            leader: add!(
                "leader",
                "Whether this process is the one whose controllers write",
                Gauge::default()
            ),
            lease_failures: add!(
                "lease_failures",
                "Failed attempts to take or keep the lease",
                Counter::default()
            ),
            registry: Arc::new(root),
        }
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    /// Says which set is at work from now on.
    pub fn set_loaded(&self, facts: &SetFacts<'_>, unix_seconds: f64) {
        self.policy_set.clear();
        self.policy_set
            .get_or_create_owned(&SetLabels {
                fingerprint: facts.fingerprint.to_owned(),
            })
            .set(1);
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.policies.set(count(facts.policies));
        self.policies_without_binding.set(count(facts.unbound));
        self.profiles.set(count(facts.profiles));
        self.invalid_objects.clear();
        for (kind, name) in facts.invalid.iter().take(NAMED_OBJECTS) {
            self.invalid_objects
                .get_or_create_owned(&ObjectLabels {
                    kind: (*kind).to_owned(),
                    name: (*name).to_owned(),
                })
                .set(1);
        }
        self.reload_success.set(unix_seconds);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_prefix_and_counters_one_total() {
        let metrics = Metrics::new();
        metrics
            .reviews
            .get_or_create_owned(&ReviewLabels {
                webhook: "validate",
                operation: "CREATE",
                outcome: "denied",
            })
            .inc();
        metrics
            .review_seconds
            .get_or_create_owned(&WebhookLabels {
                webhook: "validate",
            })
            .observe(0.000_06);
        let text = metrics.encode().expect("text");
        assert!(text.contains(
            "sandfence_admission_reviews_total{webhook=\"validate\",operation=\"CREATE\",outcome=\"denied\"} 1\n"
        ));
        assert!(text.contains(
            "sandfence_admission_review_duration_seconds_bucket{le=\"0.0001\",webhook=\"validate\"} 1\n"
        ));
        assert!(!text.contains("_total_total"));
    }

    #[test]
    fn only_the_set_at_work_is_shown() {
        let metrics = Metrics::new();
        let facts = SetFacts {
            fingerprint: "aaa",
            policies: 3,
            unbound: 3,
            profiles: 0,
            invalid: vec![("SandboxPolicy", "old")],
        };
        metrics.set_loaded(&facts, 1.0);
        let text = metrics.encode().expect("text");
        for line in [
            "sandfence_policies_without_binding 3\n",
            "sandfence_guardrail_profiles 0\n",
            "sandfence_invalid_objects{kind=\"SandboxPolicy\",name=\"old\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let facts = SetFacts {
            fingerprint: "bbb",
            policies: 4,
            profiles: 1,
            ..SetFacts::default()
        };
        metrics.set_loaded(&facts, 2.0);
        let text = metrics.encode().expect("text");
        assert!(text.contains("sandfence_policy_set_info{fingerprint=\"bbb\"} 1\n"));
        assert!(!text.contains("aaa"));
        assert!(!text.contains("old"), "{text}");
        assert!(text.contains("sandfence_policies_without_binding 0\n"));
        assert!(text.contains("sandfence_policies 4\n"));
    }
}
