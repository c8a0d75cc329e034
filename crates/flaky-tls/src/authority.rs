//! The certificates, made afresh at each start.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::error::StartError;
use crate::http_versions::HttpVersions;
use crate::scenario::BadCertificate;

/// The names and addresses of the good certificate.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The authority that a client must trust to reach the server.
///
/// Made at the start of the server, and its key is forgotten at once: it signs nothing else.
#[derive(Clone, Debug)]
pub struct Authority {
    pem: Box<str>,
    der: CertificateDer<'static>,
}

impl Authority {
    /// The certificate as PEM text.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A root store with this authority and no other.
    #[must_use]
    pub fn root_store(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        // Our own fresh certificate parses; were it not to, the store would trust nobody.
        let _ = roots.add(self.der.clone());
        roots
    }

    /// A rustls client configuration that trusts this authority and no other: ring, TLS 1.2 and 1.3, no client
    /// certificate, no ALPN.
    ///
    /// # Errors
    ///
    /// If rustls refuses the configuration.
    pub fn client_config(&self) -> Result<ClientConfig, rustls::Error> {
        Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(rustls::ALL_VERSIONS)?
            .with_root_certificates(self.root_store())
            .with_no_client_auth())
    }
}

/// One server configuration for each certificate.
#[derive(Debug)]
pub(crate) struct Identities {
    good: Arc<ServerConfig>,
    bad: [Arc<ServerConfig>; BadCertificate::ALL.len()],
    demanding: Arc<ServerConfig>,
}

impl Identities {
    /// Makes an authority and all certificates.
    pub(crate) fn make(
        versions: &[&'static SupportedProtocolVersion],
        http: HttpVersions,
    ) -> Result<(Authority, Self), StartError> {
        let failed = StartError::when::<rcgen::Error>("making the certificates");
        let ca = authority("flaky-tls").map_err(failed)?;
        let stranger = authority("flaky-tls, unknown to the client").map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;

        let configuring = StartError::when::<rustls::Error>("configuring TLS");
        let config = |certificate: rcgen::Certificate| {
            server_config(versions, http, certificate.der().clone(), &key, None).map_err(configuring)
        };
        let signed = |params: CertificateParams, by: &CertifiedIssuer<'_, KeyPair>| {
            params.signed_by(&key, by).map_err(failed)
        };

        let certificate = signed(leaf(NAMES).map_err(failed)?, &ca)?;
        let demanding = server_config(versions, http, certificate.der().clone(), &key, Some(stranger.der()))
            .map_err(configuring)?;
        let good = config(certificate)?;
        let mut bad = Vec::with_capacity(BadCertificate::ALL.len());
        for kind in BadCertificate::ALL {
            let mut params = leaf(NAMES).map_err(failed)?;
            bad.push(config(match kind {
                BadCertificate::Expired => {
                    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
                    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
                    signed(params, &ca)?
                }
                BadCertificate::NotYetValid => {
                    params.not_before = rcgen::date_time_ymd(3000, 1, 1);
                    params.not_after = rcgen::date_time_ymd(3001, 1, 1);
                    signed(params, &ca)?
                }
                BadCertificate::WrongName => signed(leaf(["wrong.invalid"]).map_err(failed)?, &ca)?,
                BadCertificate::UnknownIssuer => signed(params, &stranger)?,
                BadCertificate::SelfSigned => params.self_signed(&key).map_err(failed)?,
            })?);
        }
        let bad = bad.try_into().map_err(|_| failed(rcgen::Error::CouldNotParseCertificate))?;
        Ok((Authority { pem: ca.pem().into(), der: ca.der().clone() }, Self { good, bad, demanding }))
    }

    /// The configuration that demands a certificate of the client.
    pub(crate) fn demanding(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.demanding)
    }

    /// The configuration with this certificate.
    pub(crate) fn config(&self, bad: Option<BadCertificate>) -> Arc<ServerConfig> {
        let bad = bad.and_then(|bad| BadCertificate::ALL.iter().position(|kind| *kind == bad));
        Arc::clone(bad.map_or(&self.good, |at| &self.bad[at]))
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn leaf<const N: usize>(names: [&str; N]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.map(String::from))?;
    params.distinguished_name.push(DnType::CommonName, names[0]);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn server_config(
    versions: &[&'static SupportedProtocolVersion],
    http: HttpVersions,
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    clients: Option<&CertificateDer<'static>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = match clients {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone())?;
            let built =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
            built.map_err(|error| rustls::Error::General(error.to_string()))?
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = http.alpn();
    // No resumption: a resumed session would skip the bad certificate, and its first flight is a shorter one. With no
    // tickets, too, nothing follows the handshake that a cut could meet halfway.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
