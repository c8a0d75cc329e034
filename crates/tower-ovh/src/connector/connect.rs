//! The connector: its settings, and the service.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{DefaultServerNameResolver, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::BoxError;
use tower_service::Service;

use super::connecting::{Connecting, PlainHttp};
use super::invalid_connect_timeout::{self, InvalidConnectTimeout};
use super::proxy::Proxy;
use super::resolver::Resolver;
use super::roots::Roots;
use super::route::Route;
use super::stream::Stream;
use super::tcp::Tcp;
use crate::setup_error::SetupError;

/// hyper-util's pooled client over a [`Connector`].
pub type HyperClient<B> = Client<Connector, B>;

/// Makes connections: resolves names, races IPv6 and IPv4, asks a proxy for a tunnel, speaks TLS.
///
/// | | at first |
/// |---|---|
/// | TLS | 1.2 or 1.3, by rustls with ring, which is named: another provider in the same program does no harm |
/// | trusted | whom the platform trusts |
/// | proxy | what the environment says ([`Proxy::from_env`]) |
/// | time for a connection | 10 s, of which TCP may use half |
/// | IPv6 and IPv4 | 300 ms after the first family began without success, the other is tried beside it ([RFC 8305]) |
/// | HTTP | 1.1 |
/// | idle connections | 8 a host are kept, each for 30 s |
///
/// The last four are choices of this crate or of hyper-util's, not measurements.
///
/// HTTP/2 is off (feature `http2` and `with_http2` turn it on) because OVHcloud's API is paced at ten calls a second, which one
/// connection of HTTP/1.1 carries, and because with HTTP/2 a single cut ends every call on the connection at once, and takes
/// the proof that some were never sent with it.
///
/// `TCP_NODELAY` is on: without it, each new connection waits some 40 ms for an acknowledgement.
///
/// ```
/// use std::time::Duration;
///
/// use tower_ovh::{Connector, Proxy, Roots};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let pem = "";
/// # if false {
/// let connector = Connector::new()?; // the platform's roots, the environment's proxy
/// # }
/// # if !pem.is_empty() {
/// let connector = Connector::trusting(Roots::platform()?.with_pem_file("inspecting-proxy.pem")?)?
///     .with_proxy(Proxy::new("http://proxy.example:3128")?.with_credentials("user", "password")?)
///     .with_connect_timeout(Duration::from_secs(5))?;
/// let client = connector.client::<http_body_util::Full<bytes::Bytes>>();
/// # }
/// assert!(Connector::trusting(Roots::none())?.with_connect_timeout(Duration::ZERO).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping the future of a connection drops the connection that it was making.
///
/// # Clone
///
/// A clone is as good as the original: they share TLS sessions for resumption, and no connections.
///
/// [RFC 8305]: https://www.rfc-editor.org/rfc/rfc8305
#[derive(Clone)]
pub struct Connector {
    route: Route,
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    names: Arc<DefaultServerNameResolver>,
    roots: usize,
    plain_http: bool,
    connect_timeout: Duration,
    idle_timeout: Duration,
    idle_per_host: usize,
}

impl Connector {
    /// The shortest time a connection can be given: what tokio's timer resolves.
    pub const MIN_CONNECT_TIMEOUT: Duration = invalid_connect_timeout::MIN;

    /// The longest time a connection can be given: an hour.
    pub const MAX_CONNECT_TIMEOUT: Duration = invalid_connect_timeout::MAX;

    /// Trusts whom the platform trusts, and uses the proxy that the environment names.
    ///
    /// Reads files, so it is for the start of a program.
    ///
    /// # Errors
    ///
    /// If the platform has no root certificates, or the environment names a proxy that can't be.
    pub fn new() -> Result<Self, SetupError> {
        Ok(Self::trusting(Roots::platform()?)?.with_proxy(Proxy::from_env()?))
    }

    /// Trusts these roots and no others, and uses no proxy.
    ///
    /// # Errors
    ///
    /// If rustls refuses its configuration, which it does for none that this crate makes.
    pub fn trusting(roots: Roots) -> Result<Self, SetupError> {
        let count = roots.len();
        let tls = Arc::new(tls(roots.into_store()).map_err(SetupError::tls)?);
        let (resolver, connect_timeout) = (Resolver::new(), Duration::from_secs(10));
        let tcp = Tcp::new(resolver.clone(), connect_timeout);
        Ok(Self {
            route: Route { tcp, proxy: Proxy::none(), proxy_tls: Arc::clone(&tls) },
            resolver,
            tls,
            names: Arc::default(),
            roots: count,
            plain_http: false,
            connect_timeout,
            idle_timeout: Duration::from_secs(30),
            idle_per_host: 8,
        })
    }

    /// The proxy that connections go through.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.route.proxy = proxy;
        self
    }

    /// How long a connection may take, from the name to the end of the TLS handshake: 1 ms to 1 hour.
    ///
    /// TCP may use half of it, shared among the addresses of a family, so that one that swallows packets leaves time for the
    /// others. The time limit of an attempt holds all the same, and an attempt without a connection was never sent.
    ///
    /// # Errors
    ///
    /// If it is out of that range.
    pub fn with_connect_timeout(mut self, limit: Duration) -> Result<Self, InvalidConnectTimeout> {
        if !(Self::MIN_CONNECT_TIMEOUT..=Self::MAX_CONNECT_TIMEOUT).contains(&limit) {
            return Err(InvalidConnectTimeout(limit));
        }
        self.connect_timeout = limit;
        self.route.tcp.set(self.resolver.clone(), limit);
        Ok(self)
    }

    /// Uses these addresses for a host instead of asking the system: one server of many, or one family of IP.
    ///
    /// The certificate is still checked against the name. A proxy that resolves names itself does not hear of it.
    #[must_use]
    pub fn with_addresses(mut self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.resolver.know(host, addresses);
        self.route.tcp.set(self.resolver.clone(), self.connect_timeout);
        self
    }

    /// Tells of each TCP connection that stands, to the server or to a proxy, before TLS: its addresses, say. Or sets an option
    /// of its socket.
    ///
    /// The hook runs in the task that connects, which is that of the call where the client keeps no idle connections, and must not
    /// block. Its panics are caught and logged. A second hook replaces the first.
    ///
    /// ```
    /// use tower_ovh::{Connector, Roots};
    ///
    /// let connector = Connector::trusting(Roots::none())?.on_tcp(|stream| {
    ///     if let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) {
    ///         println!("{local} is connected to {peer}");
    ///     }
    /// });
    /// # drop(connector);
    /// # Ok::<(), tower_ovh::SetupError>(())
    /// ```
    #[must_use]
    pub fn on_tcp(mut self, hook: impl Fn(&TcpStream) + Send + Sync + 'static) -> Self {
        self.route.tcp.tell(hook);
        self
    }

    /// Speaks HTTP/2 where the server takes it, and else HTTP/1.1.
    ///
    /// A connection that stalls is given no further call once an attempt's time has run out over it
    /// ([`OvhLayer::over_hyper_util`](crate::OvhLayer::over_hyper_util)); the calls that it has wait for their own. A client of
    /// your own finds it out sooner by `http2_keep_alive_interval`.
    #[cfg(feature = "http2")]
    #[must_use]
    pub fn with_http2(mut self) -> Self {
        Arc::make_mut(&mut self.tls).alpn_protocols = vec![b"h2".to_vec(), HTTP_1_1.to_vec()];
        self
    }

    /// Speaks plain `http` too, to URLs that ask for it: a server on this machine, in a test. It goes past any proxy.
    ///
    /// Without this such a URL is refused, since everybody on the way could read the call.
    #[must_use]
    pub fn with_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// How long the clients of [`client`](Self::client) keep an idle connection. Any value.
    ///
    /// A connection that the server closes first, just as it is used again, costs a repeat; so it had better be shorter than
    /// the server's own. What OVHcloud's is, is not known.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How many idle connections to a host the clients of [`client`](Self::client) keep. With 0, each call makes its own.
    #[must_use]
    pub fn with_idle_per_host(mut self, most: usize) -> Self {
        self.idle_per_host = most;
        self
    }

    /// A client with a pool of its own, for the current tokio runtime.
    ///
    /// hyper-util sends a request again, at once, that a connection from the pool handed back unwritten; it never left this
    /// process, so this is left on. It is not counted as an attempt.
    #[must_use]
    pub fn client<B>(&self) -> HyperClient<B>
    where
        B: http_body::Body + Send,
        B::Data: Send,
    {
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.idle_timeout)
            .pool_max_idle_per_host(self.idle_per_host)
            .build(self.clone())
    }
}

/// As ALPN writes it.
const HTTP_1_1: &[u8] = b"http/1.1";

fn tls(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    // The provider is named, for rustls panics where it has to choose between two.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.route.poll_ready(cx)
    }

    fn call(&mut self, destination: Uri) -> Connecting {
        if !self.plain_http && destination.scheme() != Some(&Scheme::HTTPS) {
            return Connecting::refused(PlainHttp::new(&destination));
        }
        let (tls, names) = (Arc::clone(&self.tls), Arc::clone(&self.names));
        let mut https = HttpsConnector::new(self.route.clone(), tls, false, names);
        Connecting::new(https.call(destination), self.connect_timeout)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("roots", &self.roots)
            .field("proxy", &self.route.proxy)
            .field("addresses", &self.resolver)
            .field("connect_timeout", &self.connect_timeout)
            .field("plain_http", &self.plain_http)
            .field("idle_timeout", &self.idle_timeout)
            .field("idle_per_host", &self.idle_per_host)
            .finish_non_exhaustive()
    }
}
