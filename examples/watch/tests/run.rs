//! Runs the example as its users do.

use std::convert::Infallible;
use std::future::ready;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use flaky_tls::{FlakyTls, RequestBody};
use http::{Request, Response};
use http_body_util::Full;
use parking_lot::Mutex;

/// The example's binary, which cargo builds before it runs the package's tests.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    // target/PROFILE/deps/run-HASH, beside target/PROFILE/examples/watch.
    let profile = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let name = format!("watch{}", std::env::consts::EXE_SUFFIX);
    let binary: PathBuf = [profile, "examples".as_ref(), name.as_ref()].iter().collect();
    assert!(
        binary.exists(),
        "{binary:?} is missing: `cargo test -p watch-example` builds it, `--test run` alone does not"
    );
    binary
}

fn watch(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args);
    as_by_users(command)
}

fn as_by_users(mut command: Command) -> Command {
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    // The program goes through the proxy that these name.
    for proxy in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    command
}

/// Stdout, stderr and the exit code.
fn run(args: &[&str]) -> (String, String, Option<i32>) {
    ended(&watch(args).output().expect("it starts"))
}

fn ended(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// The numbers in the line of the summary that begins so.
fn numbers(stdout: &str, start: &str) -> Vec<u64> {
    let line = stdout.lines().find(|line| line.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no line {start:?} in\n{stdout}"));
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn assert_accounted(stdout: &str) {
    let calls = numbers(stdout, "calls: ");
    assert_eq!(calls[0], calls[1..].iter().sum::<u64>(), "{stdout}");
    let listed = stdout.lines().filter(|line| line.starts_with("  call ")).count() as u64;
    assert_eq!(listed, calls[2] + calls[3], "{stdout}");
    let attempts = numbers(stdout, "attempts: ");
    assert_eq!(attempts[0], attempts[1..].iter().sum::<u64>(), "{stdout}");
    assert!(attempts[0] >= calls[1] + calls[2], "{stdout}");
    assert!(!stdout.contains("does not add up"), "{stdout}");
}

#[test]
fn the_demo_heals_and_adds_up() {
    let (stdout, stderr, code) = run(&["--seconds", "2.5", "--interval", "0.1", "--seed", "3"]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    assert!(stdout.starts_with("demo: "), "{stdout}");
    assert!(stdout.contains("waits of 50 to 500 ms"), "{stdout}");
    assert!(stdout.contains(" -> "), "no change of stock in\n{stdout}");
    assert!(stdout.ends_with("\nresult: every attempt is accounted for\n"), "{stdout}");
    assert_accounted(&stdout);
    // Of some thirty connections a quarter is struck: none at all happens once in ten thousand seeds, and not in this.
    let [connections, struck, joined] = numbers(&stdout, "server: ")[..] else { panic!("{stdout}") };
    assert!(struck > 0 && struck == joined, "{stdout}");
    let attempts = numbers(&stdout, "attempts: ");
    assert!(connections >= attempts[1], "{stdout}");
    let pace = stdout.lines().find(|line| line.starts_with("pace: ")).expect("a line on the pace");
    let releases = pace.split("sliding second: ").nth(1).and_then(|rest| rest.split(';').next());
    let releases: u64 = releases.and_then(|number| number.parse().ok()).expect("a number of releases");
    assert!((1..=10).contains(&releases), "{pace}");
    assert!(pace.contains("arrivals at the server: "), "{pace}");
}

/// Under `script` of util-linux, which gives it a terminal.
#[cfg(target_os = "linux")]
fn on_a_terminal(args: &str) -> Command {
    let mut script = as_by_users(Command::new("script"));
    script.args(["-qec", &format!("exec '{}' {args}", binary().display()), "/dev/null"]);
    script.env("TERM", "xterm").env_remove("NO_COLOR").stdout(Stdio::piped());
    script
}

/// `None` if there is no such program.
#[cfg(target_os = "linux")]
fn started(script: &mut Command) -> Option<std::process::Child> {
    match script.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("left out: there is no `script` on this machine");
            None
        }
        child => Some(child.expect("it starts")),
    }
}

/// The screen up to where the cursor is given back, and what follows.
#[cfg(target_os = "linux")]
fn drawn(text: &str) -> (&str, &str) {
    let (before, after) = text.split_once("\x1b[?25h").expect("it shows the cursor again");
    assert!(before.contains("\x1b[?25l") && before.contains("24adv01-v3"), "{text}");
    assert!(after.ends_with("result: every attempt is accounted for\r\n"), "{text}");
    (before, after)
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_it_draws_and_gives_the_terminal_back() {
    for colour in [true, false] {
        let mut script = on_a_terminal("--seconds 0.6 --interval 0.1");
        script.env("NO_COLOR", if colour { "" } else { "1" });
        let Some(child) = started(&mut script) else { return };
        let (text, _, code) = ended(&child.wait_with_output().expect("it ends"));
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(drawn(&text).0.contains("\x1b[1m"), colour, "{text}");
    }
}

/// Ctrl-C and Ctrl-\ as they are typed: the terminal makes signals of them. SIGHUP as a terminal sends it that is closed.
#[cfg(target_os = "linux")]
#[test]
fn whatever_ends_it_the_terminal_is_given_back() {
    use std::io::{Read as _, Write as _};

    for ends in ["\x03", "\x1c", "HUP"] {
        let mut script = on_a_terminal("--seconds 60 --interval 0.1");
        let Some(mut child) = started(script.stdin(Stdio::piped())) else { return };
        let mut stdout = child.stdout.take().expect("piped");
        let mut text = Vec::new();
        // Once the table has a column for a datacenter, a call has succeeded.
        while !text.ends_with(b" gra") {
            let mut byte = [0];
            stdout.read_exact(&mut byte).expect("it draws");
            text.extend(byte);
        }
        let mut stdin = child.stdin.take().expect("piped");
        match ends {
            "HUP" => {
                // `script` has one child, which has become the program.
                let kill = format!("kill -HUP $(cat /proc/{0}/task/{0}/children)", child.id());
                assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell is there").success());
            }
            key => stdin.write_all(key.as_bytes()).expect("typed"),
        }
        stdout.read_to_end(&mut text).expect("readable");
        let text = String::from_utf8(text).expect("UTF-8");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{ends:?}: {text}");
        assert!(!drawn(&text).1.contains("\x1b[?25l"), "{text}");
    }
}

#[test]
fn it_watches_what_it_is_told_to() {
    let (stdout, stderr, code) = run(&[
        "--plan",
        "24sk10",
        "--plan",
        "99none01",
        "--datacenter",
        "gra,rbx",
        "--option",
        "ram-64g-ecc-2133",
        "--seconds",
        "1",
        "--interval",
        "0.1",
    ]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    assert!(stdout.contains("watching 24sk10, 99none01 at https://127.0.0.1:"), "{stdout}");
    // Seven kinds of storage in two datacenters; and a plan that is not listed is no failure.
    assert!(stdout.contains("  24sk10  ") && stdout.contains(" of 14 available at first"), "{stdout}");
    assert!(stdout.contains("  99none01  0 of 0 available at first"), "{stdout}");
    assert_accounted(&stdout);
}

#[cfg(unix)]
#[tokio::test]
async fn a_real_endpoint_is_asked_as_the_api_documents_it() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let service = tower::service_fn({
        let asked = Arc::clone(&asked);
        move |request: Request<RequestBody>| {
            asked.lock().push(format!("{} {}", request.method(), request.uri()));
            let body = r#"[{"fqn":"24sk10.ram-64g.softraid","datacenters":[{"availability":"72H","datacenter":"gra"}]}]"#;
            let body = Full::new(Bytes::from_static(body.as_bytes()));
            ready(Ok::<_, Infallible>(Response::new(body)))
        }
    });
    let server = FlakyTls::new().serve(service).await.expect("it starts");
    // The platform's roots are those of this file.
    let roots = concat!(env!("CARGO_TARGET_TMPDIR"), "/watch-roots.pem");
    std::fs::write(roots, server.authority().pem()).expect("writable");

    let endpoint = format!("{}/1.0", server.url());
    let mut watch = watch(&["--endpoint", &endpoint, "--plan", "24sk10", "--interval", "0.1"]);
    watch.args(["--datacenter", "gra", "--datacenter", "rbx", "--option", "ram-64g", "--option", "softraid"]);
    watch.env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
    // Nothing else ends it.
    let (stdout, code) =
        tokio::task::spawn_blocking(move || signalled(watch, "INT")).await.expect("it is watched to its end");

    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("every 100ms until Ctrl-C\n"), "{stdout}");
    assert!(stdout.contains("  24sk10  1 of 1 available at first"), "{stdout}");
    assert_accounted(&stdout);
    let asked = asked.lock();
    assert!(!asked.is_empty());
    for line in &*asked {
        let path = "/1.0/dedicated/server/datacenter/availabilities";
        let query = "planCode=24sk10&datacenters=gra,rbx&excludeDatacenters=false&addonFamily=ram-64g&addonFamily=softraid";
        assert_eq!(*line, format!("GET {path}?{query}"));
    }
}

#[test]
fn bad_arguments_get_one_line_and_exit_2() {
    for (args, named) in [
        (&["--plan", "no such plan!"][..], "\"no such plan!\""),
        (&["--interval", "0"], "\"0\""),
        (&["--seconds", "-3"], "\"-3\""),
        (&["--seconds", "NaN"], "\"NaN\""),
        (&["--seconds", "1e999"], "\"1e999\""),
        (&["--interval"], "--interval"),
        (&["--frequently"], "\"--frequently\""),
        (&["--endpoint", "eu.api.ovh.com", "--plan", "24sk10"], "\"eu.api.ovh.com\""),
        (&["--endpoint", "http://eu.api.ovh.com/1.0", "--plan", "24sk10"], "https"),
        (&["--endpoint", "https://eu.api.ovh.com/1.0/", "--plan", "24sk10"], "slash"),
        (&["--endpoint", "https://eu.api.ovh.com/1.0"], "--plan"),
    ] {
        let (stdout, stderr, code) = run(args);
        assert_eq!((code, &*stdout, stderr.lines().count()), (Some(2), "", 1), "{args:?}: {stderr}");
        assert!(stderr.starts_with("watch: ") && stderr.contains(named), "{args:?}: {stderr}");
    }
    let output = watch(&[]).env("RUST_LOG", "a=loudly").output().expect("it starts");
    let (_, stderr, code) = ended(&output);
    assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
}

#[test]
fn help_and_version_are_answers() {
    let (stdout, stderr, code) = run(&["--help"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    for flag in ["--plan", "--datacenter", "--option", "--interval", "--seconds", "--endpoint", "--seed"] {
        assert!(stdout.contains(flag), "{flag}");
    }
    let (stdout, _, code) = run(&["--version"]);
    assert_eq!((code, stdout.trim_end()), (Some(0), concat!("watch ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn an_endpoint_out_of_reach_is_told_by_phase() {
    // Bound, and not listening: nobody else can take the port, and nobody answers on it.
    let unused = tokio::net::TcpSocket::new_v4().expect("a socket");
    unused.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let unused_at = unused.local_addr().expect("its address");
    let endpoint = format!("https://{unused_at}/1.0");
    let (stdout, stderr, code) =
        run(&["--endpoint", &endpoint, "--plan", "24sk10", "--seconds", "1.5", "--interval", "0.1"]);
    assert_eq!(code, Some(1), "{stdout}\n{stderr}");
    assert!(stdout.contains("TCP connect"), "{stdout}");
    assert!(stdout.contains("connection refused"), "{stdout}");
    assert!(stdout.contains("no call succeeded"), "{stdout}");
    assert!(stderr.contains("repeating the call"), "it goes on trying: {stderr}");
    assert_accounted(&stdout);
}

/// Starts it, reads its output up to the first answer, and sends it this signal.
#[cfg(unix)]
fn signalled(mut watch: Command, signal: &str) -> (String, Option<i32>) {
    use std::io::{BufRead as _, BufReader, Read as _};

    let mut child = watch.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    // Once it prints what is available, its calls succeed.
    let mut lines = String::new();
    while !lines.contains("available at first") {
        assert_ne!(stdout.read_line(&mut lines).expect("readable"), 0, "{lines}");
    }
    // The shell's own kill: there may be no program of that name.
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell is there").success());
    stdout.read_to_string(&mut lines).expect("readable");
    (lines, child.wait().expect("it ends").code())
}

#[cfg(unix)]
#[test]
fn ctrl_c_and_sigterm_end_it_with_the_summary() {
    for signal in ["INT", "TERM"] {
        let (lines, code) = signalled(watch(&["--seconds", "60"]), signal);
        assert_eq!(code, Some(0), "{lines}");
        assert!(lines.ends_with("\nresult: every attempt is accounted for\n"), "{lines}");
        assert_accounted(&lines);
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_ends_it_quietly() {
    use std::io::{BufRead as _, BufReader};

    let mut watch = watch(&["--seconds", "60", "--interval", "0.1"]);
    let mut child = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut String::new()).expect("readable");
    drop(stdout);
    let (_, stderr, code) = ended(&child.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("watch: ") && !stderr.contains("panicked"), "{stderr}");
}
