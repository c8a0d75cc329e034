//! What the servers know, held against what was exported.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

use error_stats::Snapshot;
use fake_ovh::FakeOvh;
use flaky_tls::{CutPoint, Scenario, Truth};
use tower::BoxError;

use crate::exposition::Exposition;

const DURATION: &str = "http_client_request_duration_seconds_count";

/// What the servers' own books say of the attempts.
#[derive(Debug)]
pub(crate) struct Expected {
    host: String,
    calls: u64,
    /// By status, those of which the answer was not cut.
    answered: BTreeMap<String, u64>,
    cut_in_handshake: u64,
    cut_before_answer: u64,
}

impl Expected {
    pub(crate) fn of(api: &FakeOvh, truth: &Truth, host: &str, calls: u64) -> Result<Self, BoxError> {
        // Both have the requests in order of arrival, and there is one at a time.
        let (received, arrived) = (api.calls(), truth.requests());
        if received.len() != arrived.len() || truth.unrecorded() > 0 {
            return Err("the two servers disagree".into());
        }
        let mut answered = BTreeMap::new();
        for (call, request) in received.iter().zip(arrived) {
            if let (Some(status), true) = (call.status, request.answered) {
                *answered.entry(status.as_str().to_owned()).or_insert(0) += 1;
            }
        }
        let cut = |before: bool| {
            let struck = truth.connections().iter().filter(|connection| connection.carried_out);
            struck.filter(|connection| matches!(connection.scenario, Scenario::Cut { at, .. } if (at < CutPoint::Handshake) == before)).count() as u64
        };
        Ok(Self {
            host: host.to_owned(),
            calls,
            answered,
            cut_in_handshake: cut(true),
            cut_before_answer: cut(false),
        })
    }

    /// Every figure that the servers know, in the exposition; and that the snapshot says the same.
    pub(crate) fn check(&self, scraped: &Exposition, snapshot: &Snapshot) -> Result<(), BoxError> {
        let mut figures = vec![
            ("attempts answered", DURATION, vec![], self.attempts()),
            ("attempts under way", "http_client_active_requests", vec![], 0),
            ("calls", "error_stats_call_duration_seconds_count", vec![], self.calls),
            ("calls under way", "error_stats_active_calls", vec![], 0),
            ("healed", "error_stats_healed_attempts_total", vec![], snapshot.healed),
            ("at this host", DURATION, vec![("server_address", &*self.host)], self.attempts()),
        ];
        for (status, count) in &self.answered {
            figures.push(("answers", DURATION, vec![("http_response_status_code", &**status)], *count));
        }
        for (what, name, labels, expected) in figures {
            let told = scraped.sum(name, &labels).unwrap_or_default();
            if told != expected as f64 {
                return Err(
                    format!("{what}: {name} {labels:?} is {told}, and it should be {expected}").into()
                );
            }
        }
        // Of what the cuts were, the kernel may tell either way: FIN or RST; where they were is certain.
        let errors = |phase: &str| {
            let types = scraped.values(DURATION, "error_type").into_iter();
            let of_phase = types.filter(|kind| kind.split_once('.').is_some_and(|(told, _)| told == phase));
            of_phase.filter_map(|kind| scraped.sum(DURATION, &[("error_type", kind)])).sum::<f64>()
        };
        let told = (errors("TlsHandshake"), errors("InFlight"));
        if told != (self.cut_in_handshake as f64, self.cut_before_answer as f64) {
            return Err(
                format!("cut in the handshake and before the answer: {told:?}, and it was {self}").into()
            );
        }
        let counted = (snapshot.attempts.started, snapshot.calls.started);
        if counted != (self.attempts(), self.calls) {
            return Err(format!("the snapshot has {counted:?} attempts and calls").into());
        }
        Ok(())
    }

    fn attempts(&self) -> u64 {
        self.answered.values().sum::<u64>() + self.cut_in_handshake + self.cut_before_answer
    }
}

/// "50 attempts: 30 × 200, 5 × 502, 10 cut in the handshake, 5 cut before the answer".
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attempts: ", self.attempts())?;
        self.answered.iter().try_for_each(|(status, count)| write!(f, "{count} × {status}, "))?;
        let Self { cut_in_handshake, cut_before_answer, .. } = self;
        write!(f, "{cut_in_handshake} cut in the handshake, {cut_before_answer} cut before the answer")
    }
}

/// What Prometheus' own checker says, where it is installed.
pub(crate) fn promtool(text: &str) -> Result<&'static str, BoxError> {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut running = match started {
        Ok(running) => running,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok("not here"),
        Err(error) => return Err(error.into()),
    };
    if let Some(mut stdin) = running.stdin.take() {
        stdin.write_all(text.as_bytes())?;
    }
    let output = running.wait_with_output()?;
    match output.status.code() {
        Some(0) => Ok("agrees"),
        _ => Err(format!("promtool: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}
