//! Proxies that refuse, talk nonsense or go away, over loopback: hyper-util's own tunnel and SOCKS, and ours.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::Layer;
use wire_fault::{
    Cause, Delivery, Fault, Healing, Phase, ProxyRefused, ProxyTunnel, StampLayer, WitnessLayer, chain,
};

/// How a proxy answers.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Says(&'static [u8]),
    Reset,
}

/// A proxy that answers every connection in this way and closes it.
async fn proxy(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await?;
            let _ = stream.read(&mut [0; 1024]).await?;
            match answer {
                Answer::Says(bytes) => {
                    // In two pieces, that the status may come torn.
                    let (first, second) = bytes.split_at(bytes.len() / 3);
                    stream.write_all(first).await?;
                    stream.flush().await?;
                    tokio::task::yield_now().await;
                    stream.write_all(second).await?;
                    stream.shutdown().await?;
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
                // A RST, when it is dropped.
                Answer::Reset => stream.set_zero_linger()?,
            }
        }
        #[expect(unreachable_code, reason = "names the type of the errors")]
        Ok::<_, std::io::Error>(())
    });
    address
}

fn uri(address: SocketAddr) -> http::Uri {
    format!("http://{address}").parse().expect("a uri")
}

macro_rules! error_of {
    ($connector:expr) => {{
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build($connector);
        client.get(http::Uri::from_static("http://api.example/")).await.expect_err("no tunnel")
    }};
}

const CASES: [(Answer, Option<u16>, Cause, Healing, Healing); 9] = {
    use Answer::{Reset, Says};
    use Healing::{Permanent, Transient, Unknown};
    [
        (Says(b"HTTP/1.1 407 Who are you\r\n\r\n"), Some(407), Cause::Proxy, Permanent, Permanent),
        (Says(b"HTTP/1.1 403 Forbidden\r\n\r\n"), Some(403), Cause::Proxy, Unknown, Permanent),
        (Says(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), Some(502), Cause::Proxy, Unknown, Transient),
        (Says(b"HTTP/1.0 503 Busy\r\n\r\n"), Some(503), Cause::Proxy, Unknown, Transient),
        (Says(b"HTTP/1.1 429 Slower\r\n\r\n"), Some(429), Cause::Proxy, Unknown, Transient),
        (Says(b"HTTP/1.1 302 Elsewhere\r\n\r\n"), Some(302), Cause::Proxy, Unknown, Unknown),
        (Says(b"SSH-2.0-OpenSSH_9.2 not a proxy\r\n\r\n"), None, Cause::Proxy, Unknown, Unknown),
        (Says(b""), None, Cause::Eof, Transient, Transient),
        (Reset, None, Cause::Reset, Transient, Transient),
    ]
};

#[tokio::test]
async fn a_tunnel_refused() {
    for (answer, status, cause, by_text, by_status) in CASES {
        let address = proxy(answer).await;
        let error = error_of!(Tunnel::new(uri(address), HttpConnector::new()));
        let texts: Vec<_> = chain(&error).map(ToString::to_string).collect();
        let fault = |healing| Fault::new(Phase::Proxy, Delivery::NeverSent, cause, healing);
        assert_eq!(Fault::of(&error), fault(by_text), "{answer:?}: {texts:?}");

        // The status is the only difference that ours makes, and it only sharpens.
        let ours = || ProxyTunnel::new(uri(address), HttpConnector::new()).expect("a host");
        let error = error_of!(ours());
        let expected = fault(by_status);
        assert_eq!(Fault::of(&error), expected, "{answer:?}: {error:?}");
        assert_eq!(ProxyRefused::of(&error).map(|refused| refused.status().as_u16()), status, "{answer:?}");

        let error = error_of!(WitnessLayer::new().layer(ours()));
        assert_eq!(Fault::of(&error), expected, "{answer:?}, through a witness");
        let error = error_of!(StampLayer::proxy().layer(Tunnel::new(uri(address), HttpConnector::new())));
        assert_eq!(Fault::of(&error), fault(by_text), "{answer:?}, stamped");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there() {
    let address = crate::common::nobody();
    let expected =
        Fault::new(Phase::Proxy, Delivery::NeverSent, Cause::ConnectionRefused, Healing::Transient);
    let error = error_of!(Tunnel::new(uri(address), HttpConnector::new()));
    assert_eq!(Fault::of(&error), expected, "{error:?}");
    let error = error_of!(ProxyTunnel::new(uri(address), HttpConnector::new()).expect("a host"));
    assert_eq!(Fault::of(&error), expected, "{error:?}");
    // hyper-util's SOCKS errors name no cause.
    let error = error_of!(SocksV5::new(uri(address), HttpConnector::new()));
    let expected = Fault::new(Phase::Proxy, Delivery::NeverSent, Cause::Proxy, Healing::Unknown);
    assert_eq!(Fault::of(&error), expected, "{error:?}");
}

#[tokio::test]
async fn a_tunnel_that_opens_carries_the_call() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut heard = Vec::new();
        for answer in [&b"HTTP/1.1 200 Open\r\n\r\n"[..], b"HTTP/1.1 204 Done\r\n\r\n"] {
            let from = heard.len();
            while !heard[from..].ends_with(b"\r\n\r\n") {
                heard.push(stream.read_u8().await.expect("a head"));
            }
            stream.write_all(answer).await.expect("written");
        }
        String::from_utf8(heard).expect("text")
    });
    let tunnel = ProxyTunnel::new(uri(address), HttpConnector::new())
        .expect("a host")
        .with_auth(http::HeaderValue::from_static("Basic c2VjcmV0"));
    assert!(!format!("{tunnel:?}").contains("c2VjcmV0"));
    let client: Client<_, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(WitnessLayer::new().layer(tunnel));
    let response = client.get(http::Uri::from_static("http://api.example/me")).await.expect("answered");
    assert_eq!(response.status(), 204);
    let heard = heard.await.expect("no panic");
    assert!(heard.starts_with("CONNECT api.example:443 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("proxy-authorization: Basic c2VjcmV0"), "{heard}");
    assert!(heard.contains("GET /me HTTP/1.1\r\n"), "{heard}");
}

#[tokio::test]
async fn socks() {
    use Healing::{Permanent, Transient, Unknown};
    for (answer, cause, healing) in [
        (Answer::Says(b"\x05\xff"), Cause::Proxy, Permanent),
        (Answer::Says(b"HTTP/1.1 400 not SOCKS\r\n\r\n"), Cause::Proxy, Unknown),
        (Answer::Reset, Cause::Proxy, Transient),
    ] {
        let error = error_of!(SocksV5::new(uri(proxy(answer).await), HttpConnector::new()));
        let fault = Fault::of(&error);
        let texts: Vec<_> = chain(&error).map(ToString::to_string).collect();
        assert_eq!(
            (fault.phase, fault.delivery),
            (Phase::Proxy, Delivery::NeverSent),
            "{answer:?}: {texts:?}"
        );
        assert_eq!((fault.cause, fault.healing), (cause, healing), "{answer:?}: {texts:?}");
    }
}

#[test]
fn a_proxy_needs_a_host() {
    let error =
        ProxyTunnel::new("/no/host".parse().expect("a uri"), HttpConnector::new()).expect_err("no host");
    assert_eq!(
        error.to_string(),
        "no proxy at \"/no/host\": it must name a host, as in http://proxy.example:3128"
    );
}
