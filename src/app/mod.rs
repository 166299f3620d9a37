//! Assembly: the parts of the program connected into something that runs.

mod controllers;
pub mod render;
pub mod serve;
pub mod supervise;
