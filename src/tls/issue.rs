//! Issues the authority and the serving certificate: ECDSA P-256, explicit validity.
//!
//! The authority signs nothing but this server's certificate. Its key is kept beside the serving key (who reads one
//! reads both) so that the serving certificate can be renewed without a new bundle at the API server.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use thiserror::Error;

use super::material::{self, MaterialError};

/// How far validity begins before the moment of issue: clocks of API servers may be behind.
pub const BACKDATE: SignedDuration = SignedDuration::from_hours(1);

/// Why nothing was issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The generator refused.
    #[error("cannot issue a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The authority that should sign cannot be read.
    #[error("cannot read the signing authority: {0}")]
    Authority(#[from] MaterialError),
    /// The time is not representable.
    #[error("cannot issue a certificate for {0}: outside the range of certificate times")]
    Time(Timestamp),
}

/// A certificate with its key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct PemPair {
    /// `CERTIFICATE` blocks.
    pub certificate: String,
    /// `PRIVATE KEY` block.
    pub key: String,
}

impl std::fmt::Debug for PemPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemPair")
            .field("certificate", &self.certificate)
            .field("key", &"[secret]")
            .finish()
    }
}

/// Issues an authority valid for `lifetime` from `now`.
///
/// # Errors
/// The generator refused.
pub fn authority(now: Timestamp, lifetime: SignedDuration) -> Result<PemPair, IssueError> {
    // The time in the name keeps two authorities of one bundle apart, in chains and for people.
    let name = format!("sandfence-webhook-ca-{}", now.as_second());
    let mut params = authority_params(&name);
    set_validity(&mut params, now - BACKDATE, now + lifetime)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok(PemPair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// Issues a serving certificate for `names` (DNS names and addresses; the first is the common name), signed by
/// `authority`.
///
/// # Errors
/// The authority cannot be read, a name is no name, or the generator refused.
pub fn serving(
    authority: &PemPair,
    names: &[String],
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<PemPair, IssueError> {
    let facts = material::facts("ca.crt", &authority.certificate)?;
    let signer = Issuer::new(
        authority_params(&facts.common_name),
        KeyPair::from_pem(&authority.key)?,
    );
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(
        DnType::CommonName,
        names.first().map_or("sandfence", String::as_str),
    );
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // What outlives its authority is worth nothing.
    let until = (now + lifetime).min(facts.not_after);
    set_validity(&mut params, now - BACKDATE, until)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, &signer)?;
    Ok(PemPair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

fn set_validity(
    params: &mut CertificateParams,
    from: Timestamp,
    until: Timestamp,
) -> Result<(), IssueError> {
    let at = |time: Timestamp| {
        u64::try_from(time.as_second())
            .map(|seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds))
            .map_err(|_| IssueError::Time(time))
    };
    params.not_before = at(from)?;
    params.not_after = at(until)?;
    Ok(())
}
