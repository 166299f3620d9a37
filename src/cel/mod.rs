//! The Common Expression Language as Kubernetes 1.36 enables it for admission policies.
//!
//! `source` text and positions -> `parse` to an `ast` -> `check` types against an `env` -> `plan` into a compact
//! program with resolved overloads -> `eval` over borrowed JSON with a cost budget. `lib` holds the function tables,
//! `messages` the messages of protobuf that can be constructed, `blame` tells which field made a rule false, `typed`
//! reads and writes values with their types, `declared` makes object types of schemas, `playground` tries single
//! expressions.
//! Pure; depends on `model`, and `rules` and `declared` on `schema`.

pub mod ast;
pub mod blame;
mod check;
pub mod cost;
mod debug;
pub mod declared;
pub mod env;
mod eval;
pub mod lib;
pub(crate) mod messages;
mod names;
pub mod parse;
pub mod plan;
pub mod playground;
pub mod rules;
pub mod source;
#[cfg(test)]
pub(crate) mod testing;
pub mod typed;
pub mod types;
pub mod value;
