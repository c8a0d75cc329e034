//! The binary, as a user runs it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn flaky_tls() -> Command {
    Command::new(env!("CARGO_BIN_EXE_flaky-tls"))
}

fn run(args: &[&str]) -> Output {
    flaky_tls().args(args).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn bad_arguments_give_one_line_and_status_2() {
    for (args, word) in [
        (&["--port", "65536"][..], "65535"),
        (&["--port", "-1"], "-1"),
        (&["--port"], "--port"),
        (&["--seed", "x"], "--seed"),
        (&["--mix", "healthy=0"], "healthy is 0"),
        (&["--mix", ""], "empty"),
        (&["--mix", "sick=1"], "sick"),
        (&["--scenario", "sick"], "sick"),
        (&["--scenario", "healthy", "--mix", "healthy=1"], "exclude"),
        (&["--scenario", "healthy", "--seed", "1"], "--seed"),
        (&["--tls", "1.1"], "1.1"),
        (&["--http", "3"], "3"),
        (&["--proxy", "healthy"], "healthy"),
        (&["--proxy-user", "secret"], "USER:PASSWORD"),
        (&["--ca", ""], "--ca"),
        (&["--nonsense"], "--nonsense"),
        (&["stray"], "stray"),
    ] {
        let output = run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(word), "{args:?}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{args:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_and_list_tell_what_there_is() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for option in [
        "--port",
        "--scenario",
        "--mix",
        "--seed",
        "--tls",
        "--http",
        "--proxy",
        "--proxy-tls",
        "--proxy-user",
        "--ca",
        "--list",
    ] {
        assert!(help.contains(option), "{option}");
    }
    let list = String::from_utf8(run(&["--list"]).stdout).unwrap();
    assert!(list.lines().any(|line| line == "cut-server-hello-close-notify"));
    assert!(list.lines().all(|line| line.parse::<flaky_tls::Scenario>().is_ok()));
    let list = String::from_utf8(run(&["--list-proxy"]).stdout).unwrap();
    assert!(list.lines().any(|line| line == "answer-407"));
    assert!(list.lines().all(|line| line.parse::<flaky_tls::ProxyScenario>().is_ok()));
}

#[test]
fn an_unwritable_file_is_status_1() {
    let output = run(&["--ca", "/nonexistent/ca.pem"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/nonexistent/ca.pem"));
}

/// Ends the process with the test, however that ends: an orphan would hold the test's output open.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn it_serves_and_tells_the_truth_on_a_signal() {
    let args = ["--scenario", "cut-head-close-notify", "--scenario", "healthy"];
    let mut child = Child(flaky_tls().args(args).stdout(Stdio::piped()).spawn().unwrap());
    let mut out = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(started["scenarios"], serde_json::json!(["cut-head-close-notify", "healthy"]));
    let port = u16::try_from(started["port"].as_u64().unwrap()).unwrap();
    let file = started["ca"].as_str().unwrap();
    let ca = CertificateDer::from_pem_file(file).unwrap();

    assert!(!call(port, &ca, "first").await.contains("\r\n\r\n"));
    let second = call(port, &ca, "second").await;
    assert!(second.ends_with("\r\n\r\nhello"), "{second:?}");

    assert!(
        Command::new("sh").args(["-c", &format!("kill -INT {}", child.0.id())]).status().unwrap().success()
    );
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(child.0.wait().unwrap().success());
    let truth: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(truth["requests"]["first"], serde_json::json!({ "received": 1, "answered": 0, "refused": 0 }));
    assert_eq!(
        truth["requests"]["second"],
        serde_json::json!({ "received": 1, "answered": 1, "refused": 0 })
    );
    assert_eq!(truth["connections"][0]["end"], "struck");
    assert_eq!(truth["connections"][0]["carried_out"], true);
    assert!(!std::path::Path::new(file).exists(), "the temporary file was left");
}

#[cfg(unix)]
#[tokio::test]
async fn it_is_steered_through_the_control_port() {
    let args = ["--scenario", "healthy", "--proxy", "answer-407", "--proxy-user", "u:p"];
    let mut child = Child(flaky_tls().args(args).stdout(Stdio::piped()).spawn().unwrap());
    let mut out = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(started["proxy_scenarios"], serde_json::json!(["answer-407"]));
    let port = u16::try_from(started["port"].as_u64().unwrap()).unwrap();
    let control = started["control"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let proxy = started["proxy"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let ca = CertificateDer::from_pem_file(started["ca"].as_str().unwrap()).unwrap();

    assert!(call(port, &ca, "forgotten").await.ends_with("hello"));
    for (line, body, status, part) in [
        (
            "POST /script",
            r#"{"scenarios":["cut-head-rst","healthy"]}"#,
            200,
            r#""scenarios":["cut-head-rst","healthy"]"#,
        ),
        ("POST /reset", "", 200, "true"),
        ("POST /script", r#"{"scenarios":["sick"]}"#, 400, "sick"),
        ("POST /script", r#"{"scenarios":[]}"#, 400, "at least one"),
        ("POST /script", r#"{"mix":"healthy=0"}"#, 400, "healthy is 0"),
        ("POST /script", r#"{"mix":"healthy=1","seed":-1}"#, 400, "seed"),
        ("POST /script", r#"{"scenarios":["healthy"],"seed":1}"#, 400, "seed"),
        ("POST /script", r#"{"scenarios":["healthy"],"proxy":["sick"]}"#, 400, "sick"),
        ("POST /script", r#"{"script":[]}"#, 400, "script"),
        ("POST /script", "{}", 400, "nothing"),
        ("POST /script", "[]", 400, "object"),
        ("POST /script", "{", 400, "EOF"),
        ("GET /script", "", 405, "POST /script"),
        ("GET /", "", 404, "/truth"),
    ] {
        let answer = plain(&control, line, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{line} {body}: {answer}");
        assert!(answer.contains(part), "{line} {body}: {answer}");
    }
    // The refused ones have changed nothing.
    assert!(tried(port, &ca, "cut").await.is_err());
    assert!(call(port, &ca, "kept").await.ends_with("hello"));
    assert!(plain(&proxy, "CONNECT x:1", "").await.starts_with("HTTP/1.1 407"));
    let answer = plain(&control, "POST /script", r#"{"mix":"healthy=1","seed":7,"proxy":["garbage"]}"#).await;
    assert!(answer.contains(r#""seed":7"#) && answer.contains(r#""garbage""#), "{answer}");
    assert!(plain(&proxy, "CONNECT x:1", "").await.starts_with("220 "));

    let answer = plain(&control, "GET /truth", "").await;
    let truth: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(truth["requests"]["forgotten"], Value::Null);
    assert_eq!(
        (&truth["requests"]["cut"]["received"], &truth["requests"]["kept"]["answered"]),
        (&1.into(), &1.into())
    );
    assert_eq!(truth["connections"][0]["scenario"], "cut-head-rst");
    assert_eq!(
        (&truth["proxy"][0]["answered"], &truth["proxy"][1]["scenario"]),
        (&407.into(), &"garbage".into())
    );
    assert_eq!(
        (&truth["proxy"][0]["target"], &truth["proxy"][0]["credentials"]),
        (&"x:1".into(), &"none".into())
    );

    assert!(Command::new("kill").args(["-TERM", &child.0.id().to_string()]).status().unwrap().success());
    assert!(child.0.wait().unwrap().success());
}

/// One request over plain TCP, and all that comes back.
async fn plain(address: &str, line: &str, body: &str) -> String {
    let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request =
        format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn call(port: u16, ca: &CertificateDer<'static>, id: &str) -> String {
    tried(port, ca, id).await.unwrap()
}

async fn tried(port: u16, ca: &CertificateDer<'static>, id: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut tls = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nx-request-id: {id}\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
    );
    tls.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await?;
    Ok(answer)
}
