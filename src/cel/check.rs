//! The type checker: gradual, with cel-go's rules and messages.
//!
//! It annotates a syntax tree: a type for every node, and what names and calls refer to. Trees are walked by recursion
//! on a stack that grows.

mod aggregates;
mod calls;
mod literals;
#[cfg(test)]
mod tests;
mod unify;

use std::collections::HashMap;

use self::unify::{Bindings, most_general};
use super::ast::{Ast, Comprehension, ExprId, ExprKind, Literal, ops};
use super::env::functions::Declared;
use super::env::objects::Field;
use super::env::{Binding, Env, Slot};
use super::lib::Overload;
use super::messages::{self, Message};
use super::source::{CompileError, Issue};
use super::types::Type;

/// Stack that must be left, and size of a new segment.
pub(crate) const RED_ZONE: usize = 128 * 1024;
/// See [`RED_ZONE`].
pub(crate) const SEGMENT: usize = 2 * 1024 * 1024;

/// What a node refers to.
#[derive(Clone, Debug, Default)]
pub(crate) enum Reference {
    /// Nothing.
    #[default]
    None,
    /// A variable of the activation.
    Slot(Slot),
    /// The composed `variables`.
    Composed,
    /// A variable of a comprehension, by its place in the frame.
    Local(u16),
    /// A type as a value.
    Type(Type),
    /// A well-known message.
    Message(&'static Message),
    /// The member of an enumeration.
    Enumerated(i64),
    /// A function with the signatures that fit.
    Call {
        /// The function.
        function: &'static Declared,
        /// At least one.
        overloads: Vec<&'static Overload>,
        /// The receiver is part of the function's name, not an argument.
        namespaced: bool,
    },
    /// A comprehension whose variables start at this place in the frame.
    Fold(u16),
}

/// A checked tree: one entry per node of the tree.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Types.
    pub(crate) types: Vec<Type>,
    /// References.
    pub(crate) references: Vec<Reference>,
    /// Places in the frame of comprehension variables.
    pub(crate) locals: u16,
}

impl Checked {
    /// The type of a node.
    pub(crate) fn type_of(&self, id: ExprId) -> &Type {
        &self.types[id.0 as usize]
    }

    /// What a node refers to.
    pub(crate) fn reference(&self, id: ExprId) -> &Reference {
        &self.references[id.0 as usize]
    }
}

/// Places of one comprehension in the frame: accumulator, first and second variable.
pub(crate) const PLACES: u16 = 3;

/// Checks `ast` in `env`.
///
/// # Errors
/// Every issue found, in source order.
pub(crate) fn check(env: &Env, ast: &Ast) -> Result<Checked, CompileError> {
    let mut checker = Checker {
        env,
        ast,
        types: vec![None; ast.nodes.len()],
        references: vec![Reference::None; ast.nodes.len()],
        bindings: Bindings::default(),
        issues: Vec::new(),
        scopes: Vec::new(),
        used: 0,
        most: 0,
    };
    checker.check(ast.root);
    let checked = Checked {
        types: checker
            .types
            .iter()
            .map(|ty| {
                ty.as_ref()
                    .map_or(Type::Dyn, |ty| checker.bindings.finish(ty))
            })
            .collect(),
        locals: checker.most,
        references: checker.references,
    };
    let mut issues = checker.issues;
    if issues.is_empty() {
        literals::validate(ast, &checked, &mut issues);
    }
    if issues.is_empty() {
        return Ok(checked);
    }
    Err(CompileError::new(ast.source.clone(), issues))
}

struct Checker<'e> {
    env: &'e Env,
    ast: &'e Ast,
    types: Vec<Option<Type>>,
    references: Vec<Reference>,
    bindings: Bindings,
    issues: Vec<Issue>,
    /// Comprehension variables in scope, innermost last.
    scopes: Vec<HashMap<&'e str, (u16, Type)>>,
    /// Places of the frame in use, and the most that were.
    used: u16,
    most: u16,
}

impl<'e> Checker<'e> {
    fn check(&mut self, id: ExprId) {
        if self.types[id.0 as usize].is_none() {
            stacker::maybe_grow(RED_ZONE, SEGMENT, || self.check_node(id));
        }
    }

    fn check_node(&mut self, id: ExprId) {
        let ast = self.ast;
        match &ast.node(id).kind {
            ExprKind::Literal(literal) => self.set(id, literal_type(literal)),
            ExprKind::Ident(name) => self.check_ident(id, name),
            ExprKind::Select {
                operand,
                field,
                test_only,
            } => self.check_select(id, *operand, field, *test_only),
            ExprKind::Call {
                function,
                target,
                args,
            } => self.check_call(id, function, *target, args),
            ExprKind::List { elements } => self.check_list(id, elements),
            ExprKind::Map { entries } => self.check_map(id, entries),
            ExprKind::Struct { name, fields } => self.check_struct(id, name, fields),
            ExprKind::Comprehension(fold) => self.check_comprehension(id, fold),
        }
    }

    fn set(&mut self, id: ExprId, ty: Type) {
        let ty = if is_large(&ty) {
            self.issue_at(id, "the type of the expression is too large".to_owned());
            Type::Error
        } else {
            ty
        };
        self.types[id.0 as usize] = Some(ty);
    }

    fn refer(&mut self, id: ExprId, reference: Reference) {
        self.references[id.0 as usize] = reference;
    }

    /// The type of a node that was checked.
    fn get(&self, id: ExprId) -> Type {
        self.types[id.0 as usize].clone().unwrap_or(Type::Error)
    }

    fn issue(&mut self, offset: u32, message: String) {
        self.issues.push(Issue { offset, message });
    }

    fn issue_at(&mut self, id: ExprId, message: String) {
        self.issue(self.ast.node(id).offset, message);
    }

    fn mismatch(&mut self, id: ExprId, expected: &Type, found: &Type) {
        self.issue_at(id, mismatch(expected, found));
    }

    fn undeclared(&mut self, id: ExprId, name: &str) {
        self.set(id, Type::Error);
        self.issue_at(
            id,
            format!(
                "undeclared reference to '{name}' (in container '{}')",
                self.env.container()
            ),
        );
    }

    /// What a name means here: a comprehension variable, a declared variable or a type.
    fn lookup(&self, name: &str) -> Option<(Reference, Type)> {
        self.env
            .candidates(name)
            .iter()
            .find_map(|name| self.declared(name))
    }

    fn declared(&self, name: &str) -> Option<(Reference, Type)> {
        for scope in self.scopes.iter().rev() {
            if let Some((place, ty)) = scope.get(name) {
                return Some((Reference::Local(*place), ty.clone()));
            }
        }
        if let Some((binding, ty)) = self.env.variable(name) {
            let reference = match binding {
                Binding::Slot(slot) => Reference::Slot(slot),
                Binding::Composed => Reference::Composed,
            };
            return Some((reference, ty.clone()));
        }
        if let Some(message) = messages::find(name) {
            let ty = Type::Type(std::sync::Arc::new(message.result()));
            return Some((Reference::Message(message), ty));
        }
        if name == messages::NULL_VALUE {
            return Some((Reference::Enumerated(0), Type::Int));
        }
        let named = self.env.named_type(name)?;
        let ty = Type::Type(std::sync::Arc::new(open(&named)));
        Some((Reference::Type(named), ty))
    }

    fn check_ident(&mut self, id: ExprId, name: &str) {
        match self.lookup(name) {
            Some((reference, ty)) => {
                self.set(id, ty);
                self.refer(id, reference);
            }
            None => self.undeclared(id, name),
        }
    }

    fn check_select(&mut self, id: ExprId, operand: ExprId, field: &str, test_only: bool) {
        if let Some(name) = qualified_name(self.ast, id)
            && let Some((reference, ty)) = self.lookup(&name)
        {
            self.set(id, ty);
            self.refer(id, reference);
            return;
        }
        if test_only && self.asks_a_patch(operand, field) {
            return self.set(id, Type::Bool);
        }
        let ty = self.selected(id, operand, field, false);
        let ty = if test_only { Type::Bool } else { ty };
        let ty = self.bindings.resolve(&ty);
        self.set(id, ty);
    }

    /// The type of `operand.field`.
    fn selected(&mut self, id: ExprId, operand: ExprId, field: &str, optional: bool) -> Type {
        self.check(operand);
        let operand = self.bindings.resolve(&self.get(operand));
        let (target, is_optional) = unwrapped(&operand);
        let result = match target {
            Type::Map(_, value) => value.as_ref().clone(),
            Type::Object(name) => self.field(id, name, field),
            Type::Param(_) => {
                self.bindings.assignable(&Type::Dyn, target);
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            other => {
                self.issue_at(
                    id,
                    format!(
                        "type '{}' does not support field selection",
                        other.in_message()
                    ),
                );
                Type::Dyn
            }
        };
        if is_optional || optional {
            return Type::optional(result);
        }
        result
    }

    /// Whether a patch is asked for a field that it cannot have, which compiles in the API server and fails when it is
    /// evaluated.
    fn asks_a_patch(&mut self, operand: ExprId, field: &str) -> bool {
        self.check(operand);
        let patch = super::env::objects::JSON_PATCH;
        matches!(self.get(operand), Type::Object(name) if name.as_ref() == patch)
            && matches!(self.env.field(patch, field), Field::Undefined)
    }

    fn field(&mut self, id: ExprId, object: &str, field: &str) -> Type {
        match self.env.field(object, field) {
            Field::Of(ty) => return ty,
            Field::Undefined => self.issue_at(id, format!("undefined field '{field}'")),
            Field::Unresolved => {
                self.issue_at(id, format!("unexpected failed resolution of '{object}'"));
            }
        }
        Type::Error
    }

    fn join(&mut self, id: ExprId, previous: Option<Type>) -> Option<Type> {
        let current = self.get(id);
        self.join_type(previous, current)
    }

    /// Elements of one literal may differ here; the validator of literals has its say later.
    fn join_type(&mut self, previous: Option<Type>, current: Type) -> Option<Type> {
        let Some(previous) = previous else {
            return Some(current);
        };
        if self.bindings.assignable(&previous, &current) {
            return Some(most_general(&previous, &current).clone());
        }
        Some(Type::Dyn)
    }

    /// The type that an entry marked with `?` contributes.
    fn optional_entry(&mut self, id: ExprId) -> Type {
        let ty = self.get(id);
        let (inner, is_optional) = unwrapped(&ty);
        let inner = inner.clone();
        if !is_optional && inner != Type::Dyn {
            self.mismatch(id, &Type::optional(inner.clone()), &inner);
        }
        inner
    }

    fn check_comprehension(&mut self, id: ExprId, fold: &'e Comprehension) {
        let base = self.used;
        self.used = base.saturating_add(PLACES);
        self.most = self.most.max(self.used);
        self.refer(id, Reference::Fold(base));
        self.check(fold.range);
        self.check(fold.init);
        let range = self.bindings.resolve(&self.get(fold.range));
        let accumulator = self.get(fold.init);
        let (var, var2) = self.iteration_types(fold, &range);
        self.scopes.push(HashMap::from([(
            fold.accu.as_str(),
            (base, accumulator.clone()),
        )]));
        let mut variables = HashMap::from([(fold.var.as_str(), (base + 1, var))]);
        if let Some(name) = &fold.var2 {
            variables.insert(name.as_str(), (base + 2, var2));
        }
        self.scopes.push(variables);
        self.check(fold.condition);
        self.assert_type(fold.condition, &Type::Bool);
        self.check(fold.step);
        self.assert_type(fold.step, &accumulator);
        self.scopes.pop();
        self.check(fold.result);
        self.scopes.pop();
        self.used = base;
        let ty = self.bindings.resolve(&self.get(fold.result));
        self.set(id, ty);
    }

    /// Types of the first and second iteration variable.
    fn iteration_types(&mut self, fold: &Comprehension, range: &Type) -> (Type, Type) {
        match range {
            Type::List(element) if fold.var2.is_some() => (Type::Int, element.as_ref().clone()),
            Type::List(element) => (element.as_ref().clone(), Type::Dyn),
            Type::Map(key, value) => (key.as_ref().clone(), value.as_ref().clone()),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.bindings.assignable(&Type::Dyn, range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                    other.in_message()
                );
                self.issue_at(fold.range, message);
                (Type::Error, Type::Error)
            }
        }
    }

    fn assert_type(&mut self, id: ExprId, wanted: &Type) {
        let found = self.get(id);
        if !self.bindings.assignable(wanted, &found) {
            self.mismatch(id, wanted, &found);
        }
    }

    fn check_optional_select(&mut self, id: ExprId, args: &[ExprId]) {
        let &[operand, field] = args else {
            let message = format!(
                "unsupported optional field selection: incorrect signature. argument count: {}",
                args.len()
            );
            self.set(id, Type::Error);
            return self.issue_at(id, message);
        };
        let ast = self.ast;
        let ExprKind::Literal(Literal::String(name)) = &ast.node(field).kind else {
            self.set(id, Type::Error);
            return self.issue_at(
                field,
                format!("unsupported optional field selection: {}", ops::OPT_SELECT),
            );
        };
        let ty = self.selected(id, operand, name, true);
        let ty = self.bindings.resolve(&ty);
        self.set(field, Type::String);
        self.set(id, ty);
    }
}

/// Parts of the largest type: a map of itself to itself doubles its type, so that few steps would make types that fill
/// the memory.
const MAX_TYPE: usize = 2_000;

fn is_large(ty: &Type) -> bool {
    let mut work = vec![ty];
    let mut parts = 0;
    while let Some(ty) = work.pop() {
        parts += 1;
        if parts > MAX_TYPE {
            return true;
        }
        match ty {
            Type::List(inner) | Type::Optional(inner) | Type::Type(inner) => work.push(inner),
            Type::Map(key, value) => work.extend([key.as_ref(), value.as_ref()]),
            _ => {}
        }
    }
    false
}

/// The type that the name of a type stands for: the parameters of `list` and `map` are not known, which messages tell.
fn open(named: &Type) -> Type {
    let parameter = |name: &str| Type::Param(name.into());
    match named {
        Type::List(_) => Type::list(parameter("A")),
        Type::Map(..) => Type::map(parameter("A"), parameter("B")),
        other => other.clone(),
    }
}

/// `expected type 'a' but found 'b'`
fn mismatch(expected: &Type, found: &Type) -> String {
    format!(
        "expected type '{}' but found '{}'",
        expected.in_message(),
        found.in_message()
    )
}

/// The type inside an optional, and whether it was one.
fn unwrapped(ty: &Type) -> (&Type, bool) {
    match ty {
        Type::Optional(inner) => (inner, true),
        other => (other, false),
    }
}

/// The type of a constant.
pub(crate) fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

/// `a.b.c` when the node is nothing but names and selections.
pub(crate) fn qualified_name(ast: &Ast, id: ExprId) -> Option<String> {
    let mut fields = Vec::new();
    let mut id = id;
    loop {
        match &ast.node(id).kind {
            ExprKind::Ident(name) => {
                fields.push(name.as_str());
                fields.reverse();
                return Some(fields.join("."));
            }
            ExprKind::Select {
                operand,
                field,
                test_only: false,
            } => {
                // Names of functions and variables have few parts; longer chains are attributes.
                if fields.len() > MAX_NAME_PARTS {
                    return None;
                }
                fields.push(field);
                id = *operand;
            }
            _ => return None,
        }
    }
}

/// Parts of the longest qualified name that can be declared; bounds the work on long selection chains.
const MAX_NAME_PARTS: usize = 16;
