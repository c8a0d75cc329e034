//! Proxies on loopback, and what the tests share.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY};
use http::{Request, Response};
use http_body_util::Full;
use jittered_backoff::Backoff;
use ovh_auth::{ApplicationKeys, Config, Credentials, OAuth2Client};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use retry_on_tls_eof::RetryOnTlsEofLayer;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tower::BoxError;
use tower_ovh::{Connector, OvhStack, Roots};
use wire_fault::Boxed;

pub(crate) type Body = Full<Bytes>;

/// A connector that trusts this server and no other.
pub(crate) fn trusting(server: &flaky_tls::Running) -> Connector {
    Connector::trusting(Roots::none().with_pem(server.authority().pem()).unwrap()).unwrap()
}

pub(crate) fn get(url: impl AsRef<str>) -> Request<Body> {
    Request::get(url.as_ref()).body(Body::default()).unwrap()
}

pub(crate) fn post(url: impl AsRef<str>) -> Request<Body> {
    Request::post(url.as_ref()).body(Body::from("{}")).unwrap()
}

/// What the fake of the API is called in calls that go over no network.
pub(crate) const BASE: &str = "https://eu.api.ovh.com/1.0";

/// The same stack, signing as whom the fake knows.
pub(crate) fn signed<H, L>(stack: OvhStack<H, L>) -> OvhStack<H, L> {
    let keys = ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET).unwrap();
    let keys = Credentials::Application(keys.with_consumer_key(CONSUMER_KEY).unwrap());
    stack.with_config(&Config::new("ovh-eu".parse().unwrap(), Some(keys)).unwrap()).unwrap()
}

/// The client whose tokens [`oauth2`] calls by.
pub(crate) const CLIENT: (&str, &str) = ("EU.client", "s3cret");

/// The same stack, calling by the tokens of an OAuth2 client.
pub(crate) fn oauth2<H, L>(stack: OvhStack<H, L>) -> OvhStack<H, L> {
    let client = Credentials::OAuth2(OAuth2Client::new(CLIENT.0, CLIENT.1).unwrap());
    stack.with_config(&Config::new("ovh-eu".parse().unwrap(), Some(client)).unwrap()).unwrap()
}

/// As Linux' `connect(2)` ends where nobody listens: ECONNREFUSED.
pub(crate) fn connect_refused() -> io::Error {
    io::Error::from_raw_os_error(111)
}

/// A retry that waits for a millisecond, for ever.
pub(crate) fn quick_retry() -> RetryOnTlsEofLayer<Boxed> {
    let wait = Duration::from_millis(1);
    RetryOnTlsEofLayer::new(Backoff::exponential(wait..=wait).unwrap())
}

/// Answers 200 to everything.
pub(crate) async fn ok(_: Request<Body>) -> Result<Response<Body>, BoxError> {
    Ok(Response::new(Body::from("ok")))
}

/// What a proxy does once it has read a `CONNECT`.
#[derive(Clone)]
pub(crate) enum Doing {
    /// Opens the tunnel.
    Tunnel,
    /// Opens the tunnel, ends TLS in it, and speaks TLS of its own with the server.
    Inspect(Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>),
    /// Sends this and closes.
    Say(&'static str),
    /// Says nothing more.
    Stall,
}

/// A `CONNECT` as the proxy read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) target: String,
    pub(crate) credentials: Option<String>,
}

/// A real proxy.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Connect>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn new(doing: Doing) -> Self {
        Self::asking_for(doing, None, None).await
    }

    /// `credentials` is the header that is asked for; with `tls` it is itself reached by TLS.
    pub(crate) async fn asking_for(
        doing: Doing,
        credentials: Option<&'static str>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::<Mutex<Vec<Connect>>>::default();
        let shared = Arc::clone(&log);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (doing, log, tls) = (doing.clone(), Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    // The client may leave at any time.
                    let _ = match tls {
                        Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
                            Ok(stream) => serve(stream, doing, credentials, log).await,
                            Err(error) => Err(error.into()),
                        },
                        None => serve(stream, doing, credentials, log).await,
                    };
                });
            }
        });
        Self { address, log, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connects(&self) -> Vec<Connect> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    doing: Doing,
    asked: Option<&'static str>,
    log: Arc<Mutex<Vec<Connect>>>,
) -> Result<(), BoxError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let target =
        head.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix("\r\n\r\n")).ok_or("no CONNECT")?;
    let target = target.split(" HTTP/1.1\r\n").next().ok_or("no target")?.to_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    assert_eq!(header("host").as_deref(), Some(&*target), "{head}");
    let credentials = header("proxy-authorization");
    log.lock().unwrap().push(Connect { target: target.clone(), credentials: credentials.clone() });
    if asked.is_some() && credentials.as_deref() != asked {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await?;
        return Ok(());
    }
    match doing {
        Doing::Say(words) => {
            client.write_all(words.as_bytes()).await?;
            client.shutdown().await?;
        }
        Doing::Stall => std::future::pending().await,
        Doing::Tunnel => {
            let mut server = TcpStream::connect(&target).await?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            copy_bidirectional(&mut client, &mut server).await?;
        }
        Doing::Inspect(own, trusted) => {
            let server = TcpStream::connect(&target).await?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            let mut client = TlsAcceptor::from(own).accept(client).await?;
            let host = target.rsplit_once(':').map_or(&*target, |(host, _)| host);
            let name = ServerName::try_from(host.to_owned())?;
            let mut server = TlsConnector::from(trusted).connect(name, server).await?;
            copy_bidirectional(&mut client, &mut server).await?;
        }
    }
    Ok(())
}

/// An authority of a proxy's own: its PEM, and a TLS configuration with a certificate it signed for `localhost` and 127.0.0.1.
pub(crate) fn authority() -> (String, Arc<rustls::ServerConfig>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "inspecting proxy");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &ca).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
    (ca.pem(), Arc::new(config))
}
