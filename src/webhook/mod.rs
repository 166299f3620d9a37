//! The webhooks: HTTPS in, AdmissionReview or ConversionReview out.
//!
//! [`server`] owns sockets and limits, [`router`] speaks HTTP, [`decode`] turns bytes into a request that borrows from
//! them, [`admit`] asks the judge, [`respond`] writes the review, [`convert`] moves objects between versions, [`reject`] is
//! everything that never got that far.
//! Depends on the pure modules, `config`, `telemetry` and `tls`. No API call happens here.
//!
//! Invariant: every request is either answered or refused with a status and a sentence; nothing is allowed because
//! something went wrong on this side.

pub mod admit;
pub mod convert;
pub mod decode;
pub mod health;
pub mod reject;
pub mod respond;
pub mod router;
pub mod server;
#[cfg(test)]
pub(crate) mod testing;
