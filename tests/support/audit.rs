//! What clients asked of the API server, from its audit log.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// A moment in the audit log.
#[derive(Clone, Copy, Debug)]
pub struct Mark(pub(super) u64);

/// One request that the API server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedRequest {
    /// get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Empty for the object itself.
    pub subresource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Empty where the request names no object.
    pub name: String,
    /// The client's own name.
    pub user_agent: String,
    /// Who asked, after impersonation.
    pub user: String,
    /// HTTP status of the answer.
    pub code: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    #[serde(default)]
    user_agent: String,
    user: User,
    impersonated_user: Option<User>,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

/// The end of the log.
pub fn end(log: &Path) -> Result<Mark> {
    let length = std::fs::metadata(log)
        .with_context(|| format!("read {}", log.display()))?
        .len();
    Ok(Mark(length))
}

/// The requests after a mark.
pub fn since(log: &Path, mark: Mark) -> Result<Vec<AuditedRequest>> {
    let mut file = File::open(log).with_context(|| format!("read {}", log.display()))?;
    file.seek(SeekFrom::Start(mark.0))?;
    let mut requests = Vec::new();
    for line in BufReader::new(file).lines() {
        let line: Line = serde_json::from_str(&line?).context("read a line of the audit log")?;
        let object = line.object_ref.unwrap_or_default();
        requests.push(AuditedRequest {
            verb: line.verb,
            resource: object.resource,
            subresource: object.subresource,
            namespace: object.namespace,
            name: object.name,
            user_agent: line.user_agent,
            user: line.impersonated_user.unwrap_or(line.user).username,
            code: line.response_status.map_or(0, |status| status.code),
        });
    }
    Ok(requests)
}
