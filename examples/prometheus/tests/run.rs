//! Runs the example as its users do, and tries its reader on what is no exposition.

use std::path::PathBuf;
use std::process::{Command, Output};

use prometheus_example::Exposition;

/// The example's binary, which cargo builds before it runs the package's tests.
fn run(args: &[&str]) -> Output {
    let test = std::env::current_exe().expect("a test has a path");
    // target/PROFILE/deps/run-HASH, beside target/PROFILE/examples/prometheus.
    let profile = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let name = format!("prometheus{}", std::env::consts::EXE_SUFFIX);
    let binary: PathBuf = [profile, "examples".as_ref(), name.as_ref()].iter().collect();
    assert!(binary.exists(), "{binary:?} is missing: `cargo test -p prometheus-example` builds it");
    Command::new(binary).args(args).output().expect("it starts")
}

#[test]
fn what_is_exported_is_what_the_servers_know() {
    let output = run(&["--seconds", "2"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(" cut in the handshake, ") && text.contains("so it is exported"), "{text}");
}

#[test]
fn bad_arguments_are_one_line_and_exit_code_2() {
    for bad in [&["--seconds", "0"][..], &["--port", "http"], &["--nonsense"]] {
        let output = run(bad);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{bad:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{bad:?}");
    }
}

const GOOD: &str = "\
# HELP a_total Things.
# TYPE a_total counter
a_total{key=\"x\\\"\\\\\\n,}\"} 2
a_total 3

# HELP d_seconds Times.
# TYPE d_seconds histogram
d_seconds_bucket{le=\"0.5\"} 1
d_seconds_bucket{le=\"+Inf\"} 2
d_seconds_sum 0.75
d_seconds_count 2
";

#[test]
fn a_good_one_is_read() {
    let read = Exposition::read(GOOD).unwrap();
    assert_eq!(read.sum("a_total", &[]), Some(5.0));
    assert_eq!(read.sum("a_total", &[("key", "x\"\\\n,}")]), Some(2.0));
    assert_eq!(read.sum("d_seconds_count", &[]), Some(2.0));
    assert_eq!(read.sum("b_total", &[]), None);
    assert_eq!(read.values("a_total", "key").into_iter().collect::<Vec<_>>(), ["x\"\\\n,}"]);
}

#[test]
fn each_broken_rule_is_found() {
    let broken = [
        ("a_total 3\n", "a_total 3\na_total 4\n", "a series that was there before"),
        ("a_total 3\n", "a_total three\n", "a value that is none"),
        ("a_total 3\n", "a_total 3 1700000000\n", "a time besides"),
        ("a_total 3\n", "a_total -3\n", "a counter below zero"),
        ("a_total 3\n", "b_total 3\n", "among those of another name"),
        ("a_total 3\n", "a.total 3\n", "no name of a metric"),
        ("{key=", "{ke-y=", "no name of a label"),
        ("{key=", "{__key=", "no name of a label"),
        ("\\n,}", "\\t,}", "an escape that there is not"),
        (",}\"} 2", ",}} 2", "without an end"),
        (",}\"} 2", ",}\",} 2", "labels that do not end"),
        ("\"} 2", "\",key=\"y\"} 2", "a label twice"),
        ("# TYPE a_total counter\n", "", "a sample before its type"),
        ("# TYPE a_total counter\n", "# TYPE a_total counter\n# TYPE a_total gauge\n", "a second type"),
        ("# HELP a_total Things.\n", "", "no help"),
        ("counter", "summary", "a kind that was not asked for"),
        ("{le=\"+Inf\"} 2", "{le=\"1\"} 2", "a last bucket that is not the count"),
        ("{le=\"+Inf\"} 2", "{le=\"+Inf\"} 3", "a last bucket that is not the count"),
        ("{le=\"0.5\"} 1", "{le=\"0.5\"} 7", "buckets out of order"),
        ("d_seconds_sum 0.75\n", "", "without its sum"),
        ("d_seconds_count 2\n", "d_seconds_count 2\n# HELP a_total Again.\n", "a metric in two pieces"),
        ("d_seconds_count 2\n", "d_seconds_count 2", "the last line has no end"),
    ];
    for (from, to, rule) in broken {
        assert!(GOOD.contains(from), "{from}");
        let error = Exposition::read(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(rule), "{from:?} to {to:?}: {error}");
    }
}
