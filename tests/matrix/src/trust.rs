//! Whom a client is to trust.

use std::sync::Arc;

use flaky_tls::Authority;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

#[derive(Clone, Debug)]
pub struct Trust {
    pub pem: String,
    pub der: CertificateDer<'static>,
}

impl Trust {
    /// A configuration that trusts this authority and no other, and offers one protocol or none.
    ///
    /// # Panics
    ///
    /// If rustls refuses it.
    #[must_use]
    pub fn config(&self, protocol: Option<&[u8]>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring serves the default versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = protocol.into_iter().map(<[u8]>::to_vec).collect();
        config
    }
}

impl From<&Authority> for Trust {
    fn from(authority: &Authority) -> Self {
        Self { pem: authority.pem().to_owned(), der: authority.der().clone() }
    }
}
