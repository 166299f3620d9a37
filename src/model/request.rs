//! What is judged: one change to one object, in the shape every door builds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::gvk::{Gvk, Gvr};
use super::json::Json;

/// The verb of an admission request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed object (PATCH arrives as this).
    Update,
    /// A removed object.
    Delete,
    /// exec, attach, port-forward, proxy.
    Connect,
}

impl Operation {
    /// The word on the wire: `CREATE`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    /// Login name, such as `system:serviceaccount:ns:name`.
    pub username: String,
    /// Unique id over time, often empty.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Authenticator extras.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// One admission request (`admission.k8s.io/v1` `AdmissionReview.request`), objects borrowed from the received bytes.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Id of the review, echoed in the answer; empty outside a webhook.
    pub uid: String,
    /// Kind in the version sent.
    pub kind: Gvk,
    /// Resource in the version sent.
    pub resource: Gvr,
    /// Subresource, such as `status` or `exec`.
    pub sub_resource: Option<String>,
    /// Kind as the client asked, when the API server converted.
    pub request_kind: Option<Gvk>,
    /// Resource as the client asked, when the API server converted.
    pub request_resource: Option<Gvr>,
    /// Subresource as the client asked, when the API server converted.
    pub request_sub_resource: Option<String>,
    /// Object name; empty under `generateName` before it is resolved.
    pub name: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The verb.
    pub operation: Operation,
    /// Who asks.
    pub user: UserInfo,
    /// The new object; `Null` on DELETE.
    pub object: Json<'a>,
    /// The stored object; `Null` on CREATE and CONNECT.
    pub old_object: Json<'a>,
    /// `CreateOptions` and the like; may be `Null`.
    pub options: Json<'a>,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// The namespace the object lives in, from a watched snapshot or a given manifest; `None` when the request is
    /// cluster-scoped, is about a Namespace itself, or the namespace is not known.
    pub namespace_object: Option<Arc<Json<'static>>>,
}

impl<'a> Request<'a> {
    /// A synthetic CREATE of `object`, as the offline doors judge it. Kind comes from the object itself.
    #[must_use]
    pub fn create(resource: Gvr, object: Json<'a>) -> Self {
        let text = |keys: &[&str]| object.str_at(keys).unwrap_or_default().to_owned();
        Self {
            uid: String::new(),
            kind: Gvk::new(&text(&["apiVersion"]), &text(&["kind"])),
            resource,
            sub_resource: None,
            request_kind: None,
            request_resource: None,
            request_sub_resource: None,
            name: text(&["metadata", "name"]),
            namespace: text(&["metadata", "namespace"]),
            operation: Operation::Create,
            user: UserInfo::default(),
            object,
            old_object: Json::Null,
            options: Json::Null,
            dry_run: false,
            namespace_object: None,
        }
    }

    /// The name for messages: request name, else `metadata.name`, else `metadata.generateName`, else `Unknown`.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let of = |object: &'_ Json<'a>, key: &str| -> bool {
            object
                .str_at(&["metadata", key])
                .is_some_and(|s| !s.is_empty())
        };
        if !self.name.is_empty() {
            return &self.name;
        }
        for key in ["name", "generateName"] {
            if of(&self.object, key) {
                return self.object.str_at(&["metadata", key]).unwrap_or("Unknown");
            }
        }
        "Unknown"
    }
}
