//! Requests that are refused before they are judged.
//!
//! The body is a Kubernetes `Status`: the API server shows its message when it reports that calling the webhook failed,
//! and the failurePolicy of the registration decides what happens to the user's request.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// Why a request was refused; each has one HTTP status and one word for the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The body is not declared as JSON.
    ContentType,
    /// The body is larger than the limit.
    TooLarge,
    /// There is no body.
    Empty,
    /// The body ends before the document does.
    Truncated,
    /// The body is not JSON.
    Malformed,
    /// JSON, but no `admission.k8s.io/v1` review with a request.
    NotAReview,
    /// A review with a field that cannot be read.
    Field,
    /// A review without uid: it could not be answered.
    NoUid,
    /// Body or decision took too long.
    Timeout,
    /// Too many large requests at once.
    Overloaded,
    /// Nothing to judge with yet.
    NotReady,
    /// No such path.
    NotFound,
    /// The path exists, the method does not.
    Method,
}

impl Cause {
    /// HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Empty
            | Self::Truncated
            | Self::Malformed
            | Self::NotAReview
            | Self::Field
            | Self::NoUid => StatusCode::BAD_REQUEST,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// Label of the metric.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ContentType => "content_type",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::NotAReview => "not_a_review",
            Self::Field => "field",
            Self::NoUid => "no_uid",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::NotReady => "not_ready",
            Self::NotFound => "not_found",
            Self::Method => "method",
        }
    }

    /// `reason` of the `Status`, as the API machinery spells them.
    const fn reason(self) -> &'static str {
        match self {
            Self::ContentType => "UnsupportedMediaType",
            Self::TooLarge => "RequestEntityTooLarge",
            Self::Timeout => "Timeout",
            Self::Overloaded | Self::NotReady => "ServiceUnavailable",
            Self::NotFound => "NotFound",
            Self::Method => "MethodNotAllowed",
            _ => "BadRequest",
        }
    }
}

/// A refusal: what kind, and the sentence that says what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What kind.
    pub cause: Cause,
    /// The sentence. Never contains the body.
    pub message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Metadata,
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    code: u16,
}

#[derive(Serialize)]
struct Metadata {}

impl Rejection {
    /// A refusal.
    #[must_use]
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
        }
    }

    /// The HTTP answer.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let status = Status {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata {},
            status: "Failure",
            message: &self.message,
            reason: self.cause.reason(),
            code: self.cause.status().as_u16(),
        };
        // Plain strings and numbers always serialise; the sentence alone is still an answer.
        let body = serde_json::to_vec(&status).unwrap_or_else(|_| self.message.clone().into());
        json(self.cause.status(), body)
    }
}

/// A JSON answer.
#[must_use]
pub fn json(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
