//! Checks of a literal template against a literal list of arguments, before anything runs.

use super::clause::Clause;
use super::{Piece, Pieces};
use crate::cel::ast::{Ast, ExprId, ExprKind};
use crate::cel::types::Type;

/// What is wrong with a call of `format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteralFault {
    /// The argument to blame; `None` blames the call.
    pub argument: Option<ExprId>,
    /// The API server's text.
    pub message: String,
}

/// Checks `template` against the elements of the list literal that it is called with.
///
/// # Errors
/// The first fault.
pub fn check_literal(
    ast: &Ast,
    template: &str,
    arguments: &[ExprId],
    type_of: &dyn Fn(ExprId) -> Type,
) -> Result<(), LiteralFault> {
    let fault = |message: String| LiteralFault {
        argument: None,
        message,
    };
    let mut pieces = Pieces { rest: template };
    let mut at = 0;
    while let Some(piece) = pieces.next() {
        let Piece::Clause(clause) = piece else {
            continue;
        };
        if clause.is_empty() {
            return Err(fault("unexpected end of string".to_owned()));
        }
        let argument = *arguments
            .get(at)
            .ok_or_else(|| fault(format!("index {at} out of range")))?;
        let (clause, rest) = Clause::parse(clause).map_err(fault)?;
        if let Some(bad) = misfit(ast, clause, argument, type_of) {
            let refusal = clause.refusal(type_of(bad).runtime_name());
            return Err(LiteralFault {
                argument: Some(bad),
                message: format!("error during formatting: {refusal}"),
            });
        }
        pieces.resume(rest);
        at += 1;
    }
    if arguments.len() > at {
        let message = format!(
            "too many arguments supplied to string.format (expected {at}, got {})",
            arguments.len()
        );
        return Err(fault(message));
    }
    Ok(())
}

/// The expression in `argument` whose type the clause refuses.
fn misfit(
    ast: &Ast,
    clause: Clause,
    argument: ExprId,
    type_of: &dyn Fn(ExprId) -> Type,
) -> Option<ExprId> {
    let mut open = vec![argument];
    while let Some(id) = open.pop() {
        if !accepts(clause, &type_of(id)) {
            return Some(id);
        }
        if clause != Clause::Text {
            continue;
        }
        // Literals are looked into, in order.
        match &ast.node(id).kind {
            ExprKind::List { elements } => {
                open.extend(elements.iter().rev().map(|(element, _)| *element))
            }
            ExprKind::Map { entries } => {
                open.extend(
                    entries
                        .iter()
                        .rev()
                        .flat_map(|entry| [entry.value, entry.key]),
                );
            }
            _ => {}
        }
    }
    None
}

fn accepts(clause: Clause, ty: &Type) -> bool {
    match (clause, ty) {
        (_, Type::Dyn | Type::Error)
        | (
            Clause::Decimal | Clause::Octal | Clause::Binary | Clause::Hex { .. },
            Type::Int | Type::Uint,
        )
        | (Clause::Fixed(_) | Clause::Scientific(_), Type::Double | Type::String)
        | (Clause::Binary, Type::Bool)
        | (Clause::Hex { .. }, Type::String | Type::Bytes) => true,
        (Clause::Text, ty) => !matches!(
            ty,
            Type::Optional(_)
                | Type::Wrapper(_)
                | Type::Param(_)
                | Type::Opaque(_)
                | Type::Object(_)
        ),
        _ => false,
    }
}
