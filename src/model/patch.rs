//! RFC 6902 JSON patches over [`Json`]: reading, applying as the API server's library does, and the difference of two
//! documents.
//!
//! Where that library goes beyond the RFC, this follows it: negative list indexes count from the end, `replace` creates
//! a missing member, `copy` of a missing member gives null, and a null member counts as absent in `test`.

mod diff;
#[cfg(test)]
mod tests;

pub use diff::diff;

use super::json::{Json, Map};

/// The verb of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Set a member, insert an element.
    Add,
    /// Take away.
    Remove,
    /// Set what is there.
    Replace,
    /// Take away and add elsewhere.
    Move,
    /// Add a copy elsewhere.
    Copy,
    /// Apply nothing unless this value is there.
    Test,
}

const OPS: [(&str, Op); 6] = [
    ("add", Op::Add),
    ("remove", Op::Remove),
    ("replace", Op::Replace),
    ("move", Op::Move),
    ("copy", Op::Copy),
    ("test", Op::Test),
];

impl Op {
    /// The verb with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        OPS.iter()
            .find(|(word, _)| *word == name)
            .map(|(_, op)| *op)
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        OPS.iter()
            .find(|(_, op)| *op == self)
            .map_or("", |(word, _)| *word)
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What to do.
    pub op: Op,
    /// JSON pointer to where.
    pub path: String,
    /// JSON pointer to the source of `move` and `copy`.
    pub from: Option<String>,
    /// The value of `add`, `replace` and `test`.
    pub value: Option<Json<'static>>,
}

/// Why a patch was not applied. The texts are those of the API server's library.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A `test` did not hold: not an error to policies, the patch is simply not applied.
    #[error("testing value {0} failed: test failed")]
    TestFailed(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

fn failed(message: impl Into<String>) -> PatchError {
    PatchError::Failed(message.into())
}

/// A container found on the way to a pointer's last step.
enum Container<'v> {
    Object(&'v mut Map<'static>),
    Array(&'v mut Vec<Json<'static>>),
}

/// Applies all operations to a copy of `document`.
///
/// # Errors
/// The first operation that does not apply; nothing is changed then.
pub fn apply(
    document: &Json<'static>,
    operations: &[Operation],
) -> Result<Json<'static>, PatchError> {
    let mut out = document.clone();
    for operation in operations {
        step(&mut out, operation)?;
    }
    Ok(out)
}

fn step(document: &mut Json<'static>, operation: &Operation) -> Result<(), PatchError> {
    let path = operation.path.as_str();
    let from = || {
        operation.from.as_deref().ok_or_else(|| {
            let name = operation.op.as_str();
            failed(format!(
                "{name} operation failed to decode from: operation, missing from field: missing value"
            ))
        })
    };
    match operation.op {
        Op::Add => {
            let value = operation.value.clone().unwrap_or_default();
            let (container, key) = find(document, path).ok_or_else(|| {
                failed(format!(
                    "add operation does not apply: doc is missing path: \"{path}\": missing value"
                ))
            })?;
            container
                .add(&key, value)
                .map_err(|error| failed(format!("error in add for path: '{path}': {error}")))
        }
        Op::Remove => {
            let (container, key) = find(document, path).ok_or_else(|| {
                failed(format!(
                    "remove operation does not apply: doc is missing path: \"{path}\": missing value"
                ))
            })?;
            container
                .remove(&key)
                .map(|_| ())
                .map_err(|error| failed(format!("error in remove for path: '{path}': {error}")))
        }
        Op::Replace => replace(document, operation),
        Op::Move => {
            let from = from()?;
            let value = take(document, from)?;
            let (container, key) = find(document, path).ok_or_else(|| {
                failed(format!(
                    "move operation does not apply: doc is missing destination path: {path}: missing value"
                ))
            })?;
            container
                .add(&key, value)
                .map_err(|error| failed(format!("error in move for path: '{path}': {error}")))
        }
        Op::Copy => copy(document, from()?, path),
        Op::Test => test(document, operation),
    }
}

fn replace(document: &mut Json<'static>, operation: &Operation) -> Result<(), PatchError> {
    let path = operation.path.as_str();
    let value = operation.value.clone().unwrap_or_default();
    if path.is_empty() {
        if !matches!(value, Json::Object(_) | Json::Array(_)) {
            return Err(failed("replace operation value must be object or array"));
        }
        *document = value;
        return Ok(());
    }
    let (container, key) = find(document, path).ok_or_else(|| {
        failed(format!(
            "replace operation does not apply: doc is missing path: {path}: missing value"
        ))
    })?;
    match container {
        Container::Object(map) => {
            map.insert(key, value);
        }
        Container::Array(items) => {
            let at = element(&key, items.len()).map_err(|_| {
                failed(format!(
                    "replace operation does not apply: doc is missing key: {path}: missing value"
                ))
            })?;
            items[at] = value;
        }
    }
    Ok(())
}

fn take(document: &mut Json<'static>, from: &str) -> Result<Json<'static>, PatchError> {
    let (container, key) = find(document, from).ok_or_else(|| {
        failed(format!(
            "move operation does not apply: doc is missing from path: {from}: missing value"
        ))
    })?;
    container
        .remove(&key)
        .map_err(|error| failed(format!("error in move for path: '{key}': {error}")))
}

fn copy(document: &mut Json<'static>, from: &str, path: &str) -> Result<(), PatchError> {
    let (container, key) = find(document, from).ok_or_else(|| {
        failed(format!(
            "copy operation does not apply: doc is missing from path: {from}: missing value"
        ))
    })?;
    let value = container
        .get(&key)
        .map_err(|error| failed(format!("error in copy for from: '{from}': {error}")))?
        .cloned()
        .unwrap_or_default();
    let (container, key) = find(document, path).ok_or_else(|| {
        failed(format!(
            "copy operation does not apply: doc is missing destination path: {path}: missing value"
        ))
    })?;
    container
        .add(&key, value)
        .map_err(|error| failed(format!("error while adding value during copy: {error}")))
}

fn test(document: &mut Json<'static>, operation: &Operation) -> Result<(), PatchError> {
    let path = operation.path.as_str();
    let wanted = operation.value.as_ref();
    let found = if path.is_empty() {
        Some(&*document)
    } else {
        let (container, key) = find(document, path).ok_or_else(|| {
            failed(format!(
                "test operation does not apply: is missing path: {path}: missing value"
            ))
        })?;
        container
            .get(&key)
            .map_err(|error| failed(format!("error in test for path: '{path}': {error}")))?
            .map(|value| &*value)
            .filter(|value| !value.is_null())
    };
    if found == wanted {
        Ok(())
    } else {
        Err(PatchError::TestFailed(path.to_owned()))
    }
}

/// The container that holds the last step of `path`, and that step.
fn find<'v>(document: &'v mut Json<'static>, path: &str) -> Option<(Container<'v>, String)> {
    let (steps, last) = path.rsplit_once('/')?;
    let mut value = document;
    for step in steps.split('/').skip(1) {
        let step = unescape(step);
        value = match value {
            Json::Object(map) => map.get_mut(&step)?,
            Json::Array(items) => {
                let at = element(&step, items.len()).ok()?;
                items.get_mut(at)?
            }
            _ => return None,
        };
    }
    let container = match value {
        Json::Object(map) => Container::Object(map),
        Json::Array(items) => Container::Array(items),
        _ => return None,
    };
    Some((container, unescape(last)))
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn parse_index(key: &str) -> Result<i64, String> {
    let digits = key.strip_prefix(['+', '-']).unwrap_or(key);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing \"{key}\": invalid syntax"));
    }
    key.parse()
        .map_err(|_| format!("strconv.Atoi: parsing \"{key}\": value out of range"))
}

/// The position of an existing element; negative counts from the end.
fn element(key: &str, len: usize) -> Result<usize, String> {
    let index = parse_index(key)?;
    position(index, len)
        .filter(|at| *at < len)
        .ok_or_else(|| bad_index(index))
}

fn position(index: i64, len: usize) -> Option<usize> {
    if index < 0 {
        len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    } else {
        usize::try_from(index).ok()
    }
}

fn bad_index(index: i64) -> String {
    format!("Unable to access invalid index: {index}: invalid index referenced")
}

impl<'v> Container<'v> {
    fn add(self, key: &str, value: Json<'static>) -> Result<(), String> {
        let items = match self {
            Self::Object(map) => {
                map.insert(key.to_owned(), value);
                return Ok(());
            }
            Self::Array(items) => items,
        };
        if key == "-" {
            items.push(value);
            return Ok(());
        }
        let index = parse_index(key)
            .map_err(|error| format!("value was not a proper array index: '{key}': {error}"))?;
        let room = items.len() + 1;
        let at = position(index, room)
            .filter(|at| *at < room)
            .ok_or_else(|| bad_index(index))?;
        items.insert(at, value);
        Ok(())
    }

    fn remove(self, key: &str) -> Result<Json<'static>, String> {
        match self {
            Self::Object(map) => map
                .remove(key)
                .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value")),
            Self::Array(items) => {
                let at = element(key, items.len())?;
                Ok(items.remove(at))
            }
        }
    }

    fn get(self, key: &str) -> Result<Option<&'v mut Json<'static>>, String> {
        match self {
            Self::Object(map) => Ok(map.get_mut(key)),
            Self::Array(items) => {
                let at = element(key, items.len())?;
                Ok(items.get_mut(at))
            }
        }
    }
}

/// The operations as a JSON document, members in the order of the RFC's examples being of no meaning.
#[must_use]
pub fn to_json(operations: &[Operation]) -> Json<'static> {
    let one = |operation: &Operation| {
        let mut out: Map<'static> = [
            ("op", Json::from(operation.op.as_str())),
            ("path", Json::from(operation.path.clone())),
        ]
        .into_iter()
        .collect();
        if let Some(from) = &operation.from {
            out.insert("from", Json::from(from.clone()));
        }
        if let Some(value) = &operation.value {
            out.insert("value", value.clone());
        }
        Json::Object(out)
    };
    Json::Array(operations.iter().map(one).collect())
}
