//! The older, deprecated version of the agent-sandbox kinds: only where it differs from [`crate::api::v1beta1`].

mod claim;
mod sandbox;
mod template;
mod warm_pool;

pub use claim::*;
pub use sandbox::*;
pub use template::*;
pub use warm_pool::*;

/// The version.
pub const VERSION: &str = "v1alpha1";
