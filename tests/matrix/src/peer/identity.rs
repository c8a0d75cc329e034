//! A certificate for localhost, and the configuration of a server that has it.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::trust::Trust;

/// The cipher suites are those whose records `records` knows how to seal.
pub(super) fn identity(http2: bool, tls12: bool) -> (Trust, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    // The two must not have one name: OpenSSL would take the leaf for its own issuer.
    params.distinguished_name.push(DnType::CommonName, "the matrix");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([String::from("localhost")]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&key, &authority).expect("a certificate");

    let mut provider = default_provider();
    provider.cipher_suites =
        vec![cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let version = if tls12 { &rustls::version::TLS12 } else { &rustls::version::TLS13 };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .expect("a suite of that version")
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("a certificate with its key");
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    // Nothing is to follow the handshake that is not written by hand.
    config.send_tls13_tickets = 0;
    config.enable_secret_extraction = true;
    (Trust { pem: authority.pem(), der: authority.der().clone() }, Arc::new(config))
}
