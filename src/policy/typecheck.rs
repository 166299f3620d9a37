//! Type checking of validating policies by the schemas of the kinds that they match, as the API server does it for
//! `status.typeChecking`: it never changes a verdict, and finds most typing mistakes before any request does.
//!
//! [`expression_warnings`] says what the API server says. [`lint`] tells from that the warnings that are false alarms:
//! the API server declares no type for some fields that are there, quantities of built-in kinds first of all.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::cel::ast::Ast;
use crate::cel::declared::{Declared, Fidelity};
use crate::cel::env::{Env, EnvBuilder};
use crate::cel::parse::parse;
use crate::cel::source::{CompileError, Position};
use crate::cel::types::Type;
use crate::model::fields::FieldError;
use crate::model::gvk::Gvk;
use crate::model::path::FieldPath;
use crate::schema::Structural;
use crate::schema::catalog::{Entry, Kinds};

use super::diagnostic::{Diagnostic, Sourced};
use super::source::{Body, Policy, ResourceRule, Text};

/// Kinds that one rule contributes at most: the API server's limit.
const MAX_KINDS: usize = 10;

/// Most work for one policy: characters of expressions, and pairs of variables, since each is typed by those before it,
/// for each kind. A policy of a hundred rules stays under it for every known kind; one made to keep the process busy is
/// checked for fewer kinds, or for none.
const MAX_WORK: usize = 8 << 20;

/// One entry of `status.typeChecking.expressionWarnings`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionWarning {
    /// The field of the policy, such as `spec.validations[0].expression`.
    pub field_ref: String,
    /// What is wrong, for each kind.
    pub warning: String,
}

/// One issue of an expression, with all the kinds that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, and what.
    pub diagnostic: Diagnostic,
    /// Place inside the expression.
    pub at: Position,
    /// The kinds of the object for which the expression is wrong.
    pub kinds: Vec<Gvk>,
    /// The API server warns, and there is nothing wrong: it has no type for a field that is there.
    pub false_alarm: bool,
}

/// The kinds known without a cluster and those of the CRDs among `objects`. The kinds of a CRD whose schema cannot be used
/// stay unknown; why, is told.
pub fn known_kinds<'o>(objects: impl IntoIterator<Item = &'o Sourced>) -> (Kinds, Vec<Diagnostic>) {
    let mut kinds = Kinds::default();
    let mut mistakes = Vec::new();
    for sourced in objects {
        let text = |key| sourced.object.str_at(&[key]);
        if text("kind") != Some("CustomResourceDefinition")
            || text("apiVersion") != Some("apiextensions.k8s.io/v1")
        {
            continue;
        }
        if let Err(error) = kinds.add_crd(&Value::from(&sourced.object)) {
            let error = FieldError {
                path: FieldPath::root().key("spec").key("versions"),
                message: error.to_string(),
            };
            let (subject, origin) = (sourced.subject(), &sourced.origin);
            mistakes.push(Diagnostic::field(&subject, origin, &error));
        }
    }
    (kinds, mistakes)
}

/// What the API server writes into the status of `policy`.
///
/// Names of object types are the kind and the path (`Pod.spec`); the API server puts a random number behind the kind.
#[must_use]
pub fn expression_warnings(policy: &Policy, known: &Kinds) -> Vec<ExpressionWarning> {
    let checks = Checks::new(policy, known, Fidelity::ApiServer);
    let mut warnings = Vec::new();
    for text in expressions(policy) {
        let found: Vec<String> = checks
            .issues(text)
            .map(|(kind, error)| format!("{}: {error}\n", in_status(kind)))
            .collect();
        if !found.is_empty() {
            warnings.push(ExpressionWarning {
                field_ref: text.path.to_string(),
                warning: found.join("\n"),
            });
        }
    }
    warnings
}

/// The same, issue by issue, in the order of the policy.
#[must_use]
pub fn lint(policy: &Policy, known: &Kinds) -> Vec<Warning> {
    let checks = Checks::new(policy, known, Fidelity::ApiServer);
    // Most policies have no issue at all.
    let mut lenient: Option<Checks> = None;
    let mut warnings: Vec<Warning> = Vec::new();
    for text in expressions(policy) {
        let mut found: Vec<Warning> = Vec::new();
        for (kind, error) in checks.issues(text) {
            add(&mut found, policy, text, kind, &error, true);
        }
        if !found.is_empty() {
            let lenient =
                lenient.get_or_insert_with(|| Checks::new(policy, known, Fidelity::Lenient));
            for (kind, error) in lenient.issues(text) {
                add(&mut found, policy, text, kind, &error, false);
            }
        }
        found.sort_by(|a, b| (a.at, &a.kinds).cmp(&(b.at, &b.kinds)));
        warnings.extend(found);
    }
    warnings
}

/// Adds the issues of one expression for one kind. Those that are real come last and take the kind out of the alarm.
fn add(
    found: &mut Vec<Warning>,
    policy: &Policy,
    text: &Text,
    kind: &Gvk,
    error: &CompileError,
    false_alarm: bool,
) {
    for issue in &error.issues {
        let at = error.position(issue);
        let at = at.unwrap_or(Position { line: 1, column: 1 });
        let same = |one: &Warning| one.at == at && one.diagnostic.message == issue.message;
        if !false_alarm {
            for alarm in found.iter_mut().filter(|one| one.false_alarm && same(one)) {
                alarm.kinds.retain(|known| known != kind);
            }
            found.retain(|one| !one.kinds.is_empty());
        }
        if let Some(known) = found
            .iter_mut()
            .find(|one| one.false_alarm == false_alarm && same(one))
        {
            known.kinds.push(kind.clone());
            continue;
        }
        found.push(Warning {
            diagnostic: Diagnostic::expression(
                &policy.subject(),
                &policy.origin,
                &text.path,
                (&text.text, at.line, at.column),
                issue.message.clone(),
            ),
            at,
            kinds: vec![kind.clone()],
            false_alarm,
        });
    }
}

/// `group/version, Kind=kind`, with the slash in the core group as well.
fn in_status(kind: &Gvk) -> String {
    format!("{}/{}, Kind={}", kind.group, kind.version, kind.kind)
}

/// The expressions that are checked: rules and their messages, in order. Variables count through their types; match
/// conditions, audit annotations and mutations are not checked.
fn expressions(policy: &Policy) -> impl Iterator<Item = &Text> {
    let validations = match &policy.body {
        Body::Validating { validations, .. } => validations.as_slice(),
        Body::Mutating { .. } => &[],
    };
    validations
        .iter()
        .flat_map(|one| std::iter::once(&one.expression).chain(&one.message_expression))
}

/// One environment for each kind that a policy matches.
struct Checks(Vec<(Gvk, Env)>);

impl Checks {
    fn new(policy: &Policy, known: &Kinds, fidelity: Fidelity) -> Self {
        if policy.mutates() {
            return Self(Vec::new());
        }
        let variables: Vec<(&str, Option<Ast>)> = policy
            .variables
            .iter()
            .map(|one| (one.name.as_str(), parse(&one.expression.text).ok()))
            .collect();
        let characters: usize = policy
            .variables
            .iter()
            .map(|one| &one.expression)
            .chain(expressions(policy))
            .map(|expression| expression.text.len())
            .sum();
        let work = characters + variables.len() * variables.len();
        let params = policy.param_kind.as_ref();
        let params = params.and_then(|kind| known.entry(kind).map(Entry::shared_schema));
        let kinds = kinds(policy, known).into_iter();
        let environments = kinds.take(MAX_WORK / work.max(1)).filter_map(|kind| {
            let object = known.entry(&kind)?.shared_schema();
            let base = base(policy, (&kind, object), params.clone(), fidelity);
            Some((kind, with_variables(base, &variables)))
        });
        Self(environments.collect())
    }

    /// What is wrong with an expression, by kind.
    fn issues(&self, text: &Text) -> impl Iterator<Item = (&Gvk, CompileError)> {
        let parsed = parse(&text.text);
        self.0.iter().filter_map(move |(kind, env)| {
            let error = match &parsed {
                Ok(ast) => env.type_of(ast).err()?,
                Err(error) => error.clone(),
            };
            Some((kind, error))
        })
    }
}

/// What expressions about objects of one kind see, variables of the policy left out. As in the API server, there is no
/// `authorizer.requestResource`.
fn base(
    policy: &Policy,
    (kind, schema): (&Gvk, Arc<Structural>),
    params: Option<Arc<Structural>>,
    fidelity: Fidelity,
) -> EnvBuilder {
    let object = Declared::new(&kind.kind, schema, fidelity);
    let env = Env::admission()
        .authorizer()
        .declared(&["object", "oldObject"], object);
    let env = match fidelity {
        Fidelity::ApiServer => env.without("authorizer.requestResource"),
        Fidelity::Lenient => env,
    };
    let Some(param_kind) = &policy.param_kind else {
        return env;
    };
    match params {
        Some(schema) => {
            // Two kinds of one name are two types, and so are object and parameter of one kind.
            let name = if param_kind.kind == kind.kind {
                format!("{}2", param_kind.kind)
            } else {
                param_kind.kind.clone()
            };
            env.declared(&["params"], Declared::new(&name, schema, fidelity))
        }
        None => env.params(),
    }
}

/// With the variables, each typed by those before it; one that is wrong is of any type.
fn with_variables(base: EnvBuilder, variables: &[(&str, Option<Ast>)]) -> Env {
    let mut fields: Vec<(String, Type)> = Vec::new();
    for (name, ast) in variables {
        let env = base.clone().composed(&fields).build();
        let ty = ast.as_ref().and_then(|ast| env.type_of(ast).ok());
        fields.push(((*name).to_owned(), ty.unwrap_or(Type::Dyn)));
    }
    base.composed(&fields).build()
}

/// The kinds that a policy is checked for: those of its rules that can be told without looking at a cluster.
fn kinds(policy: &Policy, known: &Kinds) -> BTreeSet<Gvk> {
    let mut found = BTreeSet::new();
    for rule in &policy.constraints.rules {
        let mut count = 0;
        for kind in kinds_of(rule, known) {
            found.insert(kind.clone());
            count += 1;
            if count == MAX_KINDS {
                // The rules after this one are not looked at, as in the API server.
                return found;
            }
        }
    }
    found
}

/// The known kinds of one rule, in the API server's order; none when it has wildcards.
fn kinds_of<'k>(rule: &ResourceRule, known: &'k Kinds) -> Vec<&'k Gvk> {
    let wild = |word: &String| word.contains('*');
    if rule.groups.iter().any(wild) || rule.versions.iter().any(wild) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for group in sorted(&rule.groups) {
        for version in sorted(&rule.versions) {
            for resource in sorted(&rule.resources) {
                if !resource.contains(['*', '/']) {
                    found.extend(resolved((group, version, resource), known));
                }
            }
        }
    }
    found
}

fn sorted(words: &[String]) -> Vec<&str> {
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.sort_unstable();
    words
}

/// The kinds behind a resource, named in plural or singular. The empty group finds the resource in every group, as the
/// API server's mapping does.
fn resolved<'k>(
    (group, version, resource): (&str, &str, &str),
    known: &'k Kinds,
) -> impl Iterator<Item = &'k Gvk> {
    let resource = resource.to_lowercase();
    known
        .entries()
        .filter(move |entry| {
            (group.is_empty() || entry.gvr.group == group)
                && entry.gvr.version == version
                && (entry.gvr.resource == resource || entry.gvk.kind.to_lowercase() == resource)
        })
        .map(|entry| &entry.gvk)
}
