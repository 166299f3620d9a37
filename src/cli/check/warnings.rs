//! What the type checker says about the policies: rows of the document, and text for people.

use std::fmt::Write as _;

use crate::model::gvk::Gvk;
use crate::policy::set::Set;
use crate::policy::typecheck::{self, Warning};
use crate::report::document::TypeWarning;
use crate::report::plain;
use crate::schema::catalog::Kinds;

/// All warnings about all policies, those without a binding included.
pub fn of(set: &Set, kinds: &Kinds) -> Vec<Warning> {
    set.policies()
        .flat_map(|policy| typecheck::lint(policy, kinds))
        .collect()
}

/// As rows of the document.
pub fn rows(warnings: &[Warning]) -> Vec<TypeWarning> {
    warnings.iter().map(row).collect()
}

fn row(warning: &Warning) -> TypeWarning {
    let diagnostic = &warning.diagnostic;
    TypeWarning {
        policy: diagnostic.subject.clone(),
        field: diagnostic.field.clone(),
        kinds: warning.kinds.iter().map(kind).collect(),
        message: diagnostic.message.clone(),
        file: diagnostic.file.as_ref().map(ToString::to_string),
        line: diagnostic.position.map(|at| at.line),
        column: diagnostic.position.map(|at| at.column),
        expression_line: warning.at.line,
        expression_column: warning.at.column,
        false_alarm: warning.false_alarm,
    }
}

fn kind(kind: &Gvk) -> String {
    format!("{} {}", kind.api_version(), kind.kind)
}

/// For people: the place, the line and a caret, then the kinds. False alarms are left to the document.
pub fn render(warnings: &[Warning]) -> String {
    let mut out = String::new();
    for warning in warnings.iter().filter(|warning| !warning.false_alarm) {
        let kinds: Vec<String> = warning.kinds.iter().map(kind).collect();
        let sentence = warning.diagnostic.to_string();
        let _ = writeln!(out, "warning: {}", plain::line(&sentence));
        if let Some(excerpt) = &warning.diagnostic.excerpt {
            let before = (excerpt.column as usize).saturating_sub(1);
            let (line, dots) = (plain::block(&excerpt.line), ".".repeat(before));
            let _ = writeln!(out, "  | {line}\n  | {dots}^");
        }
        let _ = writeln!(out, "  = for {}", plain::line(&kinds.join(", ")));
    }
    out
}
