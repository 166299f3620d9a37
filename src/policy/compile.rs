//! From policies as written to programs: every expression in the environment of its position, every mistake of every
//! policy reported at once.

use std::collections::BTreeSet;

use crate::cel::ast::ExprKind;
use crate::cel::env::{Env, EnvBuilder, Slot};
use crate::cel::parse::parse;
use crate::cel::plan::Program;
use crate::cel::source::{CompileError, LEFT_OUT, NOWHERE, Position};
use crate::cel::types::Type;
use crate::model::verdict::Reason;

use super::activation::SHALLOW_CHAIN;
use super::diagnostic::Diagnostic;
use super::reuse::Uses;
use super::source::{Body, Mutation, Named, Policy, Reinvocation, Text};

/// Where issues about an expression as a whole point.
const START: Position = Position { line: 1, column: 1 };

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    /// As written, for error texts.
    pub text: String,
    /// Ready to run.
    pub program: Program,
    /// What its outcome depends on.
    pub uses: Uses,
    /// Its number among the expressions of the policy.
    pub place: usize,
    /// Its number among the expressions that several policies have, if it is one.
    pub shared: Option<usize>,
}

/// A compiled validation.
#[derive(Debug)]
pub struct Rule {
    /// True when it holds.
    pub expression: Expression,
    /// Computed message.
    pub message: Option<Expression>,
    /// Message when there is no computed one: the fixed one, or the expression itself.
    pub fallback: String,
    /// Cause for the status.
    pub reason: Reason,
}

/// A compiled change.
#[derive(Debug)]
pub enum Change {
    /// A partial object merged over it.
    Apply(Expression),
    /// A list of JSON patch operations.
    JsonPatch(Expression),
}

/// What a compiled policy does.
#[derive(Debug)]
pub enum Work {
    /// Judges.
    Validate {
        /// Validations.
        rules: Vec<Rule>,
        /// Audit annotations: key and value.
        annotations: Vec<(String, Expression)>,
    },
    /// Changes.
    Mutate {
        /// Changes, in order.
        changes: Vec<Change>,
        /// Whether it runs again.
        reinvocation: Reinvocation,
    },
    /// Nothing, for this reason: requests that its conditions let through cannot be judged.
    Unusable(String),
}

/// All programs of one policy.
#[derive(Debug)]
pub struct Programs {
    /// Match conditions.
    pub conditions: Vec<Expression>,
    /// Variables by their index in `variables`; of several with one name, the last.
    pub variables: Vec<(String, Expression)>,
    /// Rules or changes.
    pub work: Work,
    /// Indexes of the variables that message expressions use, directly or through others.
    pub message_variables: Vec<usize>,
    /// Where the variables of the environments live.
    pub slots: Slots,
    /// How many expressions there are.
    pub places: usize,
}

/// Where activations find what; the same in all environments of a policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slots {
    /// `object`
    pub object: Option<Slot>,
    /// `oldObject`
    pub old_object: Option<Slot>,
    /// `request`
    pub request: Option<Slot>,
    /// `namespaceObject`
    pub namespace: Option<Slot>,
    /// `params`
    pub params: Option<Slot>,
    /// `authorizer`
    pub authorizer: Option<Slot>,
    /// `authorizer.requestResource`
    pub resource_check: Option<Slot>,
}

/// Compiles one policy.
///
/// # Errors
/// Every mistake in every expression.
pub fn compile(policy: &Policy) -> Result<Programs, Vec<Diagnostic>> {
    let mut compiler = Compiler::new(policy);
    let programs = compiler.policy();
    match programs {
        Some(programs) if compiler.diagnostics.is_empty() => Ok(programs),
        _ => Err(compiler.diagnostics),
    }
}

/// The programs of a policy that cannot do its work: its conditions, so that requests that are none of its business stay
/// so. Without them where one does not compile: then every request that it matches is its business.
#[must_use]
pub fn unusable(policy: &Policy, why: String) -> Programs {
    let mut compiler = Compiler::new(policy);
    let conditions = compiler.conditions();
    let conditions: Option<Vec<Expression>> = conditions.into_iter().collect();
    Programs {
        conditions: conditions.unwrap_or_default(),
        variables: Vec::new(),
        work: Work::Unusable(why),
        message_variables: Vec::new(),
        slots: compiler.slots,
        places: compiler.places,
    }
}

/// The names that an expression mentions: variables at any depth. `None` when it does not parse.
#[must_use]
pub fn mentions(text: &str) -> Option<BTreeSet<String>> {
    let ast = parse(text).ok()?;
    let names = ast.nodes.iter().filter_map(|node| match &node.kind {
        ExprKind::Ident(name) => Some(name.trim_start_matches('.').to_owned()),
        _ => None,
    });
    Some(names.collect())
}

struct Compiler<'p> {
    policy: &'p Policy,
    slots: Slots,
    /// Variables known so far, with their types.
    fields: Vec<(String, Type)>,
    /// What each variable depends on.
    uses: Vec<Uses>,
    /// How many expressions were compiled.
    places: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'p> Compiler<'p> {
    fn new(policy: &'p Policy) -> Self {
        Self {
            policy,
            slots: Slots::default(),
            fields: Vec::new(),
            uses: Vec::new(),
            places: 0,
            diagnostics: Vec::new(),
        }
    }

    /// The variables that every expression of the policy sees.
    fn base(&self) -> EnvBuilder {
        let base = Env::admission();
        if self.policy.param_kind.is_some() {
            base.params()
        } else {
            base
        }
    }

    /// With the variables compiled so far.
    fn composed(&self, base: EnvBuilder) -> EnvBuilder {
        if self.policy.variables.is_empty() {
            base
        } else {
            base.composed(&self.fields)
        }
    }

    /// The match conditions; from then on it is known where the variables of all environments live.
    fn conditions(&mut self) -> Vec<Option<Expression>> {
        let matching = self.base().authorizer().build();
        self.slots = Slots {
            object: matching.slot("object"),
            old_object: matching.slot("oldObject"),
            request: matching.slot("request"),
            namespace: matching.slot("namespaceObject"),
            params: matching.slot("params"),
            authorizer: matching.slot("authorizer"),
            resource_check: matching.slot("authorizer.requestResource"),
        };
        let conditions = self.policy.conditions.iter();
        conditions
            .map(|condition| self.one(&matching, &condition.expression, &[Type::Bool]))
            .collect()
    }

    fn policy(&mut self) -> Option<Programs> {
        let conditions = self.conditions();
        let variables = self.variables();
        let (work, message_variables) = self.work()?;
        let variables = variables
            .into_iter()
            .map(|(name, expression)| Some((name, expression?)));
        Some(Programs {
            conditions: conditions.into_iter().collect::<Option<_>>()?,
            variables: variables.collect::<Option<_>>()?,
            work,
            message_variables,
            slots: self.slots,
            places: self.places,
        })
    }

    fn variables(&mut self) -> Vec<(String, Option<Expression>)> {
        let mut out: Vec<(String, Option<Expression>)> = Vec::new();
        let mut redefined = false;
        for Named { name, expression } in &self.policy.variables {
            let env = self.composed(self.base().authorizer()).build();
            let compiled = self.compile(&env, expression, &[]);
            // One that does not compile is of any type, so that those after it report their own mistakes only.
            let ty = compiled.as_ref().map_or(Type::Dyn, |expression| {
                expression.program.result_type().clone()
            });
            let uses = compiled
                .as_ref()
                .map_or_else(Uses::default, |expression| expression.uses.clone());
            match self.fields.iter().position(|(known, _)| known == name) {
                Some(at) => {
                    redefined = true;
                    self.fields[at].1 = ty;
                    self.uses[at] = uses;
                    out[at].1 = compiled;
                }
                None => {
                    self.fields.push((name.clone(), ty));
                    self.uses.push(uses);
                    out.push((name.clone(), compiled));
                }
            }
        }
        if redefined {
            // Those between the two definitions were compiled with the first and will be evaluated with the second.
            let compiled = out
                .iter_mut()
                .filter_map(|(_, expression)| expression.as_mut());
            let of_expressions = compiled.map(|expression| &mut expression.uses);
            for uses in of_expressions.chain(&mut self.uses) {
                uses.other = true;
                uses.levels = SHALLOW_CHAIN + 1;
            }
        }
        out
    }

    fn work(&mut self) -> Option<(Work, Vec<usize>)> {
        let full = self.composed(self.base().authorizer());
        match &self.policy.body {
            Body::Validating {
                validations,
                audit_annotations,
            } => {
                let env = full.build();
                let message_env = self.composed(self.base()).build();
                let mut rules = Vec::new();
                let mut used = BTreeSet::new();
                for validation in validations {
                    let expression = self.one(&env, &validation.expression, &[Type::Bool]);
                    let message = validation.message_expression.as_ref().map(|text| {
                        let message = self.one(&message_env, text, &[Type::String]);
                        used.extend(message.iter().flat_map(|m| m.uses.variables.clone()));
                        message
                    });
                    let fixed = validation.message.as_deref().unwrap_or_default().trim();
                    let fallback = if fixed.is_empty() {
                        let text = validation.expression.text.trim();
                        format!("failed expression: {text}")
                    } else {
                        fixed.to_owned()
                    };
                    rules.push((expression, message, fallback, validation.reason));
                }
                let annotations: Vec<_> = audit_annotations
                    .iter()
                    .map(|annotation| {
                        let types = [Type::String, Type::Null];
                        let value = self.one(&env, &annotation.expression, &types);
                        (annotation.key.clone(), value)
                    })
                    .collect();
                let work = finish(rules, annotations)?;
                Some((work, self.closure(used)))
            }
            Body::Mutating {
                mutations,
                reinvocation,
            } => {
                let env = full.mutation().build();
                let changes: Vec<_> = mutations
                    .iter()
                    .map(|mutation| self.change(&env, mutation))
                    .collect();
                let work = Work::Mutate {
                    changes: changes.into_iter().collect::<Option<_>>()?,
                    reinvocation: *reinvocation,
                };
                Some((work, Vec::new()))
            }
        }
    }

    fn change(&mut self, env: &Env, mutation: &Mutation) -> Option<Change> {
        match mutation {
            Mutation::Apply(text) => self
                .one(env, text, &[Type::Object("Object".into())])
                .map(Change::Apply),
            Mutation::JsonPatch(text) => self
                .one(env, text, &[Type::list(Type::Object("JSONPatch".into()))])
                .map(Change::JsonPatch),
        }
    }

    fn one(&mut self, env: &Env, text: &Text, types: &[Type]) -> Option<Expression> {
        self.compile(env, text, types)
    }

    /// Compiles; an empty list of types accepts any.
    fn compile(&mut self, env: &Env, text: &Text, types: &[Type]) -> Option<Expression> {
        let compiled = if types.is_empty() {
            env.compile(&text.text)
        } else {
            env.compile_expecting(&text.text, types)
        };
        match compiled {
            Ok(program) => {
                let uses = Uses::new(&program, &self.slots, &self.uses);
                let place = self.places;
                self.places += 1;
                Some(Expression {
                    text: text.text.clone(),
                    uses,
                    program,
                    place,
                    shared: None,
                })
            }
            Err(error) => {
                self.report(text, &error);
                None
            }
        }
    }

    fn report(&mut self, text: &Text, error: &CompileError) {
        let subject = self.policy.subject();
        for issue in &error.issues {
            let at = match issue.offset {
                NOWHERE | LEFT_OUT => START,
                offset => error.source.position(offset),
            };
            self.diagnostics.push(Diagnostic::expression(
                &subject,
                &self.policy.origin,
                &text.path,
                (&text.text, at.line, at.column),
                issue.message.clone(),
            ));
        }
    }

    /// With all that those use in turn.
    fn closure(&self, mut used: BTreeSet<usize>) -> Vec<usize> {
        let mut open: Vec<usize> = used.iter().copied().collect();
        while let Some(at) = open.pop() {
            let uses = self.uses.get(at);
            for next in uses.into_iter().flat_map(|uses| &uses.variables) {
                if used.insert(*next) {
                    open.push(*next);
                }
            }
        }
        used.into_iter().collect()
    }
}

type Parts = (
    Option<Expression>,
    Option<Option<Expression>>,
    String,
    Reason,
);

fn finish(rules: Vec<Parts>, annotations: Vec<(String, Option<Expression>)>) -> Option<Work> {
    let rules = rules
        .into_iter()
        .map(|(expression, message, fallback, reason)| {
            Some(Rule {
                expression: expression?,
                message: match message {
                    None => None,
                    Some(message) => Some(message?),
                },
                fallback,
                reason,
            })
        });
    let annotations = annotations
        .into_iter()
        .map(|(key, value)| Some((key, value?)));
    Some(Work::Validate {
        rules: rules.collect::<Option<_>>()?,
        annotations: annotations.collect::<Option<_>>()?,
    })
}
