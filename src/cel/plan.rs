//! Programs: checked expressions compiled into a compact plan.
//!
//! A plan is an arena of operations whose operands are indexes. What can be settled before evaluation is: overloads,
//! constants, patterns, sets for `in`, places of variables; selection chains are one operation. A [`Program`] is
//! immutable, shared between threads, and evaluated by `super::eval`.

pub(crate) mod binding;
mod build;
mod calls;
pub(crate) mod constants;

use std::sync::Arc;

use super::env::Slot;
use super::lib::Overload;
use super::lib::operators::{Arithmetic, Relation};
use super::messages::Message;
use super::types::Type;
use super::value::{EvalError, Value};

pub use super::cost::{MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT, RUNTIME_BUDGET};
pub(crate) use build::build;

/// Where evaluation finds the values of variables.
pub trait Activation<'a> {
    /// The variable in `slot`; `None` when it has no value in this phase, which is an error to the expression.
    fn variable(&self, slot: Slot) -> Option<Value<'a>>;

    /// The field of `variables` at `index`. The implementor evaluates it on first use, remembers the outcome and
    /// charges its cost to the budget of the phase.
    ///
    /// # Errors
    /// The variable does not compile or fails to evaluate.
    fn composed(&self, index: usize) -> Result<Value<'a>, EvalError>;
}

/// What an evaluation gave and what it cost.
#[derive(Clone, Debug)]
pub struct Evaluation<'a> {
    /// The value, or why there is none.
    pub value: Result<Value<'a>, EvalError>,
    /// Cost units, counted up to the failure if there was one.
    pub cost: u64,
}

/// An expression that is ready to run.
#[derive(Debug)]
pub struct Program {
    text: String,
    result: Type,
    plan: Plan,
}

impl Program {
    /// The type of the result, as far as it is known before evaluation.
    #[must_use]
    pub const fn result_type(&self) -> &Type {
        &self.result
    }

    /// The expression.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variables of an activation that evaluation may ask for.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        let named = self.plan.slot_names.iter();
        named.map(|(slot, _)| *slot).collect()
    }

    /// The fields of `variables` that evaluation may ask for, each once, in the order of the expression.
    #[must_use]
    pub fn composed(&self) -> Vec<usize> {
        let mut out = Vec::new();
        for qualifier in self.plan.attributes.iter().flat_map(|a| &a.qualifiers) {
            if let Key::Composed {
                index: Some(index), ..
            } = &qualifier.key
                && !out.contains(index)
            {
                out.push(*index);
            }
        }
        out
    }

    /// Evaluates with the variables of `activation`, at a cost of at most `limit` (normally [`PER_CALL_LIMIT`]).
    pub fn eval<'a>(&'a self, activation: &dyn Activation<'a>, limit: u64) -> Evaluation<'a> {
        super::eval::run(&self.plan, activation, limit)
    }

    /// The plan.
    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Index of an operation in [`Plan::ops`].
pub(crate) type OpId = u32;

/// Consecutive entries of [`Plan::children`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

/// The operations of a program.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) ops: Vec<Op>,
    pub(crate) root: OpId,
    children: Vec<OpId>,
    constants: Vec<Value<'static>>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) calls: Vec<Call>,
    pub(crate) folds: Vec<Fold>,
    pub(crate) structs: Vec<StructPlan>,
    pub(crate) sets: Vec<constants::ValueSet>,
    /// Names of the variables that the plan uses, for the error about an unbound one.
    slot_names: Vec<(Slot, Arc<str>)>,
    /// The variables that hold judged objects.
    pub(crate) judged: Vec<Slot>,
    /// Places of comprehension variables.
    pub(crate) locals: usize,
    /// The operations nest so deep that evaluation must watch the stack.
    pub(crate) deep: bool,
}

impl Plan {
    /// The operations of a span.
    pub(crate) fn span(&self, span: Span) -> &[OpId] {
        &self.children[span.start as usize..(span.start + span.len) as usize]
    }

    /// A constant; texts are borrowed from the plan.
    pub(crate) fn constant(&self, index: u32) -> Value<'_> {
        match &self.constants[index as usize] {
            Value::String(text) => Value::from(text.as_str()),
            other => other.clone(),
        }
    }

    /// The name of a variable that the plan uses.
    pub(crate) fn slot_name(&self, slot: Slot) -> Option<&str> {
        self.slot_names
            .iter()
            .find(|(known, _)| *known == slot)
            .map(|(_, name)| name.as_ref())
    }

    /// The error about a variable without value.
    pub(crate) fn unbound(&self, slot: Slot) -> EvalError {
        EvalError::Unbound(self.slot_name(slot).unwrap_or_default().into())
    }
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// A constant.
    Const(u32),
    /// A variable or the result of an operation, with selections.
    Attribute(u32),
    /// `a && b && …`
    And(Span),
    /// `a || b || …`
    Or(Span),
    /// `!a`
    Not(OpId),
    /// The loop condition of quantifiers: errors count as true.
    NotStrictlyFalse(OpId),
    /// `a == b`, or `!=`.
    Equal {
        left: OpId,
        right: OpId,
        negated: bool,
    },
    /// `a < b` and its kin; `sized` comparisons cost by their operands' sizes.
    Relation {
        relation: Relation,
        left: OpId,
        right: OpId,
        sized: bool,
    },
    /// `a + b` and its kin; `sized` concatenations cost by their operands' sizes.
    Arithmetic {
        operator: Arithmetic,
        left: OpId,
        right: OpId,
        sized: bool,
    },
    /// `-a`
    Negate(OpId),
    /// `a in b`; `list` when it is known before that `b` is a list, which costs its size.
    In { left: OpId, right: OpId, list: bool },
    /// `a in [constants]`
    InSet { left: OpId, set: u32 },
    /// `accumulator + [element]` in a comprehension.
    Append {
        place: u16,
        element: OpId,
        constant: bool,
    },
    /// `optional.or(…)`, or `orValue`.
    Alternative {
        left: OpId,
        right: OpId,
        value: bool,
    },
    /// A function call.
    Call(u32),
    /// A list literal; the flags of optional elements follow the elements in the span.
    List { elements: Span, optional: bool },
    /// A map literal: key, value, flag of optional entries.
    Map(Span),
    /// A constructed object.
    Struct(u32),
    /// A comprehension.
    Fold(u32),
}

/// Something selected from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Root {
    /// A variable of the activation.
    Slot(Slot),
    /// `variables`, whose fields are asked for one by one.
    Composed,
    /// A variable of a comprehension.
    Local(u16),
    /// The result of an operation.
    Op(OpId),
    /// `condition ? then : otherwise`
    Conditional {
        condition: OpId,
        then: OpId,
        otherwise: OpId,
    },
}

/// A root with selections: `object.spec.containers[0].?name`.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) root: Root,
    pub(crate) qualifiers: Vec<Qualifier>,
    /// The last selection only asks for presence.
    pub(crate) test_only: bool,
}

impl Attribute {
    /// Whether every selection is of a plain field.
    pub(crate) fn is_plain(&self) -> bool {
        self.qualifiers
            .iter()
            .all(|qualifier| !qualifier.optional && matches!(qualifier.key, Key::Field(_)))
    }
}

/// One selection.
#[derive(Debug)]
pub(crate) struct Qualifier {
    pub(crate) key: Key,
    /// Written with `?`.
    pub(crate) optional: bool,
}

/// What is selected.
#[derive(Debug)]
pub(crate) enum Key {
    /// A field or string key.
    Field(Arc<str>),
    /// A field of an object that the expression constructs.
    Constructed(Arc<str>),
    /// A field of `variables`.
    Composed {
        index: Option<usize>,
        name: Arc<str>,
    },
    /// A constant key of another type.
    Const(u32),
    /// A key that an operation gives; attributes give it without the cost of an identifier.
    Op(OpId),
}

/// A call with its candidates.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) args: Span,
    /// The only signature that fits, or all signatures of the function for a choice at run time.
    pub(crate) target: Target,
    /// Arguments are evaluated up to the first error only, and the call then costs nothing.
    pub(crate) variadic: bool,
    /// How a wrong argument is reported.
    pub(crate) guard: binding::Guard,
    /// The pattern argument, compiled.
    pub(crate) regex: Option<regex::Regex>,
}

/// Which code a call runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// One signature.
    Resolved(&'static Overload),
    /// The first signature whose parameters match.
    Dispatched {
        /// All signatures of the function.
        candidates: &'static [&'static Overload],
        /// The signature whose cost applies whatever is chosen; `None` when the chosen one's does.
        cost: DispatchCost,
    },
}

/// Cost of a call that is dispatched at run time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DispatchCost {
    /// One unit: the cost model knows the function by its signatures only.
    Default,
    /// The cost model knows the function by name: this signature tells the cost.
    Of(&'static Overload),
}

/// A constructed object.
#[derive(Debug)]
pub(crate) struct StructPlan {
    pub(crate) name: Arc<str>,
    /// It is a well-known message, which becomes a plain value.
    pub(crate) message: Option<&'static Message>,
    /// Field name, value, written with `?`; in source order.
    pub(crate) fields: Vec<(Arc<str>, OpId, bool)>,
}

/// A comprehension.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) range: OpId,
    pub(crate) init: OpId,
    pub(crate) condition: OpId,
    pub(crate) step: OpId,
    pub(crate) result: OpId,
    /// Place of the accumulator; the variables follow.
    pub(crate) base: u16,
    pub(crate) two_variables: bool,
    pub(crate) shape: Shape,
}

/// Comprehensions that need no accumulator in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any.
    General,
    /// `all`: the terms of the step after the accumulator.
    All(Span),
    /// `exists`: the terms of the step after the accumulator.
    Exists(Span),
    /// `map`, `filter` and their kin: a list of elements, or of the elements that meet the condition.
    Collect {
        condition: Option<OpId>,
        element: OpId,
        constant: bool,
    },
}
