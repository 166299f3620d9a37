//! `--explain` for people: each object, each policy with why it matched or not, then its expressions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::{Explanation, ObjectRef};
use super::palette::{Palette, paint};
use super::plain;
use crate::model::trace::{Step, Trace};

/// Appends the explanations, with an empty line behind each object.
pub fn append(out: &mut String, explanations: &[Explanation], palette: &Palette) {
    let mut objects: BTreeMap<&ObjectRef, Vec<&Trace>> = BTreeMap::new();
    for explanation in explanations {
        objects
            .entry(&explanation.object)
            .or_default()
            .push(&explanation.trace);
    }
    for (object, traces) in objects {
        let _ = writeln!(
            out,
            "{} {}:{} explained",
            paint(palette.bold, &plain::line(&object.title())),
            plain::line(&object.file),
            object.line
        );
        for trace in traces {
            policy(out, trace, palette);
        }
        out.push('\n');
    }
}

fn policy(out: &mut String, trace: &Trace, palette: &Palette) {
    let with = |word: &str, value: &Option<String>| match value {
        Some(value) => format!(", {word} {value}"),
        None => String::new(),
    };
    let name = format!(
        "{}{}{}",
        trace.policy,
        with("binding", &trace.binding),
        with("parameters", &trace.param)
    );
    let state = match (&trace.why, trace.mutates) {
        (Some(why), _) => format!("not evaluated: {}", plain::line(why)),
        (None, true) => format!("changes objects, cost {}", trace.cost),
        (None, false) => format!("judged, cost {}", trace.cost),
    };
    let style = if trace.matched {
        palette.bold
    } else {
        palette.dim
    };
    let _ = writeln!(out, "  {}: {state}", paint(style, &plain::line(&name)));
    for (word, steps) in [
        ("condition", &trace.conditions),
        ("variable", &trace.variables),
        ("rule", &trace.rules),
    ] {
        for one in steps {
            step(out, word, one, palette);
        }
    }
}

fn step(out: &mut String, word: &str, step: &Step, palette: &Palette) {
    let value = match (&step.value, &step.error) {
        (Some(value), _) => plain::line(value).into_owned(),
        (None, Some(error)) => paint(palette.bad, &format!("error: {}", plain::line(error))),
        (None, None) => String::new(),
    };
    let cost = paint(palette.dim, &format!("(cost {})", step.cost));
    let _ = writeln!(
        out,
        "    {word} {}: {value} {cost}",
        plain::line(&step.name)
    );
}
