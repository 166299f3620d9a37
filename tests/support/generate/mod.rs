//! Generated expressions, objects and policies for comparisons with the reference oracle.
//!
//! `tests/data/cel/grammar.json` holds the language as data: templates by result type, leaves, pools of texts, and the
//! records that objects are made of. Everything is drawn from a seed: the same seed gives the same cases.

#![allow(
    dead_code,
    reason = "every test binary that compiles this uses a part of it"
)]

pub mod data;
pub mod expression;
pub mod grammar;
pub mod policy;
pub mod random;
pub mod types;
pub mod waste;
