//! One ConversionReview: decode, convert every object, form the answer.
//!
//! Objects come back in the order and number in which they came. One that cannot be converted fails the whole review,
//! as the protocol has it; its message says which and why. Needs no snapshot: conversion works from the first moment.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::decode::{Envelope, Expected, no_request, read};
use super::reject::{Cause, Rejection};
use crate::api::convert;
use crate::model::json::Json;

/// The kind of the review.
pub const KIND: &str = "ConversionReview";

/// The shape is the same in both versions; the answer repeats the one that was asked with.
const CONVERSION: Expected = Expected {
    api_versions: &["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"],
    kind: KIND,
    a_kind: "a ConversionReview",
    purpose: "to convert",
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request: Option<Wire<'a>>,
}

impl<'a> Envelope<'a> for Review<'a> {
    fn identity(&self) -> (Option<&str>, Option<&str>) {
        (self.api_version.as_deref(), self.kind.as_deref())
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    uid: String,
    #[serde(rename = "desiredAPIVersion", default)]
    desired: String,
    /// Go writes an empty list as `null`.
    #[serde(borrow, default)]
    objects: Option<Vec<Json<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'a str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: String,
    converted_objects: Vec<Json<'a>>,
    result: Status,
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// An answered review, with what metrics and logs say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The answer.
    pub body: Vec<u8>,
    /// How many objects were asked about.
    pub objects: usize,
    /// Why they were not converted; absent when they were.
    pub failure: Option<String>,
}

impl Converted {
    /// Label of the metric.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self.failure {
            None => "converted",
            Some(_) => "failed",
        }
    }
}

/// Answers one review.
///
/// # Errors
/// The body is no review that can be answered.
pub fn answer(body: &[u8]) -> Result<Converted, Rejection> {
    let review: Review<'_> = read(body, &CONVERSION)?;
    let Some(wire) = review.request else {
        return Err(no_request(&CONVERSION));
    };
    for (field, value, expected) in [
        ("uid", &wire.uid, "the id that the answer must repeat"),
        (
            "desiredAPIVersion",
            &wire.desired,
            "the version to convert to",
        ),
    ] {
        if value.is_empty() {
            return Err(Rejection::new(
                if field == "uid" {
                    Cause::NoUid
                } else {
                    Cause::Field
                },
                format!("request.{field}: expected {expected}, found none"),
            ));
        }
    }
    let given = wire.objects.unwrap_or_default();
    let objects = given.len();
    let converted: Result<Vec<Json<'_>>, String> = given
        .into_iter()
        .enumerate()
        .map(|(index, object)| {
            convert::convert(object, &wire.desired)
                .map_err(|error| format!("object {} of {objects}: {error}", index + 1))
        })
        .collect();
    let (converted_objects, failure) = match converted {
        Ok(converted) => (converted, None),
        Err(message) => (Vec::new(), Some(message)),
    };
    let answer = Answer {
        api_version: review.api_version.as_deref().unwrap_or_default(),
        kind: KIND,
        response: Response {
            uid: wire.uid,
            converted_objects,
            result: Status {
                status: if failure.is_none() {
                    "Success"
                } else {
                    "Failure"
                },
                message: failure.clone().unwrap_or_default(),
            },
        },
    };
    let body = serde_json::to_vec(&answer).map_err(|error| {
        Rejection::new(Cause::NotReady, format!("cannot write the answer: {error}"))
    })?;
    Ok(Converted {
        body,
        objects,
        failure,
    })
}
