//! Operations that give truth values, evaluated without making values of the language: rules consist of them.

use super::{Cursor, Local, Machine, RED_ZONE, SEGMENT, counted, is_fatal};
use crate::cel::cost::{self, SELECT};
use crate::cel::lib::operators::{self, Relation};
use crate::cel::plan::{Attribute, Key, Op, OpId, Root};
use crate::cel::value::{EvalError, Map, Value};
use crate::model::json::{self, Json};

/// A truth value; `None` when the value is none.
type Truth = Result<Option<bool>, EvalError>;

impl<'a> Machine<'_, 'a> {
    /// Evaluates an operation of which only the truth value matters.
    pub(super) fn truth(&mut self, op: OpId) -> Truth {
        if self.plan.deep {
            return stacker::maybe_grow(RED_ZONE, SEGMENT, || self.truth_op(op));
        }
        self.truth_op(op)
    }

    pub(super) fn truth_op(&mut self, op: OpId) -> Truth {
        let plan = self.plan;
        match plan.ops[op as usize] {
            Op::And(terms) => self.and(plan.span(terms), None).map(Some),
            Op::Or(terms) => self.or(plan.span(terms), None).map(Some),
            Op::Not(operand) => {
                let operand = self.truth(operand);
                if let Err(error) = &operand
                    && is_fatal(error)
                {
                    return operand;
                }
                self.charge(1)?;
                operand?.map_or(Err(EvalError::NoSuchOverload), |value| Ok(Some(!value)))
            }
            Op::Equal {
                left,
                right,
                negated,
            } => self.equal(left, right, negated).map(Some),
            Op::Relation {
                relation,
                left,
                right,
                sized,
            } => self.relation(relation, left, right, sized).map(Some),
            Op::InSet { left, set } => {
                let value = self.eval(left)?;
                if let Some(error) = operators::unhashable(&value) {
                    return Err(error);
                }
                Ok(Some(plan.sets[set as usize].contains(&value)))
            }
            Op::Attribute(at) => {
                let attribute = &plan.attributes[at as usize];
                if attribute.test_only
                    && let Some(map) = self.document_root(attribute)?
                    && attribute.is_plain()
                {
                    return self.presence(map, attribute).map(Some);
                }
                self.attribute(attribute).map(|value| value.as_bool())
            }
            _ => self.eval(op).map(|value| value.as_bool()),
        }
    }

    /// The document that an attribute starts from, when it does.
    fn document_root(&self, attribute: &Attribute) -> Result<Option<&'a json::Map<'a>>, EvalError> {
        match attribute.root {
            Root::Local(place) => Ok(match self.locals.get(place) {
                Local::Value(Value::Map(Map::Json(map))) => Some(map),
                _ => None,
            }),
            Root::Slot(slot) => match self.activation.variable(slot) {
                Some(Value::Map(Map::Json(map))) => Ok(Some(map)),
                Some(_) => Ok(None),
                None => Err(self.plan.unbound(slot)),
            },
            _ => Ok(None),
        }
    }

    /// `has(document.a.b.c)`
    fn presence(
        &mut self,
        root: &'a json::Map<'a>,
        attribute: &'a Attribute,
    ) -> Result<bool, EvalError> {
        let mut map = root;
        let last = attribute.qualifiers.len() - 1;
        for (at, qualifier) in attribute.qualifiers.iter().enumerate() {
            let Key::Field(name) = &qualifier.key else {
                break;
            };
            self.charge(SELECT)?;
            let found = map.get(name);
            if at == last {
                return Ok(found.is_some());
            }
            match found {
                Some(Json::Object(inner)) => map = inner,
                Some(other) => {
                    // Not about objects any more: the general case knows what follows.
                    let reached = self.selected(Cursor::Json(other), false, attribute, at + 1)?;
                    return Ok(Value::from(reached).as_bool() == Some(true));
                }
                None => return Err(EvalError::NoSuchKey(name.clone())),
            }
        }
        Err(EvalError::NoSuchOverload)
    }

    /// `accumulator && terms…`: the first false decides, otherwise the first error.
    pub(super) fn and(
        &mut self,
        terms: &[OpId],
        mut error: Option<EvalError>,
    ) -> Result<bool, EvalError> {
        for term in terms {
            match self.truth(*term) {
                Ok(Some(true)) => {}
                Ok(Some(false)) => return Ok(false),
                Ok(None) => error = error.or(Some(EvalError::NoSuchOverload)),
                Err(fatal) if is_fatal(&fatal) => return Err(fatal),
                Err(other) => error = error.or(Some(other)),
            }
        }
        error.map_or(Ok(true), Err)
    }

    /// `accumulator || terms…`: the first true decides, otherwise the first error.
    pub(super) fn or(
        &mut self,
        terms: &[OpId],
        mut error: Option<EvalError>,
    ) -> Result<bool, EvalError> {
        for term in terms {
            match self.truth(*term) {
                Ok(Some(false)) => {}
                Ok(Some(true)) => return Ok(true),
                Ok(None) => error = error.or(Some(EvalError::NoSuchOverload)),
                Err(fatal) if is_fatal(&fatal) => return Err(fatal),
                Err(other) => error = error.or(Some(other)),
            }
        }
        error.map_or(Ok(false), Err)
    }

    fn equal(&mut self, left: OpId, right: OpId, negated: bool) -> Result<bool, EvalError> {
        let (left, right) = self.operands(left, right)?;
        let units = match (&left, &right) {
            (Ok(Value::Bool(_) | Value::Int(_)), Ok(Value::Bool(_) | Value::Int(_))) => 1,
            (Ok(Value::Opaque(_)), _) if !negated => 1,
            (left, right) => cost::smaller(counted(left), counted(right)),
        };
        self.charge(units)?;
        match left?.equals(&right?) {
            Err(fatal) if is_fatal(&fatal) => Err(fatal),
            equal if negated => Ok(equal != Ok(true)),
            equal => equal,
        }
    }

    fn relation(
        &mut self,
        relation: Relation,
        left: OpId,
        right: OpId,
        sized: bool,
    ) -> Result<bool, EvalError> {
        let (left, right) = self.operands(left, right)?;
        let units = if sized {
            cost::smaller(counted(&left), counted(&right))
        } else {
            1
        };
        self.charge(units)?;
        relation.test(&left?, &right?)
    }
}
