//! One request against all validating policies: every policy is evaluated even after a denial, in the order of policy,
//! binding and parameter names.

mod conditions;
mod evaluate;
#[cfg(test)]
mod tests;
mod warnings;

use std::collections::BTreeMap;

use crate::model::request::Request;
use crate::model::verdict::{Finding, Outcome, Reason, Rule, Verdict};

use super::activation::{Resolvers, Scope};
use super::params::Param;
use super::reuse::Shared;
use super::select::{Facts, is_exempt};
use super::set::{Bound, Set, Tied, With};
use super::source::FailurePolicy;

pub(super) use conditions::matched;
use evaluate::{Annotation, Decision};
pub use warnings::settle;

/// Audit annotation with the first failure of a request under an `Audit` binding.
const FAILURE_ANNOTATION: &str = "validation.policy.admission.k8s.io/validation_failure";

/// Longest published value of an audit annotation, in bytes.
const MAX_ANNOTATION: usize = 10 * 1024;

/// Judges a request. Rules that hold are counted, not listed.
#[must_use]
pub fn judge(set: &Set, request: &Request<'_>) -> Verdict {
    judge_with(set, request, &Resolvers::default())
}

/// As [`judge`], with answers for expressions that ask who may do what.
#[must_use]
pub fn judge_with(set: &Set, request: &Request<'_>, resolvers: &Resolvers) -> Verdict {
    run(set, request, resolvers, false)
}

/// Judges a request and lists every rule, also those that hold or were skipped.
#[must_use]
pub fn judge_all(set: &Set, request: &Request<'_>) -> Verdict {
    run(set, request, &Resolvers::default(), true)
}

fn run(set: &Set, request: &Request<'_>, resolvers: &Resolvers, all: bool) -> Verdict {
    if is_exempt(request) {
        return Verdict::default();
    }
    let mut candidates = set
        .validating
        .candidates(&request.resource.resource, request.operation)
        .peekable();
    if candidates.peek().is_none() {
        return Verdict::default();
    }
    let scope = Scope::new(request, resolvers);
    let shared = Shared::new(set.validating.shared);
    let mut judge = Judge {
        set,
        scope: &scope,
        shared: &shared,
        facts: Facts::new(request),
        all,
        verdict: Verdict::default(),
    };
    for bound in candidates {
        judge.policy(bound);
    }
    judge.verdict.warnings = settle(judge.verdict.warnings);
    judge.verdict
}

struct Judge<'m, 's, 'r> {
    set: &'s Set,
    scope: &'s Scope<'r>,
    shared: &'m Shared<'s>,
    facts: Facts<'s>,
    all: bool,
    verdict: Verdict,
}

/// Values of one policy's audit annotations, by key, distinct and in order.
type Collected<'s> = BTreeMap<&'s str, Vec<String>>;

impl<'s> Judge<'_, 's, '_> {
    fn policy(&mut self, bound: &'s Bound) {
        if bound.lets_repair(self.scope.request) {
            return;
        }
        match self.facts.matches(&bound.policy.constraints) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => return self.misconfigured(bound, None, &error),
        }
        let mut collected = Collected::new();
        for tied in &bound.bindings {
            self.binding(bound, tied, &mut collected);
        }
        for (key, values) in collected {
            let key = format!("{}/{key}", bound.policy.name);
            self.verdict
                .audit_annotations
                .insert(key, values.join(", "));
        }
    }

    fn binding(&mut self, bound: &'s Bound, tied: &'s Tied, collected: &mut Collected<'s>) {
        if let Some(resources) = &tied.binding.resources {
            match self.facts.matches(resources) {
                Ok(false) => return,
                Ok(true) => {}
                Err(error) => return self.misconfigured(bound, Some(tied), &error),
            }
        }
        let namespace = &self.scope.request.namespace;
        match tied.params(self.set, &bound.policy, namespace) {
            Err(error) => self.misconfigured(bound, Some(tied), error),
            Ok(given) => {
                for with in given.each() {
                    self.evaluate(bound, tied, with, collected);
                }
            }
        }
    }

    fn evaluate(
        &mut self,
        bound: &'s Bound,
        tied: &'s Tied,
        with: With<'s>,
        collected: &mut Collected<'s>,
    ) {
        let param = with.param;
        let evaluated = evaluate::evaluate(bound, self.scope, with, self.shared);
        for (index, (rule, decision)) in evaluated.decisions.into_iter().enumerate() {
            self.decide(bound, tied, param, (index, rule, decision));
        }
        for (index, key, annotation) in evaluated.annotations {
            match annotation {
                Annotation::Publish(value) => {
                    let values = collected.entry(key).or_default();
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                Annotation::Failed(message) => {
                    let fails = bound.policy.failure == FailurePolicy::Fail;
                    let mut finding =
                        self.finding(bound, Some(tied), param, Rule::AuditAnnotation(index));
                    finding.outcome = Outcome::Error;
                    finding.message = message;
                    // Whatever the binding's actions say.
                    finding.denies = fails;
                    self.verdict.findings.push(finding);
                }
            }
        }
    }

    fn decide(
        &mut self,
        bound: &Bound,
        tied: &Tied,
        param: Option<&Param>,
        (index, rule, decision): (usize, Rule, Decision),
    ) {
        let (outcome, message, reason, blame) = match decision {
            Decision::Pass => {
                self.verdict.passed += 1;
                if !self.all {
                    return;
                }
                (Outcome::Pass, String::new(), Reason::Invalid, None)
            }
            Decision::Skip if !self.all => return,
            Decision::Skip => (
                Outcome::Skip,
                "its match conditions do not hold".to_owned(),
                Reason::Invalid,
                None,
            ),
            Decision::Fail {
                message,
                reason,
                blame,
            } => (Outcome::Fail, message, reason, blame),
            Decision::Error(message) => (Outcome::Error, message, Reason::Invalid, None),
            Decision::Unusable(why) => return self.misconfigured(bound, None, &why),
        };
        let counts = match outcome {
            Outcome::Fail => true,
            Outcome::Error => bound.policy.failure == FailurePolicy::Fail,
            Outcome::Pass | Outcome::Skip => false,
        };
        let mut finding = self.finding(bound, Some(tied), param, rule);
        finding.outcome = outcome;
        finding.message = message;
        finding.reason = reason;
        finding.blame = blame;
        if counts {
            self.act(tied, index, &mut finding);
        }
        self.verdict.findings.push(finding);
    }

    /// What the binding's actions make of a failure.
    fn act(&mut self, tied: &Tied, index: usize, finding: &mut Finding) {
        use crate::model::verdict::Action;
        for action in &tied.actions {
            match action {
                Action::Deny => finding.denies = true,
                Action::Warn => self.verdict.warnings.push(finding.warning()),
                Action::Audit => {
                    // Annotations cannot be overwritten: the first failure of the request is the one on record.
                    self.verdict
                        .audit_annotations
                        .entry(FAILURE_ANNOTATION.to_owned())
                        .or_insert_with(|| failure_value(tied, index, &finding.message));
                }
            }
        }
    }

    /// The policy or binding cannot be applied: refuses under `Fail`, whatever the actions say.
    fn misconfigured(&mut self, bound: &Bound, tied: Option<&Tied>, error: &str) {
        let what = if tied.is_some() { "binding" } else { "policy" };
        let mut finding = self.finding(bound, tied, None, Rule::Policy);
        finding.outcome = Outcome::Error;
        finding.message = format!("failed to configure {what}: {error}");
        finding.denies = bound.policy.failure == FailurePolicy::Fail;
        // A policy that cannot be used says so once, however many bindings it has.
        if self.verdict.findings.last() != Some(&finding) {
            self.verdict.findings.push(finding);
        }
    }

    fn finding(
        &self,
        bound: &Bound,
        tied: Option<&Tied>,
        param: Option<&Param>,
        rule: Rule,
    ) -> Finding {
        Finding {
            policy: bound.policy.name.clone(),
            binding: tied.map(|tied| tied.binding.name.clone()),
            param: param.map(|param| param.id.clone()),
            rule,
            actions: tied.map(|tied| tied.actions.clone()).unwrap_or_default(),
            outcome: Outcome::Pass,
            denies: false,
            message: String::new(),
            reason: Reason::Invalid,
            blame: None,
        }
    }
}

/// The value of the failure annotation, members in the order of the API server.
fn failure_value(tied: &Tied, index: usize, message: &str) -> String {
    let quoted = |text: &str| {
        let text = serde_json::Value::from(text).to_string();
        // Go's encoder escapes what could end a script element.
        text.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029")
    };
    let actions = tied.binding.actions.iter();
    let actions: Vec<String> = actions.map(|action| format!("\"{action:?}\"")).collect();
    format!(
        "[{{\"message\":{},\"policy\":{},\"binding\":{},\"expressionIndex\":{index},\"validationActions\":[{}]}}]",
        quoted(message),
        quoted(&tied.binding.policy),
        quoted(&tied.binding.name),
        actions.join(",")
    )
}

/// At most [`MAX_ANNOTATION`] bytes of a value, cut between characters.
fn shorten(mut value: String) -> String {
    let end = value.floor_char_boundary(MAX_ANNOTATION);
    value.truncate(end);
    value
}
