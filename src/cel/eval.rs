//! The evaluator: runs a plan over borrowed values with a cost meter.
//!
//! Errors are values that `&&`, `||` and quantifiers may absorb; only the exceeded cost limit ends everything at once.
//! Cost is charged where and when the API server charges it, so that both stop at the same place.

mod attribute;
mod call;
mod construct;
mod fold;
mod messages;
mod native;
#[cfg(test)]
mod tests;
mod truth;

use super::cost;
use super::lib::operators::{self, Arithmetic, INTERNAL};
use super::plan::{Activation, Evaluation, Op, OpId, Plan, Root};
use super::value::{EvalError, Map, Str, Value};

pub(crate) use attribute::{Cursor, Found, index, invalid_key};
pub(crate) use call::{apply, fits};

/// A value or an error that may be absorbed.
pub(crate) type Outcome<'a> = Result<Value<'a>, EvalError>;

/// Stack that must be left when operations nest deep, and size of a new segment.
const RED_ZONE: usize = 128 * 1024;
const SEGMENT: usize = 2 * 1024 * 1024;

/// Runs `plan`.
pub(crate) fn run<'a>(
    plan: &'a Plan,
    activation: &dyn Activation<'a>,
    limit: u64,
) -> Evaluation<'a> {
    let mut machine = Machine::new(plan, activation, limit);
    let value = machine.eval(plan.root);
    Evaluation {
        value,
        cost: machine.cost,
    }
}

/// One evaluation under way.
pub(crate) struct Machine<'m, 'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) activation: &'m dyn Activation<'a>,
    locals: Frame<'a>,
    cost: u64,
    limit: u64,
    /// Octets of the texts that calls made so far.
    made: usize,
}

/// Octets of texts that the calls of one run may make. Some, such as `replace`, cost by what they are given and not by
/// what they make: within the cost limit a loop over them could fill the memory. No rule that judges an object comes near.
const MAX_MADE: usize = 128 << 20;

/// The places of the comprehension variables of a plan.
struct Frame<'a>(Vec<Local<'a>>);

impl<'a> Frame<'a> {
    fn new(places: usize) -> Self {
        let unset = std::iter::repeat_with(|| Local::Unset);
        Self(unset.take(places).collect())
    }

    fn get(&self, place: u16) -> &Local<'a> {
        &self.0[usize::from(place)]
    }

    /// Puts `local` there and returns what was there.
    fn replace(&mut self, place: u16, local: Local<'a>) -> Local<'a> {
        std::mem::replace(&mut self.0[usize::from(place)], local)
    }

    fn set(&mut self, place: u16, local: Local<'a>) {
        self.replace(place, local);
    }
}

/// The state of one place of a comprehension.
#[derive(Clone, Debug, Default)]
enum Local<'a> {
    /// Out of scope.
    #[default]
    Unset,
    /// Bound.
    Value(Value<'a>),
    /// An accumulator that failed.
    Failed(EvalError),
    /// An accumulator whose initial value nobody asked for yet.
    Lazy(OpId),
}

impl<'a> From<Outcome<'a>> for Local<'a> {
    fn from(outcome: Outcome<'a>) -> Self {
        match outcome {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Failed(error),
        }
    }
}

/// An error that ends the evaluation, where the API server's evaluator fails itself.
fn aborted(cause: &str) -> EvalError {
    EvalError::text(format!("{INTERNAL}{cause}"))
}

/// Whether evaluation must end at once.
fn is_fatal(error: &EvalError) -> bool {
    match error {
        EvalError::CostExceeded => true,
        EvalError::Text(text) => text.starts_with(INTERNAL),
        _ => false,
    }
}

impl<'m, 'a> Machine<'m, 'a> {
    /// A machine with nothing charged.
    pub(crate) fn new(plan: &'a Plan, activation: &'m dyn Activation<'a>, limit: u64) -> Self {
        Self {
            plan,
            activation,
            locals: Frame::new(plan.locals),
            cost: 0,
            limit,
            made: 0,
        }
    }

    /// Binds a comprehension variable.
    pub(crate) fn set_local(&mut self, place: u16, value: Value<'a>) {
        self.locals.set(place, Local::Value(value));
    }

    /// Charges `units`.
    fn charge(&mut self, units: u64) -> Result<(), EvalError> {
        self.cost = self.cost.saturating_add(units);
        if self.cost > self.limit {
            return Err(EvalError::CostExceeded);
        }
        Ok(())
    }

    /// Counts a text that a call made.
    fn count_made(&mut self, value: &Value<'a>) -> Result<(), EvalError> {
        if let Value::String(Str::Shared(text)) = value {
            self.made = self.made.saturating_add(text.len());
            if self.made > MAX_MADE {
                return Err(EvalError::CostExceeded);
            }
        }
        Ok(())
    }

    /// Evaluates one operation.
    pub(crate) fn eval(&mut self, op: OpId) -> Outcome<'a> {
        if self.plan.deep {
            return stacker::maybe_grow(RED_ZONE, SEGMENT, || self.eval_op(op));
        }
        self.eval_op(op)
    }

    fn eval_op(&mut self, op: OpId) -> Outcome<'a> {
        let plan = self.plan;
        match plan.ops[op as usize] {
            Op::Const(at) => Ok(plan.constant(at)),
            Op::Attribute(at) => self.attribute(&plan.attributes[at as usize]),
            Op::And(_)
            | Op::Or(_)
            | Op::Not(_)
            | Op::Equal { .. }
            | Op::Relation { .. }
            | Op::InSet { .. } => match self.truth_op(op)? {
                Some(value) => Ok(Value::Bool(value)),
                None => Err(EvalError::NoSuchOverload),
            },
            Op::NotStrictlyFalse(operand) => {
                let operand = self.operand(operand)?;
                self.charge(1)?;
                Ok(match operand {
                    Ok(value @ Value::Bool(_)) => value,
                    _ => Value::Bool(true),
                })
            }
            Op::Negate(operand) => {
                let operand = self.operand(operand)?;
                self.charge(1)?;
                operators::negate(&operand?)
            }
            Op::Arithmetic {
                operator,
                left,
                right,
                sized,
            } => self.arithmetic(operator, left, right, sized),
            Op::In { left, right, list } => self.contains(left, right, list),
            Op::Append {
                place,
                element,
                constant,
            } => self.append(place, element, constant),
            Op::Alternative { left, right, value } => self.alternative(left, right, value),
            Op::Call(at) => self.call(&plan.calls[at as usize]),
            Op::List { elements, optional } => self.list(plan.span(elements), optional),
            Op::Map(entries) => self.map(plan.span(entries)),
            Op::Struct(at) => self.construct(&plan.structs[at as usize]),
            Op::Fold(at) => self.fold(&plan.folds[at as usize]),
        }
    }

    /// Evaluates an operand of a strict operation; the outer error is the fatal one.
    fn operand(&mut self, op: OpId) -> Result<Outcome<'a>, EvalError> {
        match self.eval(op) {
            Err(error) if is_fatal(&error) => Err(error),
            outcome => Ok(outcome),
        }
    }

    /// Evaluates both operands: the right one even if the left one fails.
    fn operands(
        &mut self,
        left: OpId,
        right: OpId,
    ) -> Result<(Outcome<'a>, Outcome<'a>), EvalError> {
        let left = self.operand(left)?;
        let right = self.operand(right)?;
        Ok((left, right))
    }

    fn arithmetic(
        &mut self,
        operator: Arithmetic,
        left: OpId,
        right: OpId,
        sized: bool,
    ) -> Outcome<'a> {
        let (left, right) = self.operands(left, right)?;
        let units = if sized {
            cost::traversal(counted(&left).cost_size() + counted(&right).cost_size())
        } else {
            1
        };
        let result = match (left, right) {
            (Ok(left), Ok(right)) => operator.apply(&left, &right),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self.charge(units)?;
        result
    }

    fn contains(&mut self, left: OpId, right: OpId, list: bool) -> Outcome<'a> {
        let (left, right) = self.operands(left, right)?;
        let units = if list { counted(&right).cost_size() } else { 1 };
        // What panics in the API server has no cost.
        let panics = match (&left, &right) {
            (Ok(key), Ok(Value::Map(Map::Made(entries)))) => {
                !entries.is_empty() && operators::unhashable(key).is_some()
            }
            _ => false,
        };
        if !panics {
            self.charge(units)?;
        }
        operators::contains(&left?, &right?)
    }

    /// `left.or(right)`, `left.orValue(right)`: the right side only when the left is none.
    fn alternative(&mut self, left: OpId, right: OpId, value: bool) -> Outcome<'a> {
        let plan = self.plan;
        if let Op::Attribute(at) = plan.ops[left as usize] {
            let attribute = &plan.attributes[at as usize];
            let conditional = matches!(attribute.root, Root::Conditional { .. });
            if value && !conditional && !attribute.test_only {
                return match self.opened(attribute)? {
                    Some(value) => Ok(value),
                    None => self.eval(right),
                };
            }
        }
        match self.eval(left)? {
            Value::Optional(None) => self.eval(right),
            Value::Optional(Some(inner)) if value => Value::taken(&inner),
            other => Ok(other),
        }
    }
}

/// What stands for an operand in the cost of an operation: errors count like scalars.
fn counted<'v, 'a>(outcome: &'v Outcome<'a>) -> &'v Value<'a> {
    match outcome {
        Ok(value) => value,
        Err(_) => &Value::Null,
    }
}
