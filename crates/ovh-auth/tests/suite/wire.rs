//! What really goes over the wire: any URL, query and body, through hyper to a socket, checked by a verifier that was
//! written from the specification and shares no code with the signer.

use crate::common::{AK, CK, expected_signature, keys};
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ovh_auth::{Endpoint, ServerClock, Sign, SignLayer};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::{Layer, Service, ServiceExt};

type Body = Full<Bytes>;

const NOW: u64 = 1_457_018_875;

/// One request, to the byte.
#[derive(Debug)]
struct Wire {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Wire {
    fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = &found.next().unwrap_or_else(|| panic!("no {name}")).1;
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    /// Whether the signature is that of what came.
    fn verifies(&self) -> bool {
        let url = format!("http://{}{}", self.header("host"), self.target);
        let timestamp = self.header("x-ovh-timestamp");
        let expected = expected_signature(&self.method, &url, &self.body, timestamp);
        (self.header("x-ovh-application"), self.header("x-ovh-consumer")) == (AK, CK)
            && self.header("x-ovh-signature") == expected
    }
}

/// Reads HTTP/1.1 by hand, so that nothing between socket and verifier can tidy it up.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Wire> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await.unwrap() == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line: Vec<_> = lines.next().unwrap().split(' ').collect();
    let [method, target, "HTTP/1.1"] = line[..] else { panic!("request line {line:?}") };
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    while buffer.len() < length {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "cut");
    }
    let body = buffer.drain(..length).collect();
    Some(Wire { method: method.to_owned(), target: target.to_owned(), headers, body })
}

async fn serve(listener: TcpListener, seen: mpsc::UnboundedSender<Wire>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let seen = seen.clone();
        tokio::spawn(async move {
            let mut buffer = Vec::new();
            while let Some(wire) = read(&mut stream, &mut buffer).await {
                let body =
                    if wire.target.ends_with("/auth/time") { NOW.to_string() } else { "ok".to_owned() };
                let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(response.as_bytes()).await.unwrap();
                seen.send(wire).unwrap();
            }
        });
    }
}

struct Loopback {
    runtime: tokio::runtime::Runtime,
    endpoint: Endpoint,
    service: Sign<Client<HttpConnector, Body>>,
    seen: mpsc::UnboundedReceiver<Wire>,
}

impl Loopback {
    fn new(base_path: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, mut seen) = mpsc::unbounded_channel();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, sender));

        let endpoint: Endpoint = format!("http://{address}{base_path}").parse().unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let clock = ServerClock::new(&endpoint, client.clone());
        runtime.block_on(clock.now()).unwrap();
        assert_eq!(runtime.block_on(seen.recv()).unwrap().target, format!("{base_path}/auth/time"));
        let service = SignLayer::new(endpoint.clone(), keys(), clock).layer(client);
        Self { runtime, endpoint, service, seen }
    }

    fn send(&mut self, method: &str, url: Uri, body: &str) -> Wire {
        let mut request = Request::new(Full::from(body.to_owned()));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = url;
        let Self { runtime, service, seen, .. } = self;
        runtime.block_on(async {
            let response = service.ready().await.unwrap().call(request).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
            seen.recv().await.unwrap()
        })
    }
}

/// What a path or a query may be made of, awkward things first: what others normalise, escape, fold or drop.
fn pieces(others: &'static str) -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(vec![
        "", ".", "..", "/", "//", "%2F", "%2f", "%7E", "%C3%BC", "%", "+", "%20", "~", "é", "日本", "\u{7f}",
        "{}", "\"", "|", "'", "*", "!", ";", ":", "@", "=", "&", ",", "$", "[]", "\\", "^", "A", "a",
    ]);
    let plain = proptest::string::string_regex("[a-zA-Z0-9._-]{1,8}").unwrap();
    let piece = prop_oneof![2 => awkward.prop_map(str::to_owned), 1 => plain, 1 => Just(others.to_owned())];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn path_and_query() -> impl Strategy<Value = String> {
    let version = prop::sample::select(vec!["/x/", "/v1/x/", "/v2/x/", "/"]);
    (version, pieces("/"), prop::option::of(pieces("?a=1&a=2&b"))).prop_map(|(version, path, query)| {
        match query {
            Some(query) => format!("{version}{path}?{query}"),
            None => format!("{version}{path}"),
        }
    })
}

#[test]
fn any_url_query_and_body_verifies_and_the_url_is_untouched() {
    let mut bases = [Loopback::new("/1.0"), Loopback::new(""), Loopback::new("/a/b")];
    let strategy = (
        0..bases.len(),
        prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD-LIKE"]),
        path_and_query(),
        any::<String>(),
    );
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let (mut sent, mut refused) = (0, 0);
    let cell = std::cell::RefCell::new((&mut bases, &mut sent, &mut refused));
    runner
        .run(&strategy, |(base, method, path, body)| {
            let mut cell = cell.borrow_mut();
            let (bases, sent, refused) = &mut *cell;
            let loopback = &mut bases[base];
            // Characters that no URL can have are the caller's to escape, and are refused, not escaped.
            let Ok(url) = loopback.endpoint.url(&path) else {
                **refused += 1;
                return Ok(());
            };
            **sent += 1;
            let wire = loopback.send(method, url, &body);
            let prefix = match base {
                0 if path.starts_with("/v1/") || path.starts_with("/v2/") => "",
                0 => "/1.0",
                1 => "",
                _ => "/a/b",
            };
            prop_assert_eq!(&wire.target, &format!("{prefix}{path}"));
            prop_assert_eq!(&wire.method, method);
            prop_assert_eq!(&wire.body, body.as_bytes());
            prop_assert!(wire.verifies());

            // The verifier would see a change of any of the five.
            let spoilt = [
                Wire {
                    body: [&wire.body[..], b" "].concat(),
                    headers: wire.headers.clone(),
                    method: wire.method.clone(),
                    target: wire.target.clone(),
                },
                Wire {
                    body: wire.body.clone(),
                    headers: wire.headers.clone(),
                    method: "GETX".into(),
                    target: wire.target.clone(),
                },
                Wire {
                    body: wire.body.clone(),
                    headers: wire.headers.clone(),
                    method: wire.method.clone(),
                    target: format!("{}&", wire.target),
                },
            ];
            prop_assert!(!spoilt.iter().any(Wire::verifies));
            Ok(())
        })
        .unwrap();
    assert!(sent > 200 && refused > 0, "{sent} sent, {refused} refused");
}

#[test]
fn the_headers_go_out_as_the_specification_names_them() {
    let mut loopback = Loopback::new("/1.0");
    let url = loopback.endpoint.url("/auth/currentCredential").unwrap();
    let wire = loopback.send("GET", url, "");
    let lag = wire.header("x-ovh-timestamp").parse::<u64>().unwrap() - NOW;
    assert!(lag < 60, "{lag}");
    let mut names: Vec<_> = wire.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["host", "x-ovh-application", "x-ovh-consumer", "x-ovh-signature", "x-ovh-timestamp"]);
    assert!(wire.verifies());
}
