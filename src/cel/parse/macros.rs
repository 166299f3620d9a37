//! The macros: calls that become presence tests, loops and conditionals while the tree is made.
//!
//! Shapes, helper functions and places are those of cel-go, because the cost of an evaluation depends on the shape and
//! errors point at the places: every node that a macro adds stands at the opening parenthesis of its call. The form of
//! `existsOne` with one variable is not among them: the API server does not enable it, `exists_one` is its name there.

use super::build::{Builder, call};
use crate::cel::ast::{
    ACCUMULATOR, Comprehension, ExprId, ExprKind, FieldEntry, Literal, MapEntry, Node, ops,
};
use crate::cel::source::Issue;

/// Accumulator of older versions of the language: still no name for a variable of a loop.
const OLD_ACCUMULATOR: &str = "__result__";
/// Variable of a loop that runs never and only binds its accumulator.
const UNUSED: &str = "#unused";
/// What `sortBy` binds the list to.
const SORT_INPUT: &str = "@__sortBy_input__";
/// Sorts a list by a list of keys.
const SORT_BY_KEYS: &str = "@sortByAssociatedKeys";
/// Adds an entry to the map that a loop makes.
const MAP_INSERT: &str = "cel.@mapInsert";

const OVERWRITES: &str = "iteration variable overwrites accumulator variable";
const NOT_A_NAME: &str = "argument must be a simple name";

/// The variables of a loop.
struct Vars {
    var: String,
    var2: Option<String>,
}

/// Which elements a quantifier wants.
#[derive(Clone, Copy)]
enum Quantifier {
    All,
    Exists,
    ExistsOne,
}

/// What a transformation makes.
#[derive(Clone, Copy)]
enum Transform {
    List,
    Map,
    MapEntry,
}

impl Builder {
    /// The expansion of a call, if its name and number of arguments are those of a macro.
    pub(super) fn expand(
        &mut self,
        function: &str,
        target: Option<ExprId>,
        args: &[ExprId],
        at: u32,
    ) -> Option<Result<ExprId, Issue>> {
        let Some(range) = target else {
            return match (function, args) {
                ("has", [arg]) => Some(self.has(*arg, at)),
                _ => None,
            };
        };
        let mut maker = Maker { builder: self, at };
        Some(match (function, args.len()) {
            ("all", 2 | 3) => maker.quantifier(Quantifier::All, range, args),
            ("exists", 2 | 3) => maker.quantifier(Quantifier::Exists, range, args),
            ("exists_one", 2 | 3) | ("existsOne", 3) => {
                maker.quantifier(Quantifier::ExistsOne, range, args)
            }
            ("map", 2 | 3) => maker.map(range, args),
            ("filter", 2) => maker.filter(range, args),
            ("transformList", 3 | 4) => maker.transform(Transform::List, range, args),
            ("transformMap", 3 | 4) => maker.transform(Transform::Map, range, args),
            ("transformMapEntry", 3 | 4) => maker.transform(Transform::MapEntry, range, args),
            ("sortBy", 2) => maker.sort_by(range, args),
            ("optMap", 2) => maker.opt_map(range, args, true),
            ("optFlatMap", 2) => maker.opt_map(range, args, false),
            _ => return None,
        })
    }

    fn has(&mut self, arg: ExprId, at: u32) -> Result<ExprId, Issue> {
        let node = &self.nodes[arg.0 as usize];
        match &node.kind {
            ExprKind::Select { operand, field, .. } => {
                let test = ExprKind::Select {
                    operand: *operand,
                    field: field.clone(),
                    test_only: true,
                };
                Ok(self.node(test, at))
            }
            _ => Err(Issue {
                offset: node.offset,
                message: "invalid argument to has() macro".to_owned(),
            }),
        }
    }

    /// A copy of a part of the tree, at the same places, except that fields of objects stand at `at`. A worklist
    /// instead of recursion: trees of accepted expressions can be some thousand levels deep.
    fn copy(&mut self, root: ExprId, at: u32) -> ExprId {
        let copied = self.reserve(root);
        let mut work = vec![copied];
        while let Some(id) = work.pop() {
            if self.too_large {
                break;
            }
            let mut kind = std::mem::replace(
                &mut self.nodes[id.0 as usize].kind,
                ExprKind::Literal(Literal::Null),
            );
            if let ExprKind::Struct { fields, .. } = &mut kind {
                fields.iter_mut().for_each(|field| field.offset = at);
            }
            each_child(&mut kind, &mut |child| {
                *child = self.reserve(*child);
                work.push(*child);
            });
            self.nodes[id.0 as usize].kind = kind;
        }
        copied
    }

    /// A copy of one node that still refers to the children of the original.
    fn reserve(&mut self, id: ExprId) -> ExprId {
        let Node { kind, offset } = self.nodes[id.0 as usize].clone();
        self.node(kind, offset)
    }
}

/// Calls `visit` with every child of a node.
fn each_child(kind: &mut ExprKind, visit: &mut dyn FnMut(&mut ExprId)) {
    match kind {
        ExprKind::Literal(_) | ExprKind::Ident(_) => {}
        ExprKind::Select { operand, .. } => visit(operand),
        ExprKind::Call { target, args, .. } => {
            target.iter_mut().chain(args).for_each(visit);
        }
        ExprKind::List { elements } => elements.iter_mut().for_each(|(element, _)| visit(element)),
        ExprKind::Map { entries } => {
            for MapEntry { key, value, .. } in entries {
                visit(key);
                visit(value);
            }
        }
        ExprKind::Struct { fields, .. } => {
            for FieldEntry { value, .. } in fields {
                visit(value);
            }
        }
        ExprKind::Comprehension(fold) => {
            let Comprehension {
                range,
                init,
                condition,
                step,
                result,
                ..
            } = fold;
            for child in [range, init, condition, step, result] {
                visit(child);
            }
        }
    }
}

/// Makes nodes at the place of one macro call.
struct Maker<'b> {
    builder: &'b mut Builder,
    at: u32,
}

impl Maker<'_> {
    fn literal(&mut self, value: Literal) -> ExprId {
        self.builder.node(ExprKind::Literal(value), self.at)
    }

    fn truth(&mut self, value: bool) -> ExprId {
        self.literal(Literal::Bool(value))
    }

    fn name(&mut self, name: &str) -> ExprId {
        self.builder.node(ExprKind::Ident(name.to_owned()), self.at)
    }

    fn accumulator(&mut self) -> ExprId {
        self.name(ACCUMULATOR)
    }

    fn call(&mut self, function: &str, args: Vec<ExprId>) -> ExprId {
        self.builder.node(call(function, None, args), self.at)
    }

    fn member(&mut self, function: &str, target: ExprId, args: Vec<ExprId>) -> ExprId {
        self.builder
            .node(call(function, Some(target), args), self.at)
    }

    fn list(&mut self, items: &[ExprId]) -> ExprId {
        let elements = items.iter().map(|item| (*item, false)).collect();
        self.builder.node(ExprKind::List { elements }, self.at)
    }

    fn fold(&mut self, fold: Comprehension) -> ExprId {
        self.builder.node(ExprKind::Comprehension(fold), self.at)
    }

    /// Evaluates `value` once, as `name`, in `result`: a loop over nothing.
    fn bind(&mut self, name: &str, value: ExprId, step: ExprId, result: ExprId) -> ExprId {
        let range = self.list(&[]);
        let condition = self.truth(false);
        self.fold(Comprehension {
            range,
            var: UNUSED.to_owned(),
            var2: None,
            accu: name.to_owned(),
            init: value,
            condition,
            step,
            result,
        })
    }

    fn issue<T>(&self, at: ExprId, message: impl Into<String>) -> Result<T, Issue> {
        Err(Issue {
            offset: self.builder.nodes[at.0 as usize].offset,
            message: message.into(),
        })
    }

    /// The name that `arg` consists of.
    fn plain_name(&self, arg: ExprId, message: &str) -> Result<String, Issue> {
        match &self.builder.nodes[arg.0 as usize].kind {
            ExprKind::Ident(name) => Ok(name.clone()),
            _ => self.issue(arg, message),
        }
    }

    fn variable(&self, arg: ExprId, message: &str) -> Result<Vars, Issue> {
        let var = self.plain_name(arg, message)?;
        if is_accumulator(&var) {
            return self.issue(arg, OVERWRITES);
        }
        Ok(Vars { var, var2: None })
    }

    fn two_variables(&self, first: ExprId, second: ExprId) -> Result<Vars, Issue> {
        let var = self.plain_name(first, NOT_A_NAME)?;
        let var2 = self.plain_name(second, NOT_A_NAME)?;
        if var == var2 {
            return self.issue(second, format!("duplicate variable name: {var}"));
        }
        if is_accumulator(&var) {
            return self.issue(first, OVERWRITES);
        }
        if is_accumulator(&var2) {
            return self.issue(second, OVERWRITES);
        }
        Ok(Vars {
            var,
            var2: Some(var2),
        })
    }

    /// `[condition, then]` when a condition is given, else `then`; the accumulator stays as it is otherwise.
    fn when(&mut self, condition: Option<ExprId>, then: ExprId) -> ExprId {
        match condition {
            Some(condition) => {
                let otherwise = self.accumulator();
                self.call(ops::CONDITIONAL, vec![condition, then, otherwise])
            }
            None => then,
        }
    }

    fn quantifier(
        &mut self,
        kind: Quantifier,
        range: ExprId,
        args: &[ExprId],
    ) -> Result<ExprId, Issue> {
        let (vars, predicate) = match *args {
            [first, second, predicate] => (self.two_variables(first, second)?, predicate),
            _ => (self.variable(args[0], NOT_A_NAME)?, args[1]),
        };
        let (init, condition, step, result);
        match kind {
            Quantifier::All => {
                init = self.truth(true);
                let so_far = self.accumulator();
                condition = self.call(ops::NOT_STRICTLY_FALSE, vec![so_far]);
                let so_far = self.accumulator();
                step = self.call(ops::AND, vec![so_far, predicate]);
                result = self.accumulator();
            }
            Quantifier::Exists => {
                init = self.truth(false);
                let so_far = self.accumulator();
                let not_yet = self.call(ops::NOT, vec![so_far]);
                condition = self.call(ops::NOT_STRICTLY_FALSE, vec![not_yet]);
                let so_far = self.accumulator();
                step = self.call(ops::OR, vec![so_far, predicate]);
                result = self.accumulator();
            }
            Quantifier::ExistsOne => {
                init = self.literal(Literal::Int(0));
                condition = self.truth(true);
                let (so_far, one) = (self.accumulator(), self.literal(Literal::Int(1)));
                let more = self.call(ops::ADD, vec![so_far, one]);
                step = self.when(Some(predicate), more);
                let (count, one) = (self.accumulator(), self.literal(Literal::Int(1)));
                result = self.call(ops::EQ, vec![count, one]);
            }
        }
        Ok(self.fold(Comprehension {
            range,
            var: vars.var,
            var2: vars.var2,
            accu: ACCUMULATOR.to_owned(),
            init,
            condition,
            step,
            result,
        }))
    }

    /// A loop over everything that begins with `init`.
    fn collect(&mut self, range: ExprId, vars: Vars, init: ExprId, step: ExprId) -> ExprId {
        let condition = self.truth(true);
        let result = self.accumulator();
        self.fold(Comprehension {
            range,
            var: vars.var,
            var2: vars.var2,
            accu: ACCUMULATOR.to_owned(),
            init,
            condition,
            step,
            result,
        })
    }

    /// Adds `element` to the list that a loop makes.
    fn append(&mut self, element: ExprId) -> ExprId {
        let so_far = self.accumulator();
        let one = self.list(&[element]);
        self.call(ops::ADD, vec![so_far, one])
    }

    fn map(&mut self, range: ExprId, args: &[ExprId]) -> Result<ExprId, Issue> {
        let vars = self.variable(args[0], "argument is not an identifier")?;
        let (condition, value) = match *args {
            [_, condition, value] => (Some(condition), value),
            _ => (None, args[1]),
        };
        let init = self.list(&[]);
        let step = self.append(value);
        let step = self.when(condition, step);
        Ok(self.collect(range, vars, init, step))
    }

    fn filter(&mut self, range: ExprId, args: &[ExprId]) -> Result<ExprId, Issue> {
        let vars = self.variable(args[0], "argument is not an identifier")?;
        let init = self.list(&[]);
        let step = self.append(args[0]);
        let step = self.when(Some(args[1]), step);
        Ok(self.collect(range, vars, init, step))
    }

    fn transform(
        &mut self,
        kind: Transform,
        range: ExprId,
        args: &[ExprId],
    ) -> Result<ExprId, Issue> {
        let vars = self.two_variables(args[0], args[1])?;
        let (condition, value) = match *args {
            [_, _, condition, value] => (Some(condition), value),
            _ => (None, args[2]),
        };
        let step = match kind {
            Transform::List => self.append(value),
            Transform::Map => {
                let (so_far, key) = (self.accumulator(), self.name(&vars.var));
                self.call(MAP_INSERT, vec![so_far, key, value])
            }
            Transform::MapEntry => {
                let so_far = self.accumulator();
                self.call(MAP_INSERT, vec![so_far, value])
            }
        };
        let step = self.when(condition, step);
        let init = match kind {
            Transform::List => self.list(&[]),
            Transform::Map | Transform::MapEntry => {
                let entries = Vec::new();
                self.builder.node(ExprKind::Map { entries }, self.at)
            }
        };
        Ok(self.collect(range, vars, init, step))
    }

    /// Binds the list, maps it to its keys, and sorts it by them.
    fn sort_by(&mut self, target: ExprId, args: &[ExprId]) -> Result<ExprId, Issue> {
        if !matches!(
            self.builder.nodes[target.0 as usize].kind,
            ExprKind::List { .. }
                | ExprKind::Select { .. }
                | ExprKind::Ident(_)
                | ExprKind::Comprehension(_)
                | ExprKind::Call { .. }
        ) {
            return self.issue(
                target,
                "sortBy can only be applied to a list, identifier, comprehension, call or select expression",
            );
        }
        let input = self.name(SORT_INPUT);
        let keys = self.map(input, args)?;
        let input = self.name(SORT_INPUT);
        let sorted = self.member(SORT_BY_KEYS, input, vec![keys]);
        let step = self.name(SORT_INPUT);
        Ok(self.bind(SORT_INPUT, target, step, sorted))
    }

    /// Binds the value of an optional, if it has one; `wrap` makes an optional of the result.
    fn opt_map(&mut self, target: ExprId, args: &[ExprId], wrap: bool) -> Result<ExprId, Issue> {
        let function = if wrap { "optMap" } else { "optFlatMap" };
        let message = format!("{function}() variable name must be a simple identifier");
        let name = self.plain_name(args[0], &message)?;
        let has_value = self.member("hasValue", target, Vec::new());
        let copy = self.builder.copy(target, self.at);
        let value = self.member("value", copy, Vec::new());
        let step = self.name(&name);
        let bound = self.bind(&name, value, step, args[1]);
        let then = if wrap {
            self.call("optional.of", vec![bound])
        } else {
            bound
        };
        let none = self.call("optional.none", Vec::new());
        Ok(self.call(ops::CONDITIONAL, vec![has_value, then, none]))
    }
}

fn is_accumulator(name: &str) -> bool {
    name == ACCUMULATOR || name == OLD_ACCUMULATOR
}
