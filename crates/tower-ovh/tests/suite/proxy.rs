//! Real proxies on loopback: without and with credentials, refusing, broken, inspecting TLS, named by the environment.

use crate::common;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Connect, Doing, get, ok, post, trusting};
use flaky_tls::FlakyTls;
use http::StatusCode;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_ovh::{Connector, OvhStack, Proxy, ProxyError, Roots};
use wire_fault::{Cause, Delivery, Fault, Healing, Phase};

/// RFC 7617, section 2.
const ALADDIN: &str = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";

async fn server() -> flaky_tls::Running {
    FlakyTls::new().serve(service_fn(ok)).await.unwrap()
}

#[tokio::test]
async fn calls_go_through_the_tunnel() {
    let (server, proxy) = (server().await, common::Proxy::new(Doing::Tunnel).await);
    let client = trusting(&server).with_proxy(Proxy::new(proxy.url()).unwrap()).client();
    for _ in 0..2 {
        let response = client.request(get(format!("https://localhost:{}/", server.port()))).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    // The name goes to the proxy unresolved, and the second call uses the tunnel again once the first is back in the pool.
    let connects = proxy.connects();
    let expected = Connect { target: format!("localhost:{}", server.port()), credentials: None };
    assert!(connects.iter().all(|connect| *connect == expected), "{connects:?}");
    assert_eq!(server.shutdown().await.total().answered, 2);
}

#[tokio::test]
async fn credentials_are_sent_where_they_are_asked_for() {
    let server = server().await;
    let proxy = common::Proxy::asking_for(Doing::Tunnel, Some(ALADDIN), None).await;
    let open = Proxy::new(proxy.url()).unwrap();

    let given = open.clone().with_credentials("Aladdin", "open sesame").unwrap();
    let in_url = Proxy::new(proxy.url().replace("http://", "http://Aladdin:open%20sesame@")).unwrap();
    for proxy in [given, in_url] {
        let response = trusting(&server).with_proxy(proxy).client().request(get(server.url())).await.unwrap();
        assert_eq!(response.status(), 200);
    }

    for proxy in [open.clone(), open.with_credentials("Aladdin", "s3cret").unwrap()] {
        let connector = trusting(&server).with_proxy(proxy);
        let error = connector.client().request(get(server.url())).await.unwrap_err();
        let refused = ProxyError::of(&error).unwrap();
        assert_eq!(refused.status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
        assert!(refused.to_string().starts_with("the proxy 127.0.0.1:"), "{refused}");
        assert!(refused.to_string().contains("407 Proxy Authentication Required"), "{refused}");
        let fault = Fault::of(&error);
        assert_eq!(fault, Fault::new(Phase::Proxy, Delivery::NeverSent, Cause::Proxy, Healing::Permanent));
        let shown = format!("{error:?} {error} {connector:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("Aladdin"), "{shown}");
    }
    assert_eq!(server.shutdown().await.total().received, 2);
}

#[tokio::test]
async fn what_a_proxy_says_instead_is_told_and_weighed() {
    let server = server().await;
    let refusal = |status: u16, healing| (Some(status), Cause::Proxy, healing);
    for (words, (status, cause, healing)) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\npolicy", refusal(403, Healing::Permanent)),
        (
            "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
            refusal(302, Healing::Permanent),
        ),
        ("HTTP/1.0 502 Bad Gateway\r\n\r\n", refusal(502, Healing::Transient)),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", refusal(503, Healing::Transient)),
        ("HTTP/1.1 504 Gateway Timeout\r\n\r\n", refusal(504, Healing::Transient)),
        ("220 smtp.example ESMTP\r\n", (None, Cause::Protocol, Healing::Permanent)),
        ("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH", (None, Cause::Protocol, Healing::Permanent)),
        ("HTTP/1.1 200", (None, Cause::CleanClose, Healing::Transient)),
        ("", (None, Cause::CleanClose, Healing::Transient)),
    ] {
        let proxy = common::Proxy::new(Doing::Say(words)).await;
        let client = trusting(&server).with_proxy(Proxy::new(proxy.url()).unwrap()).client();
        let error = client.request(post(server.url())).await.unwrap_err();
        let told = ProxyError::of(&error).unwrap_or_else(|| panic!("{words:?}: {error:?}"));
        assert_eq!(told.status().map(|status| status.as_u16()), status, "{words:?}");
        assert_eq!(told.proxy(), proxy.address.to_string());
        let expected = Fault::new(Phase::Proxy, Delivery::NeverSent, cause, healing);
        assert_eq!(Fault::of(&error), expected, "{words:?}: {error:?}");
    }
    assert_eq!(server.shutdown().await.accepted(), 0);
}

#[tokio::test]
async fn a_proxy_that_is_not_there() {
    let server = server().await;
    // A port that is taken and does not listen.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", taken.local_addr().unwrap());
    let client = trusting(&server).with_proxy(Proxy::new(&url).unwrap()).client();
    let error = client.request(post(server.url())).await.unwrap_err();
    assert!(ProxyError::of(&error).unwrap().to_string().ends_with("can't be reached"));
    let fault = Fault::of(&error);
    assert_eq!(
        (fault.phase, fault.delivery, fault.healing),
        (Phase::Proxy, Delivery::NeverSent, Healing::Transient)
    );
}

/// The clock is paused, so it jumps to the limit once nobody has anything left to do.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_nothing_has_the_time_of_a_connection() {
    let server = server().await;
    let proxy = common::Proxy::new(Doing::Stall).await;
    let connector = trusting(&server).with_proxy(Proxy::new(proxy.url()).unwrap());
    let client = connector.with_connect_timeout(Duration::from_secs(7)).unwrap().client();
    let error = client.request(post(server.url())).await.unwrap_err();
    let fault = Fault::of(&error);
    assert_eq!((fault.delivery, fault.cause), (Delivery::NeverSent, Cause::Timeout), "{error:?}");
    assert!(fault.may_repeat(false));
}

/// Even a POST is repeated after a refusal that passes, and none after one that stays.
#[tokio::test]
async fn the_retry_goes_by_the_proxys_status() {
    let server = server().await;
    for (words, attempts) in [("HTTP/1.1 503 x\r\n\r\n", 3), ("HTTP/1.1 403 x\r\n\r\n", 1)] {
        let proxy = common::Proxy::new(Doing::Say(words)).await;
        let client = trusting(&server).with_proxy(Proxy::new(proxy.url()).unwrap()).client();
        let stack = OvhStack::new().with_retry(common::quick_retry());
        let ovh = stack.layer().over_hyper_util().layer(client);
        let error = ovh.oneshot(post(server.url())).await.unwrap_err();
        assert!(ProxyError::of(&*error).is_some(), "{error:?}");
        assert_eq!(proxy.connects().len(), attempts, "{words}");
    }
}

#[tokio::test]
async fn exceptions_go_direct() {
    let (server, proxy) = (server().await, common::Proxy::new(Doing::Say("HTTP/1.1 403 x\r\n\r\n")).await);
    let (by_name, by_address) = (format!("https://localhost:{}/", server.port()), server.url());
    for (rules, url, direct) in [
        ("localhost", &by_name, true),
        ("LOCALHOST", &by_name, true),
        ("*", &by_name, true),
        ("127.0.0.0/8", &by_name, false),
        ("host", &by_name, false),
        ("localhost", &by_address, false),
        ("127.0.0.1", &by_address, true),
        ("10.0.0.0/8, 127.0.0.0/8", &by_address, true),
        ("*", &by_address, true),
    ] {
        let through = Proxy::new(proxy.url()).unwrap().with_no_proxy(rules);
        let result = trusting(&server).with_proxy(through).client().request(get(url)).await;
        assert_eq!(result.is_ok(), direct, "{rules} {url}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_itself_reached_by_tls() {
    let server = server().await;
    let (pem, config) = common::authority();
    let proxy = common::Proxy::asking_for(Doing::Tunnel, Some(ALADDIN), Some(config)).await;
    let url = format!("https://Aladdin:open%20sesame@localhost:{}", proxy.address.port());
    let roots = Roots::none().with_pem(server.authority().pem()).unwrap();

    let connector = Connector::trusting(roots.clone()).unwrap().with_proxy(Proxy::new(&url).unwrap());
    let error = connector.client().request(get(server.url())).await.unwrap_err();
    let fault = Fault::of(&error);
    assert_eq!(
        (fault.phase, fault.cause, fault.healing),
        (Phase::Proxy, Cause::Certificate, Healing::Permanent)
    );

    let connector = Connector::trusting(roots.with_pem(pem).unwrap()).unwrap();
    let client = connector.with_proxy(Proxy::new(&url).unwrap()).client();
    assert_eq!(client.request(get(server.url())).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_proxy_that_inspects_tls_is_a_certificate_fault_until_its_authority_is_trusted() {
    let server = server().await;
    let (pem, own) = common::authority();
    let trusted = Arc::new(server.authority().client_config().unwrap());
    let proxy = common::Proxy::new(Doing::Inspect(own, trusted)).await;
    let roots = Roots::none().with_pem(server.authority().pem()).unwrap();

    let connector = Connector::trusting(roots.clone()).unwrap().with_proxy(Proxy::new(proxy.url()).unwrap());
    let error = connector.client().request(post(server.url())).await.unwrap_err();
    let expected =
        Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Certificate, Healing::Permanent);
    assert_eq!(Fault::of(&error), expected, "{error:?}");
    assert_eq!(
        Fault::of(&error).to_string(),
        "TLS handshake failed: a certificate was not accepted; the request was never sent"
    );

    let file = std::env::temp_dir().join(format!("tower-ovh-{}.pem", std::process::id()));
    std::fs::write(&file, pem).unwrap();
    let roots = roots.with_pem_file(&file);
    std::fs::remove_file(&file).unwrap();
    let connector = Connector::trusting(roots.unwrap()).unwrap().with_proxy(Proxy::new(proxy.url()).unwrap());
    assert_eq!(connector.client().request(post(server.url())).await.unwrap().status(), 200);
    assert_eq!(server.shutdown().await.total().received, 1);
}

/// Run by the test below, with the environment that it is about.
#[test]
#[ignore = "a part of `the_environment_is_read`"]
fn environment() {
    match Proxy::from_env() {
        Ok(proxy) => println!("applies: {} {proxy:?}", proxy.applies_to("eu.api.ovh.com")),
        Err(error) => println!("refused: {error}"),
    }
}

#[test]
fn the_environment_is_read() {
    let run = |variables: &[(&str, &str)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "proxy::environment", "--nocapture"])
            .env_clear()
            .envs(variables.iter().copied());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(run(&[]).contains("applies: false Proxy(none)"));
    let out = run(&[("HTTPS_PROXY", "http://user:s3cret@proxy:3128"), ("NO_PROXY", "internal")]);
    assert!(
        out.contains("applies: true") && out.contains("…@proxy:3128") && !out.contains("s3cret"),
        "{out}"
    );
    assert!(run(&[("all_proxy", "proxy:3128"), ("no_proxy", ".ovh.com")]).contains("applies: false"));
    assert!(
        run(&[("ALL_PROXY", "socks5://proxy:1080")]).contains("refused: ALL_PROXY: `socks5://proxy:1080`")
    );
}
