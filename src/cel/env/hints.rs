//! What would have been right: notes beside compile errors, for people.
//!
//! The text of an issue is the API server's own and is compared as a whole; what helps beyond it is made here, from that
//! text and the place it points at.

use super::Env;
use super::functions::Declared;
use crate::cel::ast::ops;
use crate::cel::lib::Overload;
use crate::cel::source::{CompileError, Issue};
use crate::cel::types::Type;

/// Calls that the parser expands, and what they take.
const MACROS: &[(&str, &[&str])] = &[
    ("has", &["has(e.field) -> bool"]),
    ("all", &["e.all(x, p) -> bool", "e.all(i, x, p) -> bool"]),
    (
        "exists",
        &["e.exists(x, p) -> bool", "e.exists(i, x, p) -> bool"],
    ),
    (
        "exists_one",
        &[
            "e.exists_one(x, p) -> bool",
            "e.exists_one(i, x, p) -> bool",
        ],
    ),
    ("existsOne", &["e.existsOne(i, x, p) -> bool"]),
    ("map", &["e.map(x, t) -> list", "e.map(x, p, t) -> list"]),
    ("filter", &["e.filter(x, p) -> list"]),
    (
        "transformList",
        &[
            "e.transformList(i, x, t) -> list",
            "e.transformList(i, x, p, t) -> list",
        ],
    ),
    (
        "transformMap",
        &[
            "e.transformMap(k, v, t) -> map",
            "e.transformMap(k, v, p, t) -> map",
        ],
    ),
    (
        "transformMapEntry",
        &[
            "e.transformMapEntry(k, v, {key: value}) -> map",
            "e.transformMapEntry(k, v, p, {key: value}) -> map",
        ],
    ),
    ("sortBy", &["list.sortBy(x, key) -> list"]),
    ("optMap", &["optional.optMap(x, t) -> optional"]),
    (
        "optFlatMap",
        &["optional.optFlatMap(x, optional) -> optional"],
    ),
];

/// Functions that CEL has elsewhere and Kubernetes does not enable, by how their names begin.
const DISABLED: &[(&str, &str)] = &[
    ("math.", "the math library"),
    ("base64.", "the encoders library"),
    ("cel.bind", "local bindings"),
    ("cel.block", "local bindings"),
    ("proto.", "the protocol buffer library"),
    ("regex.", "the regex library of CEL"),
    ("reverse", "reverse() of strings"),
];

/// Most names of a list that a note spells out.
const MAX_NAMES: usize = 24;

impl Env {
    /// Notes for the reader of `issue`, one of those of `error`: accepted signatures, known names. Often none.
    #[must_use]
    pub fn hints(&self, error: &CompileError, issue: &Issue) -> Vec<String> {
        if let Some(name) = quoted(&issue.message, "found no matching overload for '") {
            return self.known_function(name).map_or_else(Vec::new, accepted);
        }
        let Some(name) = quoted(&issue.message, "undeclared reference to '") else {
            return Vec::new();
        };
        // A call is reported where its arguments begin, a variable where its name does.
        if error.source.text().chars().nth(issue.offset as usize) == Some('(') {
            self.unknown_function(name, error, issue)
        } else {
            self.unknown_variable(name)
        }
    }

    fn known_function(&self, name: &str) -> Option<&'static Declared> {
        self.0.functions.get(name)
    }

    fn unknown_function(&self, name: &str, error: &CompileError, issue: &Issue) -> Vec<String> {
        let forms = MACROS.iter().find(|(known, _)| *known == name);
        if let Some((_, forms)) = forms {
            return vec![format!("{name} takes {}", forms.join(" or "))];
        }
        let written = called(error.source.text(), issue.offset as usize);
        let disabled = DISABLED.iter().find(|(prefix, _)| {
            written.starts_with(prefix) || (name == *prefix && !prefix.contains('.'))
        });
        if let Some((_, what)) = disabled {
            return vec![format!("Kubernetes does not enable {what}")];
        }
        let names = self.0.functions.keys().copied();
        let names = names.chain(MACROS.iter().map(|(name, _)| *name));
        match nearest(name, names.filter(|name| is_name(name))) {
            None => Vec::new(),
            Some(near) => {
                let mut notes = vec![format!("did you mean {near}?")];
                notes.extend(self.known_function(near).into_iter().flat_map(accepted));
                notes
            }
        }
    }

    fn unknown_variable(&self, name: &str) -> Vec<String> {
        // `math` of `math.greatest(1, 2)`.
        let namespace = format!("{name}.");
        let disabled = DISABLED
            .iter()
            .find(|(prefix, _)| prefix.starts_with(&namespace));
        if let Some((_, what)) = disabled {
            return vec![format!("Kubernetes does not enable {what}")];
        }
        let mut known: Vec<&str> = self.0.variables.keys().map(AsRef::as_ref).collect();
        known.sort_unstable();
        let mut notes: Vec<String> = nearest(name, known.iter().copied())
            .map(|near| format!("did you mean {near}?"))
            .into_iter()
            .collect();
        if let Some(function) = self.known_function(name).filter(|one| is_name(one.name)) {
            notes.extend(accepted(function));
        }
        let more = known.len().saturating_sub(MAX_NAMES);
        known.truncate(MAX_NAMES);
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        notes.push(match known.is_empty() {
            true => "no variable is declared".to_owned(),
            false => format!("declared variables: {}{more}", known.join(", ")),
        });
        notes
    }
}

/// The name that follows `prefix` in a message, up to its closing quote.
fn quoted<'m>(message: &'m str, prefix: &str) -> Option<&'m str> {
    let rest = message.strip_prefix(prefix)?;
    rest.find('\'').map(|end| &rest[..end])
}

/// The dotted name in front of the parenthesis at `offset`.
fn called(text: &str, offset: usize) -> String {
    let before: Vec<char> = text.chars().take(offset).collect();
    let part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let start = before.len() - before.iter().rev().take_while(|c| part(c)).count();
    before[start..].iter().collect()
}

/// Whether people can write a function by this name, and not as an operator.
fn is_name(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// One note with all signatures of a function; none for helpers that macros call.
fn accepted(function: &Declared) -> Vec<String> {
    let operator = operator_name(function.name);
    if operator.is_none() && !is_name(function.name) {
        return Vec::new();
    }
    let mut signatures: Vec<String> = Vec::new();
    for overload in &function.overloads {
        let signature = signature(function.name, overload);
        if !signatures.contains(&signature) {
            signatures.push(signature);
        }
    }
    let name = operator.unwrap_or(function.name);
    vec![format!("{name} takes {}", signatures.join(" or "))]
}

fn operator_name(name: &str) -> Option<&str> {
    Some(match name {
        ops::IN => "in",
        ops::CONDITIONAL => "?:",
        ops::INDEX => "[]",
        ops::OPT_INDEX => "[?]",
        ops::OPT_SELECT => ".?",
        _ => name
            .strip_suffix('_')
            .map(|rest| rest.strip_prefix('_').unwrap_or(rest))
            .filter(|symbol| !symbol.is_empty() && !symbol.contains(char::is_alphanumeric))?,
    })
}

/// A signature as one would write the call, with its result.
fn signature(name: &str, overload: &Overload) -> String {
    let params: Vec<String> = overload
        .params
        .iter()
        .map(|param| Type::from(param).in_message())
        .collect();
    let result = Type::from(&overload.result).in_message();
    let call = match (name, params.as_slice()) {
        (ops::CONDITIONAL, [condition, then, otherwise]) => {
            format!("{condition} ? {then} : {otherwise}")
        }
        (ops::INDEX, [list, index]) => format!("{list}[{index}]"),
        (ops::OPT_INDEX, [list, index]) => format!("{list}[?{index}]"),
        (ops::OPT_SELECT, [object, field]) => format!("{object}.?{field}"),
        (name, [operand]) if operator_name(name).is_some() => {
            format!("{}{operand}", operator_name(name).unwrap_or_default())
        }
        (name, [left, right]) if operator_name(name).is_some() => {
            format!("{left} {} {right}", operator_name(name).unwrap_or_default())
        }
        (name, [receiver, rest @ ..]) if overload.member => {
            format!("{receiver}.{name}({})", rest.join(", "))
        }
        (name, params) => format!("{name}({})", params.join(", ")),
    };
    format!("{call} -> {result}")
}

/// The known name that is written most like `name`, if one is; of several the first in the alphabet.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // A third of the letters may differ; names of one or two letters are like everything.
    let most = name.chars().count() / 3;
    known
        .map(|other| (distance(name, other, most), other))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, other)| other)
}

/// Letters to insert, remove or replace to make one name the other, regardless of case; more than `most` when they differ
/// in length by that much already.
fn distance(a: &str, b: &str, most: usize) -> usize {
    let [a, b] = [a, b].map(|text| text.to_ascii_lowercase().chars().collect::<Vec<char>>());
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::testing::admission;

    fn hints(expression: &str) -> Vec<String> {
        let env = admission().build();
        let error = env.compile(expression).expect_err("a mistake");
        env.hints(&error, &error.issues[0])
    }

    #[test]
    fn a_wrong_call_lists_the_accepted_signatures() {
        for (expression, notes) in [
            (
                "'a'.contains()",
                &["contains takes string.contains(string) -> bool"][..],
            ),
            (
                "size(1)",
                &[
                    "size takes size(bytes) -> int or bytes.size() -> int or size(list(A)) -> int or list(A).size() -> \
                   int or size(map(A, B)) -> int or map(A, B).size() -> int or size(string) -> int or string.size() -> int",
                ],
            ),
            ("!1", &["! takes !bool -> bool"]),
            (
                "1 in 2",
                &["in takes A in list(A) -> bool or A in map(A, B) -> bool"],
            ),
            ("1 ? 2 : 3", &["?: takes bool ? A : A -> A"]),
            (
                "1[0]",
                &[
                    "[] takes list(A)[int] -> A or map(A, B)[A] -> B or optional_type(list(V))[int] -> optional_type(V) or \
               optional_type(map(K, V))[K] -> optional_type(V)",
                ],
            ),
            (
                "[1].map(x)",
                &["map takes e.map(x, t) -> list or e.map(x, p, t) -> list"],
            ),
            (
                "math.greatest(1, 2)",
                &["Kubernetes does not enable the math library"],
            ),
            (
                "'a'.startWith('a')",
                &[
                    "did you mean startsWith?",
                    "startsWith takes string.startsWith(string) -> bool",
                ],
            ),
            ("frobnicate(1)", &[]),
        ] {
            assert_eq!(hints(expression), notes, "{expression}");
        }
    }

    #[test]
    fn an_unknown_variable_lists_the_known_ones() {
        let declared = "declared variables: authorizer, authorizer.requestResource, namespaceObject, object, oldObject, \
                        params, request";
        assert_eq!(hints("objct.spec"), ["did you mean object?", declared]);
        assert_eq!(hints("x"), [declared]);
        let env = Env::builder().build();
        let error = env.compile("x").expect_err("a mistake");
        assert_eq!(
            env.hints(&error, &error.issues[0]),
            ["no variable is declared"]
        );
    }

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("kitten", "sitting", 3), 3);
        assert_eq!(distance("a", "abcd", 1), 2);
        assert_eq!(nearest("x", ["y", "z"].into_iter()), None);
    }
}
