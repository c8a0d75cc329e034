//! The fault server's ways to end a connection, over native-tls (hyper-tls) and OpenSSL (hyper-openssl).
//!
//! The texts of these libraries are the only evidence they give. Each that `wire-fault` knows of them must still be said here.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use flaky_tls::{AlertDescription, BadCertificate, CutBy, CutPoint, FlakyTls, RequestBody, Scenario, Script};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::{Layer, service_fn};
use wire_fault::{Cause, Delivery, Fault, Healing, Phase, StampLayer, WitnessLayer, chain};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Library {
    NativeTls,
    OpenSsl,
}

async fn answer(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(vec![b'x'; 4096])))
}

struct Failure {
    fault: Fault,
    texts: Vec<String>,
    received: u64,
}

async fn call<C>(connector: C, url: String, method: Method) -> Option<(Fault, Vec<String>)>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::builder().method(method).uri(url).body(Full::from("{}")).expect("a request");
    let read = |error: &(dyn std::error::Error + 'static)| {
        (Fault::of(error), chain(error).map(ToString::to_string).collect())
    };
    match client.request(request).await {
        Err(error) => Some(read(&error)),
        Ok(response) => response.into_body().collect().await.err().map(|error| read(&error)),
    }
}

async fn run(library: Library, scenario: Scenario, method: Method, witnessed: bool) -> Failure {
    let server = FlakyTls::new()
        .with_script(Script::always(scenario))
        .serve(service_fn(answer))
        .await
        .expect("a free port");
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let pem = server.authority().pem();
    let call = async {
        match library {
            Library::NativeTls => {
                let root = native_tls::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
                let tls =
                    native_tls::TlsConnector::builder().add_root_certificate(root).build().expect("TLS");
                if witnessed {
                    let tcp = StampLayer::tcp().layer(tcp);
                    let https = hyper_tls::HttpsConnector::from((tcp, tls.into()));
                    call(WitnessLayer::new().layer(https), server.url(), method).await
                } else {
                    call(hyper_tls::HttpsConnector::from((tcp, tls.into())), server.url(), method).await
                }
            }
            Library::OpenSsl => {
                use openssl::ssl::{SslConnector, SslMethod};
                let mut tls = SslConnector::builder(SslMethod::tls()).expect("TLS");
                let root = openssl::x509::X509::from_pem(pem.as_bytes()).expect("a certificate");
                tls.cert_store_mut().add_cert(root).expect("added");
                let https = hyper_openssl::client::legacy::HttpsConnector::with_connector(tcp, tls);
                let https = https.expect("a connector");
                if witnessed {
                    call(WitnessLayer::new().layer(https), server.url(), method).await
                } else {
                    call(https, server.url(), method).await
                }
            }
        }
    };
    let failure = tokio::time::timeout(Duration::from_secs(20), call).await.expect("ends");
    let received = server.shutdown().await.total().received;
    let (fault, texts) = failure.unwrap_or_else(|| panic!("{library:?}, {scenario}: did not fail"));
    Failure { fault, texts, received }
}

const BOTH: [Library; 2] = [Library::NativeTls, Library::OpenSsl];

async fn each(
    scenarios: impl Iterator<Item = Scenario> + Clone,
    check: impl Fn(Library, Scenario, &Failure) -> bool,
) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for library in BOTH {
        for scenario in scenarios.clone() {
            for (method, witnessed) in [(Method::GET, false), (Method::POST, false), (Method::POST, true)] {
                let failure = run(library, scenario, method.clone(), witnessed).await;
                let Failure { fault, texts, received } = &failure;
                let told = format!(
                    "{library:?}, {scenario}, {method}, witnessed {witnessed}, received {received}: {fault:?} of {texts:#?}"
                );
                assert!(*received == 0 || fault.may_have_landed(), "{told}");
                assert!(check(library, scenario, &failure), "{told}");
                said.extend(failure.texts);
            }
        }
    }
    said
}

#[tokio::test]
async fn cuts_before_the_request_heal() {
    let early = [CutPoint::Accept, CutPoint::ClientHello, CutPoint::ServerHello];
    let cuts =
        early.into_iter().flat_map(|at| CutBy::ALL.into_iter().map(move |by| Scenario::Cut { at, by }));
    let said = each(cuts, |_, scenario, Failure { fault, .. }| {
        // OpenSSL shows this one as a record of the wrong type, and not whether it was a farewell.
        let farewell = Scenario::Cut { at: CutPoint::ServerHello, by: CutBy::CloseNotify };
        if scenario == farewell && fault.cause == Cause::Protocol {
            return fault.phase == Phase::TlsHandshake && fault.may_repeat(false);
        }
        fault.phase == Phase::TlsHandshake
            && fault.delivery == Delivery::NeverSent
            && fault.healing == Healing::Transient
            && matches!(fault.cause, Cause::Eof | Cause::Reset | Cause::CleanClose)
            && fault.is_tls_eof()
    })
    .await;
    for text in ["unexpected EOF", "the SSL session has been shut down"] {
        assert!(said.contains(text), "nothing says {text:?}: {said:#?}");
    }
}

#[tokio::test]
async fn cuts_after_the_request_are_perhaps() {
    let late = [CutPoint::Request, CutPoint::Head];
    let cuts = late.into_iter().flat_map(|at| CutBy::ALL.into_iter().map(move |by| Scenario::Cut { at, by }));
    each(cuts, |_, _, Failure { fault, .. }| {
        fault.phase == Phase::InFlight
            && fault.delivery == Delivery::Perhaps
            && fault.healing == Healing::Transient
    })
    .await;
    let body = CutBy::ALL.into_iter().map(|by| Scenario::Cut { at: CutPoint::Body, by });
    each(body, |_, _, Failure { fault, .. }| {
        fault.phase == Phase::Body
            && fault.delivery == Delivery::Answered
            && fault.healing == Healing::Transient
    })
    .await;
}

#[tokio::test]
async fn cuts_right_after_the_handshake_heal_as_the_race_goes() {
    let cuts = CutBy::ALL.into_iter().map(|by| Scenario::Cut { at: CutPoint::Handshake, by });
    each(cuts, |_, _, Failure { fault, .. }| fault.healing == Healing::Transient).await;
}

#[tokio::test]
async fn alerts_and_certificates() {
    let alerts = [
        (AlertDescription::HandshakeFailure, Healing::Permanent),
        (AlertDescription::ProtocolVersion, Healing::Permanent),
        (AlertDescription::UnrecognisedName, Healing::Permanent),
        (AlertDescription::AccessDenied, Healing::Permanent),
        (AlertDescription::CertificateRequired, Healing::Permanent),
        (AlertDescription::DecodeError, Healing::Permanent),
        (AlertDescription::InternalError, Healing::Transient),
        (AlertDescription::UserCanceled, Healing::Transient),
    ];
    let healing = |scenario| {
        alerts.into_iter().find(|&(alert, _)| Scenario::Alert(alert) == scenario).map(|(_, healing)| healing)
    };
    each(
        alerts.into_iter().map(|(alert, _)| Scenario::Alert(alert)),
        |_, scenario, Failure { fault, .. }| {
            fault.phase == Phase::TlsHandshake
                && fault.delivery == Delivery::NeverSent
                && Some(fault.healing) == healing(scenario)
        },
    )
    .await;
    each(BadCertificate::ALL.into_iter().map(Scenario::Certificate), |_, _, Failure { fault, .. }| {
        fault.phase == Phase::TlsHandshake
            && fault.delivery == Delivery::NeverSent
            && fault.cause == Cause::Certificate
            && fault.healing == Healing::Permanent
    })
    .await;
}

#[tokio::test]
async fn a_url_that_hyper_tls_does_not_serve_is_permanent() {
    let mut https = hyper_tls::HttpsConnector::new();
    https.https_only(true);
    let called = call(https, "http://localhost:1/".to_owned(), Method::POST).await;
    let (fault, texts) = called.expect("no call over plain HTTP");
    let expected = Fault::new(Phase::Pool, Delivery::NeverSent, Cause::Other, Healing::Permanent);
    assert_eq!(fault, expected, "{texts:#?}");
    assert!(texts.iter().any(|text| text == "https required but URI was not https"), "{texts:#?}");
}
