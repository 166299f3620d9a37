//! Makes the nodes of the tree, bottom up, with the errors that cel-go finds when it walks what was parsed.

use super::literals;
use super::parser::MAX_NESTING;
use super::token::{Kind, Token};
use crate::cel::ast::{ExprId, ExprKind, FieldEntry, Literal, MapEntry, Node, ops};
use crate::cel::source::Issue;

/// How many nodes one expression may make. cel-go has no such limit, but there the size of chained `optMap` calls
/// doubles with each; the largest expression that does not use them makes about two nodes for each code point.
pub(super) const MAX_NODES: usize = 500_000;

/// Names that may not be used as variables or functions. Those that are tokens of their own (`in`, `true`, `false`,
/// `null`) never come here.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// Whether a variable or function may not have this name.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// A finished part of the tree.
#[derive(Clone, Copy)]
pub(super) struct Operand {
    pub id: ExprId,
    /// How deep operators, selections, calls and indexes nest in it, as cel-go counts.
    pub height: u16,
    /// A `?` stood before it.
    pub optional: bool,
    /// Where the operator before it stands, or the colon for fields.
    pub operator: u32,
    /// Name of the field that it is the value of.
    pub name: Option<Token>,
}

/// The tree so far.
#[derive(Default)]
pub(super) struct Builder {
    pub nodes: Vec<Node>,
    pub issues: Vec<Issue>,
    /// Nesting went over [`MAX_NESTING`].
    pub too_deep: bool,
    /// The tree went over [`MAX_NODES`].
    pub too_large: bool,
}

impl Builder {
    /// Adds a node.
    pub fn node(&mut self, kind: ExprKind, offset: u32) -> ExprId {
        self.too_large |= self.nodes.len() >= MAX_NODES;
        let id = ExprId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node { kind, offset });
        id
    }

    pub fn error(&mut self, offset: u32, message: impl Into<String>) {
        self.issues.push(Issue {
            offset,
            message: message.into(),
        });
    }

    /// Stands for what could not be made; an issue has been or will be reported.
    pub fn hole(&mut self, offset: u32) -> Operand {
        self.operand(ExprKind::Literal(Literal::Null), offset, 0)
    }

    fn operand(&mut self, kind: ExprKind, offset: u32, height: u16) -> Operand {
        Operand {
            id: self.node(kind, offset),
            height,
            optional: false,
            operator: 0,
            name: None,
        }
    }

    /// Whether the tree is still within its limits; nothing is made of it otherwise.
    fn exhausted(&self) -> bool {
        self.too_deep || self.too_large
    }

    /// Height of a node over `parts`, one more if the node itself counts.
    fn height(&mut self, parts: &[Operand], counts: bool) -> u16 {
        let below = parts.iter().map(|part| part.height).max().unwrap_or(0);
        let height = below + u16::from(counts);
        self.too_deep |= height > MAX_NESTING;
        height
    }

    pub fn literal(&mut self, kind: Kind, negative: bool, text: &str, at: u32) -> Operand {
        let value = match kind {
            Kind::Int => literals::int(negative, text).ok_or("invalid int literal"),
            Kind::Uint => literals::uint(text).ok_or("invalid uint literal"),
            Kind::Float => literals::double(negative, text).ok_or("invalid double literal"),
            Kind::String => literals::string(text).map(Literal::String),
            Kind::Bytes => literals::bytes(text).map(Literal::Bytes),
            Kind::True => Ok(Literal::Bool(true)),
            Kind::False => Ok(Literal::Bool(false)),
            _ => Ok(Literal::Null),
        };
        match value {
            Ok(value) => self.operand(ExprKind::Literal(value), at, 0),
            Err(message) => {
                self.error(at, message);
                self.hole(at)
            }
        }
    }

    /// A variable, perhaps with a leading dot.
    pub fn name(&mut self, dot: Option<u32>, name: &str, at: u32) -> Operand {
        if is_reserved(name) {
            return self.reserved(dot.unwrap_or(at), name);
        }
        let prefix = if dot.is_some() { "." } else { "" };
        self.operand(ExprKind::Ident(format!("{prefix}{name}")), at, 0)
    }

    pub fn reserved(&mut self, at: u32, name: &str) -> Operand {
        self.error(at, format!("reserved identifier: {name}"));
        self.hole(at)
    }

    /// A name in backticks, which are the syntax of a later version of the language, or none at all.
    pub fn refuse_name(&mut self, name: Option<Token>, at: u32) {
        let message = match name {
            Some(_) => "unsupported syntax: '`'",
            None => "unsupported ident kind",
        };
        self.error(at, message);
    }

    /// `operand.name` or `operand.?name`; the dot is at `at`, the name where it says.
    pub fn select(
        &mut self,
        operand: Operand,
        name: (u32, &str),
        optional: bool,
        at: u32,
    ) -> Operand {
        let height = self.height(&[operand], true);
        if self.exhausted() {
            return self.hole(at);
        }
        let field = name.1.to_owned();
        let kind = if optional {
            let key = self.node(ExprKind::Literal(Literal::String(field)), name.0);
            call(ops::OPT_SELECT, None, vec![operand.id, key])
        } else {
            ExprKind::Select {
                operand: operand.id,
                field,
                test_only: false,
            }
        };
        self.operand(kind, at, height)
    }

    /// An operator over `operands`.
    pub fn operator(
        &mut self,
        function: &str,
        operands: &[Operand],
        at: u32,
        counts: bool,
    ) -> Operand {
        let height = self.height(operands, counts);
        if self.exhausted() {
            return self.hole(at);
        }
        self.operand(call(function, None, ids(operands)), at, height)
    }

    /// `terms` joined by `&&` or `||`, as a balanced tree: no order of evaluation is promised, and depth stays small.
    pub fn logic(&mut self, function: &str, terms: &[Operand]) -> Operand {
        let height = self.height(terms, false);
        if self.exhausted() {
            return self.hole(0);
        }
        let id = self.balanced(function, terms);
        Operand { height, ..id }
    }

    /// The recursion is as deep as the logarithm of the number of terms.
    fn balanced(&mut self, function: &str, terms: &[Operand]) -> Operand {
        if let [one] = terms {
            return *one;
        }
        let middle = terms.len().div_ceil(2);
        let left = self.balanced(function, &terms[..middle]);
        let right = self.balanced(function, &terms[middle..]);
        let at = terms[middle].operator;
        self.operand(call(function, None, vec![left.id, right.id]), at, 0)
    }

    /// `name(args)`, perhaps with a leading dot; the parenthesis is at `at`.
    pub fn global_call(&mut self, dot: bool, name: &str, args: &[Operand], at: u32) -> Operand {
        let height = self.height(args, false);
        if self.exhausted() {
            return self.hole(at);
        }
        if dot {
            return self.operand(call(&format!(".{name}"), None, ids(args)), at, height);
        }
        let id = self.call_or_macro(name, None, ids(args), at);
        self.finished(id, height)
    }

    /// `target.name(args)`; the parenthesis is at `at`.
    pub fn member_call(
        &mut self,
        name: &str,
        target: Operand,
        args: &[Operand],
        at: u32,
    ) -> Operand {
        let height = self.height(args, false).max(target.height) + 1;
        self.too_deep |= height > MAX_NESTING;
        if self.exhausted() {
            return self.hole(at);
        }
        let id = self.call_or_macro(name, Some(target.id), ids(args), at);
        self.finished(id, height)
    }

    fn finished(&self, id: ExprId, height: u16) -> Operand {
        Operand {
            id,
            height,
            optional: false,
            operator: 0,
            name: None,
        }
    }

    fn call_or_macro(
        &mut self,
        function: &str,
        target: Option<ExprId>,
        args: Vec<ExprId>,
        at: u32,
    ) -> ExprId {
        match self.expand(function, target, &args, at) {
            Some(Ok(id)) => id,
            Some(Err(issue)) => {
                let offset = issue.offset;
                self.issues.push(issue);
                self.hole(offset).id
            }
            None => self.node(call(function, target, args), at),
        }
    }

    pub fn list(&mut self, items: &[Operand], at: u32) -> Operand {
        let height = self.height(items, false);
        let elements = items.iter().map(|item| (item.id, item.optional)).collect();
        self.operand(ExprKind::List { elements }, at, height)
    }

    /// `items` are keys and values in turn.
    pub fn map(&mut self, items: &[Operand], at: u32) -> Operand {
        let height = self.height(items, false);
        let entries = items
            .chunks_exact(2)
            .map(|pair| MapEntry {
                key: pair[0].id,
                value: pair[1].id,
                optional: pair[0].optional,
            })
            .collect();
        self.operand(ExprKind::Map { entries }, at, height)
    }

    /// `items` carry their names.
    pub fn object(&mut self, name: String, text: &str, items: &[Operand], at: u32) -> Operand {
        let height = self.height(items, false);
        let fields = items
            .iter()
            .filter_map(|item| {
                let token = item.name?;
                let name = text.get(token.start as usize..token.end as usize)?;
                Some(FieldEntry {
                    name: name.to_owned(),
                    value: item.id,
                    optional: item.optional,
                    offset: item.operator,
                })
            })
            .collect();
        self.operand(ExprKind::Struct { name, fields }, at, height)
    }
}

/// A call as a kind of node.
pub(super) fn call(function: &str, target: Option<ExprId>, args: Vec<ExprId>) -> ExprKind {
    ExprKind::Call {
        function: function.to_owned(),
        target,
        args,
    }
}

fn ids(operands: &[Operand]) -> Vec<ExprId> {
    operands.iter().map(|operand| operand.id).collect()
}
