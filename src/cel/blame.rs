//! Which field made a boolean rule false.
//!
//! A rule that said no is walked again: from `&&` to the conjunct that was false, from `all` to the element that failed,
//! from a comparison to the field it compared. The answer is a place in the judged object, told by reference: parts of
//! the object keep their addresses while they are evaluated.

#[cfg(test)]
mod tests;

use super::cost::PER_CALL_LIMIT;
use super::eval::{Cursor, Found, Machine};
use super::lib::standard::key_text;
use super::plan::{Activation, Attribute, Fold, Key, Op, OpId, Plan, Program, Root, Shape};
use super::value::{List, Map, Value};
use crate::model::json::{self, Json};
use crate::model::path::{FieldPath, Step};

/// A part of a document, by reference.
#[derive(Clone, Copy, Debug)]
pub enum Anchor<'a> {
    /// A value.
    Node(&'a Json<'a>),
    /// The entries of an object.
    Object(&'a json::Map<'a>),
    /// The elements of a list.
    List(&'a [Json<'a>]),
}

/// The field to blame.
#[derive(Clone, Debug)]
pub struct BlamedField<'a> {
    /// The last part that exists.
    pub anchor: Anchor<'a>,
    /// Keys after it that do not exist.
    pub missing: Vec<String>,
}

impl<'a> BlamedField<'a> {
    /// The path of the field from `root`; `None` when it is not part of that document.
    #[must_use]
    pub fn path(&self, root: &Json<'_>) -> Option<FieldPath> {
        let mut path = self.anchor.locate(root)?;
        path.0.extend(self.missing.iter().cloned().map(Step::Key));
        Some(path)
    }

    /// The value of the field, if it is there.
    #[must_use]
    pub const fn value(&self) -> Option<&'a Json<'a>> {
        match self.anchor {
            Anchor::Node(node) if self.missing.is_empty() => Some(node),
            _ => None,
        }
    }
}

impl Anchor<'_> {
    /// Where this part is in `root`.
    fn locate(&self, root: &Json<'_>) -> Option<FieldPath> {
        match self {
            Self::Node(node) => FieldPath::locate(root, node),
            Self::Object(map) => find(
                root,
                &|json| matches!(json, Json::Object(one) if same(one, map)),
            ),
            // Empty lists have no address of their own.
            Self::List([]) => None,
            Self::List(items) => find(
                root,
                &|json| matches!(json, Json::Array(one) if one.as_ptr().cast::<()>() == items.as_ptr().cast::<()>()),
            ),
        }
    }
}

/// Whether two maps are one; their lifetimes may differ.
fn same(a: &json::Map<'_>, b: &json::Map<'_>) -> bool {
    std::ptr::from_ref(a).cast::<()>() == std::ptr::from_ref(b).cast::<()>()
}

/// The path of the first part for which `test` holds, in document order.
fn find(root: &Json<'_>, test: &dyn Fn(&Json<'_>) -> bool) -> Option<FieldPath> {
    let mut work = vec![(root, FieldPath::root())];
    while let Some((json, path)) = work.pop() {
        if test(json) {
            return Some(path);
        }
        match json {
            Json::Array(items) => {
                work.extend(
                    items
                        .iter()
                        .enumerate()
                        .map(|(at, item)| (item, path.index(at))),
                );
            }
            Json::Object(map) => work.extend(map.iter().map(|(key, item)| (item, path.key(key)))),
            _ => {}
        }
    }
    None
}

/// The field that made `program` false: the last one that was decisive, in `object` or `oldObject`.
#[must_use]
pub fn blame<'a>(program: &'a Program, activation: &dyn Activation<'a>) -> Option<BlamedField<'a>> {
    let plan = program.plan();
    let mut detective = Detective {
        machine: Machine::new(plan, activation, PER_CALL_LIMIT),
        plan,
        roots: roots(activation, plan),
        locals: vec![None; plan.locals],
        depth: 0,
    };
    detective.why(plan.root, false)
}

fn roots<'a>(activation: &dyn Activation<'a>, plan: &Plan) -> Vec<&'a json::Map<'a>> {
    plan.judged
        .iter()
        .filter_map(|slot| match activation.variable(*slot) {
            Some(Value::Map(Map::Json(map))) => Some(map),
            _ => None,
        })
        .collect()
}

/// Operations nested deeper than this are not looked into.
const MAX_DEPTH: usize = 200;

struct Detective<'m, 'a> {
    machine: Machine<'m, 'a>,
    plan: &'a Plan,
    roots: Vec<&'a json::Map<'a>>,
    /// Where the values of comprehension variables come from.
    locals: Vec<Option<Anchor<'a>>>,
    depth: usize,
}

impl<'a> Detective<'_, 'a> {
    /// The field that made the operation `outcome`.
    fn why(&mut self, op: OpId, outcome: bool) -> Option<BlamedField<'a>> {
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let found = self.why_op(op, outcome);
        self.depth -= 1;
        found
    }

    fn why_op(&mut self, op: OpId, outcome: bool) -> Option<BlamedField<'a>> {
        let plan = self.plan;
        match plan.ops[op as usize] {
            Op::And(terms) => self.why_terms(plan.span(terms), outcome, false),
            Op::Or(terms) => self.why_terms(plan.span(terms), outcome, true),
            Op::Not(operand) => self.why(operand, !outcome),
            Op::Fold(at) => self.why_fold(&plan.folds[at as usize], outcome),
            Op::Attribute(at) => {
                let attribute = &plan.attributes[at as usize];
                match attribute.root {
                    Root::Conditional {
                        condition,
                        then,
                        otherwise,
                    } if attribute.qualifiers.is_empty() => {
                        let value = self.machine.eval(condition).ok()?.as_bool()?;
                        self.why(if value { then } else { otherwise }, outcome)
                            .or_else(|| self.why(condition, value))
                    }
                    _ => self.field(op),
                }
            }
            _ => self.field(op),
        }
    }

    /// `decided`: the outcome with which one term alone decides.
    fn why_terms(
        &mut self,
        terms: &[OpId],
        outcome: bool,
        decided: bool,
    ) -> Option<BlamedField<'a>> {
        if outcome == decided {
            let decisive = terms.iter().copied().find(|term| {
                matches!(self.machine.eval(*term), Ok(Value::Bool(value)) if value == decided)
            })?;
            return self.why(decisive, outcome);
        }
        // All terms agreed: the last one was decisive.
        terms.iter().rev().find_map(|term| self.why(*term, outcome))
    }

    fn why_fold(&mut self, fold: &'a Fold, outcome: bool) -> Option<BlamedField<'a>> {
        let (terms, decided) = match fold.shape {
            Shape::All(terms) => (terms, false),
            Shape::Exists(terms) => (terms, true),
            Shape::General | Shape::Collect { .. } => return self.field(fold.range),
        };
        let range = self.field(fold.range);
        if outcome != decided {
            return range;
        }
        let Ok(Value::List(list)) = self.machine.eval(fold.range) else {
            return range;
        };
        let place = fold.base + if fold.two_variables { 2 } else { 1 };
        for (at, item) in list.iter().enumerate() {
            if fold.two_variables {
                let index = i64::try_from(at).unwrap_or(i64::MAX);
                self.machine.set_local(fold.base + 1, Value::Int(index));
            }
            self.machine.set_local(place, item);
            let anchor = match &list {
                List::Json(items) => items.get(at).map(Anchor::Node),
                List::Made(_) | List::Joined(_) => None,
            };
            self.locals[usize::from(place)] = anchor;
            let decisive = self.plan.span(terms).iter().copied().find(|term| {
                matches!(self.machine.eval(*term), Ok(Value::Bool(value)) if value == decided)
            });
            if let Some(term) = decisive {
                return self
                    .why(term, outcome)
                    .or_else(|| anchor.and_then(|anchor| self.judged(anchor, Vec::new())))
                    .or(range);
            }
        }
        range
    }

    /// The first field of a judged object among an operation and its operands.
    fn field(&mut self, op: OpId) -> Option<BlamedField<'a>> {
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let found = self.field_of(op);
        self.depth -= 1;
        found
    }

    fn field_of(&mut self, op: OpId) -> Option<BlamedField<'a>> {
        let plan = self.plan;
        let operands: &[OpId] = match plan.ops[op as usize] {
            Op::Attribute(at) => return self.attribute(&plan.attributes[at as usize]),
            Op::Const(_) | Op::Struct(_) => &[],
            Op::And(span)
            | Op::Or(span)
            | Op::List {
                elements: span,
                optional: false,
            } => plan.span(span),
            Op::List { .. } | Op::Map(_) => &[],
            Op::Not(operand)
            | Op::NotStrictlyFalse(operand)
            | Op::Negate(operand)
            | Op::InSet { left: operand, .. }
            | Op::Append {
                element: operand, ..
            } => return self.field(operand),
            Op::Equal { left, right, .. }
            | Op::Relation { left, right, .. }
            | Op::Arithmetic { left, right, .. }
            | Op::In { left, right, .. }
            | Op::Alternative { left, right, .. } => {
                return self.field(left).or_else(|| self.field(right));
            }
            Op::Call(at) => plan.span(plan.calls[at as usize].args),
            Op::Fold(at) => return self.field(plan.folds[at as usize].range),
        };
        operands.iter().find_map(|operand| self.field(*operand))
    }

    fn attribute(&mut self, attribute: &'a Attribute) -> Option<BlamedField<'a>> {
        let (mut cursor, mut anchor) = self.start(attribute)?;
        for (at, qualifier) in attribute.qualifiers.iter().enumerate() {
            match self.machine.select(&cursor, qualifier, true) {
                Found::At(next) => {
                    anchor = anchor_of(&next);
                    cursor = next;
                }
                Found::Absent(_) => {
                    let missing = attribute.qualifiers[at..]
                        .iter()
                        .map_while(|qualifier| self.key(&qualifier.key))
                        .collect();
                    return self.judged(anchor?, missing);
                }
                Found::Failed(_) | Found::Spoiled(_) => break,
            }
        }
        self.judged(anchor?, Vec::new())
    }

    fn start(&mut self, attribute: &'a Attribute) -> Option<(Cursor<'a>, Option<Anchor<'a>>)> {
        let anchor = match attribute.root {
            Root::Local(place) => self.locals[usize::from(place)],
            Root::Op(op) => {
                let inner = self.field(op);
                if attribute.qualifiers.is_empty() {
                    return inner.map(|field| (Cursor::Value(Value::Null), Some(field.anchor)));
                }
                inner.map(|field| field.anchor)
            }
            Root::Slot(_) | Root::Composed | Root::Conditional { .. } => None,
        };
        let value = self.machine.root(attribute).ok()?;
        let value = match value {
            Value::Optional(inner) => inner?.as_ref().clone(),
            other => other,
        };
        let cursor = Cursor::Value(value);
        let own = anchor_of(&cursor);
        Some((cursor, own.or(anchor)))
    }

    /// A key as text.
    fn key(&self, key: &Key) -> Option<String> {
        match key {
            Key::Field(name) | Key::Constructed(name) | Key::Composed { name, .. } => {
                Some(name.to_string())
            }
            Key::Const(at) => Some(key_text(&self.plan.constant(*at))),
            Key::Op(_) => None,
        }
    }

    /// The field, if it is part of a judged object.
    fn judged(&self, anchor: Anchor<'a>, missing: Vec<String>) -> Option<BlamedField<'a>> {
        let inside = self.roots.iter().any(|root| contains(root, &anchor));
        inside.then_some(BlamedField { anchor, missing })
    }
}

fn anchor_of<'a>(cursor: &Cursor<'a>) -> Option<Anchor<'a>> {
    match cursor {
        Cursor::Json(json) => Some(Anchor::Node(json)),
        Cursor::Value(Value::Map(Map::Json(map))) => Some(Anchor::Object(map)),
        Cursor::Value(Value::List(List::Json(items))) => Some(Anchor::List(items)),
        Cursor::Value(_) => None,
    }
}

fn contains(root: &json::Map<'_>, anchor: &Anchor<'_>) -> bool {
    matches!(anchor, Anchor::Object(map) if same(map, root))
        || root.iter().any(|(_, json)| anchor.locate(json).is_some())
}
