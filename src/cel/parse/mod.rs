//! Expression text to a tree, macros expanded: the language of cel-go 0.26 as Kubernetes 1.36 enables it.
//!
//! `lexer` makes tokens, `parser` follows the rules of `grammar` (its steps are in `steps`, `primary` and
//! `lists`, what it does on errors in `recovery`), `build` makes nodes with `literals` and `macros`. Pure; depends on `cel::ast` and `cel::source` only.
//!
//! The parser is written here rather than taken from the `cel` crate: that one recurses without bound on chains
//! (`a.b.c…`, `!!!…`), has other limits, lacks the macros with two variables, and its positions are not those of
//! cel-go, which the messages of every later step print.
//!
//! Invariants: no input overflows the stack, whatever the size of the stack, because rules nest in a vector; time and
//! memory are linear in the text, but for copies by `optMap`, which a limit on nodes bounds; accepted trees have the
//! shape that cel-go makes, and errors its words and places.

mod build;
mod grammar;
mod lexer;
mod lists;
mod literals;
mod macros;
mod parser;
mod primary;
mod recovery;
mod steps;
#[cfg(test)]
mod tests;
mod token;

use parser::{Parser, Stop};

use super::ast::Ast;
use super::source::{BEFORE, CompileError, Issue, MAX_ISSUES, Source};

/// How long an expression may be, in code points: cel-go's default, which the API server keeps.
pub const MAX_CODE_POINTS: usize = 100_000;

/// Parses `text`.
///
/// # Errors
///
/// When the text is too long, nests too deep, or is not an expression: what is wrong, in the order of the text.
pub fn parse(text: &str) -> Result<Ast, CompileError> {
    let size = text.chars().count();
    if size > MAX_CODE_POINTS {
        let message = format!(
            "expression code point size exceeds limit: size: {size}, limit {MAX_CODE_POINTS}"
        );
        let issues = vec![Issue::nowhere(message)];
        return Err(CompileError::new(Source::new(text), issues));
    }
    let (tokens, unread) = lexer::tokens(text);
    let mut parser = Parser::new(text, &tokens);
    let result = parser.run();
    let reached = parser.offset();
    let mut issues = unread;
    issues.append(&mut parser.syntax);
    if result.is_err() {
        issues.retain(|issue| issue.offset <= reached);
    }
    if text.is_empty() {
        issues.iter_mut().for_each(|issue| issue.offset = BEFORE);
    }
    issues.sort_by_key(|issue| issue.offset);
    let source = Source::new(text);
    if issues.len() > MAX_ISSUES {
        // The hundred-and-first syntax error ends reading, and only counts.
        issues.truncate(MAX_ISSUES + 1);
        return Err(CompileError::new(source, issues));
    }
    match result {
        Err(Stop::Reported) => {}
        Err(Stop::Error(message)) => issues.push(Issue::nowhere(message)),
        Ok(root) => {
            let builder = parser.builder;
            if builder.too_deep {
                issues.push(Issue::nowhere("max recursion depth exceeded".to_owned()));
            } else if builder.too_large {
                issues.push(Issue::nowhere(format!(
                    "expression is too large once its macros are expanded: more than {} nodes; \
                     split it into variables",
                    build::MAX_NODES
                )));
            } else {
                issues.extend(builder.issues);
            }
            if issues.is_empty() {
                return Ok(Ast {
                    source,
                    nodes: builder.nodes,
                    root: root.id,
                });
            }
        }
    }
    Err(CompileError::new(source, issues))
}
