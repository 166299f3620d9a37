//! Conversion of the agent-sandbox kinds between v1alpha1 and v1beta1, without loss in either direction.
//!
//! Works on JSON in place: what a version does not know of survives, and nothing of an object that both versions share
//! is copied. What only one version has travels in annotations:
//!
//! * on the v1beta1 object, the *state*: the v1alpha1 object it was written as ([`annotations::V1ALPHA1_SANDBOX_STATE`]
//!   and its siblings), for the way back;
//! * on the v1alpha1 view, the *record*: the v1beta1 fields that the view cannot show
//!   ([`annotations::V1BETA1_SANDBOX_STATE`] and its siblings), present only when there are any. A client that reads
//!   and writes the older version thus keeps them.
//!
//! Guarantees: v1alpha1 to v1beta1 and back gives the same object; v1beta1 to v1alpha1 and back gives the same object
//! but for the state, which tells of the last write; in metadata only annotations change.

use serde_json::json;
use thiserror::Error;

use super::keys::annotations;
use super::{v1alpha1, v1beta1};
use crate::model::gvk::split_api_version;
use crate::model::json::{Json, Map};

mod claim;
mod sandbox;
mod template;
#[cfg(test)]
mod tests;
mod warm_pool;

/// Bytes of keys and values that the API server accepts in the annotations of one object.
const ANNOTATION_BYTES: usize = 256 * 1024;

/// Why an object cannot be converted. The message names the object.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{object}: {problem}")]
pub struct ConversionError {
    /// `Kind namespace/name`, as far as known.
    pub object: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an object that cannot be converted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Problem {
    /// Not a JSON object.
    #[error("expected an object, found another JSON value")]
    NotAnObject,
    /// A kind without two versions.
    #[error(
        "{api_version} {kind} is not convertible; expected Sandbox of {} or SandboxTemplate, SandboxClaim or SandboxWarmPool of {}, in {} or {}",
        v1beta1::GROUP,
        v1beta1::EXTENSIONS_GROUP,
        v1alpha1::VERSION,
        v1beta1::VERSION
    )]
    Kind {
        /// Its API version.
        api_version: String,
        /// Its kind.
        kind: String,
    },
    /// A version that the kind does not have.
    #[error(
        "cannot convert to {desired:?}; expected {group}/{} or {group}/{}",
        v1alpha1::VERSION,
        v1beta1::VERSION
    )]
    Desired {
        /// What was asked for.
        desired: String,
        /// The group of the kind.
        group: &'static str,
    },
    /// An annotation of the conversion that cannot be used.
    #[error("metadata.annotations[{key:?}]: expected {expected}, found {found}")]
    Annotation {
        /// Its key.
        key: &'static str,
        /// What would be right.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// One kind: where its bookkeeping is kept, and what differs between its versions.
struct Kind {
    group: &'static str,
    kind: &'static str,
    /// Annotation of the stored object: the v1alpha1 object.
    state: &'static str,
    /// Annotation of the v1alpha1 view: what it cannot show.
    record: Option<&'static str>,
    /// v1alpha1 to v1beta1, in place; the record of the view, if any.
    up: fn(&mut Json<'_>, Option<&Json<'_>>) -> Result<(), Problem>,
    /// v1beta1 to v1alpha1, in place; the remembered v1alpha1 object, if any. Returns the record.
    down: for<'a> fn(&mut Json<'a>, Option<&Json<'_>>) -> Map<'a>,
    /// The part of the v1alpha1 object that v1beta1 does not have, for objects too large to be kept whole.
    essence: &'static [&'static [&'static str]],
}

const KINDS: [Kind; 4] = [
    Kind {
        group: v1beta1::GROUP,
        kind: "Sandbox",
        state: annotations::V1ALPHA1_SANDBOX_STATE,
        record: Some(annotations::V1BETA1_SANDBOX_STATE),
        up: sandbox::up,
        down: sandbox::down,
        essence: &[&["spec", "replicas"], &["status", "replicas"]],
    },
    Kind {
        group: v1beta1::EXTENSIONS_GROUP,
        kind: "SandboxTemplate",
        state: annotations::V1ALPHA1_TEMPLATE_STATE,
        record: None,
        up: template::up,
        down: template::down,
        essence: &[],
    },
    Kind {
        group: v1beta1::EXTENSIONS_GROUP,
        kind: "SandboxClaim",
        state: annotations::V1ALPHA1_CLAIM_STATE,
        record: Some(annotations::V1BETA1_CLAIM_STATE),
        up: claim::up,
        down: claim::down,
        essence: &[&["spec", "sandboxTemplateRef"], &["spec", "warmpool"]],
    },
    Kind {
        group: v1beta1::EXTENSIONS_GROUP,
        kind: "SandboxWarmPool",
        state: annotations::V1ALPHA1_WARM_POOL_STATE,
        record: Some(annotations::V1BETA1_WARM_POOL_STATE),
        up: warm_pool::up,
        down: warm_pool::down,
        essence: &[],
    },
];

/// `object` in the version `desired`, which is `group/version`.
///
/// # Errors
/// The kind or version is not one of ours, or an annotation of the conversion cannot be read.
pub fn convert<'a>(mut object: Json<'a>, desired: &str) -> Result<Json<'a>, ConversionError> {
    match convert_in_place(&mut object, desired) {
        Ok(()) => Ok(object),
        Err(problem) => Err(ConversionError {
            object: describe(&object),
            problem,
        }),
    }
}

fn convert_in_place(object: &mut Json<'_>, desired: &str) -> Result<(), Problem> {
    if object.as_object().is_none() {
        return Err(Problem::NotAnObject);
    }
    let (kind, from) = identify(object)?;
    let to = match split_api_version(desired) {
        (group, version) if group == kind.group && is_version(version) => version,
        _ => {
            return Err(Problem::Desired {
                desired: desired.to_owned(),
                group: kind.group,
            });
        }
    };
    if from == to {
        return Ok(());
    }
    if to == v1beta1::VERSION {
        to_v1beta1(kind, object)?;
    } else {
        to_v1alpha1(kind, object)?;
    }
    set(object, "apiVersion", desired.to_owned().into());
    Ok(())
}

fn is_version(version: &str) -> bool {
    [v1alpha1::VERSION, v1beta1::VERSION].contains(&version)
}

/// The kind of an object and the version that it is in.
fn identify(object: &Json<'_>) -> Result<(&'static Kind, &'static str), Problem> {
    let api_version = object.str_at(&["apiVersion"]).unwrap_or_default();
    let name = object.str_at(&["kind"]).unwrap_or_default();
    let (group, version) = split_api_version(api_version);
    let version = [v1alpha1::VERSION, v1beta1::VERSION]
        .into_iter()
        .find(|known| *known == version);
    let kind = KINDS
        .iter()
        .find(|kind| kind.group == group && kind.kind == name);
    kind.zip(version).ok_or_else(|| Problem::Kind {
        api_version: api_version.to_owned(),
        kind: name.to_owned(),
    })
}

fn to_v1beta1(kind: &Kind, object: &mut Json<'_>) -> Result<(), Problem> {
    // Bookkeeping of the other direction has no place in a v1alpha1 object, whoever put it there.
    take_annotation(object, kind.state);
    let record = kind
        .record
        .and_then(|key| Some((key, take_annotation(object, key)?)));
    let record = record
        .as_ref()
        .map(|(key, text)| parse(key, text))
        .transpose()?;
    let state = state_of(kind, object);
    (kind.up)(object, record.as_ref())?;
    set_annotation(object, kind.state, state);
    Ok(())
}

fn to_v1alpha1(kind: &Kind, object: &mut Json<'_>) -> Result<(), Problem> {
    let state = take_annotation(object, kind.state);
    let state = state
        .as_deref()
        .map(|text| parse(kind.state, text))
        .transpose()?;
    let record = (kind.down)(object, state.as_ref());
    if let Some(key) = kind.record {
        take_annotation(object, key);
        if !record.is_empty() {
            set_annotation(object, key, Json::Object(record).to_string());
        }
    }
    Ok(())
}

/// The v1alpha1 object as text: whole, as others read it, or where that would break the limit on annotations, as much
/// as the way back needs. Without the API server's own bookkeeping of field owners, which nobody reads from here.
fn state_of(kind: &Kind, object: &mut Json<'_>) -> String {
    let owners = object
        .get_mut("metadata")
        .and_then(Json::as_object_mut)
        .and_then(|metadata| metadata.remove("managedFields"));
    let whole = object.to_string();
    if let Some(owners) = owners {
        set_at(object, "metadata", "managedFields", owners);
    }
    let others: usize = object
        .at(&["metadata", "annotations"])
        .and_then(Json::as_object)
        .into_iter()
        .flat_map(Map::iter)
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if others + kind.state.len() + whole.len() <= ANNOTATION_BYTES {
        return whole;
    }
    let mut essence = Json::from(json!({
        "apiVersion": object.str_at(&["apiVersion"]),
        "kind": kind.kind,
        "metadata": {
            "name": object.str_at(&["metadata", "name"]),
            "namespace": object.str_at(&["metadata", "namespace"]),
        },
    }));
    for path in kind.essence {
        if let (Some(value), [first, second]) = (object.at(path), *path) {
            set_at(&mut essence, first, second, value.to_owned_json());
        }
    }
    essence.to_string()
}

/// The object that an annotation of the conversion holds.
fn parse<'t>(key: &'static str, text: &'t str) -> Result<Json<'t>, Problem> {
    let wrong = |found: String| Problem::Annotation {
        key,
        expected: "a JSON object written by the conversion",
        found,
    };
    match Json::parse(text) {
        Ok(value @ Json::Object(_)) => Ok(value),
        Ok(_) => Err(wrong("another JSON value".to_owned())),
        // The position only: the text may hold what its owner keeps to himself.
        Err(error) => Err(wrong(format!(
            "no JSON at line {} column {}",
            error.line(),
            error.column()
        ))),
    }
}

fn describe(object: &Json<'_>) -> String {
    let text = |keys: &[&str]| object.str_at(keys).unwrap_or_default();
    let kind = match text(&["kind"]) {
        "" => "object",
        kind => kind,
    };
    let name = match text(&["metadata", "name"]) {
        "" => "without a name",
        name => name,
    };
    match text(&["metadata", "namespace"]) {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

// Small steps on objects. Where the shape is not the expected one they change nothing: the API server validates the
// result, and says what is wrong better than a conversion can.

fn set<'a>(object: &mut Json<'a>, key: &'static str, value: Json<'a>) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key, value);
    }
}

/// Sets `object.outer.inner`, making `outer` when it is absent.
fn set_at<'a>(object: &mut Json<'a>, outer: &'static str, inner: &'static str, value: Json<'a>) {
    if let Some(map) = object.as_object_mut() {
        set(map.entry_or(outer, Json::Object(Map::new())), inner, value);
    }
}

fn remove_at<'a>(object: &mut Json<'a>, outer: &str, inner: &str) -> Option<Json<'a>> {
    object
        .get_mut(outer)
        .and_then(Json::as_object_mut)
        .and_then(|map| map.remove(inner))
}

/// Takes a text annotation away, and the map with it when nothing is left.
fn take_annotation(object: &mut Json<'_>, key: &str) -> Option<String> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let map = metadata.get_mut("annotations")?.as_object_mut()?;
    let taken = map.remove(key)?;
    if map.is_empty() {
        metadata.remove("annotations");
    }
    taken.as_str().map(str::to_owned)
}

fn set_annotation(object: &mut Json<'_>, key: &'static str, value: String) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    let metadata = map.entry_or("metadata", Json::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    let annotations = metadata.entry_or("annotations", Json::Object(Map::new()));
    if annotations.is_null() {
        *annotations = Json::Object(Map::new());
    }
    set(annotations, key, value.into());
}
