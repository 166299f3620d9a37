//! The syntax tree, in an arena: children are ids into [`Ast::nodes`], so that no chain of any length can overflow a
//! stack when it is walked with a worklist or dropped.

use super::source::Source;

/// Index of a node in its [`Ast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// A parsed expression, macros expanded.
#[derive(Clone, Debug)]
pub struct Ast {
    /// Text and line table, for positions.
    pub source: Source,
    /// The nodes; children come before or after their parents, in no fixed order.
    pub nodes: Vec<Node>,
    /// The outermost expression.
    pub root: ExprId,
}

impl Ast {
    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: ExprId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

/// One expression.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: ExprKind,
    /// Where errors about it point: code point offset into the source, as cel-go counts (the operator for binary
    /// operators, the dot for selections, the opening parenthesis for calls).
    pub offset: u32,
}

/// A constant written in the source.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `1`, `0x1`, `-1`
    Int(i64),
    /// `1u`
    Uint(u64),
    /// `1.5`
    Double(f64),
    /// `'a'`
    String(String),
    /// `b'a'`
    Bytes(Vec<u8>),
}

/// Shapes of expressions; operators are calls under cel-go's names (see [`ops`]).
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A constant.
    Literal(Literal),
    /// A name; a leading dot is kept in the text.
    Ident(String),
    /// `operand.field`, or `has(operand.field)` when `test_only`.
    Select {
        /// What is selected from.
        operand: ExprId,
        /// Field name.
        field: String,
        /// Presence test.
        test_only: bool,
    },
    /// `function(args)` or `target.function(args)`.
    Call {
        /// Function or operator name.
        function: String,
        /// Receiver of a member call.
        target: Option<ExprId>,
        /// Arguments.
        args: Vec<ExprId>,
    },
    /// `[a, ?b]`
    List {
        /// Elements in order, each with its optional mark (`?`).
        elements: Vec<(ExprId, bool)>,
    },
    /// `{k: v, ?k: v}`
    Map {
        /// Entries in order.
        entries: Vec<MapEntry>,
    },
    /// `Type{field: v}`
    Struct {
        /// Type name as written, with dots.
        name: String,
        /// Fields in order.
        fields: Vec<FieldEntry>,
    },
    /// A loop, always from a macro.
    Comprehension(Comprehension),
}

/// One entry of a map literal.
#[derive(Clone, Copy, Debug)]
pub struct MapEntry {
    /// Key expression.
    pub key: ExprId,
    /// Value expression.
    pub value: ExprId,
    /// Written with `?`.
    pub optional: bool,
}

/// One field of a struct literal.
#[derive(Clone, Debug)]
pub struct FieldEntry {
    /// Field name.
    pub name: String,
    /// Value expression.
    pub value: ExprId,
    /// Written with `?`.
    pub optional: bool,
    /// Where the name stands.
    pub offset: u32,
}

/// A fold over a list or map, with cel-go's meaning.
#[derive(Clone, Debug)]
pub struct Comprehension {
    /// What is iterated.
    pub range: ExprId,
    /// Element, or key of a map; index in the two-variable form over lists.
    pub var: String,
    /// Second variable of the two-variable form.
    pub var2: Option<String>,
    /// Accumulator, [`ACCUMULATOR`].
    pub accu: String,
    /// Its initial value.
    pub init: ExprId,
    /// Goes on while true.
    pub condition: ExprId,
    /// New accumulator.
    pub step: ExprId,
    /// Value of the whole.
    pub result: ExprId,
}

/// Name of the accumulator: no identifier of the language can collide with it.
pub const ACCUMULATOR: &str = "@result";

/// Operator names, as in cel-go.
pub mod ops {
    #![allow(missing_docs, reason = "each name is the operator itself")]
    pub const CONDITIONAL: &str = "_?_:_";
    pub const AND: &str = "_&&_";
    pub const OR: &str = "_||_";
    pub const NOT: &str = "!_";
    pub const EQ: &str = "_==_";
    pub const NE: &str = "_!=_";
    pub const LT: &str = "_<_";
    pub const LE: &str = "_<=_";
    pub const GT: &str = "_>_";
    pub const GE: &str = "_>=_";
    pub const ADD: &str = "_+_";
    pub const SUB: &str = "_-_";
    pub const MUL: &str = "_*_";
    pub const DIV: &str = "_/_";
    pub const MOD: &str = "_%_";
    pub const NEG: &str = "-_";
    pub const INDEX: &str = "_[_]";
    pub const OPT_INDEX: &str = "_[?_]";
    pub const OPT_SELECT: &str = "_?._";
    pub const IN: &str = "@in";
    pub const NOT_STRICTLY_FALSE: &str = "@not_strictly_false";
}
