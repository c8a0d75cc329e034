//! The settings of the server, and its start.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::accept::accept;
use crate::authority::Identities;
use crate::error::StartError;
use crate::http_versions::HttpVersions;
use crate::ledger::Ledger;
use crate::playing::Playing;
use crate::running::Running;
use crate::script::Script;
use crate::serve::Serve;
use crate::served::Served;
use crate::shared::Shared;

/// A TLS server on loopback that cuts connections where its [`Script`] tells it to.
///
/// This value holds the settings; [`serve`](Self::serve) starts the server. By default every connection is healthy,
/// the operating system chooses the port, TLS 1.2 and 1.3 are spoken, and HTTP/1.1.
#[derive(Clone, Debug)]
pub struct FlakyTls {
    script: Script,
    versions: TlsVersions,
    http: HttpVersions,
    port: u16,
    id_header: HeaderName,
    body_limit: usize,
    record_limit: usize,
    grace: Duration,
}

impl FlakyTls {
    /// The default settings.
    #[must_use]
    pub fn new() -> Self {
        Self {
            script: Script::default(),
            versions: TlsVersions::default(),
            http: HttpVersions::default(),
            port: 0,
            id_header: HeaderName::from_static("x-request-id"),
            body_limit: 2 * 1024 * 1024,
            record_limit: 100_000,
            grace: Duration::from_secs(5),
        }
    }

    /// What is done to which connection. Default: nothing to any.
    #[must_use]
    pub fn with_script(self, script: impl Into<Script>) -> Self {
        Self { script: script.into(), ..self }
    }

    /// The versions of TLS that are spoken. Default: 1.2 and 1.3.
    #[must_use]
    pub fn with_versions(self, versions: TlsVersions) -> Self {
        Self { versions, ..self }
    }

    /// The versions of HTTP that are offered. Default: HTTP/1.1. Over HTTP/2 an answer has no `Date` but the service's
    /// own.
    #[must_use]
    pub fn with_http(self, http: HttpVersions) -> Self {
        Self { http, ..self }
    }

    /// The TCP port on 127.0.0.1. Default 0: the operating system chooses a free one, which a test should always
    /// prefer.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The request header whose value tells requests apart. Default `x-request-id`.
    #[must_use]
    pub fn with_request_id_header(self, name: HeaderName) -> Self {
        Self { id_header: name, ..self }
    }

    /// The longest request body that is taken, in bytes; a longer one is answered 413 without the service, and not
    /// counted as received. Bodies are held in memory. Default 2 MiB; zero takes empty bodies only.
    #[must_use]
    pub fn with_body_limit(self, bytes: usize) -> Self {
        Self { body_limit: bytes, ..self }
    }

    /// For how many connections, requests and ids (each) details are kept; beyond it only totals are. Default
    /// 100,000, which is some 50 MB when full; zero keeps totals only.
    #[must_use]
    pub fn with_record_limit(self, records: usize) -> Self {
        Self { record_limit: records, ..self }
    }

    /// How long [`Running::shutdown`] waits for requests in hand; what is still open then is dropped. Default 5 s;
    /// zero waits for nothing.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Makes the certificates, binds the port, and starts the server on the current tokio runtime.
    ///
    /// The service gets each request with its body already read, and is cloned for each. It is called once for every
    /// request that was received in full, also where the answer is then thrown away: to a client whose connection is
    /// cut, the server may have acted. If it fails or panics, its connection is closed and the server goes on. Its
    /// future is dropped when the client leaves before the answer.
    ///
    /// # Errors
    ///
    /// If the port can't be bound, or the certificates can't be made.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled, as everything of tokio does.
    pub async fn serve<S: Serve>(self, service: S) -> Result<Running, StartError> {
        let (authority, identities) = Identities::make(self.versions.supported(), self.http)?;
        let binding = StartError::when("binding 127.0.0.1");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.map_err(binding)?;
        let address = listener.local_addr().map_err(binding)?;
        let shared = Arc::new(Shared {
            playing: Playing::new(self.script),
            identities,
            http: self.http,
            ledger: Ledger::new(self.record_limit),
            id_header: self.id_header,
            body_limit: self.body_limit,
        });
        let running = Arc::clone(&shared);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, Served::new(service), shared, self.grace, stopped));
        Ok(Running::new(address, authority, running, stop, task))
    }
}

impl Default for FlakyTls {
    fn default() -> Self {
        Self::new()
    }
}

/// The versions of TLS that the server speaks.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 only.
    Tls12,
    /// 1.3 only.
    Tls13,
}

impl TlsVersions {
    fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
        match self {
            Self::Both => &BOTH,
            Self::Tls12 => &BOTH[..1],
            Self::Tls13 => &BOTH[1..],
        }
    }
}
