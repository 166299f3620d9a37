//! The judge's way through one request, told: every policy, why it matched or not, every expression with its value and
//! cost. Decides nothing: verdicts come from `judge` and `mutate`, which this follows step by step.
//!
//! Nothing that a set or a request keeps is used: costs are those of evaluating each policy for itself, as the API server
//! charges them. Mutating policies are told as they meet the object before any change.

use crate::cel::plan::{MATCH_CONDITIONS_BUDGET, RUNTIME_BUDGET};
use crate::cel::value::Value;
use crate::model::request::Request;
use crate::model::trace::{Step, Trace};

use super::activation::{EXHAUSTED, Exhausted, Inputs, NamespaceView, Phase, Resolvers, Scope};
use super::compile::{Change, Expression, Work};
use super::select::{Facts, is_exempt};
use super::set::{Bound, Set, Tied, With};

/// Longest value that is told, in bytes: enough to recognise an object by.
const MAX_VALUE: usize = 200;

/// Which policies are told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those that change objects.
    Mutating,
    /// Those that judge them.
    Validating,
}

/// Tells about all policies of a side, by policy, binding and parameter names.
#[must_use]
pub fn explain(set: &Set, request: &Request<'_>, side: Side) -> Vec<Trace> {
    let resolvers = Resolvers::default();
    let scope = Scope::new(request, &resolvers);
    let facts = Facts::new(request);
    let policies = match side {
        Side::Mutating => &set.mutating.policies,
        Side::Validating => &set.validating.policies,
    };
    let mut out: Vec<Trace> = policies
        .iter()
        .flat_map(|bound| policy(set, &scope, &facts, bound))
        .collect();
    for policy in set.unbound() {
        if policy.mutates() == (side == Side::Mutating) {
            let why = "no binding puts it in force".to_owned();
            let mut trace = named(&policy.name, policy.mutates());
            trace.why = Some(why);
            out.push(trace);
        }
    }
    out.sort_by(|a, b| (&a.policy, &a.binding, &a.param).cmp(&(&b.policy, &b.binding, &b.param)));
    out
}

fn named(policy: &str, mutates: bool) -> Trace {
    Trace {
        policy: policy.to_owned(),
        mutates,
        ..Trace::default()
    }
}

fn policy(set: &Set, scope: &Scope<'_>, facts: &Facts<'_>, bound: &Bound) -> Vec<Trace> {
    let start = || named(&bound.policy.name, bound.policy.mutates());
    let not = |why: String| {
        vec![Trace {
            why: Some(why),
            ..start()
        }]
    };
    if is_exempt(scope.request) {
        return not("no admission policy ever judges this resource".to_owned());
    }
    match facts.matches(&bound.policy.constraints) {
        Ok(true) => {}
        Ok(false) => {
            let why = facts.why_not(&bound.policy.constraints);
            return not(format!("matchConstraints: {why}"));
        }
        Err(error) => return not(error),
    }
    let mut out = Vec::new();
    for tied in &bound.bindings {
        let of_binding = || Trace {
            binding: Some(tied.binding.name.clone()),
            ..start()
        };
        out.extend(binding(set, scope, facts, (bound, tied), &of_binding));
    }
    out
}

fn binding(
    set: &Set,
    scope: &Scope<'_>,
    facts: &Facts<'_>,
    (bound, tied): (&Bound, &Tied),
    start: &dyn Fn() -> Trace,
) -> Vec<Trace> {
    let not = |why: String| {
        vec![Trace {
            why: Some(why),
            ..start()
        }]
    };
    if let Some(resources) = &tied.binding.resources {
        match facts.matches(resources) {
            Ok(true) => {}
            Ok(false) => {
                let why = facts.why_not(resources);
                return not(format!("matchResources of the binding: {why}"));
            }
            Err(error) => return not(error),
        }
    }
    match tied.params(set, &bound.policy, &scope.request.namespace) {
        Err(error) => not(error.to_owned()),
        Ok(given) => {
            let traces: Vec<Trace> = given
                .each()
                .map(|with| evaluate(scope, bound, with, start()))
                .collect();
            if traces.is_empty() {
                return not("its paramRef picks no parameter object".to_owned());
            }
            traces
        }
    }
}

fn evaluate(scope: &Scope<'_>, bound: &Bound, with: With<'_>, mut trace: Trace) -> Trace {
    trace.param = with.param.map(|param| param.id.clone());
    let inputs = Inputs {
        scope,
        programs: &bound.programs,
        object: &scope.request.object,
        params: with.param.map(|param| &*param.object),
        namespace: NamespaceView::Declared,
        authorizer: true,
        presets: None,
        shared: None,
    };
    let teller = Teller {
        secret: scope.request.kind.group.is_empty() && scope.request.kind.kind == "Secret",
    };
    if !teller.conditions(inputs, bound, &mut trace) {
        return trace;
    }
    let expressions: Vec<(String, &Expression)> = match &bound.programs.work {
        Work::Validate { rules, .. } => (0..)
            .zip(rules)
            .map(|(at, rule)| {
                let name = bound.policy.about.rules.get(at).cloned();
                let name = name.unwrap_or_else(|| format!("validations[{at}]"));
                (name, &rule.expression)
            })
            .collect(),
        Work::Mutate { changes, .. } => (0..)
            .zip(changes)
            .map(|(at, change)| {
                let (Change::Apply(expression) | Change::JsonPatch(expression)) = change;
                (format!("mutations[{at}]"), expression)
            })
            .collect::<Vec<(String, &Expression)>>(),
        Work::Unusable(why) => {
            trace.why = Some(why.clone());
            return trace;
        }
    };
    trace.matched = true;
    let mut phase = Phase::new(inputs, RUNTIME_BUDGET);
    for (name, expression) in expressions {
        let step = teller.step(&mut phase, name, expression);
        trace.cost += step.cost;
        trace.rules.push(step);
    }
    // Asked again for their values alone, in a phase of their own: what they cost is what it was above.
    let mut again = Phase::new(inputs, u64::MAX);
    for (at, (name, expression)) in bound.programs.variables.iter().enumerate() {
        let Some(cost) = phase.cost(at) else {
            continue;
        };
        let step = teller.step(&mut again, name.clone(), expression);
        trace.variables.push(Step { cost, ..step });
    }
    trace
}

struct Teller {
    /// What a Secret holds is nobody's business but its reader's.
    secret: bool,
}

impl Teller {
    /// Evaluates the match conditions; false when the policy goes no further.
    fn conditions<'p>(
        &self,
        inputs: Inputs<'_, 'p, '_>,
        bound: &'p Bound,
        trace: &mut Trace,
    ) -> bool {
        let inputs = Inputs {
            namespace: NamespaceView::Null,
            ..inputs
        };
        let mut phase = Phase::new(inputs, MATCH_CONDITIONS_BUDGET);
        let names = bound.policy.conditions.iter().map(|one| one.name.clone());
        for (name, condition) in names.zip(&bound.programs.conditions) {
            let step = self.step(&mut phase, name, condition);
            trace.cost += step.cost;
            trace.conditions.push(step);
        }
        let is_false = |step: &&Step| step.value.as_deref() == Some("false");
        if let Some(step) = trace.conditions.iter().find(is_false) {
            trace.why = Some(format!("its match condition {} is false", step.name));
        } else if let Some(step) = trace.conditions.iter().find(|step| step.error.is_some()) {
            let error = step.error.as_deref().unwrap_or_default();
            trace.why = Some(format!("its match condition {} fails: {error}", step.name));
        }
        trace.why.is_none()
    }

    fn step<'p>(
        &self,
        phase: &mut Phase<'_, 'p, '_>,
        name: String,
        expression: &'p Expression,
    ) -> Step {
        let before = phase.remaining();
        let (value, error) = match phase.run(expression) {
            Ok(Ok(value)) => (Some(self.shown(&value)), None),
            Ok(Err(error)) => (None, Some(error)),
            Err(Exhausted) => (None, Some(EXHAUSTED.to_owned())),
        };
        Step {
            name,
            value,
            error,
            cost: before - phase.remaining(),
        }
    }

    fn shown(&self, value: &Value<'_>) -> String {
        if let Value::Bool(value) = value {
            return value.to_string();
        }
        if self.secret {
            return "(withheld)".to_owned();
        }
        let mut text = match value.to_json() {
            Ok(json) => json.to_string(),
            Err(_) => format!("({})", value.type_name()),
        };
        if text.len() > MAX_VALUE {
            text.truncate(text.floor_char_boundary(MAX_VALUE));
            text.push('…');
        }
        text
    }
}
