//! One request against all mutating policies: changes are applied in the order of policy, binding and parameter names,
//! then once more by the policies that ask for it.

mod change;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::gvk::Gvk;
use crate::model::json::Json;
use crate::model::patch::{diff, to_json};
use crate::model::request::{Operation, Request};
use crate::model::verdict::{Finding, Mutated, MutationStep, Outcome, Reason, Rule};
use crate::schema::catalog;
use crate::schema::structural::Structural;

use super::activation::{Inputs, NamespaceView, Resolvers, Scope};
use super::compile::{Change, Work};
use super::judge::matched;
use super::select::{Facts, is_exempt};
use super::set::{Bound, Set, Tied, With};
use super::source::{FailurePolicy, Reinvocation};

/// Applies all mutating policies to the request's object.
#[must_use]
pub fn mutate(set: &Set, request: &Request<'_>) -> Mutated {
    mutate_with(set, request, &Resolvers::default())
}

/// As [`mutate`], with answers for expressions that ask who may do what.
#[must_use]
pub fn mutate_with(set: &Set, request: &Request<'_>, resolvers: &Resolvers) -> Mutated {
    let mut candidates = set
        .mutating
        .candidates(&request.resource.resource, request.operation);
    let none = candidates.next().is_none();
    drop(candidates);
    if none || is_exempt(request) || request.operation == Operation::Delete {
        return Mutated::default();
    }
    let mut work = Working {
        set,
        resolvers,
        kind: Kind::of(&request.kind),
        object: None,
        changed: false,
        out: Mutated::default(),
    };
    let ran = work.pass(request, None);
    if work.changed && !work.refused() {
        let object = match &work.object {
            Some(object) => Json::clone(object),
            None => request.object.clone(),
        };
        let second = Request {
            object,
            ..request.clone()
        };
        work.pass(&second, Some(&ran));
    }
    let Working {
        object, mut out, ..
    } = work;
    out.object = object
        .map(Arc::unwrap_or_clone)
        .filter(|object| *object != request.object);
    out
}

/// A policy with one binding and one parameter object that a request is for.
struct Tuple<'s> {
    bound: &'s Bound,
    tied: &'s Tied,
    with: With<'s>,
}

/// Tells a tuple across passes: policy, binding, parameter.
type Key<'s> = (&'s str, &'s str, Option<&'s str>);

impl<'s> Tuple<'s> {
    fn key(&self) -> Key<'s> {
        (
            &self.bound.policy.name,
            &self.tied.binding.name,
            self.with.param.map(|param| param.id.as_str()),
        )
    }
}

/// What is known of the object's kind.
#[derive(Clone, Copy)]
struct Kind {
    schema: Option<&'static Structural>,
    native: bool,
}

impl Kind {
    fn of(kind: &Gvk) -> Self {
        Self {
            schema: catalog::get(kind),
            native: is_native(kind),
        }
    }
}

/// Whether a kind is built into the API server: its defaults and its strict decoding are Go code, not schema.
pub(super) fn is_native(kind: &Gvk) -> bool {
    !kind.group.contains('.') || kind.group.ends_with(".k8s.io")
}

/// The object on its way through the policies.
struct Working<'s> {
    set: &'s Set,
    resolvers: &'s Resolvers,
    kind: Kind,
    object: Option<Arc<Json<'static>>>,
    /// Some tuple changed the object. The API server's second pass depends on less, but without a change it would see
    /// what the first one saw, and do nothing again.
    changed: bool,
    out: Mutated,
}

impl<'s> Working<'s> {
    fn refused(&self) -> bool {
        self.out.findings.iter().any(|finding| finding.denies)
    }

    /// Runs all tuples that `request` is for, in the second pass only those that ran before and want to run again.
    /// Returns those that want to.
    fn pass(
        &mut self,
        request: &Request<'_>,
        before: Option<&BTreeSet<Key<'s>>>,
    ) -> BTreeSet<Key<'s>> {
        let scope = Scope::new(request, self.resolvers);
        let mut again = BTreeSet::new();
        for tuple in self.collect(request) {
            let (changes, reinvocation) = match &tuple.bound.programs.work {
                Work::Mutate {
                    changes,
                    reinvocation,
                } => (changes, reinvocation),
                Work::Unusable(why) if before.is_none() => {
                    self.unusable(&scope, &tuple, why);
                    continue;
                }
                Work::Unusable(_) | Work::Validate { .. } => continue,
            };
            let eligible = before.is_none_or(|before| before.contains(&tuple.key()));
            if self.run(&scope, &tuple, changes, eligible)
                && *reinvocation == Reinvocation::IfNeeded
            {
                again.insert(tuple.key());
            }
        }
        again
    }

    /// Everything that matches the request's attributes as they are now; changes do not make further policies match.
    fn collect(&mut self, request: &Request<'_>) -> Vec<Tuple<'s>> {
        let set = self.set;
        let facts = Facts::new(request);
        let mut tuples = Vec::new();
        let resource = &request.resource.resource;
        for bound in set.mutating.candidates(resource, request.operation) {
            if bound.lets_repair(request) {
                continue;
            }
            match facts.matches(&bound.policy.constraints) {
                Ok(false) => {}
                Ok(true) => {
                    for tied in &bound.bindings {
                        self.bind(request, &facts, (bound, tied), &mut tuples);
                    }
                }
                Err(error) => self.misconfigured(bound, None, &error),
            }
        }
        tuples
    }

    fn bind(
        &mut self,
        request: &Request<'_>,
        facts: &Facts<'_>,
        (bound, tied): (&'s Bound, &'s Tied),
        tuples: &mut Vec<Tuple<'s>>,
    ) {
        let within = match &tied.binding.resources {
            Some(resources) => facts.matches(resources),
            None => Ok(true),
        };
        match within {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => return self.misconfigured(bound, Some(tied), &error),
        }
        let one = |with| Tuple { bound, tied, with };
        match tied.params(self.set, &bound.policy, &request.namespace) {
            Err(error) => self.misconfigured(bound, Some(tied), error),
            Ok(given) => tuples.extend(given.each().map(one)),
        }
    }

    /// Runs one tuple; true when its conditions held and it was eligible. Conditions are evaluated in any case: they
    /// may fail.
    fn run(
        &mut self,
        scope: &Scope<'_>,
        tuple: &Tuple<'s>,
        changes: &[Change],
        eligible: bool,
    ) -> bool {
        let before = self.object.clone();
        let original = &scope.request.object;
        let holds = matched(inputs(scope, tuple, before.as_deref().unwrap_or(original)));
        match holds {
            Ok(holds) if !holds || !eligible => return false,
            Ok(_) => {}
            Err(error) => {
                if tuple.bound.policy.failure == FailurePolicy::Fail {
                    self.failed(tuple, Rule::MutatingPolicy, error);
                }
                return false;
            }
        }
        if original.is_null() {
            return true;
        }
        for (at, change) in changes.iter().enumerate() {
            let current = self.object.clone();
            let object = current.as_deref().unwrap_or(original);
            match change::apply(inputs(scope, tuple, object), change, self.kind) {
                Ok(Some(changed)) => self.object = Some(Arc::new(changed)),
                Ok(None) => {}
                Err(error) => self.failed(tuple, Rule::Mutation(at), error),
            }
        }
        let touched = match (&before, &self.object) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            (None, after) => after.is_some(),
            (Some(_), None) => true,
        };
        if touched {
            self.note_step(tuple, before.as_deref().unwrap_or(original));
        }
        true
    }

    /// Refuses what the conditions of a policy that cannot be used do not rule out; once, however many bindings it has.
    fn unusable(&mut self, scope: &Scope<'_>, tuple: &Tuple<'s>, why: &str) {
        let object = self.object.clone();
        let original = &scope.request.object;
        let holds = matched(inputs(scope, tuple, object.as_deref().unwrap_or(original)));
        let policy = &tuple.bound.policy.name;
        let told = self.out.findings.last().is_some_and(|last| {
            last.policy == *policy && last.binding.is_none() && last.rule == Rule::MutatingPolicy
        });
        if holds != Ok(false) && !told {
            self.misconfigured(tuple.bound, None, why);
        }
    }

    fn note_step(&mut self, tuple: &Tuple<'s>, before: &Json<'_>) {
        let Some(after) = self.object.as_deref() else {
            return;
        };
        let operations = diff(before, after);
        if !operations.is_empty() {
            self.changed = true;
            self.out.steps.push(MutationStep {
                policy: tuple.bound.policy.name.clone(),
                binding: tuple.tied.binding.name.clone(),
                patch: to_json(&operations),
            });
        }
    }

    fn failed(&mut self, tuple: &Tuple<'s>, rule: Rule, message: String) {
        let mut finding = self.finding(tuple.bound, Some(tuple.tied), rule, message);
        finding.param = tuple.with.param.map(|param| param.id.clone());
        self.out.findings.push(finding);
    }

    fn misconfigured(&mut self, bound: &Bound, tied: Option<&Tied>, error: &str) {
        let what = if tied.is_some() { "binding" } else { "policy" };
        let message = format!("failed to configure {what}: {error}");
        let mut finding = self.finding(bound, tied, Rule::MutatingPolicy, message);
        finding.reason = Reason::Forbidden;
        self.out.findings.push(finding);
    }

    fn finding(&self, bound: &Bound, tied: Option<&Tied>, rule: Rule, message: String) -> Finding {
        Finding {
            policy: bound.policy.name.clone(),
            binding: tied.map(|tied| tied.binding.name.clone()),
            param: None,
            rule,
            actions: Vec::new(),
            outcome: Outcome::Error,
            denies: bound.policy.failure == FailurePolicy::Fail,
            message,
            reason: Reason::Invalid,
            blame: None,
        }
    }
}

fn inputs<'m, 'p, 'r>(
    scope: &'p Scope<'r>,
    tuple: &'p Tuple<'_>,
    object: &'p Json<'p>,
) -> Inputs<'m, 'p, 'r> {
    Inputs {
        scope,
        programs: &tuple.bound.programs,
        object,
        params: tuple.with.param.map(|param| &*param.object),
        namespace: NamespaceView::Declared,
        authorizer: true,
        presets: tuple.with.presets,
        shared: None,
    }
}
