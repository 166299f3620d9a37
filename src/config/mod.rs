//! Settings of the server: values checked once, at the door.
//!
//! Depends on `model`. Flags and environment variables arrive through the command line; inner code sees typed values
//! and never a raw string.

pub mod files;
pub mod settings;
pub mod sources;
pub mod walk;
