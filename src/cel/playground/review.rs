//! What an AdmissionReview, or the request in it, says about variables.

use crate::model::json::{Json, Map};

/// Members of a request that expressions see as variables of their own, or not at all.
const NOT_IN_REQUEST: [&str; 3] = ["uid", "object", "oldObject"];

/// Variables that a review gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// `request`
    pub request: Json<'static>,
    /// `object`, where it is there.
    pub object: Option<Json<'static>>,
    /// `oldObject`, where it is there.
    pub old_object: Option<Json<'static>>,
}

impl Review {
    /// Takes an AdmissionReview or its `request` apart.
    #[must_use]
    pub fn new(document: &Json<'_>) -> Self {
        let review = document.str_at(&["kind"]) == Some("AdmissionReview");
        let inner = document.get("request").filter(|_| review);
        let request = inner.unwrap_or(document);
        let member = |key: &str| {
            let value = request.get(key).filter(|value| !value.is_null());
            value.map(Json::to_owned_json)
        };
        let seen = request.as_object().map(|map| {
            map.iter()
                .filter(|(key, _)| !NOT_IN_REQUEST.contains(key))
                .map(|(key, value)| (key.to_owned(), value.to_owned_json()))
                .collect::<Map<'static>>()
        });
        Self {
            object: member("object"),
            old_object: member("oldObject"),
            request: seen.map_or_else(|| request.to_owned_json(), Json::Object),
        }
    }
}
