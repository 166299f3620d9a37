//! The resource types: the agent-sandbox kinds in both versions, our own kinds, and the CRD documents of all seven.
//!
//! Depends on [`crate::model`]; pure.

pub mod common;
pub mod conditions;
pub mod convert;
pub mod crds;
pub mod guardrail_profile;
pub mod keys;
pub mod openapi;
pub mod policy_exception;
pub mod sandbox_policy;
pub mod v1alpha1;
pub mod v1beta1;

pub use guardrail_profile::{GuardrailProfile, GuardrailProfileSpec};
pub use policy_exception::{PolicyException, PolicyExceptionSpec};
pub use sandbox_policy::{SandboxPolicy, SandboxPolicySpec, SandboxPolicyStatus};
