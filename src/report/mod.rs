//! What the doors tell people and machines: one [`document::Document`], several renderings of it.
//!
//! Pure; depends on `model`. Every rendering gets the same input and is deterministic: results are sorted,
//! no clock, no terminal detection (the caller says whether colour is wanted).

pub mod document;
pub mod json;
pub mod plain;
pub mod text;
