//! Verdicts to AdmissionReview answers.
//!
//! The first denial shapes message, reason and code, as in the API server; all denials are listed as causes, each with
//! the field it blames, because clients print those. Limits are those of the API server: a key or warning that it would
//! drop is rewritten so that it survives.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::decode::{API_VERSION, KIND};
use crate::model::json::Json;
use crate::model::request::Request;
use crate::model::verdict::{Finding, Mutated, Reason, Verdict};
use crate::policy::diagnostic::Diagnostic;

/// Most causes listed; the API server itself sets no limit, an etcd-sized object could yield thousands.
const CAUSES: usize = 64;
/// Most warnings sent: the API server stops at 4096 characters in all.
const WARNINGS: usize = 64;
/// Longest name part of a qualified name, which an audit annotation key must be.
const KEY_LENGTH: usize = 63;
/// Code of a failed mutation, whatever its reason says.
const MUTATION_CODE: u16 = 403;

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    api_version: &'static str,
    kind: &'static str,
    /// What the API server acts on.
    pub response: Response,
    /// `policy/binding` of the denials, without repeats, for the log.
    #[serde(skip)]
    pub denied_by: Vec<String>,
}

/// `AdmissionReview.response`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// That of the request.
    pub uid: String,
    /// Whether the request may go on.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Base64 of an RFC 6902 document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// `JSONPatch` when there is a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<&'static str>,
    /// For the audit log of the API server.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub audit_annotations: BTreeMap<String, String>,
    /// For the client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The part of `metav1.Status` that a denial fills.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    status: &'static str,
    /// The sentence of the first denial.
    pub message: String,
    /// Its reason.
    pub reason: String,
    /// The HTTP code the client gets.
    pub code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    kind: String,
    causes: Vec<CauseOut>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct CauseOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    field: String,
}

/// What a review came to, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing said no.
    Allowed,
    /// Nothing said no, and there is a patch.
    Mutated,
    /// Something said no.
    Denied,
    /// It could not be judged.
    Error,
}

impl Outcome {
    /// Label of the metric.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Mutated => "mutated",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

impl Review {
    fn new(response: Response) -> Self {
        Self {
            api_version: API_VERSION,
            kind: KIND,
            response,
            denied_by: Vec::new(),
        }
    }

    fn denied_by(mut self, denials: &[Denial<'_>]) -> Self {
        for denial in denials.iter().take(CAUSES) {
            let Finding {
                policy, binding, ..
            } = denial.finding;
            let by = format!("{policy}/{}", binding.as_deref().unwrap_or_default());
            if !self.denied_by.contains(&by) {
                self.denied_by.push(by);
            }
        }
        self
    }

    /// The answer of the validating webhook.
    #[must_use]
    pub fn of_verdict(request: &Request<'_>, verdict: &Verdict) -> Self {
        let denials: Vec<Denial<'_>> = verdict.denials().map(Denial::of_rule).collect();
        Self::new(Response {
            uid: request.uid.clone(),
            allowed: denials.is_empty(),
            status: Status::of_denials(request, &denials),
            audit_annotations: annotations(&verdict.audit_annotations),
            warnings: warnings(&verdict.warnings),
            ..Response::default()
        })
        .denied_by(&denials)
    }

    /// The answer of the mutating webhook.
    #[must_use]
    pub fn of_mutation(request: &Request<'_>, mutated: &Mutated) -> Self {
        let denials: Vec<Denial<'_>> = mutated
            .findings
            .iter()
            .filter(|finding| finding.denies)
            .map(Denial::of_mutation)
            .collect();
        let patch = if denials.is_empty() {
            patch(request, mutated)
        } else {
            None
        };
        Self::new(Response {
            uid: request.uid.clone(),
            allowed: denials.is_empty(),
            status: Status::of_denials(request, &denials),
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch,
            ..Response::default()
        })
        .denied_by(&denials)
    }

    /// The answer to a policy that cannot be used: every mistake with its field and, for expressions, its place.
    #[must_use]
    pub fn of_mistakes(request: &Request<'_>, mistakes: &[Diagnostic]) -> Self {
        let causes = mistakes
            .iter()
            .map(|mistake| CauseOut {
                reason: Some("FieldValueInvalid"),
                message: with_excerpt(mistake),
                field: mistake.field.clone(),
            })
            .collect();
        let message = mistakes.first().map(ToString::to_string);
        Self::new(Response {
            uid: request.uid.clone(),
            allowed: false,
            status: Some(Status {
                status: "Failure",
                message: message.unwrap_or_default(),
                reason: format!("{:?}", Reason::Invalid),
                code: Reason::Invalid.code(),
                details: Some(Details::of(request, causes)),
            }),
            ..Response::default()
        })
    }

    /// The answer when judging itself failed: refused, with the code of a server error.
    #[must_use]
    pub fn of_failure(uid: &str, message: &str) -> Self {
        Self::new(Response {
            uid: uid.to_owned(),
            allowed: false,
            status: Some(Status {
                status: "Failure",
                message: message.to_owned(),
                reason: "InternalError".to_owned(),
                code: 500,
                details: None,
            }),
            ..Response::default()
        })
    }

    /// What it came to.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match &self.response {
            Response {
                allowed: true,
                patch: None,
                ..
            } => Outcome::Allowed,
            Response { allowed: true, .. } => Outcome::Mutated,
            Response {
                status: Some(Status { code: 500.., .. }),
                ..
            } => Outcome::Error,
            _ => Outcome::Denied,
        }
    }

    /// The HTTP code that the client will get, if refused.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.response.status.as_ref().map(|status| status.code)
    }
}

/// A finding that refuses, with the code that its kind of policy gives.
struct Denial<'a> {
    finding: &'a Finding,
    sentence: String,
    code: u16,
    reason: String,
}

impl<'a> Denial<'a> {
    fn of_rule(finding: &'a Finding) -> Self {
        Self {
            finding,
            sentence: finding.denial(),
            code: finding.reason.code(),
            reason: format!("{:?}", finding.reason),
        }
    }

    fn of_mutation(finding: &'a Finding) -> Self {
        Self {
            finding,
            sentence: finding.denial(),
            code: MUTATION_CODE,
            reason: "Invalid".to_owned(),
        }
    }

    fn cause(&self) -> CauseOut {
        let blame = self.finding.blame.as_ref();
        CauseOut {
            reason: blame.map(|blame| match blame.value {
                Some(_) => "FieldValueInvalid",
                None => "FieldValueRequired",
            }),
            message: self.sentence.clone(),
            field: blame
                .map(|blame| blame.path.to_string())
                .unwrap_or_default(),
        }
    }
}

impl Status {
    fn of_denials(request: &Request<'_>, denials: &[Denial<'_>]) -> Option<Self> {
        let first = denials.first()?;
        let causes = denials.iter().map(Denial::cause).collect();
        Some(Self {
            status: "Failure",
            message: first.sentence.clone(),
            reason: first.reason.clone(),
            code: first.code,
            details: Some(Details::of(request, causes)),
        })
    }
}

impl Details {
    fn of(request: &Request<'_>, mut causes: Vec<CauseOut>) -> Self {
        if causes.len() > CAUSES {
            let message = format!("and {} more", causes.len() - CAUSES);
            causes.truncate(CAUSES);
            causes.push(CauseOut {
                reason: None,
                message,
                field: String::new(),
            });
        }
        Self {
            name: request.display_name().to_owned(),
            group: request.resource.group.clone(),
            kind: request.resource.resource.clone(),
            causes,
        }
    }
}

/// The mistake, then the line of the expression with a caret below the place.
fn with_excerpt(mistake: &Diagnostic) -> String {
    match &mistake.excerpt {
        Some(excerpt) => {
            let indent = (excerpt.column as usize)
                .saturating_sub(1)
                .min(excerpt.line.len());
            format!(
                "{}\n  {}\n  {}^",
                mistake.message,
                excerpt.line,
                " ".repeat(indent)
            )
        }
        None => mistake.message.clone(),
    }
}

/// One document for all steps: each step starts from what the one before it left.
fn patch(request: &Request<'_>, mutated: &Mutated) -> Option<String> {
    // The API server answers a patch without an object with a server error.
    if mutated.object.is_none() || request.object.is_null() {
        return None;
    }
    let operations: Vec<&Json<'_>> = mutated
        .steps
        .iter()
        .filter_map(|step| step.patch.as_array())
        .flatten()
        .collect();
    if operations.is_empty() {
        return None;
    }
    // Our own JSON values always serialise.
    serde_json::to_vec(&operations)
        .ok()
        .map(|document| STANDARD.encode(document))
}

/// The API server stores keys as `<webhook>/<key>` and drops what is no qualified name then: one slash, at most 63
/// characters behind it. Keys of policies have a slash of their own, which becomes a dot.
fn annotations(from: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    from.iter()
        .map(|(key, value)| (annotation_key(key), value.clone()))
        .collect()
}

fn annotation_key(key: &str) -> String {
    let plain: String = key
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => c,
            _ => '.',
        })
        .collect();
    let trimmed = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if trimmed.len() <= KEY_LENGTH && !trimmed.is_empty() {
        return trimmed.to_owned();
    }
    // What is cut off still tells keys apart.
    let digest = {
        use std::hash::Hasher as _;
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(key.as_bytes());
        format!("{:016x}", hasher.finish())
    };
    let kept = trimmed
        .get(..KEY_LENGTH - digest.len() - 1)
        .unwrap_or_default()
        .trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    if kept.is_empty() {
        digest
    } else {
        format!("{kept}-{digest}")
    }
}

/// The API server drops a warning with control characters, and repeats.
fn warnings(from: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    from.iter()
        .map(|text| {
            text.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect::<String>()
        })
        .filter(|text| seen.insert(text.clone()))
        .take(WARNINGS)
        .collect()
}

#[cfg(test)]
mod tests;
