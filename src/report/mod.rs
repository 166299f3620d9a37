//! What the doors tell people and machines: one [`document::Document`], several renderings of it.
//!
//! Pure; depends on `model`. Every rendering gets the same input and is deterministic: results are sorted,
//! no clock, no terminal detection (the caller says whether colour is wanted).

pub mod document;
pub mod explain;
pub mod html;
pub mod json;
pub mod junit;
pub mod markup;
pub mod palette;
pub mod plain;
pub mod policy_report;
pub mod sarif;
pub mod suites;
pub mod text;
