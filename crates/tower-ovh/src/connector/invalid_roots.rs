//! What can't be a set of roots.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Certificates that can't be had or used. The message names the file, and the certificate's place in it.
#[derive(Debug)]
pub struct InvalidRoots(pub(super) RootsFlaw);

#[derive(Debug)]
pub(super) enum RootsFlaw {
    NoPlatform { errors: Vec<String> },
    File { path: PathBuf, error: io::Error },
    NoCertificate { origin: Origin },
    Certificate { origin: Origin, number: usize, reason: String },
}

/// Where a PEM text comes from.
#[derive(Debug)]
pub(super) enum Origin {
    File(PathBuf),
    Text,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Text => f.write_str("the PEM text"),
        }
    }
}

impl fmt::Display for InvalidRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            RootsFlaw::NoPlatform { errors } => {
                f.write_str(
                    "the platform has no root certificates: install its package of them (ca-certificates), \
                     or set SSL_CERT_FILE, or give a PEM file",
                )?;
                errors.iter().try_for_each(|error| write!(f, "; {error}"))
            }
            RootsFlaw::File { path, error } => write!(f, "{} can't be read: {error}", path.display()),
            RootsFlaw::NoCertificate { origin } => write!(f, "{origin} holds no certificate"),
            RootsFlaw::Certificate { origin, number, reason } => {
                write!(f, "certificate {number} in {origin} can't be used: {reason}")
            }
        }
    }
}

impl Error for InvalidRoots {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            RootsFlaw::File { error, .. } => Some(error),
            _ => None,
        }
    }
}
