//! Environments: which variables, functions and types an expression may use.
//!
//! An [`Env`] is immutable and shared; programs compiled in it run with any [`super::plan::Activation`] that fills its
//! slots.

pub(crate) mod functions;
mod hints;
pub(crate) mod objects;

use std::collections::HashMap;
use std::sync::Arc;

use self::functions::{Declared, Registry};
use self::objects::Field;
use super::ast::Ast;
use super::declared::Declared as Types;
use super::plan::Program;
use super::source::CompileError;
use super::types::Type;

/// Where an activation keeps a declared variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// A variable of the activation.
    Slot(Slot),
    /// The composed `variables`.
    Composed,
}

/// A compilation environment; cheap to clone.
#[derive(Clone, Debug)]
pub struct Env(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    variables: HashMap<Arc<str>, (Binding, Type)>,
    slots: Vec<Arc<str>>,
    composed: Vec<(Arc<str>, Type)>,
    declared: Vec<Types>,
    functions: &'static Registry,
    /// The construction types of mutations are known.
    mutation: bool,
    /// The admission object types are known.
    admission: bool,
    /// Namespace in which names are looked up first; empty for none.
    container: String,
}

/// Declares what an [`Env`] offers.
#[derive(Clone, Debug)]
pub struct EnvBuilder {
    variables: Vec<(String, Type)>,
    composed: Option<Vec<(Arc<str>, Type)>>,
    declared: Vec<Types>,
    mutation: bool,
    admission: bool,
    container: String,
}

impl EnvBuilder {
    /// Looks names up in the namespace `name`, and in those around it, first.
    #[must_use]
    pub fn container(mut self, name: &str) -> Self {
        name.clone_into(&mut self.container);
        self
    }

    /// Declares `params`, the parameter object.
    #[must_use]
    pub fn params(self) -> Self {
        self.variable("params", Type::Dyn)
    }

    /// Declares `authorizer` and `authorizer.requestResource`.
    #[must_use]
    pub fn authorizer(self) -> Self {
        let authorizer = Type::Object("kubernetes.authorization.Authorizer".into());
        let resource = Type::Object("kubernetes.authorization.ResourceCheck".into());
        self.variable("authorizer", authorizer)
            .variable("authorizer.requestResource", resource)
    }

    /// Declares the construction types `Object…` and `JSONPatch`, and `jsonpatch.escapeKey`.
    #[must_use]
    pub fn mutation(mut self) -> Self {
        self.mutation = true;
        self
    }

    /// Declares one variable; a later declaration of the same name replaces an earlier one.
    #[must_use]
    pub fn variable(mut self, name: &str, ty: Type) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), ty));
        self
    }

    /// Takes a declared variable away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// Declares `variables` with these fields; the position of a field here is its index in
    /// [`super::plan::Activation::composed`]. Types are degraded as the API server does.
    #[must_use]
    pub fn composed(mut self, fields: &[(String, Type)]) -> Self {
        self.composed = Some(
            fields
                .iter()
                .map(|(name, ty)| (Arc::from(name.as_str()), ty.degraded()))
                .collect(),
        );
        self
    }

    /// Declares the variables `names` as objects of a kind whose types a schema declares.
    #[must_use]
    pub fn declared(mut self, names: &[&str], declared: Types) -> Self {
        let ty = declared.object();
        self.declared.push(declared);
        names
            .iter()
            .fold(self, |builder, name| builder.variable(name, ty.clone()))
    }

    /// The environment.
    #[must_use]
    pub fn build(self) -> Env {
        let mut variables = HashMap::new();
        let mut slots = Vec::new();
        for (name, ty) in self.variables {
            let name: Arc<str> = name.into();
            let slot = Slot(u16::try_from(slots.len()).unwrap_or(u16::MAX));
            slots.push(name.clone());
            variables.insert(name, (Binding::Slot(slot), ty));
        }
        if self.composed.is_some() {
            variables.insert(
                "variables".into(),
                (Binding::Composed, Type::Object(objects::VARIABLES.into())),
            );
        }
        Env(Arc::new(Inner {
            variables,
            slots,
            composed: self.composed.unwrap_or_default(),
            declared: self.declared,
            functions: functions::registry(self.mutation),
            mutation: self.mutation,
            admission: self.admission,
            container: self.container,
        }))
    }
}

impl Env {
    /// Declares what every admission expression sees: `object`, `oldObject`, `request`, `namespaceObject`.
    #[must_use]
    pub fn admission() -> EnvBuilder {
        EnvBuilder {
            variables: Vec::new(),
            composed: None,
            declared: Vec::new(),
            mutation: false,
            admission: true,
            container: String::new(),
        }
        .variable("object", Type::Dyn)
        .variable("oldObject", Type::Dyn)
        .variable("request", Type::Object(objects::REQUEST.into()))
        .variable("namespaceObject", Type::Object(objects::NAMESPACE.into()))
    }

    /// Declares functions only.
    #[must_use]
    pub fn builder() -> EnvBuilder {
        EnvBuilder {
            variables: Vec::new(),
            composed: None,
            declared: Vec::new(),
            mutation: false,
            admission: false,
            container: String::new(),
        }
    }

    /// Compiles an expression.
    ///
    /// # Errors
    /// Every syntax or type error found, in source order.
    pub fn compile(&self, text: &str) -> Result<Program, CompileError> {
        self.compile_ast(super::parse::parse(text)?)
    }

    /// Compiles an expression that must have one of the types `expected`.
    ///
    /// # Errors
    /// As [`Env::compile`]; an issue `must evaluate to …` when the type is another.
    pub fn compile_expecting(
        &self,
        text: &str,
        expected: &[Type],
    ) -> Result<Program, CompileError> {
        let program = self.compile(text)?;
        if expected.contains(program.result_type()) {
            return Ok(program);
        }
        let found = program.result_type();
        let message = match expected {
            [only] => format!("must evaluate to {only} but got {found}"),
            several => {
                let names: Vec<String> = several.iter().map(Type::to_string).collect();
                format!(
                    "must evaluate to one of [{}] but got {found}",
                    names.join(" ")
                )
            }
        };
        Err(CompileError {
            source: super::source::Source::new(text),
            issues: vec![super::source::Issue::nowhere(message)],
        })
    }

    /// Compiles a syntax tree.
    ///
    /// # Errors
    /// Every type error found, in source order.
    pub fn compile_ast(&self, ast: Ast) -> Result<Program, CompileError> {
        let checked = super::check::check(self, &ast)?;
        super::plan::build(self, &ast, &checked)
    }

    /// The type of a syntax tree, without making a program of it.
    ///
    /// # Errors
    /// Every type error found, in source order.
    pub fn type_of(&self, ast: &Ast) -> Result<Type, CompileError> {
        let checked = super::check::check(self, ast)?;
        Ok(checked.type_of(ast.root).clone())
    }

    /// Where an activation must put the variable `name`.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<Slot> {
        match self.0.variables.get(name)?.0 {
            Binding::Slot(slot) => Some(slot),
            Binding::Composed => None,
        }
    }

    /// Names of the declared variables, by slot.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.slots.iter().map(AsRef::as_ref)
    }

    /// The namespace in which names are looked up first.
    pub(crate) fn container(&self) -> &str {
        &self.0.container
    }

    /// The names that `name` may stand for, in the order in which they are tried: in the container, in the namespaces
    /// around it, by itself. A leading dot allows the last only.
    pub(crate) fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(root) = name.strip_prefix('.') {
            return vec![root.to_owned()];
        }
        let mut names = Vec::new();
        let mut namespace = self.0.container.as_str();
        while !namespace.is_empty() {
            names.push(format!("{namespace}.{name}"));
            namespace = namespace.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
        names.push(name.to_owned());
        names
    }

    /// What the name of a variable stands for.
    pub(crate) fn variable(&self, name: &str) -> Option<(Binding, &Type)> {
        self.0
            .variables
            .get(name)
            .map(|(binding, ty)| (*binding, ty))
    }

    /// The name of the variable in `slot`.
    pub(crate) fn slot_name(&self, slot: Slot) -> Arc<str> {
        self.0
            .slots
            .get(usize::from(slot.0))
            .cloned()
            .unwrap_or_else(|| "".into())
    }

    /// The type that `name` names.
    pub(crate) fn named_type(&self, name: &str) -> Option<Type> {
        objects::named_type(name).or_else(|| {
            let known = self.is_object(name)
                || (self.0.admission && matches!(name, "duration" | "timestamp"));
            known.then(|| Type::Object(name.into()))
        })
    }

    /// Whether `name` is an object type of this environment.
    pub(crate) fn is_object(&self, name: &str) -> bool {
        (self.0.mutation && objects::is_constructed(name))
            || (self.0.admission && !matches!(objects::field(name, ""), Field::Unresolved))
    }

    /// The type of a field of an object type.
    pub(crate) fn field(&self, object: &str, field: &str) -> Field {
        if object == objects::VARIABLES {
            return self
                .composed_index(field)
                .map_or(Field::Undefined, |index| {
                    Field::Of(self.0.composed[index].1.clone())
                });
        }
        if self.0.mutation && objects::is_constructed(object) {
            return objects::constructed_field(object, field);
        }
        if object == super::messages::EMPTY {
            return Field::Undefined;
        }
        let declared = &self.0.declared;
        if let Some(found) = declared.iter().find_map(|kind| kind.field(object, field)) {
            return found;
        }
        objects::field(object, field)
    }

    /// The index of a field of `variables`; of several with one name the last.
    pub(crate) fn composed_index(&self, field: &str) -> Option<usize> {
        self.0
            .composed
            .iter()
            .rposition(|(name, _)| name.as_ref() == field)
    }

    /// The function that `name` names.
    pub(crate) fn function(&self, name: &str) -> Option<&'static Declared> {
        self.candidates(name)
            .iter()
            .find_map(|name| self.0.functions.get(name.as_str()))
    }
}
