//! Calls: which function is meant, and which of its signatures fit.

use super::unify::Instance;
use super::{Checker, Reference, Type, qualified_name};
use crate::cel::ast::{ExprId, ops};
use crate::cel::env::functions::Declared;
use crate::cel::lib::Overload;

impl<'e> Checker<'e> {
    pub(super) fn check_call(
        &mut self,
        id: ExprId,
        name: &'e str,
        target: Option<ExprId>,
        args: &'e [ExprId],
    ) {
        if name == ops::OPT_SELECT {
            return self.check_optional_select(id, args);
        }
        for arg in args {
            self.check(*arg);
        }
        let Some(target) = target else {
            return match self.env.function(name) {
                Some(function) => self.resolve_call(id, function, None, args, false),
                None => self.undeclared(id, name),
            };
        };
        // `a.b.f()` may name the function `a.b.f`.
        if let Some(prefix) = qualified_name(self.ast, target)
            && let Some(function) = self.env.function(&format!("{prefix}.{name}"))
        {
            return self.resolve_call(id, function, None, args, true);
        }
        self.check(target);
        match self.env.function(name) {
            Some(function) => self.resolve_call(id, function, Some(target), args, false),
            None => self.undeclared(id, name),
        }
    }

    fn resolve_call(
        &mut self,
        id: ExprId,
        function: &'static Declared,
        target: Option<ExprId>,
        args: &[ExprId],
        namespaced: bool,
    ) {
        let types: Vec<Type> = target
            .iter()
            .chain(args)
            .map(|arg| self.get(*arg))
            .collect();
        if matches!(function.name, ops::AND | ops::OR) {
            return self.resolve_logic(id, function, args, &types);
        }
        let mut fitting: Vec<&'static Overload> = Vec::new();
        let mut result: Option<Type> = None;
        for overload in &function.overloads {
            if overload.member != target.is_some() || overload.params.len() != types.len() {
                // The fresh variables of a signature are numbered whether or not it has the right shape.
                if overload.member == target.is_some() {
                    Instance::default().signature(overload, &mut self.bindings);
                }
                continue;
            }
            let (params, declared) = Instance::default().signature(overload, &mut self.bindings);
            if !self.bindings.assignable_all(&types, &params) {
                continue;
            }
            fitting.push(overload);
            let declared = self.bindings.resolve(&declared);
            match &result {
                None => result = Some(declared),
                Some(Type::Dyn) => {}
                Some(known) if *known == declared => {}
                Some(_) => result = Some(Type::Dyn),
            }
        }
        match result {
            Some(result) => {
                self.set(id, result);
                self.refer(
                    id,
                    Reference::Call {
                        function,
                        overloads: fitting,
                        namespaced,
                    },
                );
            }
            None => self.no_overload(id, function, &types, target.is_some()),
        }
    }

    fn no_overload(&mut self, id: ExprId, function: &Declared, types: &[Type], member: bool) {
        let mut names: Vec<String> = types
            .iter()
            .map(|ty| self.bindings.finish(ty).in_message())
            .collect();
        let receiver = if member {
            format!("{}.", names.remove(0))
        } else {
            String::new()
        };
        self.set(id, Type::Error);
        self.issue_at(
            id,
            format!(
                "found no matching overload for '{}' applied to '{receiver}({})'",
                function.name,
                names.join(", ")
            ),
        );
    }

    /// `&&` and `||` take any number of operands and name the one that is no boolean.
    fn resolve_logic(
        &mut self,
        id: ExprId,
        function: &'static Declared,
        args: &[ExprId],
        types: &[Type],
    ) {
        let mut fine = true;
        for (arg, ty) in args.iter().zip(types) {
            if !self.bindings.assignable(ty, &Type::Bool) {
                self.mismatch(*arg, &Type::Bool, ty);
                fine = false;
            }
        }
        if !fine {
            return self.set(id, Type::Error);
        }
        self.set(id, Type::Bool);
        self.refer(
            id,
            Reference::Call {
                function,
                overloads: function.overloads.clone(),
                namespaced: false,
            },
        );
    }
}

impl Instance {
    /// Parameter types and result type of a signature, with fresh variables.
    fn signature(
        mut self,
        overload: &Overload,
        bindings: &mut super::unify::Bindings,
    ) -> (Vec<Type>, Type) {
        let result = self.of(&overload.result, bindings);
        let params = overload
            .params
            .iter()
            .map(|param| self.of(param, bindings))
            .collect();
        (params, result)
    }
}
