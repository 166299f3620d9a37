//! A page for people who were not there: what was judged by what, what was refused and why. One file without scripts
//! that run, fonts or links, well-formed as XML; the document itself is in it as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::{Document, MutationRow, ObjectRef, Row};
use super::markup::escape;
use crate::model::verdict::Outcome;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1c1e21;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;\
border-bottom:1px solid #d9dce1}
code,pre{font:.875rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap;margin:0}
.badge{border-radius:.3rem;padding:.05rem .45rem;color:#fff;font-size:.875rem}
.denied,.fail,.error{background:#b3261e}.findings,.warn{background:#8a5300}.admitted,.pass{background:#1d6b37}
.exempt,.skip{background:#5b616b}.place{color:#5b616b}
@media(prefers-color-scheme:dark){body{color:#e4e6ea;background:#16181c}th,td{border-color:#3a3f47}\
.place{color:#a2a8b3}}";

/// What is said about one object.
#[derive(Default)]
struct Block<'d> {
    rows: Vec<&'d Row>,
    mutations: Vec<&'d MutationRow>,
    exempt: Option<&'d str>,
}

/// The page.
///
/// # Errors
/// Never for documents of this crate; serialisation errors are passed on rather than hidden.
pub fn render(document: &Document) -> Result<String, serde_json::Error> {
    let mut out =
        String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    let summary = &document.summary;
    let title = format!(
        "sandfence check: {} of {} denied",
        summary.denied, summary.objects
    );
    let _ = writeln!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>"
    );
    head(&mut out, document);
    problems(&mut out, document);
    for (object, block) in &blocks(document) {
        section(&mut out, object, block);
    }
    // A script that is no program: what could be markup is written as JSON may write any character.
    let mut data = serde_json::to_string(document)?;
    for (mark, escape) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")] {
        data = data.replace(mark, escape);
    }
    let _ = writeln!(
        out,
        "<script type=\"application/json\" id=\"document\">{data}</script>\n</body>\n</html>"
    );
    Ok(out)
}

fn head(out: &mut String, document: &Document) {
    let set = &document.policy_set;
    let summary = &document.summary;
    let list = |texts: &[String]| match texts {
        [] => "none".to_owned(),
        texts => escape(&texts.join(", ")),
    };
    let counts = format!(
        "{} pass, {} fail, {} skip, {} error",
        summary.pass, summary.fail, summary.skip, summary.error
    );
    let objects = format!(
        "{} judged, {} denied, {} changed on admission, {} exempt",
        summary.objects, summary.denied, summary.mutated, summary.exempt
    );
    out.push_str("<table>\n");
    for (name, value) in [
        ("Objects", objects),
        ("Rules", counts),
        ("Policies", list(&set.sources)),
        ("Profiles", list(&set.profiles)),
        (
            "Fingerprint",
            format!("<code>{}</code>", escape(&set.fingerprint)),
        ),
    ] {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"
        );
    }
    out.push_str("</table>\n");
}

fn problems(out: &mut String, document: &Document) {
    if document.problems.is_empty() {
        return;
    }
    out.push_str("<h2>Could not be judged</h2>\n<table>\n");
    for problem in &document.problems {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td></tr>",
            place(&problem.file, problem.line),
            escape(&problem.message)
        );
    }
    out.push_str("</table>\n");
}

fn blocks(document: &Document) -> BTreeMap<&ObjectRef, Block<'_>> {
    let mut blocks: BTreeMap<&ObjectRef, Block<'_>> = document
        .objects
        .iter()
        .map(|object| (object, Block::default()))
        .collect();
    for row in &document.results {
        blocks.entry(&row.object).or_default().rows.push(row);
    }
    for row in &document.mutations {
        blocks.entry(&row.object).or_default().mutations.push(row);
    }
    for row in &document.exemptions {
        blocks.entry(&row.object).or_default().exempt = Some(&row.reason);
    }
    blocks
}

fn section(out: &mut String, object: &ObjectRef, block: &Block<'_>) {
    let failing = |row: &&Row| matches!(row.verdict, Outcome::Fail | Outcome::Error);
    let (class, word) = if block.rows.iter().any(|row| row.denies) {
        ("denied", "denied")
    } else if block.rows.iter().any(failing) {
        ("findings", "admitted, with findings")
    } else if block.exempt.is_some() {
        ("exempt", "exempt")
    } else {
        ("admitted", "admitted")
    };
    let _ = writeln!(
        out,
        "<h2>{} <span class=\"badge {class}\">{word}</span></h2>\n<p>{}</p>",
        escape(&object.title()),
        place(&object.file, Some(object.line))
    );
    if let Some(reason) = block.exempt {
        let _ = writeln!(out, "<p>{}</p>", escape(reason));
    }
    if !block.rows.is_empty() {
        out.push_str(
            "<table>\n<tr><th>Verdict</th><th>Severity</th><th>Rule</th><th>Message</th><th>Where</th></tr>\n",
        );
        for row in &block.rows {
            row_line(out, row);
        }
        out.push_str("</table>\n");
    }
    for row in &block.mutations {
        let _ = writeln!(
            out,
            "<p>Changed on admission by {}:</p>\n<pre>{}</pre>",
            escape(&row.policy),
            escape(&row.patch.to_string())
        );
    }
}

fn row_line(out: &mut String, row: &Row) {
    let (class, word) = match row.verdict {
        Outcome::Pass => ("pass", "pass"),
        Outcome::Skip => ("skip", "skip"),
        Outcome::Error => ("error", "error"),
        Outcome::Fail if row.denies => ("fail", "deny"),
        Outcome::Fail => ("warn", "warn"),
    };
    let rule = match &row.rule_file {
        Some(file) => format!("<br/>{}", place(file, row.rule_line)),
        None => String::new(),
    };
    let path = match &row.path {
        Some(path) => format!("<br/><code>{}</code>", escape(path)),
        None => String::new(),
    };
    let _ = writeln!(
        out,
        "<tr><td><span class=\"badge {class}\">{word}</span></td><td>{}</td><td>{}{rule}</td><td>{}</td><td>{}{path}</td></tr>",
        row.severity.as_str(),
        escape(&row.title()),
        escape(&row.message),
        place(&row.object.file, row.line.or(Some(row.object.line)))
    );
}

fn place(file: &str, line: Option<u32>) -> String {
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("<code class=\"place\">{}{line}</code>", escape(file))
}
