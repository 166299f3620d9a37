//! The policy engine: policy files in, verdicts out, with the meaning that the API server gives them.
//!
//! `source` reads policies, bindings and profiles strictly -> `compile` turns expressions into programs, all mistakes at
//! once -> `set` holds programs, bindings and parameters as one immutable snapshot -> `select` finds what a request
//! needs -> `params` resolves parameter objects -> `judge` and `mutate` answer; `reuse` keeps what need not be evaluated
//! again; `typecheck` lints expressions by schemas. Depends on `model`, `api`, `schema`
//! and `cel`; pure.

mod activation;
pub mod compile;
pub mod conform;
pub mod diagnostic;
pub mod exempt;
pub mod faults;
pub mod judge;
pub mod mutate;
pub mod packs;
pub mod params;
pub mod presets;
pub mod profiles;
mod reuse;
pub mod select;
pub mod set;
pub mod source;
pub mod suite;
#[cfg(test)]
mod testing;
pub mod typecheck;

pub use activation::Resolvers;
