//! Whose certificates are trusted.

use std::fmt;
use std::fs;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::invalid_roots::{InvalidRoots, Origin, RootsFlaw};

/// The authorities whose certificates are trusted.
///
/// ```
/// use tower_ovh::Roots;
///
/// let refused = Roots::none().with_pem_file("/no/such/file.pem").unwrap_err();
/// assert!(refused.to_string().starts_with("/no/such/file.pem can't be read"));
///
/// let refused = Roots::none().with_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap_err();
/// assert_eq!(refused.to_string(), "the PEM text holds no certificate");
/// ```
#[derive(Clone)]
pub struct Roots {
    store: RootCertStore,
}

impl Roots {
    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Self { store: RootCertStore::empty() }
    }

    /// Whom the platform trusts: the store of Windows or macOS, or the directories that Linux and the BSDs keep; where they
    /// are set, `SSL_CERT_FILE` and `SSL_CERT_DIR` instead.
    ///
    /// Reads files, so it is for the start of a program. Certificates that rustls can't use are left out, as stores hold
    /// some that are of no use to TLS.
    ///
    /// # Errors
    ///
    /// If there is none, with what was in the way.
    pub fn platform() -> Result<Self, InvalidRoots> {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a part of the platform's certificates can't be read");
        }
        let mut roots = Self::none();
        let (added, ignored) = roots.store.add_parsable_certificates(found.certs);
        tracing::debug!(added, ignored, "read the platform's certificates");
        if added == 0 {
            let errors = found.errors.iter().map(ToString::to_string).collect();
            return Err(InvalidRoots(RootsFlaw::NoPlatform { errors }));
        }
        Ok(roots)
    }

    /// These, and those in a file of PEM text: the authority of a proxy that inspects TLS, say.
    ///
    /// # Errors
    ///
    /// If the file can't be read, holds no certificate, or one that can't be used.
    pub fn with_pem_file(self, path: impl AsRef<Path>) -> Result<Self, InvalidRoots> {
        let path = path.as_ref();
        let pem =
            fs::read(path).map_err(|error| InvalidRoots(RootsFlaw::File { path: path.to_owned(), error }))?;
        self.add(&pem, Origin::File(path.to_owned()))
    }

    /// These, and those in a PEM text.
    ///
    /// # Errors
    ///
    /// If it holds no certificate, or one that can't be used.
    pub fn with_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, InvalidRoots> {
        self.add(pem.as_ref(), Origin::Text)
    }

    fn add(mut self, pem: &[u8], origin: Origin) -> Result<Self, InvalidRoots> {
        let mut number = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            number += 1;
            let added = match certificate {
                Ok(certificate) => self.store.add(certificate).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = added {
                return Err(InvalidRoots(RootsFlaw::Certificate { origin, number, reason }));
            }
        }
        if number == 0 {
            return Err(InvalidRoots(RootsFlaw::NoCertificate { origin }));
        }
        Ok(self)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there is none: then every handshake fails.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    pub(super) fn into_store(self) -> RootCertStore {
        self.store
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("len", &self.len()).finish()
    }
}
