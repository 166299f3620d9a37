//! One policy with one binding and one parameter object: conditions, validations, messages, audit annotations.

use crate::cel::blame::blame;
use crate::cel::plan::{PER_CALL_LIMIT, RUNTIME_BUDGET};
use crate::cel::value::Value;
use crate::model::json::Json;
use crate::model::path::{FieldPath, Step};
use crate::model::request::Request;
use crate::model::verdict::{Blame, BlameRoot, Reason, Rule};

use super::super::activation::{EXHAUSTED, Exhausted, Inputs, NamespaceView, Phase, Scope};
use super::super::compile::{self, Expression, Work};
use super::super::reuse::Shared;
use super::super::set::{Bound, With};
use super::super::source::FailurePolicy;
use super::{matched, shorten};

/// Longest computed message, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

/// How one rule came out.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// It holds.
    Pass,
    /// Not judged.
    Skip,
    /// It does not hold.
    Fail {
        /// What the user is told.
        message: String,
        /// Cause for the status.
        reason: Reason,
        /// The offending field.
        blame: Option<Blame>,
    },
    /// It could not be judged.
    Error(String),
    /// The policy itself cannot be used.
    Unusable(String),
}

/// What became of an audit annotation; those without a value are not listed.
#[derive(Debug, PartialEq, Eq)]
pub enum Annotation {
    /// Published with this value.
    Publish(String),
    /// Could not be computed.
    Failed(String),
}

/// All decisions of one evaluation.
#[derive(Debug, Default)]
pub struct Evaluated<'s> {
    /// One per validation, or one for the policy as a whole.
    pub decisions: Vec<(Rule, Decision)>,
    /// Index, key and outcome.
    pub annotations: Vec<(usize, &'s str, Annotation)>,
}

impl Evaluated<'_> {
    fn whole(decision: Decision) -> Self {
        Self {
            decisions: vec![(Rule::Policy, decision)],
            annotations: Vec::new(),
        }
    }
}

/// Evaluates.
pub fn evaluate<'s>(
    bound: &'s Bound,
    scope: &'s Scope<'_>,
    with: With<'s>,
    shared: &Shared<'s>,
) -> Evaluated<'s> {
    let inputs = Inputs {
        scope,
        programs: &bound.programs,
        object: &scope.request.object,
        params: with.param.map(|param| &*param.object),
        namespace: NamespaceView::Declared,
        authorizer: true,
        presets: with.presets,
        shared: Some(shared),
    };
    let holds = matched(inputs);
    let (rules, annotations) = match &bound.programs.work {
        Work::Validate { rules, annotations } => (rules, annotations),
        Work::Unusable(why) => {
            let spared = holds == Ok(false);
            let decision = if spared {
                Decision::Skip
            } else {
                Decision::Unusable(why.clone())
            };
            return Evaluated::whole(decision);
        }
        Work::Mutate { .. } => return Evaluated::default(),
    };
    match holds {
        Ok(true) => {}
        Ok(false) => return Evaluated::whole(Decision::Skip),
        Err(error) if bound.policy.failure == FailurePolicy::Fail => {
            return Evaluated::whole(Decision::Error(error));
        }
        Err(_) => return Evaluated::whole(Decision::Skip),
    }
    let exhausted = || Evaluated::whole(Decision::Error(EXHAUSTED.to_owned()));
    let Ok(decisions) = judge_rules(inputs, rules) else {
        return exhausted();
    };
    let Ok(annotations) = annotate(inputs, annotations) else {
        return exhausted();
    };
    let rules = (0..).map(Rule::Validation);
    Evaluated {
        decisions: rules.zip(decisions).collect(),
        annotations,
    }
}

/// A rule before its message is known.
enum Held {
    Yes,
    No,
    Error(String),
}

fn judge_rules<'p>(
    inputs: Inputs<'_, 'p, '_>,
    rules: &'p [compile::Rule],
) -> Result<Vec<Decision>, Exhausted> {
    let mut phase = Phase::new(inputs, RUNTIME_BUDGET);
    let mut held = Vec::with_capacity(rules.len());
    for rule in rules {
        held.push(match phase.run(&rule.expression)? {
            Ok(Value::Bool(true)) => Held::Yes,
            Ok(_) => Held::No,
            Err(error) => Held::Error(error),
        });
    }
    let messages = compute_messages(inputs, rules, &held, &phase);
    let decide = |(at, held): (usize, Held)| match (held, &messages) {
        (Held::Error(error), _) => Decision::Error(error),
        (_, Err(Exhausted)) => Decision::Error(format!("failed messageExpression: {EXHAUSTED}")),
        (Held::Yes, Ok(_)) => Decision::Pass,
        (Held::No, Ok(messages)) => {
            let rule = &rules[at];
            let computed = messages.get(at).and_then(Clone::clone);
            let message = computed.unwrap_or_else(|| rule.fallback.clone());
            let blame = named(&message, inputs.scope.request)
                .or_else(|| blamed(&rule.expression, &phase, inputs.scope));
            Decision::Fail {
                message,
                reason: rule.reason,
                blame,
            }
        }
    };
    Ok(held.into_iter().enumerate().map(decide).collect())
}

/// The field that the author's message begins with, if the judged object has its parent: rules that gather what is
/// wrong and then compare a size with zero can only be told this way.
fn named(message: &str, request: &Request<'_>) -> Option<Blame> {
    let path = FieldPath::parse_prefix(message)?;
    let root = if request.object.is_null() {
        BlameRoot::OldObject
    } else {
        BlameRoot::Object
    };
    let object = match root {
        BlameRoot::Object => &request.object,
        BlameRoot::OldObject => &request.old_object,
    };
    let [Step::Key(first), _, ..] = path.0.as_slice() else {
        return None;
    };
    object.get(first)?;
    let value = shown(request, path.find(object));
    Some(Blame { root, path, value })
}

/// The field that made a rule false, in the new or the stored object.
fn blamed<'p>(
    expression: &'p Expression,
    phase: &Phase<'_, 'p, '_>,
    scope: &Scope<'_>,
) -> Option<Blame> {
    let field = blame(&expression.program, phase)?;
    let roots = [
        (BlameRoot::Object, &scope.request.object),
        (BlameRoot::OldObject, &scope.request.old_object),
    ];
    let (root, path) = roots
        .into_iter()
        .find_map(|(root, object)| Some((root, field.path(object)?)))?;
    let value = shown(scope.request, field.value());
    Some(Blame { root, path, value })
}

/// What may be repeated of a value: what a Secret holds is nobody's business but its reader's.
fn shown(request: &Request<'_>, value: Option<&Json<'_>>) -> Option<Json<'static>> {
    let secret = request.kind.group.is_empty() && request.kind.kind == "Secret";
    value.filter(|_| !secret).map(Json::to_owned_json)
}

/// Messages by rule. The API server computes all of them, also those of rules that hold, from what the validations left
/// of the budget, and it matters whether that budget runs out. What variables cost is known once they were evaluated,
/// and no run costs more than its limit: as soon as the rest is affordable, only messages of failing rules are computed.
fn compute_messages<'p>(
    inputs: Inputs<'_, 'p, '_>,
    rules: &'p [compile::Rule],
    held: &[Held],
    validations: &Phase<'_, 'p, '_>,
) -> Result<Vec<Option<String>>, Exhausted> {
    let inputs = Inputs {
        authorizer: false,
        ..inputs
    };
    let mut phase = Phase::new(inputs, validations.remaining());
    let mut open = rules.iter().filter(|rule| rule.message.is_some()).count() as u64;
    let mut affordable = false;
    let mut out = Vec::new();
    for (at, (rule, held)) in rules.iter().zip(held).enumerate() {
        let Some(message) = &rule.message else {
            continue;
        };
        affordable = affordable || worst_case(&phase, validations, open) <= phase.remaining();
        let fails = matches!(held, Held::No);
        if !affordable || fails {
            let text = message_text(&phase.run(message)?);
            if fails {
                out.resize(at + 1, None);
                out[at] = text;
            }
        }
        open -= 1;
    }
    Ok(out)
}

/// What `open` more messages can cost at most.
fn worst_case(phase: &Phase<'_, '_, '_>, validations: &Phase<'_, '_, '_>, open: u64) -> u64 {
    let variables = phase.message_variables().iter();
    let unknown = variables.map(|at| match phase.cost(*at) {
        Some(_) => 0,
        None => validations.cost(*at).unwrap_or(PER_CALL_LIMIT),
    });
    unknown.sum::<u64>() + open * PER_CALL_LIMIT
}

/// The usable text of a computed message: one line, not blank, not too long.
fn message_text(value: &Result<Value<'_>, String>) -> Option<String> {
    let Ok(Value::String(text)) = value else {
        return None;
    };
    let text = text.as_str().trim();
    let usable = !text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n');
    usable.then(|| text.to_owned())
}

fn annotate<'s>(
    inputs: Inputs<'_, 's, '_>,
    annotations: &'s [(String, Expression)],
) -> Result<Vec<(usize, &'s str, Annotation)>, Exhausted> {
    let mut out = Vec::new();
    if annotations.is_empty() {
        return Ok(out);
    }
    let inputs = Inputs {
        namespace: NamespaceView::Whole,
        authorizer: false,
        ..inputs
    };
    let mut phase = Phase::new(inputs, RUNTIME_BUDGET);
    for (at, (key, expression)) in annotations.iter().enumerate() {
        let annotation = match phase.run(expression)? {
            Ok(Value::Null) => continue,
            Ok(Value::String(text)) if text.as_str().trim().is_empty() => continue,
            Ok(Value::String(text)) => {
                Annotation::Publish(shorten(text.as_str().trim().to_owned()))
            }
            Ok(_) => Annotation::Failed(format!(
                "valueExpression '{}' must give a string or null",
                expression.text
            )),
            Err(error) => Annotation::Failed(error),
        };
        out.push((at, key.as_str(), annotation));
    }
    Ok(out)
}
