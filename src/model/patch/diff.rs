//! The difference of two documents as a short, readable patch.

use super::{Op, Operation};
use crate::model::json::{Json, Map};

/// Lists whose middle parts multiply to more than this are compared position by position: the alignment table stays
/// under a megabyte.
const MAX_ALIGNMENT: usize = 100_000;

/// The operations that make `new` of `old`. Elements of lists are matched by value, or by their `name`, so that an
/// inserted container is one `add`.
#[must_use]
pub fn diff(old: &Json<'_>, new: &Json<'_>) -> Vec<Operation> {
    let mut out = Vec::new();
    walk(old, new, &mut String::new(), &mut out);
    out
}

fn operation(op: Op, path: &str, value: Option<&Json<'_>>) -> Operation {
    Operation {
        op,
        path: path.to_owned(),
        from: None,
        value: value.map(Json::to_owned_json),
    }
}

fn walk(old: &Json<'_>, new: &Json<'_>, path: &mut String, out: &mut Vec<Operation>) {
    match (old, new) {
        (Json::Object(old), Json::Object(new)) => objects(old, new, path, out),
        (Json::Array(old), Json::Array(new)) => lists(old, new, path, out),
        _ if old == new => {}
        _ => out.push(operation(Op::Replace, path, Some(new))),
    }
}

/// Runs `inside` with one more step on the path.
fn at(path: &mut String, step: &str, inside: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(&step.replace('~', "~0").replace('/', "~1"));
    inside(path);
    path.truncate(length);
}

fn objects(old: &Map<'_>, new: &Map<'_>, path: &mut String, out: &mut Vec<Operation>) {
    for (key, _) in old.iter().filter(|(key, _)| !new.contains_key(key)) {
        at(path, key, |path| {
            out.push(operation(Op::Remove, path, None))
        });
    }
    for (key, value) in new.iter() {
        at(path, key, |path| match old.get(key) {
            Some(before) => walk(before, value, path, out),
            None => out.push(operation(Op::Add, path, Some(value))),
        });
    }
}

fn lists(old: &[Json<'_>], new: &[Json<'_>], path: &mut String, out: &mut Vec<Operation>) {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[prefix..], &new[prefix..]);
    let suffix = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&old[..old.len() - suffix], &new[..new.len() - suffix]);
    let mut index = prefix;
    let (mut from, mut to) = (0, 0);
    let ends = [(old.len(), new.len())];
    for (next_from, next_to) in aligned(old, new).into_iter().chain(ends) {
        run(
            &old[from..next_from],
            &new[to..next_to],
            &mut index,
            path,
            out,
        );
        if let (Some(a), Some(b)) = (old.get(next_from), new.get(next_to)) {
            at(path, &index.to_string(), |path| walk(a, b, path, out));
            index += 1;
        }
        (from, to) = (next_from + 1, next_to + 1);
    }
}

/// A stretch without matches: changed in place as far as both reach, then removed or added.
fn run(
    old: &[Json<'_>],
    new: &[Json<'_>],
    index: &mut usize,
    path: &mut String,
    out: &mut Vec<Operation>,
) {
    for (a, b) in old.iter().zip(new) {
        at(path, &index.to_string(), |path| walk(a, b, path, out));
        *index += 1;
    }
    for _ in old.iter().skip(new.len()) {
        at(path, &index.to_string(), |path| {
            out.push(operation(Op::Remove, path, None));
        });
    }
    for value in new.iter().skip(old.len()) {
        at(path, &index.to_string(), |path| {
            out.push(operation(Op::Add, path, Some(value)));
        });
        *index += 1;
    }
}

/// Whether two elements are the same thing, perhaps changed.
fn same(old: &Json<'_>, new: &Json<'_>) -> bool {
    match (old.str_at(&["name"]), new.str_at(&["name"])) {
        (Some(a), Some(b)) => a == b,
        _ => old == new,
    }
}

/// Pairs of positions of a longest common subsequence, ascending.
fn aligned(old: &[Json<'_>], new: &[Json<'_>]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    if old.is_empty() || new.is_empty() || old.len() * width > MAX_ALIGNMENT {
        return Vec::new();
    }
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            longest[i * width + j] = if same(a, b) {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < old.len() && j < new.len() {
        if same(&old[i], &new[j]) {
            out.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    out
}
