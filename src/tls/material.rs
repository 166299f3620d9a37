//! Certificates and keys as PEM text, and what can be read from them.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate or key cannot be used. Messages name the part, never its content.
#[derive(Debug, Error)]
pub enum MaterialError {
    /// Not PEM, or no certificate or key in it.
    #[error("{part}: {problem}")]
    Pem {
        /// `tls.crt`, `tls.key` or `ca.crt`.
        part: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Not an X.509 certificate.
    #[error("{part}: not an X.509 certificate: {problem}")]
    X509 {
        /// `tls.crt` or `ca.crt`.
        part: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key do not belong together, or the key is of an unknown kind.
    #[error("tls.key does not fit tls.crt: {0}")]
    Mismatch(rustls::Error),
    /// The time of the certificate is over.
    #[error("tls.crt has expired: it was valid until {not_after}, now is {now}; replace it")]
    Expired {
        /// End of validity.
        not_after: Timestamp,
        /// The time compared with.
        now: Timestamp,
    },
    /// The time of the certificate has not come.
    #[error("tls.crt is not valid yet: it begins at {not_before}, now is {now}; check the clock")]
    Early {
        /// Start of validity.
        not_before: Timestamp,
        /// The time compared with.
        now: Timestamp,
    },
}

impl MaterialError {
    /// A word for the metric.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pem { .. } => "pem",
            Self::X509 { .. } => "x509",
            Self::Mismatch(_) => "mismatch",
            Self::Expired { .. } => "expired",
            Self::Early { .. } => "early",
        }
    }
}

/// When a certificate is valid and for which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// DNS names and addresses, sorted.
    pub names: Vec<String>,
    /// Subject, in the notation of RFC 4514.
    pub subject: String,
    /// Issuer, in the notation of RFC 4514.
    pub issuer: String,
    /// Common name of the subject.
    pub common_name: String,
}

/// A certificate chain with its key, ready for rustls.
#[derive(Clone, Debug)]
pub struct Serving {
    /// For the resolver.
    pub key: Arc<CertifiedKey>,
    /// Of the first certificate.
    pub facts: Facts,
}

/// Reads what matters from the first certificate of `pem`.
///
/// # Errors
/// There is none, or it is not X.509.
pub fn facts(part: &'static str, pem: &str) -> Result<Facts, MaterialError> {
    let chain = certificates(part, pem)?;
    der_facts(part, &chain[0])
}

/// All certificates of `pem`, at least one.
///
/// # Errors
/// There is none, or a block is damaged.
pub fn certificates(
    part: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| MaterialError::Pem {
            part,
            problem: format!("not PEM: {error}"),
        })?;
    if chain.is_empty() {
        return Err(MaterialError::Pem {
            part,
            problem: "expected a CERTIFICATE block, found none".to_owned(),
        });
    }
    Ok(chain)
}

/// Reads what matters from one certificate.
///
/// # Errors
/// It is not X.509.
pub fn der_facts(
    part: &'static str,
    certificate: &CertificateDer<'_>,
) -> Result<Facts, MaterialError> {
    let fail = |problem: String| MaterialError::X509 { part, problem };
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|error| fail(error.to_string()))?;
    let time = |seconds: i64| {
        Timestamp::from_second(seconds).map_err(|_| fail("its validity is out of range".to_owned()))
    };
    let mut names: Vec<String> = match parsed.subject_alternative_name() {
        Ok(Some(extension)) => extension
            .value
            .general_names
            .iter()
            .filter_map(general_name)
            .collect(),
        Ok(None) => Vec::new(),
        Err(error) => return Err(fail(error.to_string())),
    };
    names.sort();
    Ok(Facts {
        not_before: time(parsed.validity().not_before.timestamp())?,
        not_after: time(parsed.validity().not_after.timestamp())?,
        names,
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        common_name: parsed
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok())
            .unwrap_or_default()
            .to_owned(),
    })
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                Some(IpAddr::from(four).to_string())
            } else {
                <[u8; 16]>::try_from(*bytes)
                    .ok()
                    .map(|sixteen| IpAddr::from(sixteen).to_string())
            }
        }
        _ => None,
    }
}

/// Turns a chain and a key into what rustls serves, refusing a pair that does not belong together or is out of time.
///
/// # Errors
/// Something is missing, damaged, mismatched, expired or not valid yet.
pub fn serving(
    chain_pem: &str,
    key_pem: &str,
    provider: &CryptoProvider,
    now: Timestamp,
) -> Result<Serving, MaterialError> {
    let chain = certificates("tls.crt", chain_pem)?;
    let facts = der_facts("tls.crt", &chain[0])?;
    let key =
        PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| MaterialError::Pem {
            part: "tls.key",
            problem: format!("expected a PRIVATE KEY block: {error}"),
        })?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(MaterialError::Mismatch)?;
    if now >= facts.not_after {
        return Err(MaterialError::Expired {
            not_after: facts.not_after,
            now,
        });
    }
    if now < facts.not_before {
        return Err(MaterialError::Early {
            not_before: facts.not_before,
            now,
        });
    }
    Ok(Serving {
        key: Arc::new(key),
        facts,
    })
}
