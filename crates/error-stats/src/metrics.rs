//! Calls, told to the `metrics` facade. The only file that knows it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request, StatusCode, Uri};
use metrics::{
    Label, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::failure::Reason;
use crate::grpc::GrpcCode;
use crate::guard::shielded;
use crate::outcome::Answer;

const CLIENT_DURATION: &str = "http.client.request.duration";
const CLIENT_ACTIVE: &str = "http.client.active_requests";
const SERVER_DURATION: &str = "http.server.request.duration";
const SERVER_ACTIVE: &str = "http.server.active_requests";
const CALL_DURATION: &str = "error_stats.call.duration";
const CALL_ACTIVE: &str = "error_stats.active_calls";
const WAIT_DURATION: &str = "error_stats.wait.duration";
const HEALED: &str = "error_stats.healed_attempts";
const ALARM: &str = "error_stats.alarm";

/// Whose panic it is, if what is told panics.
pub(crate) const WHOSE: &str = "the metrics recorder";

/// What a name that is not told apart is called (OpenTelemetry's word for methods).
const OTHER: &str = "_OTHER";

/// Which end of the wire a handle counts: it decides under which names its metrics go.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests that this process makes.
    Client,
    /// Requests that this process serves.
    Server,
}

/// How many ports are told apart.
const PORTS: usize = 32;

/// Whether the facade is told, and of which side.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    side: AtomicU8,
    /// The first ports asked, each plus one: whoever asks more makes no more time series.
    ports: [AtomicU32; PORTS],
}

impl Switch {
    pub(crate) fn set(&self, side: Side) {
        shielded(WHOSE, || describe(side));
        self.side.store(1 + side as u8, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<Side> {
        match self.side.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Side::Client),
            _ => Some(Side::Server),
        }
    }
}

impl Switch {
    /// The port that a client asks, by the URI or by its scheme; none of a server, whose clients name any, and none
    /// beyond the table.
    fn port(&self, side: Side, uri: &Uri) -> Option<SharedString> {
        let port = match (side, uri.port_u16(), scheme(uri)) {
            (Side::Server, ..) => None,
            (Side::Client, Some(port), _) => Some(port),
            (Side::Client, None, Some("http")) => Some(80),
            (Side::Client, None, Some("https")) => Some(443),
            (Side::Client, None, _) => None,
        }?;
        let mark = u32::from(port) + 1;
        let is_its = |cell: &AtomicU32| match cell.load(Ordering::Relaxed) {
            0 => match cell.compare_exchange(0, mark, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => true,
                Err(taken) => taken == mark,
            },
            taken => taken == mark,
        };
        self.ports.iter().any(is_its).then(|| match port {
            80 => "80".into(),
            443 => "443".into(),
            _ => port.to_string().into(),
        })
    }
}

fn scheme(uri: &Uri) -> Option<&'static str> {
    Some(match uri.scheme_str()? {
        "http" => "http",
        "https" => "https",
        _ => OTHER,
    })
}

fn describe(side: Side) {
    let (duration, active) = names(side, true);
    describe_histogram!(duration, Unit::Seconds, "Duration of HTTP requests, to the response's head.");
    describe_gauge!(active, Unit::Count, "HTTP requests under way.");
    if side == Side::Client {
        describe_histogram!(CALL_DURATION, Unit::Seconds, "Duration of calls, with their repeats and waits.");
        describe_gauge!(CALL_ACTIVE, Unit::Count, "Calls under way.");
        describe_histogram!(WAIT_DURATION, Unit::Seconds, "Time spent waiting for the rate limit.");
        describe_counter!(HEALED, Unit::Count, "Failed attempts whose call succeeded.");
        counter!(HEALED).increment(0);
    }
    describe_gauge!(ALARM, Unit::Count, "Failed calls in a row when the alarm was raised; 0 when it is not.");
}

/// The duration's name and the gauge's. What is not on the wire has no name of the conventions.
fn names(side: Side, on_the_wire: bool) -> (&'static str, &'static str) {
    match side {
        _ if !on_the_wire => (CALL_DURATION, CALL_ACTIVE),
        Side::Client => (CLIENT_DURATION, CLIENT_ACTIVE),
        Side::Server => (SERVER_DURATION, SERVER_ACTIVE),
    }
}

pub(crate) fn waited(waited: Duration) {
    histogram!(WAIT_DURATION).record(waited);
}

pub(crate) fn healed(attempts: u64) {
    counter!(HEALED).increment(attempts);
}

/// One handle's part of the alarms' gauge, which all handles of the process share.
#[derive(Default)]
pub(crate) struct Share(AtomicU64);

impl Share {
    /// Failed calls in a row when the alarm was raised; 0 for none. Told by one at a time.
    pub(crate) fn tell(&self, failures: u64) {
        shielded(WHOSE, || self.set(failures));
    }

    fn set(&self, failures: u64) {
        let before = self.0.load(Ordering::Relaxed);
        if failures >= before {
            gauge!(ALARM).increment((failures - before) as f64);
        } else {
            gauge!(ALARM).decrement((before - failures) as f64);
        }
        // Not before: a recorder that panics was told nothing.
        self.0.store(failures, Ordering::Relaxed);
    }
}

/// Who is gone has no alarm raised.
impl Drop for Share {
    fn drop(&mut self) {
        if *self.0.get_mut() > 0 {
            shielded(WHOSE, || self.set(0));
        }
    }
}

/// A request under way: what its metrics are told of it.
#[derive(Debug)]
pub(crate) struct Told {
    side: Side,
    on_the_wire: bool,
    method: &'static str,
    host: Option<SharedString>,
    port: Option<SharedString>,
    scheme: Option<&'static str>,
    label: Option<SharedString>,
}

/// How it ended.
pub(crate) enum End<'a> {
    Answered(Answer),
    Failed(&'a Reason),
    Cancelled,
    Panicked,
}

impl Told {
    /// `host` and `label` are names of the bounded tables, or empty for all others.
    pub(crate) fn started<B>(
        switch: &Switch,
        on_the_wire: bool,
        request: &Request<B>,
        host: Option<String>,
        label: Option<String>,
    ) -> Option<Box<Self>> {
        let side = switch.get()?;
        let named = |name: String| if name.is_empty() { OTHER.into() } else { name.into() };
        let (host, label) = (host.map(named), label.map(named));
        let (port, scheme) = (switch.port(side, request.uri()), scheme(request.uri()));
        let method = known(request.method());
        let told = Box::new(Self { side, on_the_wire, method, host, port, scheme, label });
        gauge!(told.names().1, told.labels()).increment(1);
        Some(told)
    }

    pub(crate) fn ended(&self, nanos: u64, end: &End<'_>) {
        let (duration, active) = self.names();
        let mut labels = self.labels();
        gauge!(active, labels.clone()).decrement(1);
        let (status, grpc) = match end {
            End::Answered(Answer::Http(status)) => (Some(*status), None),
            End::Answered(Answer::Grpc(code)) => (None, Some(*code)),
            End::Failed(reason) => (reason.status(), reason.grpc()),
            End::Cancelled | End::Panicked => (None, None),
        };
        if let Some(status) = status {
            labels.push(Label::new("http.response.status_code", status.as_u16().to_string()));
        }
        if let Some(code) = grpc {
            labels.push(Label::new("rpc.response.status_code", code.as_str()));
        }
        if let Some(error) = grpc.map_or_else(|| self.error(status, end), |code| self.grpc_error(code)) {
            labels.push(Label::new("error.type", error));
        }
        histogram!(duration, labels).record(Duration::from_nanos(nanos));
    }

    fn names(&self) -> (&'static str, &'static str) {
        names(self.side, self.on_the_wire)
    }

    fn labels(&self) -> Vec<Label> {
        let mut labels = vec![Label::new("http.request.method", self.method)];
        labels.extend(self.host.clone().map(|host| Label::new("server.address", host)));
        labels.extend(self.port.clone().map(|port| Label::new("server.port", port)));
        labels.extend(self.scheme.map(|scheme| Label::new("url.scheme", scheme)));
        labels.extend(self.label.clone().map(|label| Label::new("error_stats.label", label)));
        labels
    }

    /// The code's name where it is an error by the conventions: for clients any but OK; for servers those that are
    /// the server's fault.
    fn grpc_error(&self, code: GrpcCode) -> Option<SharedString> {
        let is_error = match self.side {
            Side::Client => code != GrpcCode::Ok,
            Side::Server => code.is_failure() && code != GrpcCode::ResourceExhausted,
        };
        is_error.then(|| code.as_str().into())
    }

    /// The status where it is an error by the conventions: from 400 on for clients, from 500 on for servers; else
    /// what is known of the error, in few words.
    fn error(&self, status: Option<StatusCode>, end: &End<'_>) -> Option<SharedString> {
        let from = if self.side == Side::Client { 400 } else { 500 };
        match (status, end) {
            (Some(status), _) => (status.as_u16() >= from).then(|| status.as_u16().to_string().into()),
            (None, End::Failed(reason)) => {
                reason.fault().map(|fault| format!("{:?}.{:?}", fault.phase, fault.cause).into())
            }
            (None, End::Cancelled) => Some("cancelled".into()),
            (None, End::Panicked) => Some("panic".into()),
            (None, End::Answered(_)) => None,
        }
    }
}

/// A client may make methods up; each would be a time series.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::CONNECT => "CONNECT",
        Method::DELETE => "DELETE",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::TRACE => "TRACE",
        _ => OTHER,
    }
}
