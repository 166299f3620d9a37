//! What tests of several modules need: pairs, and clients that trust them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::issue::PemPair;
use super::rotate::{self, Bundle, Profile, Step};
use super::{material, resolver};

/// A bundle for localhost, valid for ninety days from now.
pub(crate) fn bundle() -> Bundle {
    bundle_at(Timestamp::now())
}

/// A bundle for localhost, valid for ninety days from `start`.
pub(crate) fn bundle_at(start: Timestamp) -> Bundle {
    let profile = Profile::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    rotate::perform(&Step::Replace("test"), None, &profile, start).expect("issued")
}

/// A bundle whose time is over.
pub(crate) fn expired() -> Bundle {
    bundle_at(Timestamp::now() - SignedDuration::from_hours(100 * 24))
}

/// Ready to serve.
pub(crate) fn serving(pair: &PemPair) -> material::Serving {
    material::serving(
        &pair.certificate,
        &pair.key,
        &resolver::provider(),
        Timestamp::now(),
    )
    .expect("usable")
}

/// A client that trusts the authorities of `bundle` and offers `protocols`.
pub(crate) fn client(bundle: &Bundle, protocols: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for authority in material::certificates("ca.crt", &bundle.ca_bundle()).expect("authorities") {
        roots.add(authority).expect("root");
    }
    let mut config = ClientConfig::builder_with_provider(resolver::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// A handshake with `localhost` over `stream`.
pub(crate) async fn handshake(
    connector: &TlsConnector,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("name");
    connector.connect(name, stream).await
}

/// The certificate that the peer showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().expect("chain")[0]
        .clone()
        .into_owned()
}
