//! Checks of literals after type checking: aggregates of one type, durations, timestamps and patterns that parse.

use super::{Checked, mismatch, unwrapped};
use crate::cel::ast::{Ast, ExprId, ExprKind, Literal, MapEntry};
use crate::cel::lib::{format, regex, standard};
use crate::cel::plan::constants;
use crate::cel::source::Issue;
use crate::cel::types::Type;

/// Adds what is wrong with the literals of `ast`.
pub(super) fn validate(ast: &Ast, checked: &Checked, issues: &mut Vec<Issue>) {
    for (node, exempt) in ast.nodes.iter().zip(exempted(ast)) {
        // Nodes that a macro replaced are no longer part of the tree.
        let Some(exempt) = exempt else { continue };
        match &node.kind {
            ExprKind::List { elements } if !exempt => list(ast, checked, elements, issues),
            ExprKind::Map { entries } if !exempt => map(ast, checked, entries, issues),
            ExprKind::Call {
                function,
                target,
                args,
            } => {
                if function == format::NAME
                    && let (Some(target), [list]) = (target, &args[..])
                {
                    issues.extend(template(ast, checked, node.offset, *target, *list));
                }
                if let Some(first) = args.first()
                    && let ExprKind::Literal(literal) = &ast.node(*first).kind
                    && !is_valid(function, literal)
                {
                    issues.push(Issue {
                        offset: ast.node(*first).offset,
                        message: format!("invalid {function} argument"),
                    });
                }
            }
            _ => {}
        }
    }
}

/// Whether each node is inside a `format` call; `None` for nodes outside of the tree.
fn exempted(ast: &Ast) -> Vec<Option<bool>> {
    let mut exempt = vec![None; ast.nodes.len()];
    let mut work = vec![(ast.root, false)];
    while let Some((id, inside)) = work.pop() {
        let known = &mut exempt[id.0 as usize];
        if known.is_some() {
            continue;
        }
        *known = Some(inside);
        let node = ast.node(id);
        let inside = inside
            || matches!(&node.kind, ExprKind::Call { function, .. } if function == format::NAME);
        for_children(&node.kind, |child| work.push((child, inside)));
    }
    exempt
}

/// Calls `visit` with every child.
pub(crate) fn for_children(kind: &ExprKind, mut visit: impl FnMut(ExprId)) {
    match kind {
        ExprKind::Literal(_) | ExprKind::Ident(_) => {}
        ExprKind::Select { operand, .. } => visit(*operand),
        ExprKind::Call { target, args, .. } => {
            target.iter().chain(args).for_each(|child| visit(*child));
        }
        ExprKind::List { elements } => elements.iter().for_each(|(child, _)| visit(*child)),
        ExprKind::Map { entries } => entries.iter().for_each(|entry| {
            visit(entry.key);
            visit(entry.value);
        }),
        ExprKind::Struct { fields, .. } => fields.iter().for_each(|field| visit(field.value)),
        ExprKind::Comprehension(fold) => {
            [
                fold.range,
                fold.init,
                fold.condition,
                fold.step,
                fold.result,
            ]
            .into_iter()
            .for_each(visit);
        }
    }
}

fn list(ast: &Ast, checked: &Checked, elements: &[(ExprId, bool)], issues: &mut Vec<Issue>) {
    let mut first: Option<&Type> = None;
    for (element, optional) in elements {
        let ty = entry_type(checked, *element, *optional);
        match first {
            None => first = Some(ty),
            Some(first) if !first.is_equivalent(ty) => {
                issues.push(Issue {
                    offset: ast.node(*element).offset,
                    message: mismatch(first, ty),
                });
                break;
            }
            Some(_) => {}
        }
    }
}

fn map(ast: &Ast, checked: &Checked, entries: &[MapEntry], issues: &mut Vec<Issue>) {
    let mut first: Option<(&Type, &Type)> = None;
    for entry in entries {
        let key = checked.type_of(entry.key);
        let value = entry_type(checked, entry.value, entry.optional);
        let Some((first_key, first_value)) = first else {
            first = Some((key, value));
            continue;
        };
        for (id, expected, found) in [
            (entry.key, first_key, key),
            (entry.value, first_value, value),
        ] {
            if !expected.is_equivalent(found) {
                issues.push(Issue {
                    offset: ast.node(id).offset,
                    message: mismatch(expected, found),
                });
            }
        }
    }
}

/// What is wrong with a call of `format` on a literal template with a literal list, the call being at `offset`.
fn template(
    ast: &Ast,
    checked: &Checked,
    offset: u32,
    target: ExprId,
    list: ExprId,
) -> Option<Issue> {
    let ExprKind::Literal(Literal::String(template)) = &ast.node(target).kind else {
        return None;
    };
    let ExprKind::List { elements } = &ast.node(list).kind else {
        return None;
    };
    let arguments: Vec<ExprId> = elements.iter().map(|(element, _)| *element).collect();
    let type_of = |id| checked.type_of(id).clone();
    let fault = format::check_literal(ast, template, &arguments, &type_of).err()?;
    Some(Issue {
        offset: fault.argument.map_or(offset, |id| ast.node(id).offset),
        message: fault.message,
    })
}

fn entry_type(checked: &Checked, id: ExprId, optional: bool) -> &Type {
    let ty = checked.type_of(id);
    if optional { unwrapped(ty).0 } else { ty }
}

/// Whether a literal is a good first argument of `function`.
fn is_valid(function: &str, literal: &Literal) -> bool {
    match (function, literal) {
        ("duration" | "timestamp", literal) => {
            standard::convert(function, &constants::value(literal)).is_ok()
        }
        ("matches", Literal::String(pattern)) => regex::compile(pattern).is_ok(),
        _ => true,
    }
}
