//! From checked trees to plans.

use std::sync::Arc;

use super::constants;
use super::{
    Attribute, Fold, Key, Op, OpId, Plan, Program, Qualifier, Root, Shape, Span, StructPlan,
};
use crate::cel::ast::{ACCUMULATOR, Ast, Comprehension, ExprId, ExprKind, FieldEntry, MapEntry};
use crate::cel::check::{Checked, RED_ZONE, Reference, SEGMENT};
use crate::cel::env::{Env, objects};
use crate::cel::source::{CompileError, Issue};
use crate::cel::types::Type;
use crate::cel::value::{Map, Str, Value};

/// Variables that hold judged objects.
const JUDGED: [&str; 2] = ["object", "oldObject"];

/// Operations nested deeper than this are evaluated with an eye on the stack.
const DEEP: u32 = 40;

/// Plans a checked expression.
///
/// # Errors
/// A constant that can be seen to fail: a conversion, a pattern, an index.
pub(crate) fn build(env: &Env, ast: &Ast, checked: &Checked) -> Result<Program, CompileError> {
    let mut builder = Builder {
        env,
        ast,
        checked,
        plan: Plan {
            ops: Vec::with_capacity(ast.nodes.len()),
            root: 0,
            children: Vec::new(),
            constants: Vec::new(),
            attributes: Vec::new(),
            calls: Vec::new(),
            folds: Vec::new(),
            structs: Vec::new(),
            sets: Vec::new(),
            slot_names: Vec::new(),
            judged: JUDGED.iter().filter_map(|name| env.slot(name)).collect(),
            locals: usize::from(checked.locals),
            deep: false,
        },
        depth: 0,
        deepest: 0,
    };
    let root = builder.node(ast.root).map_err(|issue| CompileError {
        source: ast.source.clone(),
        issues: vec![issue],
    })?;
    let mut plan = builder.plan;
    plan.root = root;
    plan.deep = builder.deepest > DEEP;
    Ok(Program {
        text: ast.source.text().to_owned(),
        result: checked.type_of(ast.root).clone(),
        plan,
    })
}

pub(super) struct Builder<'e> {
    pub(super) env: &'e Env,
    pub(super) ast: &'e Ast,
    pub(super) checked: &'e Checked,
    pub(super) plan: Plan,
    depth: u32,
    deepest: u32,
}

/// The operation, or the issue that stops the compilation.
pub(super) type Built<T = OpId> = Result<T, Issue>;

impl Builder<'_> {
    pub(super) fn node(&mut self, id: ExprId) -> Built {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        let built = stacker::maybe_grow(RED_ZONE, SEGMENT, || self.build_node(id));
        self.depth -= 1;
        built
    }

    fn build_node(&mut self, id: ExprId) -> Built {
        let ast = self.ast;
        if let Some(op) = self.named(id)? {
            return Ok(op);
        }
        match &ast.node(id).kind {
            ExprKind::Literal(literal) => Ok(self.constant(constants::value(literal))),
            // The checker refers every name to something.
            ExprKind::Ident(name) => Err(Self::failure(&format!("undeclared name '{name}'"))),
            ExprKind::Select {
                operand,
                field,
                test_only,
            } => self.select(*operand, field, *test_only),
            ExprKind::Call { target, args, .. } => self.call(id, *target, args),
            ExprKind::List { elements } => self.list(elements),
            ExprKind::Map { entries } => self.map(entries),
            ExprKind::Struct { fields, .. } => self.construct(id, fields),
            ExprKind::Comprehension(fold) => self.fold(id, fold),
        }
    }

    /// A node that the checker found to be a name.
    fn named(&mut self, id: ExprId) -> Built<Option<OpId>> {
        let ast = self.ast;
        if !matches!(
            ast.node(id).kind,
            ExprKind::Ident(_) | ExprKind::Select { .. }
        ) {
            return Ok(None);
        }
        // What is known to be a type must name one, even when it is a variable.
        if let (Reference::Slot(_) | Reference::Local(_), Type::Type(_), ExprKind::Ident(name)) = (
            self.checked.reference(id),
            self.checked.type_of(id),
            &ast.node(id).kind,
        ) {
            let name = name.strip_prefix('.').unwrap_or(name);
            return match objects::named_type(name) {
                Some(ty) => Ok(Some(self.constant(Value::Type(ty)))),
                None => {
                    let message = format!("reference to undefined type: {name}");
                    Err(Self::failure(&message))
                }
            };
        }
        let root = match self.checked.reference(id) {
            Reference::Slot(slot) => {
                if !self.plan.slot_names.iter().any(|(known, _)| known == slot) {
                    let name = self.env.slot_name(*slot);
                    self.plan.slot_names.push((*slot, name));
                }
                Root::Slot(*slot)
            }
            Reference::Composed => Root::Composed,
            Reference::Local(place) => Root::Local(*place),
            Reference::Type(Type::Object(name)) if name.as_ref() != "type" => {
                let message = format!("reference to undefined type: {name}");
                return Err(Self::failure(&message));
            }
            Reference::Type(ty) => {
                return Ok(Some(self.constant(Value::Type(ty.clone()))));
            }
            Reference::Message(message) => return self.message_type(message).map(Some),
            Reference::Enumerated(number) => {
                return Ok(Some(self.constant(Value::Int(*number))));
            }
            Reference::None | Reference::Call { .. } | Reference::Fold(_) => return Ok(None),
        };
        Ok(Some(self.attribute(root)))
    }

    /// A message as a type: those that are values of their own name one.
    fn message_type(&mut self, message: &crate::cel::messages::Message) -> Built {
        match message.result() {
            ty @ (Type::Object(_) | Type::Duration | Type::Timestamp) => {
                Ok(self.constant(Value::Type(ty)))
            }
            _ => {
                let name = message.name;
                Err(Self::failure(&format!(
                    "reference to undefined type: {name}"
                )))
            }
        }
    }

    /// What the API server reports when a checked expression cannot be planned.
    pub(super) fn failure(message: &str) -> Issue {
        Issue::nowhere(format!("program instantiation failed: {message}"))
    }

    pub(super) fn push(&mut self, op: Op) -> OpId {
        let id = u32::try_from(self.plan.ops.len()).unwrap_or(u32::MAX);
        self.plan.ops.push(op);
        id
    }

    pub(super) fn constant(&mut self, value: Value<'static>) -> OpId {
        let at = index(&self.plan.constants);
        self.plan.constants.push(value);
        self.push(Op::Const(at))
    }

    /// The value of a constant operation.
    pub(super) fn constant_of(&self, op: OpId) -> Option<&Value<'static>> {
        match self.plan.ops[op as usize] {
            Op::Const(at) => Some(&self.plan.constants[at as usize]),
            _ => None,
        }
    }

    pub(super) fn span(&mut self, ops: &[OpId]) -> Span {
        let start = index(&self.plan.children);
        self.plan.children.extend_from_slice(ops);
        Span {
            start,
            len: u32::try_from(ops.len()).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn attribute(&mut self, root: Root) -> OpId {
        let at = index(&self.plan.attributes);
        self.plan.attributes.push(Attribute {
            root,
            qualifiers: Vec::new(),
            test_only: false,
        });
        self.push(Op::Attribute(at))
    }

    /// Adds a selection to an operation: to its attribute when it is one, to a new one around it otherwise.
    pub(super) fn qualify(&mut self, operand: OpId, key: Key, optional: bool) -> OpId {
        let (op, at) = match self.plan.ops[operand as usize] {
            Op::Attribute(at) => (operand, at),
            _ => {
                let op = self.attribute(Root::Op(operand));
                (op, index(&self.plan.attributes) - 1)
            }
        };
        self.plan.attributes[at as usize]
            .qualifiers
            .push(Qualifier { key, optional });
        op
    }

    /// Whether nothing was selected yet from `variables`.
    fn is_bare_composed(&self, operand: OpId) -> bool {
        match self.plan.ops[operand as usize] {
            Op::Attribute(at) => {
                let attribute = &self.plan.attributes[at as usize];
                matches!(attribute.root, Root::Composed) && attribute.qualifiers.is_empty()
            }
            _ => false,
        }
    }

    /// The key of a selection by name.
    fn field_key(&self, operand_id: ExprId, operand: OpId, field: &str) -> Key {
        match self.checked.type_of(operand_id) {
            Type::Object(name)
                if objects::is_constructed(name) && name.as_ref() != objects::JSON_PATCH =>
            {
                Key::Constructed(field.into())
            }
            _ => self.plain_key(operand, field.into()),
        }
    }

    /// The key of an index by a constant text, or of a selection from anything but a constructed object.
    pub(super) fn plain_key(&self, operand: OpId, name: Arc<str>) -> Key {
        if self.is_bare_composed(operand) {
            let index = self.env.composed_index(&name);
            return Key::Composed { index, name };
        }
        Key::Field(name)
    }

    fn select(&mut self, operand_id: ExprId, field: &str, test_only: bool) -> Built {
        let operand = self.node(operand_id)?;
        let key = self.field_key(operand_id, operand, field);
        let op = self.qualify(operand, key, false);
        if test_only && let Op::Attribute(at) = self.plan.ops[op as usize] {
            self.plan.attributes[at as usize].test_only = true;
        }
        Ok(op)
    }

    fn list(&mut self, elements: &[(ExprId, bool)]) -> Built {
        let mut ops = Vec::with_capacity(elements.len());
        for (element, _) in elements {
            ops.push(self.node(*element)?);
        }
        let optional = elements.iter().any(|(_, optional)| *optional);
        if !optional
            && let Some(values) = ops
                .iter()
                .map(|op| self.constant_of(*op).cloned())
                .collect()
        {
            return Ok(self.constant(Value::list(values)));
        }
        if optional {
            ops.extend(elements.iter().map(|(_, optional)| u32::from(*optional)));
        }
        let elements = self.span(&ops);
        Ok(self.push(Op::List { elements, optional }))
    }

    fn map(&mut self, entries: &[MapEntry]) -> Built {
        let optional = entries.iter().any(|entry| entry.optional);
        let mut ops = Vec::with_capacity(entries.len() * 3);
        let mut values = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = self.node(entry.key)?;
            let value = self.node(entry.value)?;
            if let (Some(key), Some(value)) = (self.constant_of(key), self.constant_of(value)) {
                values.push((key.clone(), value.clone()));
            }
            ops.extend([key, value, u32::from(entry.optional)]);
        }
        if !optional && values.len() == entries.len() {
            return Ok(self.constant(Value::Map(Map::from_entries(values))));
        }
        let entries = self.span(&ops);
        Ok(self.push(Op::Map(entries)))
    }

    fn construct(&mut self, id: ExprId, fields: &[FieldEntry]) -> Built {
        let mut planned = Vec::with_capacity(fields.len());
        for field in fields {
            let value = self.node(field.value)?;
            planned.push((Arc::from(field.name.as_str()), value, field.optional));
        }
        let at = index(&self.plan.structs);
        let name = self.checked.type_of(id).runtime_name().into();
        let message = match self.checked.reference(id) {
            Reference::Message(message) => Some(*message),
            _ => None,
        };
        self.plan.structs.push(StructPlan {
            name,
            message,
            fields: planned,
        });
        Ok(self.push(Op::Struct(at)))
    }

    fn fold(&mut self, id: ExprId, fold: &Comprehension) -> Built {
        let base = match self.checked.reference(id) {
            Reference::Fold(base) => *base,
            _ => 0,
        };
        let init = self.node(fold.init)?;
        let range = self.node(fold.range)?;
        let condition = self.node(fold.condition)?;
        let step = match self.appending(fold.step)? {
            Some(step) => step,
            None => self.node(fold.step)?,
        };
        let result = self.node(fold.result)?;
        let mut planned = Fold {
            range,
            init,
            condition,
            step,
            result,
            base,
            two_variables: fold.var2.is_some(),
            shape: Shape::General,
        };
        planned.shape = self
            .collecting(&planned)
            .unwrap_or_else(|| self.shape(&planned));
        let at = index(&self.plan.folds);
        self.plan.folds.push(planned);
        Ok(self.push(Op::Fold(at)))
    }

    /// The step `accumulator + [element]`.
    pub(super) fn appending(&mut self, id: ExprId) -> Built<Option<OpId>> {
        let ast = self.ast;
        let ExprKind::Call { args, .. } = &ast.node(id).kind else {
            return Ok(None);
        };
        let Reference::Call { overloads, .. } = self.checked.reference(id) else {
            return Ok(None);
        };
        let (&[accumulator, list], [overload]) = (args.as_slice(), overloads.as_slice()) else {
            return Ok(None);
        };
        let (ExprKind::Ident(name), ExprKind::List { elements }, Reference::Local(place)) = (
            &ast.node(accumulator).kind,
            &ast.node(list).kind,
            self.checked.reference(accumulator),
        ) else {
            return Ok(None);
        };
        let &[(element, false)] = elements.as_slice() else {
            return Ok(None);
        };
        if name != ACCUMULATOR || overload.id != "add_list" {
            return Ok(None);
        }
        let element = self.node(element)?;
        let constant = self.constant_of(element).is_some();
        Ok(Some(self.push(Op::Append {
            place: *place,
            element,
            constant,
        })))
    }

    /// Recognises what gathers a list.
    fn collecting(&self, fold: &Fold) -> Option<Shape> {
        let goes_on = self.constant_of(fold.condition).and_then(Value::as_bool) == Some(true);
        let from_nothing =
            matches!(self.constant_of(fold.init), Some(Value::List(list)) if list.is_empty());
        if !(goes_on && from_nothing && self.is_plain_local(fold.result, fold.base)) {
            return None;
        }
        let (condition, step) = match self.plan.ops[fold.step as usize] {
            Op::Attribute(at) => {
                let attribute = &self.plan.attributes[at as usize];
                match attribute.root {
                    Root::Conditional {
                        condition,
                        then,
                        otherwise,
                    } if attribute.qualifiers.is_empty()
                        && !attribute.test_only
                        && self.is_plain_local(otherwise, fold.base) =>
                    {
                        (Some(condition), self.plan.ops[then as usize])
                    }
                    _ => return None,
                }
            }
            step => (None, step),
        };
        match step {
            Op::Append {
                place,
                element,
                constant,
            } if place == fold.base => Some(Shape::Collect {
                condition,
                element,
                constant,
            }),
            _ => None,
        }
    }

    /// Recognises the quantifiers.
    fn shape(&mut self, fold: &Fold) -> Shape {
        let is_accumulator = |op: OpId| self.is_plain_local(op, fold.base);
        if !is_accumulator(fold.result) {
            return Shape::General;
        }
        let Op::NotStrictlyFalse(condition) = self.plan.ops[fold.condition as usize] else {
            return Shape::General;
        };
        let init = self.constant_of(fold.init).and_then(Value::as_bool);
        match (init, self.plan.ops[fold.step as usize]) {
            (Some(true), Op::And(terms)) if is_accumulator(condition) => self
                .rest(terms, fold.base)
                .map_or(Shape::General, Shape::All),
            (Some(false), Op::Or(terms)) => match self.plan.ops[condition as usize] {
                Op::Not(negated) if is_accumulator(negated) => self
                    .rest(terms, fold.base)
                    .map_or(Shape::General, Shape::Exists),
                _ => Shape::General,
            },
            _ => Shape::General,
        }
    }

    /// The terms after the accumulator.
    fn rest(&self, terms: Span, accumulator: u16) -> Option<Span> {
        let first = *self.plan.span(terms).first()?;
        self.is_plain_local(first, accumulator).then_some(Span {
            start: terms.start + 1,
            len: terms.len - 1,
        })
    }

    fn is_plain_local(&self, op: OpId, place: u16) -> bool {
        match self.plan.ops[op as usize] {
            Op::Attribute(at) => {
                let attribute = &self.plan.attributes[at as usize];
                attribute.qualifiers.is_empty()
                    && matches!(attribute.root, Root::Local(known) if known == place)
            }
            _ => false,
        }
    }
}

/// The index that the next entry of `entries` will have.
pub(super) fn index<T>(entries: &[T]) -> u32 {
    u32::try_from(entries.len()).unwrap_or(u32::MAX)
}

/// A constant text.
pub(super) fn text(value: &Value<'static>) -> Option<Arc<str>> {
    match value {
        Value::String(Str::Shared(text)) => Some(text.clone()),
        Value::String(Str::Borrowed(text)) => Some(Arc::from(*text)),
        _ => None,
    }
}
