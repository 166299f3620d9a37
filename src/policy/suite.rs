//! Policy tests: cases that say what the policies of a pack do to an object. The format is described in
//! `policies/README.md`.
//!
//! Reading and running are pure: files come from a loader that the caller gives.

mod case;
mod coverage;
mod objects;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use regex::Regex;

use crate::model::fields::{Field, FieldErrors};
use crate::model::json::Json;
use crate::model::request::Operation;
use crate::model::yaml::{Document, Position};

use super::diagnostic::{Diagnostic, Origin, Sourced};
use super::source::OWN_GROUP;

pub use coverage::RuleUse;
pub use run::{CaseResult, Loader, Ran, request_of, run};

/// Kind of the documents read here.
pub const SUITE_KIND: &str = "PolicySuite";

/// A suite as written.
#[derive(Debug)]
pub struct Suite {
    /// Where it came from.
    pub origin: Origin,
    /// Files or folders of policies, relative to the suite; its own folder when it names none.
    pub policies: Vec<String>,
    /// Profiles to choose from.
    pub profiles: Vec<ProfileSource>,
    /// Name of the profile of cases that name none.
    pub profile: Option<String>,
    /// Objects that cases build on.
    pub bases: BTreeMap<String, Json<'static>>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// Where a profile comes from.
#[derive(Debug)]
pub enum ProfileSource {
    /// A file, relative to the suite.
    File(String),
    /// Written in the suite.
    Object(Json<'static>),
}

/// One case.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it stands in the suite.
    pub position: Option<Position>,
    /// The one profile that is bound.
    pub profile: Option<String>,
    /// The policies that are bound; `None` is all.
    pub policies: Option<Vec<String>>,
    /// The new object.
    pub object: Option<ObjectSource>,
    /// The stored object.
    pub old_object: Option<ObjectSource>,
    /// How it is asked for.
    pub request: RequestSource,
    /// Labels of the object's namespace.
    pub namespace_labels: Vec<(String, String)>,
    /// What must come out.
    pub expect: Expect,
}

/// An object of a case.
#[derive(Debug)]
pub struct ObjectSource {
    /// What it starts from.
    pub origin: ObjectOrigin,
    /// JSON pointers to remove, before `set`.
    pub remove: Vec<String>,
    /// Values by JSON pointer.
    pub set: Vec<(String, Json<'static>)>,
}

/// What an object of a case starts from.
#[derive(Debug)]
pub enum ObjectOrigin {
    /// A name in `bases`.
    Base(String),
    /// A file, relative to the suite.
    File(String),
    /// The object itself.
    Inline(Json<'static>),
}

/// How a case's request differs from a plain CREATE or UPDATE by nobody.
#[derive(Debug, Default)]
pub struct RequestSource {
    /// The verb.
    pub operation: Option<Operation>,
    /// Subresource.
    pub sub_resource: Option<String>,
    /// User name; empty stands for some developer.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
    /// The options of the request, such as `DeleteOptions`.
    pub options: Json<'static>,
}

/// What the policies must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing fails.
    Allow,
    /// Refused.
    Deny,
    /// Passed with a warning.
    Warn,
    /// Passed, with an entry in the audit log.
    Audit,
}

/// What must come out of a case.
#[derive(Debug)]
pub struct Expect {
    /// The answer.
    pub verdict: Expected,
    /// Every finding; `None` leaves them open.
    pub findings: Option<Vec<ExpectedFinding>>,
    /// Values of the mutated object by JSON pointer; null is an absent value.
    pub mutated: Vec<(String, Json<'static>)>,
    /// No mutation changes anything.
    pub unchanged: bool,
    /// All that the mutations change, as RFC 6902 operations from the defaulted object.
    pub patch: Option<Json<'static>>,
}

/// A finding that must come out.
#[derive(Clone, Debug)]
pub struct ExpectedFinding {
    /// Policy name.
    pub policy: String,
    /// Rule name, or `validations[n]`.
    pub rule: String,
    /// Part of the refusal: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: message`.
    pub contains: Option<String>,
    /// Pattern that is found in the refusal.
    pub matches: Option<Regex>,
}

/// Whether a document is a suite.
#[must_use]
pub fn is_suite(document: &Document) -> bool {
    let text = |key: &str| document.value.str_at(&[key]).unwrap_or_default();
    text("kind") == SUITE_KIND && text("apiVersion").starts_with(OWN_GROUP)
}

/// Reads a suite.
///
/// # Errors
/// All mistakes in it.
pub fn read(document: Document) -> Result<Suite, Vec<Diagnostic>> {
    let file = document.file.to_string();
    let sourced = Sourced::from(document);
    let errors = FieldErrors::default();
    let root = Field::root(&sourced.object, &errors);
    let suite = case::suite(&root, &sourced.origin);
    if errors.is_empty() {
        return Ok(suite);
    }
    let subject = format!("{SUITE_KIND}/{file}");
    let errors = errors.into_vec();
    let errors = errors.iter();
    Err(errors
        .map(|error| Diagnostic::field(&subject, &sourced.origin, error))
        .collect())
}
