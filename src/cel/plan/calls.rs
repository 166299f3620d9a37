//! Planning of calls: operators become operations, functions calls with their candidates.

use super::build::{Builder, Built, index, text};
use super::constants::ValueSet;
use super::{Call, DispatchCost, Key, Op, OpId, Root, Target, binding};
use crate::cel::ast::{ExprId, ops};
use crate::cel::check::Reference;
use crate::cel::env::functions::Declared;
use crate::cel::lib::operators::{Arithmetic, Relation};
use crate::cel::lib::{Overload, regex};
use crate::cel::value::{List, Value};

impl Builder<'_> {
    pub(super) fn call(&mut self, id: ExprId, target: Option<ExprId>, args: &[ExprId]) -> Built {
        let checked = self.checked;
        let Reference::Call {
            function,
            overloads,
            namespaced,
        } = checked.reference(id)
        else {
            // Only `a.?b` has no declared signature.
            return self.index(args, true);
        };
        let name = function.name;
        if matches!(name, ops::INDEX | ops::OPT_INDEX) {
            return self.index(args, name == ops::OPT_INDEX);
        }
        if name == ops::CONDITIONAL {
            return self.conditional(args);
        }
        let mut planned = Vec::with_capacity(args.len() + 1);
        if let Some(target) = target
            && !namespaced
        {
            planned.push(self.node(target)?);
        }
        for arg in args {
            planned.push(self.node(*arg)?);
        }
        let resolved = match overloads.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        if let Some(op) = self.operator(name, resolved, &planned) {
            return Ok(self.push(op));
        }
        self.function(function, resolved, &planned)
    }

    fn conditional(&mut self, args: &[ExprId]) -> Built {
        let mut ops = [0; 3];
        for (op, arg) in ops.iter_mut().zip(args) {
            *op = match self.appending(*arg)? {
                Some(append) => append,
                None => self.node(*arg)?,
            };
        }
        let [condition, then, otherwise] = ops;
        Ok(self.attribute(Root::Conditional {
            condition,
            then,
            otherwise,
        }))
    }

    fn operator(
        &mut self,
        name: &str,
        resolved: Option<&'static Overload>,
        args: &[OpId],
    ) -> Option<Op> {
        let sized = resolved.is_some_and(|overload| {
            overload.id.ends_with("_string") || overload.id.ends_with("_bytes")
        });
        let arithmetic = |operator| match *args {
            [left, right] => Some(Op::Arithmetic {
                operator,
                left,
                right,
                sized,
            }),
            _ => None,
        };
        let relation = |relation| match *args {
            [left, right] => Some(Op::Relation {
                relation,
                left,
                right,
                sized,
            }),
            _ => None,
        };
        match (name, args) {
            (ops::AND, _) => Some(self.chain(args, true)),
            (ops::OR, _) => Some(self.chain(args, false)),
            (ops::NOT, [operand]) => Some(Op::Not(*operand)),
            (ops::NOT_STRICTLY_FALSE, [operand]) => Some(Op::NotStrictlyFalse(*operand)),
            (ops::NEG, [operand]) => Some(Op::Negate(*operand)),
            (ops::EQ | ops::NE, [left, right]) => Some(Op::Equal {
                left: *left,
                right: *right,
                negated: name == ops::NE,
            }),
            (ops::IN, [left, right]) => Some(self.membership(*left, *right, resolved)),
            ("or" | "orValue", [left, right]) => Some(Op::Alternative {
                left: *left,
                right: *right,
                value: name == "orValue",
            }),
            (ops::ADD, _) => arithmetic(Arithmetic::Add),
            (ops::SUB, _) => arithmetic(Arithmetic::Subtract),
            (ops::MUL, _) => arithmetic(Arithmetic::Multiply),
            (ops::DIV, _) => arithmetic(Arithmetic::Divide),
            (ops::MOD, _) => arithmetic(Arithmetic::Modulo),
            (ops::LT, _) => relation(Relation::Less),
            (ops::LE, _) => relation(Relation::LessEquals),
            (ops::GT, _) => relation(Relation::Greater),
            (ops::GE, _) => relation(Relation::GreaterEquals),
            _ => None,
        }
    }

    /// `&&` or `||` over all operands; nested ones of the same kind are merged, which changes neither result nor order.
    fn chain(&mut self, args: &[OpId], and: bool) -> Op {
        let mut terms = Vec::with_capacity(args.len());
        for arg in args {
            match (self.plan.ops[*arg as usize], and) {
                (Op::And(inner), true) | (Op::Or(inner), false) => {
                    terms.extend_from_slice(self.plan.span(inner));
                }
                _ => terms.push(*arg),
            }
        }
        let span = self.span(&terms);
        if and { Op::And(span) } else { Op::Or(span) }
    }

    /// `in`: over a constant list of scalars a set, over an empty constant list the constant `false`.
    fn membership(&mut self, left: OpId, right: OpId, resolved: Option<&'static Overload>) -> Op {
        let list = resolved.is_some_and(|overload| overload.id == "in_list");
        let constant = match self.constant_of(right) {
            Some(Value::List(items)) if list => Some(items.clone()),
            _ => None,
        };
        if let Some(items) = constant {
            if items.is_empty() {
                let at = index(&self.plan.constants);
                self.plan.constants.push(Value::Bool(false));
                return Op::Const(at);
            }
            if let Some(set) = ValueSet::new(List::iter(&items)) {
                let at = index(&self.plan.sets);
                self.plan.sets.push(set);
                return Op::InSet { left, set: at };
            }
        }
        Op::In { left, right, list }
    }

    /// `a[b]`, `a[?b]`, `a.?b`
    fn index(&mut self, args: &[ExprId], optional: bool) -> Built {
        let &[operand, key] = args else {
            return Err(Self::failure("an index takes two operands"));
        };
        let operand = self.node(operand)?;
        let key = self.node(key)?;
        let key = match self.constant_of(key) {
            None => Key::Op(key),
            Some(value) => match value {
                Value::String(_) => {
                    let name = text(value).unwrap_or_default();
                    self.plain_key(operand, name)
                }
                Value::Int(_) | Value::Uint(_) | Value::Bool(_) | Value::Double(_) => {
                    let value = value.clone();
                    let at = index(&self.plan.constants);
                    self.plan.constants.push(value);
                    Key::Const(at)
                }
                other => {
                    return Err(Self::failure(&crate::cel::eval::invalid_key(other)));
                }
            },
        };
        Ok(self.qualify(operand, key, optional))
    }

    fn function(
        &mut self,
        function: &'static Declared,
        resolved: Option<&'static Overload>,
        args: &[OpId],
    ) -> Built {
        let name = function.name;
        let target = match resolved {
            Some(overload) => Target::Resolved(overload),
            None => Target::Dispatched {
                candidates: &function.overloads,
                cost: binding::dispatch_cost(name, &function.overloads)
                    .map_or(DispatchCost::Default, DispatchCost::Of),
            },
        };
        let guard = binding::guard(name);
        if binding::is_conversion(name)
            && let &[arg] = args
            && let Some(value) = self.constant_of(arg)
        {
            let folded = crate::cel::eval::apply(name, target, guard, std::slice::from_ref(value));
            return match folded {
                Ok(value) => Ok(self.constant(value)),
                Err(error) => Err(Self::failure(&error.to_string())),
            };
        }
        let pattern = args
            .get(1)
            .filter(|_| binding::takes_pattern(name))
            .and_then(|arg| self.constant_of(*arg))
            .and_then(text);
        let regex = match pattern {
            Some(pattern) => Some(regex::compile(&pattern).map_err(|error| Self::failure(&error))?),
            None => None,
        };
        let args_span = self.span(args);
        let at = index(&self.plan.calls);
        self.plan.calls.push(Call {
            name,
            args: args_span,
            target,
            variadic: regex.is_some() || binding::is_variadic(name, resolved, args.len()),
            guard,
            regex,
        });
        Ok(self.push(Op::Call(at)))
    }
}
