//! Certificates of the HTTPS server: issue, load, renew, swap.
//!
//! Depends on `config` and `telemetry`. [`issue`] and [`rotate`] decide from values and a given time; [`load`] reads a
//! directory; [`resolver`] hands the current pair to rustls. Private keys never reach a log line or an error.

pub mod issue;
pub mod load;
pub mod material;
pub mod resolver;
pub mod rotate;
#[cfg(test)]
pub(crate) mod testing;
