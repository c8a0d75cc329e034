//! reqwest 0.12 and 0.13: its errors, its timeouts, and what its `connector_layer` lets be known.

use crate::common::nobody;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, StampLayer, Witness, chain};

/// A server that reads something and answers so, on every connection; then it closes, or stays silent.
async fn server(answer: &'static [u8], close: bool) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                if !close {
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    address.to_string()
}

fn tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring serves the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

macro_rules! tests {
    ($module:ident, $version:ident, $tls:ident) => {
        mod $module {
            use super::*;
            use ::$version::{Client, ClientBuilder, Error};

            fn builder() -> ClientBuilder {
                Client::builder().no_proxy().$tls(tls())
            }

            fn client() -> Client {
                builder().build().expect("a client")
            }

            fn texts(error: &Error) -> Vec<String> {
                chain(error).map(ToString::to_string).collect()
            }

            #[tokio::test]
            async fn the_request_was_not_even_made() {
                for url in ["no url at all", "http://"] {
                    let error = client().post(url).send().await.expect_err("no host");
                    assert!(error.is_builder());
                    let fault = Fault::of(&error);
                    let told = (fault.delivery, fault.healing);
                    assert_eq!(told, (Delivery::NeverSent, Healing::Permanent), "{:?}", texts(&error));
                }
            }

            #[tokio::test]
            async fn what_came_after_the_answer_is_answered() {
                let with = |answer| async move { format!("http://{}/", server(answer, true).await) };
                let url = with(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
                let response = client().post(url).send().await.expect("answered");
                let error = response.error_for_status().expect_err("502");
                assert_eq!(Fault::of(&error).delivery, Delivery::Answered, "{:?}", texts(&error));

                let url = with(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
                let response = client().post(url).send().await.expect("answered");
                let error = response.error_for_status().expect_err("404");
                assert_eq!(Fault::of(&error).delivery, Delivery::Answered, "{:?}", texts(&error));

                let url = with(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnope").await;
                let response = client().post(url).send().await.expect("answered");
                let error = response.json::<u8>().await.expect_err("not JSON");
                let fault = Fault::of(&error);
                assert_eq!(
                    (fault.phase, fault.delivery),
                    (Phase::Body, Delivery::Answered),
                    "{:?}",
                    texts(&error)
                );

                let url = with(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
                let response = client().post(url).send().await.expect("answered");
                let error = response.bytes().await.expect_err("cut");
                let fault = Fault::of(&error);
                let expected = Fault::new(Phase::Body, Delivery::Answered, Cause::Eof, Healing::Transient);
                assert_eq!(fault, expected, "{:?}", texts(&error));

                let url = with(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n").await;
                let error = client().post(url).send().await.expect_err("round and round");
                assert!(error.is_redirect());
                let fault = Fault::of(&error);
                let told = (fault.delivery, fault.healing);
                assert_eq!(told, (Delivery::Answered, Healing::Permanent), "{:?}", texts(&error));
            }

            /// reqwest says of a redirect to a URL that it can't request what it says of a call's own.
            #[tokio::test]
            async fn a_redirect_to_another_scheme_is_no_proof() {
                let answer =
                    b"HTTP/1.1 307 Temporary Redirect\r\nlocation: ftp://x/\r\ncontent-length: 0\r\n\r\n";
                let url = format!("http://{}/order", server(answer, true).await);
                let answered = client().post(url).send().await.expect_err("no such scheme");
                let own = client().post("ftp://x/").send().await.expect_err("no such scheme");
                for error in [answered, own] {
                    assert!(error.is_builder(), "{:?}", texts(&error));
                    let fault = Fault::of(&error);
                    let told = (fault.delivery, fault.healing);
                    assert_eq!(told, (Delivery::Perhaps, Healing::Permanent), "{:?}", texts(&error));
                }
            }

            #[tokio::test]
            async fn its_total_timeout_says_nothing_of_how_far_the_call_came() {
                let url = format!("http://{}/", server(b"", false).await);
                let call = client().post(url).timeout(Duration::from_millis(50));
                let error = call.send().await.expect_err("no answer");
                assert!(error.is_timeout());
                let fault = Fault::of(&error);
                let told = (fault.delivery, fault.cause, fault.healing);
                assert_eq!(
                    told,
                    (Delivery::Perhaps, Cause::Timeout, Healing::Transient),
                    "{:?}",
                    texts(&error)
                );
            }

            #[tokio::test]
            async fn its_connect_timeout_is_never_sent() {
                // TLS that nobody answers: the connection is there, the handshake stalls.
                let url = format!("https://{}/", server(b"", false).await);
                for stamped in [false, true] {
                    let mut builder = builder().connect_timeout(Duration::from_millis(50));
                    if stamped {
                        builder = builder.connector_layer(StampLayer::connector());
                    }
                    let call = builder.build().expect("a client").post(&url);
                    let error = call.send().await.expect_err("no handshake");
                    assert!(error.is_timeout());
                    let fault = Fault::of(&error);
                    let told = (fault.delivery, fault.cause, fault.healing);
                    let expected = (Delivery::NeverSent, Cause::Timeout, Healing::Transient);
                    assert_eq!(told, expected, "stamped {stamped}: {:?}", texts(&error));
                }
            }

            /// The layer fits, its mark arrives, and it decides nothing that reqwest's error did not show.
            #[tokio::test]
            async fn the_connector_layer_takes_a_stamp() {
                let stamped = builder().connector_layer(StampLayer::connector()).build().expect("a client");
                let urls = [
                    format!("http://{}/", nobody()),
                    format!("https://{}/", nobody()),
                    format!("https://{}/", server(b"", true).await),
                    format!("https://{}/", server(b"HTTP/1.1 400 plain\r\n\r\n", true).await),
                    "http://stock.invalid/".to_owned(),
                ];
                for url in urls {
                    let bare = client().post(&url).send().await.expect_err("no connection");
                    let marked = stamped.post(&url).send().await.expect_err("no connection");
                    assert!(chain(&marked).any(|link| link.is::<Mark>()), "{url}: {:?}", texts(&marked));
                    assert_eq!(Fault::of(&marked), Fault::of(&bare), "{url}: {:?}", texts(&bare));
                    assert_eq!(Fault::of(&bare).delivery, Delivery::NeverSent, "{url}: {:?}", texts(&bare));
                }
                // What goes through the layer is a type of reqwest's own: no witness can be put around it.
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                let url = format!("http://{}/", server(answer, true).await);
                let response = stamped.get(url).send().await.expect("answered");
                assert!(response.extensions().get::<Witness>().is_none());
            }

            /// Why nobody may follow redirects below a retry: the POST was answered, and what failed is the GET that
            /// reqwest made of it. Its error is true of that GET, and says nothing of the POST.
            #[tokio::test]
            async fn an_error_after_a_redirect_is_of_another_request() {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                let here = listener.local_addr().expect("an address");
                let there = nobody();
                let answer = format!("HTTP/1.1 303 See Other\r\nlocation: http://{there}/\r\n\r\n");
                tokio::spawn(async move {
                    let (mut stream, _) = listener.accept().await.expect("a connection");
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
                let error = client().post(format!("http://{here}/order")).send().await.expect_err("refused");
                assert_eq!(Fault::of(&error).delivery, Delivery::NeverSent, "{:?}", texts(&error));
                // Nor does anything in it tell the two apart: the address named is the first one.
                let named = error.url().expect("of a request").to_string();
                assert_eq!(named, format!("http://{here}/order"));
            }
        }
    };
}

tests!(over_0_12, reqwest12, use_preconfigured_tls);
tests!(over_0_13, reqwest13, tls_backend_preconfigured);
