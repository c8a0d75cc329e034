//! The README's example in Python: what it prints is what the README says.

use std::process::{Command, Stdio};

#[test]
fn the_readme_tells_what_requests_shows() {
    let found = Command::new("python3")
        .args(["-c", "import requests, ssl; print(requests.__version__, ssl.OPENSSL_VERSION_INFO[0])"])
        .output();
    let version = found.ok().filter(|output| output.status.success());
    let version = version.map(|output| String::from_utf8(output.stdout).unwrap());
    // The words are those of OpenSSL 3.
    let Some(_) = version.filter(|version| version.trim_end().ends_with(" 3")) else {
        eprintln!("left out: there is no python3 with requests over OpenSSL 3");
        return;
    };
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```python\n").unwrap();
    let (program, rest) = rest.split_once("```\n").unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    let (expected, _) = rest.split_once("```\n").unwrap();
    let output = Command::new("python3")
        .args(["-c", program])
        .env("FLAKY_TLS", env!("CARGO_BIN_EXE_flaky-tls"))
        // A proxy or a trust store of the machine's would get in between.
        .env("NO_PROXY", "*")
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(without_numbers(&printed), without_numbers(expected));
    assert!(printed.contains(
        "SSLEOFError(8, '[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol"
    ));
}

/// Without the port and the line of Python's own source.
fn without_numbers(text: &str) -> String {
    let mut text = text.to_owned();
    for mark in ["port=", "_ssl.c:"] {
        if let Some(at) = text.find(mark) {
            let from = at + mark.len();
            let digits = text[from..].bytes().take_while(u8::is_ascii_digit).count();
            text.replace_range(from..from + digits, "N");
        }
    }
    text
}
