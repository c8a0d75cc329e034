//! How the server is reached.

use std::fmt;
use std::io;
use std::path::PathBuf;
#[cfg(feature = "redis-tls")]
use std::sync::Arc;

use ::redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::invalid::{Flaw, InvalidFleet};

/// Where it is, and who logs in there.
#[derive(Clone)]
pub(super) struct Target {
    address: Address,
    login: RedisConnectionInfo,
    #[cfg(feature = "redis-tls")]
    tls: Tls,
}

/// A configuration of TLS, if one is given.
#[cfg(feature = "redis-tls")]
pub(super) type Tls = Option<Arc<rustls::ClientConfig>>;
#[cfg(not(feature = "redis-tls"))]
pub(super) type Tls = Option<std::convert::Infallible>;

#[derive(Clone, Debug)]
enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// What went wrong before there was a connection to speak over.
#[derive(Debug)]
pub(super) enum Unreached {
    Io(io::Error),
    #[cfg(feature = "redis-tls")]
    Tls(io::Error),
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Target {
    pub(super) fn parse(url: &str, tls: Tls) -> Result<Self, InvalidFleet> {
        let over_tls = |scheme: &str| url.strip_prefix(scheme).map(|rest| format!("redis://{rest}"));
        let plain = over_tls("rediss://").or_else(|| over_tls("valkeys://"));
        let wants_tls = plain.is_some();
        if wants_tls && url.contains('#') {
            return Err(InvalidFleet(Flaw::Url("a fragment, which is not supported".to_owned())));
        }
        #[cfg(not(feature = "redis-tls"))]
        if let (None, true) = (tls, wants_tls) {
            return Err(InvalidFleet(Flaw::NoTls));
        }
        #[cfg(feature = "redis-tls")]
        let tls = match (wants_tls, tls) {
            (true, None) => Some(platform_tls()?),
            (true, given) => given,
            (false, None) => None,
            (false, Some(_)) => return Err(InvalidFleet(Flaw::NotTls)),
        };
        // Its error may not repeat the URL: there may be a password in it.
        let info = plain.as_deref().unwrap_or(url).into_connection_info().map_err(|error| {
            let why = error.detail().map_or_else(|| error.category().to_owned(), str::to_owned);
            InvalidFleet(Flaw::Url(why))
        })?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(InvalidFleet(Flaw::Url("an address of an unknown kind".to_owned()))),
        };
        Ok(Self {
            address,
            login: info.redis_settings().clone(),
            #[cfg(feature = "redis-tls")]
            tls,
        })
    }

    pub(super) fn login(&self) -> &RedisConnectionInfo {
        &self.login
    }

    pub(super) async fn open(&self) -> Result<Box<dyn Stream>, Unreached> {
        match &self.address {
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(Unreached::Io)?;
                stream.set_nodelay(true).map_err(Unreached::Io)?;
                #[cfg(feature = "redis-tls")]
                if let Some(config) = &self.tls {
                    return handshake(stream, host, config).await.map_err(Unreached::Tls);
                }
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await.map_err(Unreached::Io)?;
                Ok(Box::new(stream))
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(Unreached::Io(io::ErrorKind::Unsupported.into())),
        }
    }
}

/// ring by name: a program may have several providers of cryptography, and then rustls has no default.
#[cfg(feature = "redis-tls")]
fn platform_tls() -> Result<Arc<rustls::ClientConfig>, InvalidFleet> {
    let flaw = |why: String| InvalidFleet(Flaw::Roots(why));
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(flaw(why));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| flaw(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(feature = "redis-tls")]
async fn handshake(
    stream: TcpStream,
    host: &str,
    config: &Arc<rustls::ClientConfig>,
) -> io::Result<Box<dyn Stream>> {
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
    Ok(Box::new(stream))
}

/// Where it is: "127.0.0.1:6379", or a path.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Without the password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("address", &self.address).finish_non_exhaustive()
    }
}
