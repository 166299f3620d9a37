//! Words shared by every layer: JSON as received, names of kinds and resources, the request that is judged and the
//! verdict that comes back. Depends on nothing else inside the crate; pure (no clock, no I/O, no globals).

pub mod fields;
pub mod gvk;
pub mod json;
pub mod names;
pub mod near;
pub mod patch;
pub mod path;
pub mod quantity;
pub mod request;
pub mod selector;
pub mod trace;
pub mod verdict;
pub mod yaml;
pub mod yaml_edit;
pub mod yaml_out;
