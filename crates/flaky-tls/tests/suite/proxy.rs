//! The proxy in front of the server: what hyper-util's tunnel saw, and what both wrote down.

use std::io::ErrorKind;
use std::time::Duration;

use crate::common::client::{Saw, call, request, tcp, through};
use crate::common::{start, until};
use flaky_tls::{
    CutBy, CutPoint, End, FlakyProxy, FlakyTls, HttpVersions, ProxyPoint, ProxyScenario, Running, Scenario,
    Script, SentCredentials,
};
use http::{HeaderValue, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tokio::time::timeout;

fn tls(server: &Running) -> HttpsConnector<HttpConnector> {
    let config = server.authority().client_config().unwrap();
    HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().wrap_connector(tcp())
}

#[tokio::test]
async fn each_refusal_and_cut_shows_and_reaches_no_server() {
    let scenarios: Vec<_> = ProxyScenario::named()
        .filter(|scenario| !matches!(scenario, ProxyScenario::Tunnel | ProxyScenario::Stall(_)))
        .collect();
    for with_tls in [false, true] {
        let (server, _) = start(FlakyTls::new()).await;
        let script = Script::list(scenarios.clone(), ProxyScenario::Tunnel);
        let settings = FlakyProxy::new().with_tls(with_tls).with_script(script);
        let proxy = settings.serve(&server).await.unwrap();
        for scenario in &scenarios {
            let request = request(&server, "a", "x");
            let url = proxy.url().parse().unwrap();
            let saw = if with_tls {
                call(&through(&server, Tunnel::new(url, tls(&server))), request).await
            } else {
                call(&through(&server, Tunnel::new(url, tcp())), request).await
            };
            let context = format!("{scenario}, TLS to the proxy: {with_tls}: {}", saw.words());
            assert!(saw.is_connect() && !saw.handed_over(), "{context}");
            let words = saw.last_words();
            match *scenario {
                ProxyScenario::Answer(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                    assert_eq!(words, "tunnel error: proxy authorization required", "{context}");
                }
                ProxyScenario::Answer(_) | ProxyScenario::Garbage => {
                    assert_eq!(words, "tunnel error: unsuccessful", "{context}");
                }
                ProxyScenario::LongHead => {
                    assert_eq!(words, "tunnel error: proxy response headers too long", "{context}");
                }
                ProxyScenario::Cut { by: CutBy::Rst, .. } => {
                    assert!(is_reset(&saw), "{context}");
                }
                // Here the handshake with the server, or with the proxy, is cut.
                ProxyScenario::Cut { at: ProxyPoint::Tunnel, .. } => {
                    assert_eq!(saw.io_kind(), Some(ErrorKind::UnexpectedEof), "{context}");
                }
                ProxyScenario::Cut { at: ProxyPoint::Accept, .. } if with_tls => {
                    assert_eq!(words, "tls handshake eof", "{context}");
                }
                ProxyScenario::Cut { by: CutBy::Fin, .. } if with_tls => {
                    assert_eq!(saw.io_kind(), Some(ErrorKind::UnexpectedEof), "{context}");
                }
                _ => assert_eq!(words, "tunnel error: unexpected end of file", "{context}"),
            }
        }
        assert_eq!(server.shutdown().await.accepted(), 0);
        let records = proxy.shutdown().await;
        assert_eq!(records.len(), scenarios.len());
        for (record, scenario) in records.iter().zip(&scenarios) {
            assert_eq!(record.scenario, *scenario);
            assert!(record.carried_out, "{scenario}");
            assert!(record.upstream.is_none(), "{scenario}");
            let accept = matches!(scenario, ProxyScenario::Cut { at: ProxyPoint::Accept, .. });
            assert_eq!(record.target.is_none(), accept, "{scenario}");
            match *scenario {
                ProxyScenario::Answer(status) => assert_eq!(record.answered, Some(status)),
                ProxyScenario::Cut { .. } => assert_eq!(record.end, Some(End::Struck), "{scenario}"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn stalls_are_silent() {
    let (server, _) = start(FlakyTls::new()).await;
    for at in ProxyPoint::ALL {
        let settings = FlakyProxy::new().with_script(ProxyScenario::Stall(at));
        let proxy = settings.serve(&server).await.unwrap();
        let client = through(&server, Tunnel::new(proxy.url().parse().unwrap(), tcp()));
        let request = request(&server, "a", "x");
        let called = tokio::spawn(async move { call(&client, request).await });
        let carried_out = async {
            while !proxy.records().first().is_some_and(|record| record.carried_out) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(60), carried_out).await.expect("the stall did not begin");
        assert!(!called.is_finished(), "{at}");
        let records =
            timeout(Duration::from_secs(60), proxy.shutdown()).await.expect("a stall held the proxy");
        assert_eq!((records[0].end, records[0].carried_out), (Some(End::Shutdown), true), "{at}");
        assert!(called.await.unwrap().is_connect(), "{at}");
    }
    assert_eq!(server.shutdown().await.accepted(), 0);
}

#[tokio::test]
async fn cuts_behind_a_tunnel_show_as_they_do_without_one() {
    for http in [HttpVersions::Http1, HttpVersions::Http2] {
        let cuts: Vec<_> = Scenario::cuts().collect();
        let script = Script::list(cuts.clone(), Scenario::Healthy);
        let (server, _) = start(FlakyTls::new().with_http(http).with_script(script)).await;
        let proxy = FlakyProxy::new().serve(&server).await.unwrap();
        let client = through(&server, Tunnel::new(proxy.url().parse().unwrap(), tcp()));
        for cut in &cuts {
            let Scenario::Cut { at, by } = *cut else { unreachable!("cuts() gives cuts") };
            let id = cut.to_string();
            let saw = call(&client, request(&server, &id, "x")).await;
            let context = format!("{cut} over {http:?}: {saw:?}");
            assert_eq!(server.tally(&id).received, u64::from(at >= CutPoint::Request), "{context}");
            match at {
                CutPoint::Handshake => assert!(!matches!(saw, Saw::Answer(..)), "{context}"),
                CutPoint::Request | CutPoint::Head => {
                    assert!(saw.handed_over() && !saw.is_connect(), "{context}");
                }
                CutPoint::Body => assert!(matches!(saw, Saw::BodyError(_)), "{context}"),
                _ => assert!(saw.is_connect() && !saw.handed_over(), "{context}"),
            }
            if at < CutPoint::Body && at != CutPoint::Handshake {
                match by {
                    CutBy::Rst => assert!(is_reset(&saw), "{context}"),
                    _ => assert_ne!(saw.io_kind(), Some(ErrorKind::ConnectionReset), "{context}"),
                }
            }
        }
        let saw = call(&client, request(&server, "after", "x")).await;
        assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{saw:?}");
        drop(client);
        let truth = server.shutdown().await;
        let records = proxy.shutdown().await;
        assert_eq!((truth.accepted(), records.len()), (22, 22));
        for (record, connection) in records.iter().zip(truth.connections()) {
            assert_eq!(record.upstream, Some(connection.client));
            assert_eq!(record.target.as_deref(), Some(&*format!("localhost:{}", server_port(&records))));
            assert!(!record.carried_out);
        }
    }
}

/// Whether the connection was reset. The first to notice is told so; a write after that finds a broken pipe.
fn is_reset(saw: &Saw) -> bool {
    matches!(saw.io_kind(), Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
}

/// The port that the first client asked for.
fn server_port(records: &[flaky_tls::ProxyRecord]) -> &str {
    records[0].target.as_deref().unwrap().rsplit(':').next().unwrap()
}

#[tokio::test]
async fn credentials_are_asked_for_and_checked() {
    let (server, _) = start(FlakyTls::new()).await;
    let proxy = FlakyProxy::new().with_credentials("user", "se:cret").unwrap().serve(&server).await.unwrap();
    let url: http::Uri = proxy.url().parse().unwrap();
    // `user:se:cret`, with a scheme in any case; then another, another scheme, and none.
    let sent = [
        Some("basic dXNlcjpzZTpjcmV0"),
        Some("Basic dXNlcjpvdGhlcg=="),
        Some("Bearer dXNlcjpzZTpjcmV0"),
        None,
    ];
    for header in sent {
        let mut tunnel = Tunnel::new(url.clone(), tcp());
        if let Some(header) = header {
            tunnel = tunnel.with_auth(HeaderValue::from_static(header));
        }
        let saw = call(&through(&server, tunnel), request(&server, "a", "x")).await;
        match header {
            Some("basic dXNlcjpzZTpjcmV0") => {
                assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{saw:?}");
            }
            _ => assert_eq!(saw.last_words(), "tunnel error: proxy authorization required"),
        }
    }
    assert_eq!(server.shutdown().await.accepted(), 1);
    let records = proxy.shutdown().await;
    let found: Vec<_> = records.iter().map(|record| record.credentials).collect();
    let (right, wrong) = (SentCredentials::Right, SentCredentials::Wrong);
    assert_eq!(found, [right, wrong, wrong, SentCredentials::None]);
    assert!(!format!("{:?}", FlakyProxy::new().with_credentials("user", "secret")).contains("c2VjcmV0"));

    let error = FlakyProxy::new().with_credentials("a:b", "").unwrap_err().to_string();
    assert!(error.contains("\"a:b\""), "{error}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_a_bad_gateway() {
    let (server, _) = start(FlakyTls::new()).await;
    let proxy = FlakyProxy::new().serve(&server).await.unwrap();
    let client = through(&server, Tunnel::new(proxy.url().parse().unwrap(), tcp()));
    let request = request(&server, "a", "x");
    server.shutdown().await;
    assert_eq!(call(&client, request).await.last_words(), "tunnel error: unsuccessful");
    assert_eq!(proxy.records()[0].answered, Some(StatusCode::BAD_GATEWAY));
}

#[tokio::test]
async fn scripts_change_and_books_are_forgotten_while_it_runs() {
    let cut = Scenario::Cut { at: CutPoint::Head, by: CutBy::Rst };
    let (server, _) = start(FlakyTls::new()).await;
    let proxy = FlakyProxy::new().serve(&server).await.unwrap();
    let tunnel = || through(&server, Tunnel::new(proxy.url().parse().unwrap(), tcp()));
    assert!(matches!(call(&tunnel(), request(&server, "a", "x")).await, Saw::Answer(..)));
    server.set_script(Script::list([cut], Scenario::Healthy));
    server.reset();
    assert!(matches!(call(&tunnel(), request(&server, "b", "x")).await, Saw::Error(_)));
    assert!(matches!(call(&tunnel(), request(&server, "c", "x")).await, Saw::Answer(..)));
    proxy.set_script(ProxyScenario::Garbage);
    assert!(call(&tunnel(), request(&server, "d", "x")).await.is_connect());
    until(&server, |truth| truth.connections().iter().all(|record| record.end.is_some())).await;
    let truth = server.shutdown().await;
    assert_eq!((truth.accepted(), truth.connections().len()), (2, 2));
    assert_eq!(truth.connections()[0].scenario, cut);
    let ids: Vec<_> = truth.tallies().map(|(id, _)| id).collect();
    assert_eq!(ids, ["b", "c"]);
    assert_eq!(proxy.accepted(), 4);
}

#[test]
fn each_name_reads_back() {
    for scenario in ProxyScenario::named() {
        assert_eq!(scenario.to_string().parse(), Ok(scenario));
    }
    assert_eq!("answer-418".parse(), Ok(ProxyScenario::Answer(StatusCode::IM_A_TEAPOT)));
    for bad in ["", "healthy", "answer-200", "answer-600", "cut-body-rst", "stall"] {
        let error = bad.parse::<ProxyScenario>().unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:?}")), "{error}");
    }
}
