//! One verdict, whatever features are on: what is read of the errors of rustls and h2, where they can stand, held against one
//! list. It is run with all features, with the default ones and with none, and the list is the same.

use std::fmt::Write;
use std::io;

use crate::common::peer::{go_away, head, peer, reset};
use crate::common::{Duplex, FailsAfter};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{AlertDescription, CertificateError, Error as Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::service_fn;
use wire_fault::Fault;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn post(uri: &str) -> http::Request<Full<Bytes>> {
    let body = Full::new(Bytes::from_static(b"{}"));
    http::Request::post(uri).header("host", "x").body(body).expect("a request")
}

/// The errors of rustls: every alert that has a name, and one of each other kind.
fn tls() -> Vec<Tls> {
    let named = |number: &u8| !format!("{:?}", AlertDescription::from(*number)).contains("(0x");
    let alerts = (0..=255).filter(named).map(|number| Tls::AlertReceived(number.into()));
    let others = [
        Tls::InvalidCertificate(CertificateError::Expired),
        Tls::InvalidCertificate(CertificateError::NotValidForName),
        Tls::NoCertificatesPresented,
        Tls::NoApplicationProtocol,
        Tls::PeerIncompatible(rustls::PeerIncompatible::NoCipherSuitesInCommon),
        Tls::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
        Tls::PeerMisbehaved(rustls::PeerMisbehaved::TooMuchEarlyDataReceived),
        Tls::DecryptError,
        Tls::PeerSentOversizedRecord,
    ];
    alerts.chain(others).collect()
}

fn carried(error: &Tls) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.clone())
}

/// Of a connector.
async fn connecting(error: &Tls) -> BoxError {
    let error = error.clone();
    let connector = service_fn(move |_: http::Uri| std::future::ready(Err::<Duplex, _>(carried(&error))));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    client.request(post("http://x/")).await.expect_err("no connection").into()
}

/// Of a connection that had the request, and after so many bytes of the answer.
async fn in_use(error: &Tls, bytes: usize) -> BoxError {
    let (here, mut there) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let _ = there.read(&mut [0; 1024]).await;
        let _ = there.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
        std::future::pending::<()>().await;
    });
    let io = FailsAfter::new(here, bytes, carried(error));
    let (mut send, connection) = http1::handshake(io).await.expect("a connection");
    tokio::spawn(connection);
    match send.send_request(post("/")).await {
        Err(error) => error.into(),
        Ok(response) => response.into_body().collect().await.expect_err("cut").into(),
    }
}

/// Of HTTP/2: over hyper itself, and over hyper-util.
async fn framed(frames: Vec<u8>) -> [BoxError; 2] {
    let (here, there) = tokio::io::duplex(64 * 1024);
    tokio::spawn(peer(there, frames.clone(), true));
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(here)).await.expect("a connection");
    tokio::spawn(connection);
    let raw = match send.send_request(post("http://x/")).await {
        Err(error) => error,
        Ok(response) => response.into_body().collect().await.expect_err("cut"),
    };
    let connector = service_fn(move |_: http::Uri| {
        let (here, there) = tokio::io::duplex(64 * 1024);
        tokio::spawn(peer(there, frames.clone(), true));
        std::future::ready(Ok::<_, io::Error>(Duplex::new(here)))
    });
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    let pooled: BoxError = match client.request(post("http://x/")).await {
        Err(error) => error.into(),
        Ok(response) => response.into_body().collect().await.expect_err("cut").into(),
    };
    [raw.into(), pooled]
}

#[tokio::test]
async fn the_same_with_every_feature_and_with_none() {
    let mut list = String::new();
    let mut tell = |name: String, error: BoxError| {
        let Fault { phase, delivery, cause, healing, .. } = Fault::of(&*error);
        writeln!(list, "{name}: {phase:?} {delivery:?} {cause:?} {healing:?}").expect("a string takes it");
    };
    for error in tls() {
        tell(format!("{error}; alone"), error.clone().into());
        tell(format!("{error}; carried"), carried(&error).into());
        tell(format!("{error}; connecting"), connecting(&error).await);
        tell(format!("{error}; in flight"), in_use(&error, 4).await);
        tell(format!("{error}; in the body"), in_use(&error, 43).await);
    }
    for reason in 0..=14 {
        let plays = [
            ("RST_STREAM", reset(1, reason)),
            ("GOAWAY below", go_away(0, reason)),
            ("GOAWAY covering", go_away(1, reason)),
            // hyper ends the body in order where the reason is 0.
            ("RST_STREAM in the body", [head(1), reset(1, reason.max(1))].concat()),
        ];
        for (name, frames) in plays {
            let [raw, pooled] = framed(frames).await;
            tell(format!("{name} {reason}; hyper"), raw);
            tell(format!("{name} {reason}; hyper-util"), pooled);
        }
    }
    let known = include_str!("verdicts.txt");
    for (line, known) in list.lines().zip(known.lines()) {
        assert_eq!(line, known);
    }
    assert_eq!(list.lines().count(), known.lines().count(), "all of it:\n{list}");
}
