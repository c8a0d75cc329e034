//! Makes the errors of the table anew, from the crates they come from: every text must have one, and find its own row.

use std::collections::HashSet;
use std::error::Error;
use std::future::ready;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{CertificateError, InvalidMessage, PeerIncompatible, PeerMisbehaved};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{ServiceExt, service_fn};

use super::find;
use super::table::{Match, TABLE};
use crate::chain::chain;
use crate::reading::Reach;

#[path = "../../tests/common/peer.rs"]
mod peer;

type BoxError = Box<dyn Error + Send + Sync>;

/// Texts that no test on this machine can be sure to make, and where they come from.
const NOT_HERE: &[(&str, &str)] = &[
    ("failed to lookup address information: Temporary failure in name resolution", "no name server answers"),
    ("failed to lookup address information: Try again", "musl"),
    ("failed to lookup address information: No address associated with hostname", "a name without addresses"),
    ("failed to lookup address information: Name does not resolve", "musl"),
    ("failed to lookup address information: nodename nor servname provided", "macOS"),
    ("invalid URL, host is missing", "http's own parser makes no such URI"),
    ("https required but URI was not https", "tests/native"),
    ("unexpected EOF", "tests/native"),
    ("the SSL session has been shut down", "tests/native"),
];

fn resolver() -> Vec<BoxError> {
    // Longer than a label can be: refused without asking anybody.
    let name = "x".repeat(64);
    let error = (name.as_str(), 443).to_socket_addrs().expect_err("no such name");
    // A part of the name's end, whatever this system's resolver says of it.
    vec![error.into(), io::Error::other("failed to lookup address information: unheard of").into()]
}

async fn tokio_rustls() -> Vec<BoxError> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls()));
    let (here, there) = tokio::io::duplex(16 * 1024);
    drop(there);
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let error = match connector.connect(name.clone(), here).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => error,
        _ => {
            let (here, mut there) = tokio::io::duplex(16 * 1024);
            let hello = async move {
                there.read_exact(&mut [0; 16]).await.expect("a ClientHello");
            };
            tokio::join!(connector.connect(name, here), hello).0.expect_err("cut")
        }
    };
    vec![error.into()]
}

fn tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring serves the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// A connector to a proxy that answers so and closes.
fn proxy(
    answer: &'static [u8],
) -> impl tower::Service<
    http::Uri,
    Response = TokioIo<tokio::io::DuplexStream>,
    Error = io::Error,
    Future = std::future::Ready<io::Result<TokioIo<tokio::io::DuplexStream>>>,
> {
    service_fn(move |_: http::Uri| {
        let (here, mut there) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let _ = there.read(&mut [0; 1024]).await;
            let _ = there.write_all(answer).await;
            if !answer.is_empty() {
                // A client has more to say before it reads on.
                let _ = there.read_to_end(&mut Vec::new()).await;
            }
        });
        ready(Ok(TokioIo::new(here)))
    })
}

async fn socks(answer: &'static [u8], to: http::Uri) -> BoxError {
    let client = SocksV5::new(http::Uri::from_static("http://proxy/"), proxy(answer));
    client.with_auth("user".into(), "password".into()).oneshot(to).await.expect_err("no").into()
}

async fn tunnels() -> Vec<BoxError> {
    const LONG: &[u8] = &[b'x'; 9000];
    let uri = http::Uri::from_static("http://proxy/");
    let to = http::Uri::from_static("http://api.example/");
    let mut errors: Vec<BoxError> = Vec::new();
    for answer in [&b"HTTP/1.1 407 \r\n\r\n"[..], b"HTTP/1.1 403 \r\n\r\n", b""] {
        errors
            .push(Tunnel::new(uri.clone(), proxy(answer)).oneshot(to.clone()).await.expect_err("no").into());
    }
    let long: &'static [u8] = [b"HTTP/1.1 200 OK\r\na: ", LONG].concat().leak();
    errors.push(Tunnel::new(uri.clone(), proxy(long)).oneshot(to.clone()).await.expect_err("no").into());
    let nowhere = Tunnel::new(uri.clone(), proxy(b"")).oneshot(http::Uri::from_static("/")).await;
    errors.push(nowhere.expect_err("no").into());
    for answer in [&b""[..], b"\x05\xff", b"\x05\x00", b"\x05\x02\x01\x01", b"HTTP/1.1 400 \r\n\r\n"] {
        errors.push(socks(answer, to.clone()).await);
    }
    let long = format!("http://{}/", "x".repeat(256)).parse().expect("a URI");
    for to in [long, http::Uri::from_static("/")] {
        errors.push(socks(b"", to).await);
    }
    errors
}

async fn misuse() -> Vec<BoxError> {
    let mut errors: Vec<BoxError> = Vec::new();
    for uri in ["ftp://x/", "/"] {
        errors.push(HttpConnector::new().oneshot(http::Uri::from_static(uri)).await.expect_err("no").into());
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    errors.push(tcp.clone().oneshot(http::Uri::from_static("/")).await.expect_err("no").into());
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls()).https_only().enable_http1();
    let tls = tls.wrap_connector(tcp);
    for uri in ["http://x/", "/", "https://-/"] {
        errors.push(tls.clone().oneshot(http::Uri::from_static(uri)).await.expect_err("no"));
    }
    errors
}

fn rustls_errors() -> Vec<BoxError> {
    use rustls::{ContentType, HandshakeType};
    let errors = [
        rustls::Error::InvalidCertificate(CertificateError::Expired),
        rustls::Error::NoCertificatesPresented,
        rustls::Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
        rustls::Error::NoApplicationProtocol,
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType),
        rustls::Error::InappropriateMessage {
            expect_types: vec![ContentType::Handshake],
            got_type: ContentType::ApplicationData,
        },
        rustls::Error::InappropriateHandshakeMessage {
            expect_types: vec![HandshakeType::ServerHello],
            got_type: HandshakeType::Finished,
        },
        rustls::Error::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived),
        rustls::Error::DecryptError,
        rustls::Error::PeerSentOversizedRecord,
    ];
    errors.into_iter().map(Into::into).collect()
}

async fn h2() -> Vec<BoxError> {
    use hyper::client::conn::http2;
    use peer::*;
    let mut errors: Vec<BoxError> = Vec::new();
    let mut frames = vec![frame(4, 0, 0, &[0; 5]), frame(0, 0, 1, b"data before a head")];
    for reason in [NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED, CANCEL] {
        frames.push(reset(1, reason));
        frames.push(go_away(0, reason));
    }
    // A head without a status is malformed: an error of the stream alone.
    frames.push(frame(HEADERS, 5, 1, &[0x0f, 0x0d, 1, b'1']));
    for frames in frames {
        let (here, there) = tokio::io::duplex(64 * 1024);
        tokio::spawn(peer(there, frames, true));
        let (mut send, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(here)).await.expect("a connection");
        tokio::spawn(connection);
        let request = http::Request::post("http://x/").body(Full::new(Bytes::from_static(b"{}")));
        let error = send.send_request(request.expect("a request")).await.expect_err("refused or lost");
        errors.push(error.into());
    }
    // A body that fails: the stream is reset from this side.
    let (here, there) = tokio::io::duplex(64 * 1024);
    tokio::spawn(peer(there, Vec::new(), false));
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(here)).await.expect("a connection");
    tokio::spawn(connection);
    let body = Full::new(Bytes::from_static(b"{}"));
    let body = body.map_err(|never| -> BoxError { match never {} });
    let body = body.with_trailers(ready(Some(Err("failed".into()))));
    let request = http::Request::post("http://x/").body(body).expect("a request");
    errors.push(send.send_request(request).await.expect_err("failed").into());
    errors
}

/// A server that answers so, and then closes or stays.
async fn server(answer: &'static [u8], close: bool) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer).await;
            if !close {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        }
    });
    format!("http://{address}/")
}

macro_rules! reqwest_errors {
    ($reqwest:ident, $tls:ident) => {{
        let client = ::$reqwest::Client::builder().no_proxy().$tls(tls()).build().expect("a client");
        let mut errors: Vec<BoxError> = vec![
            client.get("no url").send().await.expect_err("no url").into(),
            client.get("http://").send().await.expect_err("no host").into(),
            client.get("urn:x").send().await.expect_err("no HTTP").into(),
        ];
        let client = ::$reqwest::Client::builder().no_proxy().$tls(tls());
        let client = client.timeout(Duration::from_secs(5)).build().expect("a client");
        let url = server(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", true).await;
        errors.push(client.get(url).send().await.expect_err("round and round").into());
        let url = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", true).await;
        errors.push(client.get(url).send().await.expect("a head").bytes().await.expect_err("cut").into());
        for answer in [&b"HTTP/1.1 404 \r\n\r\n"[..], b"HTTP/1.1 502 \r\n\r\n"] {
            let response = client.get(server(answer, true).await).send().await.expect("answered");
            errors.push(response.error_for_status().expect_err("not good").into());
        }
        let call = client.get(server(b"", false).await).timeout(Duration::from_millis(20));
        errors.push(call.send().await.expect_err("no answer").into());
        errors
    }};
}

async fn timeouts() -> Vec<BoxError> {
    let limit = Duration::from_millis(1);
    let tokio = tokio::time::timeout(limit, std::future::pending::<()>()).await.expect_err("never");
    let never = service_fn(|(): ()| std::future::pending::<Result<(), io::Error>>());
    let tower = tower::timeout::Timeout::new(never, limit).oneshot(()).await.expect_err("never");
    vec![tokio.into(), tower, tonic::TimeoutExpired(()).into()]
}

async fn buffers() -> Vec<BoxError> {
    type Never = tower::util::BoxService<(), (), io::Error>;
    let breaks = tower::util::future_service(ready(Err::<Never, _>(io::Error::other("broken"))));
    vec![tower::buffer::Buffer::new(breaks, 1).oneshot(()).await.expect_err("broken")]
}

#[tokio::test]
async fn every_text_is_made_by_the_crate_it_was_seen_in() {
    let groups = [
        resolver(),
        tokio_rustls().await,
        tunnels().await,
        rustls_errors(),
        h2().await,
        reqwest_errors!(reqwest12, use_preconfigured_tls),
        reqwest_errors!(reqwest13, tls_backend_preconfigured),
        timeouts().await,
        misuse().await,
        buffers().await,
    ];
    let made: HashSet<String> = groups
        .iter()
        .flatten()
        .flat_map(|error| chain(&**error).map(ToString::to_string).collect::<Vec<_>>())
        .collect();
    let found: HashSet<*const _> =
        made.iter().filter_map(|text| find(text, Reach::NotHandedOver)).map(std::ptr::from_ref).collect();
    for seen in TABLE {
        for known in seen.texts {
            let (Match::Is(text) | Match::Starts(text)) = known.text;
            let elsewhere = NOT_HERE.iter().any(|&(not_here, _)| not_here == text);
            let told = format!("{text:?} of {}; made were {made:#?}", seen.by);
            assert!(elsewhere || found.contains(&std::ptr::from_ref(known)), "no error says {told}");
        }
    }
    for (text, _) in NOT_HERE {
        assert!(find(text, Reach::NotHandedOver).is_some(), "{text:?} is not in the table");
    }
}
