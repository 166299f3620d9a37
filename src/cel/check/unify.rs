//! Assignability and type variables, with cel-go's rules.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cel::types::{Ty, Type};

/// What type variables stand for so far. Failed attempts are undone through the trail.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    bound: HashMap<Arc<str>, Type>,
    trail: Vec<(Arc<str>, Option<Type>)>,
    fresh: usize,
}

impl Bindings {
    /// A new type variable.
    pub(super) fn fresh(&mut self) -> Type {
        let name = format!("_var{}", self.fresh);
        self.fresh += 1;
        Type::Param(name.into())
    }

    /// Whether `from` is assignable to `to`; type variables are bound on success only.
    pub(super) fn assignable(&mut self, from: &Type, to: &Type) -> bool {
        let mark = self.trail.len();
        let yes = self.assign(from, to);
        self.settle(mark, yes)
    }

    /// Whether each of `from` is assignable to its counterpart in `to`.
    pub(super) fn assignable_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        let mark = self.trail.len();
        let yes = self.assign_all(from, to);
        self.settle(mark, yes)
    }

    fn settle(&mut self, mark: usize, keep: bool) -> bool {
        if !keep {
            while self.trail.len() > mark {
                if let Some((name, old)) = self.trail.pop() {
                    match old {
                        Some(old) => self.bound.insert(name, old),
                        None => self.bound.remove(&name),
                    };
                }
            }
        }
        self.trail.truncate(mark);
        keep
    }

    fn bind(&mut self, name: &Arc<str>, ty: Type) {
        let old = self.bound.insert(name.clone(), ty);
        self.trail.push((name.clone(), old));
    }

    fn assign(&mut self, t1: &Type, t2: &Type) -> bool {
        if matches!(t2, Type::Param(_)) {
            let (valid, bound) = self.substitutes(t1, t2);
            if valid || bound {
                return valid;
            }
        }
        if matches!(t1, Type::Param(_)) {
            return self.substitutes(t2, t1).0;
        }
        match (t1, t2) {
            (Type::Dyn | Type::Error, _) | (_, Type::Dyn | Type::Error) => true,
            (Type::Null, other) | (other, Type::Null) => nullable(other),
            (Type::Wrapper(inner), other) | (other, Type::Wrapper(inner)) => {
                self.assign(inner, other)
            }
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
                self.assign(a, b)
            }
            (Type::Map(k1, v1), Type::Map(k2, v2)) => self.assign(k1, k2) && self.assign(v1, v2),
            (Type::Type(_), Type::Type(_)) => true,
            _ => t1 == t2,
        }
    }

    fn assign_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.assign(from, to))
    }

    /// Whether the variable `param` can stand for `ty`, and whether it stood for something before.
    fn substitutes(&mut self, ty: &Type, param: &Type) -> (bool, bool) {
        let Type::Param(name) = param else {
            return (false, false);
        };
        if ty == param {
            return (true, true);
        }
        if let Some(bound) = self.bound.get(name).cloned() {
            if ty.is_equivalent(&bound) {
                return (true, true);
            }
            if !self.assign(ty, &bound) {
                return (false, true);
            }
            let general = most_general(ty, &bound).clone();
            if !self.occurs(param, &general) {
                self.bind(name, general);
            }
            return (true, true);
        }
        if self.occurs(param, ty) {
            return (false, false);
        }
        self.bind(name, ty.clone());
        (true, false)
    }

    /// Whether `param` is part of `ty`.
    fn occurs(&self, param: &Type, ty: &Type) -> bool {
        if param == ty {
            return true;
        }
        match ty {
            Type::Param(name) => self
                .bound
                .get(name)
                .is_some_and(|bound| self.occurs(param, bound)),
            Type::List(inner) | Type::Optional(inner) | Type::Type(inner) => {
                self.occurs(param, inner)
            }
            Type::Map(key, value) => self.occurs(param, key) || self.occurs(param, value),
            _ => false,
        }
    }

    /// `ty` with its variables replaced by what they stand for.
    pub(super) fn resolve(&self, ty: &Type) -> Type {
        self.substitute(ty, false)
    }

    /// As [`Bindings::resolve`], and `dyn` for variables that stand for nothing.
    pub(super) fn finish(&self, ty: &Type) -> Type {
        self.substitute(ty, true)
    }

    fn substitute(&self, ty: &Type, to_dyn: bool) -> Type {
        match ty {
            Type::Param(name) => match self.bound.get(name) {
                Some(bound) => self.substitute(bound, to_dyn),
                None if to_dyn => Type::Dyn,
                None => ty.clone(),
            },
            Type::List(inner) => Type::list(self.substitute(inner, to_dyn)),
            Type::Optional(inner) => Type::optional(self.substitute(inner, to_dyn)),
            Type::Type(inner) => Type::Type(Arc::new(self.substitute(inner, to_dyn))),
            Type::Map(key, value) => {
                Type::map(self.substitute(key, to_dyn), self.substitute(value, to_dyn))
            }
            other => other.clone(),
        }
    }
}

/// `null` may stand where a value of this type is wanted.
fn nullable(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Null
            | Type::Opaque(_)
            | Type::Optional(_)
            | Type::Object(_)
            | Type::Wrapper(_)
            | Type::Duration
            | Type::Timestamp
    )
}

/// The more general of two types that unify.
pub(super) fn most_general<'t>(t1: &'t Type, t2: &'t Type) -> &'t Type {
    if less_specific(t1, t2) { t1 } else { t2 }
}

fn less_specific(t1: &Type, t2: &Type) -> bool {
    match (t1, t2) {
        (Type::Dyn | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
            less_specific(a, b)
        }
        (Type::Map(k1, v1), Type::Map(k2, v2)) => less_specific(k1, k2) && less_specific(v1, v2),
        (Type::Type(_), Type::Type(_)) => true,
        (Type::Wrapper(a), b) | (b, Type::Wrapper(a)) => less_specific(a, b),
        _ => t1 == t2,
    }
}

/// The fresh variables of one instance of a signature.
#[derive(Debug, Default)]
pub(super) struct Instance(Vec<(&'static str, Type)>);

impl Instance {
    /// `ty` with the parameters of the signature replaced by fresh variables.
    pub(super) fn of(&mut self, ty: &Ty, bindings: &mut Bindings) -> Type {
        match *ty {
            Ty::Param(name) => {
                if let Some((_, fresh)) = self.0.iter().find(|(known, _)| *known == name) {
                    return fresh.clone();
                }
                let fresh = bindings.fresh();
                self.0.push((name, fresh.clone()));
                fresh
            }
            Ty::List(inner) => Type::list(self.of(inner, bindings)),
            Ty::Optional(inner) => Type::optional(self.of(inner, bindings)),
            Ty::Type(inner) => Type::Type(Arc::new(self.of(inner, bindings))),
            Ty::Map(key, value) => Type::map(self.of(key, bindings), self.of(value, bindings)),
            // The library tables do not tell library types that the checker treats as opaque from those that it treats
            // as objects; their names do.
            Ty::Opaque(name) | Ty::Object(name) => library_type(name),
            ref plain => Type::from(plain),
        }
    }
}

/// A type by its name: network addresses are opaque, everything else is an object.
pub(super) fn library_type(name: &str) -> Type {
    match name {
        "net.IP" | "net.CIDR" => Type::Opaque(name.into()),
        _ => Type::Object(name.into()),
    }
}
