//! A compact one-line form of a tree, for comparing whole trees in tests.
//!
//! Every node ends in `@` and its offset. Literals: `null true 1 1u d3ff0000000000000 "text" b"6162"` (doubles by their
//! bits, bytes in hexadecimal); `name`; `(. operand field)`, `(has operand field)`; `(call f args)`, `(member f target
//! args)`; `[a ?b]`; `{k:v ?k:v}`; `(new T f@7:v ?f@9:v)`; `(fold range var var2 accu init condition step result)` with
//! `-` for no second variable.

use super::ast::{Ast, Comprehension, ExprId, ExprKind, Literal};

/// What is still to be written, last first.
enum Work {
    Node(ExprId),
    Text(String),
}

impl Ast {
    /// The tree as text.
    #[must_use]
    pub fn debug(&self) -> String {
        let mut out = String::new();
        let mut work = vec![Work::Node(self.root)];
        while let Some(next) = work.pop() {
            match next {
                Work::Text(text) => out.push_str(&text),
                Work::Node(id) => {
                    let node = self.node(id);
                    let mut parts = parts(&node.kind);
                    parts.push(Work::Text(format!("@{}", node.offset)));
                    work.extend(parts.into_iter().rev());
                }
            }
        }
        out
    }
}

fn parts(kind: &ExprKind) -> Vec<Work> {
    let text = |text: String| Work::Text(text);
    match kind {
        ExprKind::Literal(value) => vec![text(literal(value))],
        ExprKind::Ident(name) => vec![text(name.clone())],
        ExprKind::Select {
            operand,
            field,
            test_only,
        } => {
            let head = if *test_only { "(has " } else { "(. " };
            vec![
                text(head.to_owned()),
                Work::Node(*operand),
                text(format!(" {field})")),
            ]
        }
        ExprKind::Call {
            function,
            target,
            args,
        } => {
            let head = if target.is_some() { "member" } else { "call" };
            let mut parts = vec![text(format!("({head} {function}"))];
            for arg in target.iter().chain(args) {
                parts.extend([text(" ".to_owned()), Work::Node(*arg)]);
            }
            parts.push(text(")".to_owned()));
            parts
        }
        ExprKind::List { elements } => {
            let items = elements
                .iter()
                .map(|(id, optional)| (String::new(), vec![*id], *optional));
            sequence("[", items, "]")
        }
        ExprKind::Map { entries } => {
            let items = entries
                .iter()
                .map(|entry| (String::new(), vec![entry.key, entry.value], entry.optional));
            sequence("{", items, "}")
        }
        ExprKind::Struct { name, fields } => {
            let items = fields.iter().map(|field| {
                (
                    format!("{}@{}:", field.name, field.offset),
                    vec![field.value],
                    field.optional,
                )
            });
            let space = if fields.is_empty() { "" } else { " " };
            sequence(&format!("(new {name}{space}"), items, ")")
        }
        ExprKind::Comprehension(fold) => comprehension(fold),
    }
}

/// Items between `open` and `close`: each a prefix and nodes joined by colons, with its optional mark.
fn sequence(
    open: &str,
    items: impl Iterator<Item = (String, Vec<ExprId>, bool)>,
    close: &str,
) -> Vec<Work> {
    let mut parts = vec![Work::Text(open.to_owned())];
    for (n, (prefix, ids, optional)) in items.enumerate() {
        let space = if n > 0 { " " } else { "" };
        let mark = if optional { "?" } else { "" };
        parts.push(Work::Text(format!("{space}{mark}{prefix}")));
        for (n, id) in ids.into_iter().enumerate() {
            if n > 0 {
                parts.push(Work::Text(":".to_owned()));
            }
            parts.push(Work::Node(id));
        }
    }
    parts.push(Work::Text(close.to_owned()));
    parts
}

fn comprehension(fold: &Comprehension) -> Vec<Work> {
    let var2 = fold.var2.as_deref().unwrap_or("-");
    let mut parts = vec![
        Work::Text("(fold ".to_owned()),
        Work::Node(fold.range),
        Work::Text(format!(" {} {var2} {}", fold.var, fold.accu)),
    ];
    for id in [fold.init, fold.condition, fold.step, fold.result] {
        parts.extend([Work::Text(" ".to_owned()), Work::Node(id)]);
    }
    parts.push(Work::Text(")".to_owned()));
    parts
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Null => "null".to_owned(),
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Uint(value) => format!("{value}u"),
        Literal::Double(value) => format!("d{:016x}", value.to_bits()),
        Literal::String(value) => quoted(value),
        Literal::Bytes(value) => {
            let digits: String = value.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("b\"{digits}\"")
        }
    }
}

/// Printable ASCII as it is, everything else as `\u{…}`.
fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    out.push('"');
    out
}
