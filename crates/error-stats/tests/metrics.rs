//! What the `metrics` facade is told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use error_stats::{ErrorStats, Label, Side, Snapshot};
use http::{Method, Request, Response};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase};

const CUT: Fault = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient);

/// Each series: its kind's first letter, its name, its labels in order; and the gauge's value or the number of
/// records.
fn series(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let series = metrics.map(|(key, unit, description, value)| {
        assert!(unit.is_some() && description.is_some(), "{key:?} is not described");
        let mut labels: Vec<_> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        let kind = match key.kind() {
            MetricKind::Counter => 'c',
            MetricKind::Gauge => 'g',
            MetricKind::Histogram => 'h',
        };
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(records) => records.len() as f64,
        };
        (format!("{kind} {} {}", key.key().name(), labels.join(" ")), value)
    });
    series.collect()
}

fn request(method: &str, status: u16) -> Request<u16> {
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri("https://api.example.org/1.0/me?secret=1")
        .body(status)
        .unwrap()
}

/// Answers with the status in the body; zero is a cut, one never ends.
async fn act(request: Request<u16>) -> Result<Response<()>, Mark> {
    match request.into_body() {
        0 => Err(Mark::fault(CUT)),
        1 => future::pending().await,
        status => Ok(Response::builder().status(status).body(()).unwrap()),
    }
}

#[test]
fn a_clients_requests_go_under_the_names_of_the_conventions() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let stats = ErrorStats::new().with_threshold(2).unwrap();
    metrics::with_local_recorder(&recorder, || {
        let stats = stats.clone().with_metrics(Side::Client);
        let mut service =
            ServiceBuilder::new().layer(stats.calls()).layer(stats.attempts()).service(service_fn(act));
        for (method, status) in [("GET", 200), ("BREW", 404), ("POST", 503), ("GET", 0)] {
            drop(tokio_test::block_on(service.call(request(method, status))));
        }
        let open = service.call(request("GET", 200));
        drop(service.call(request("GET", 1)));
        stats.record_wait(Duration::from_millis(3));
        let told = series(&snapshotter);
        drop(open);

        let at = "server.address=api.example.org server.port=443 url.scheme=https";
        let mut expected = BTreeMap::new();
        for (duration, active) in [
            ("http.client.request.duration", "http.client.active_requests"),
            ("error_stats.call.duration", "error_stats.active_calls"),
        ] {
            for (labels, count) in [
                ("http.request.method=GET http.response.status_code=200", 1.0),
                ("error.type=404 http.request.method=_OTHER http.response.status_code=404", 1.0),
                ("error.type=503 http.request.method=POST http.response.status_code=503", 1.0),
                ("error.type=TlsHandshake.Eof http.request.method=GET", 1.0),
                ("error.type=cancelled http.request.method=GET", 1.0),
            ] {
                expected.insert(format!("h {duration} {labels} {at}"), count);
            }
            for (method, count) in [("GET", 1.0), ("POST", 0.0), ("_OTHER", 0.0)] {
                expected.insert(format!("g {active} http.request.method={method} {at}"), count);
            }
        }
        expected.insert("h error_stats.wait.duration ".to_owned(), 1.0);
        expected.insert("c error_stats.healed_attempts ".to_owned(), 0.0);
        // Two in a row.
        expected.insert("g error_stats.alarm ".to_owned(), 2.0);
        assert_eq!(told, expected);
    });
}

#[test]
fn a_servers_requests_go_under_the_servers_names_and_its_404_is_no_error() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let stats = ErrorStats::new().with_metrics(Side::Server);
        let mut service = stats.calls().layer(service_fn(|request: Request<u16>| {
            let status = request.into_body();
            future::ready(Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap()))
        }));
        for status in [404, 500] {
            tokio_test::block_on(service.call(Request::new(status))).unwrap();
        }
    });
    let told: Vec<_> = series(&snapshotter).into_iter().collect();
    let expected = [
        ("g error_stats.alarm ", 0.0),
        ("g http.server.active_requests http.request.method=GET", 0.0),
        (
            "h http.server.request.duration error.type=500 http.request.method=GET http.response.status_code=500",
            1.0,
        ),
        ("h http.server.request.duration http.request.method=GET http.response.status_code=404", 1.0),
    ];
    assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value)));
}

/// What is an error differs by the side: NOT_FOUND is the client's, UNAVAILABLE the server's.
#[test]
fn a_grpc_call_goes_by_its_code() {
    for (side, at, not_found) in
        [(Side::Client, "client", "error.type=NOT_FOUND "), (Side::Server, "server", "")]
    {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || {
            let stats = ErrorStats::new().with_metrics(side);
            let mut service =
                stats.calls().for_grpc().layer(service_fn(async |request: Request<&'static str>| {
                    let response = Response::builder().header("grpc-status", request.into_body());
                    Ok::<_, Infallible>(response.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap())
                }));
            for code in ["0", "5", "14"] {
                let request = Request::post("/shop.Stock/Look").header("content-type", "application/grpc");
                tokio_test::block_on(service.call(request.body(code).unwrap())).unwrap();
            }
        });
        let told: Vec<_> = series(&snapshotter).into_iter().collect();
        let duration = |labels: &str, code: &str| {
            let name = format!("h http.{at}.request.duration {labels}http.request.method=POST");
            (format!("{name} rpc.response.status_code={code}"), 1.0)
        };
        let mut expected = vec![
            (format!("g http.{at}.active_requests http.request.method=POST"), 0.0),
            duration("", "OK"),
            duration(not_found, "NOT_FOUND"),
            duration("error.type=UNAVAILABLE ", "UNAVAILABLE"),
            ("g error_stats.alarm ".to_owned(), 0.0),
        ];
        if side == Side::Client {
            expected.push(("c error_stats.healed_attempts ".to_owned(), 0.0));
        }
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(told, expected);
    }
}

#[test]
fn without_being_told_to_nothing_is_told() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let mut service = ErrorStats::new().calls().layer(service_fn(act));
        tokio_test::block_on(service.call(request("GET", 200))).unwrap();
    });
    assert!(series(&snapshotter).is_empty());
}

#[test]
fn a_label_is_an_attribute_whatever_is_in_it() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let stats = ErrorStats::new().with_metrics(Side::Client);
        let mut service = stats.calls().layer(service_fn(act));
        let mut labelled = Request::new(200);
        labelled.extensions_mut().insert(Label::from_static("a \"b\"\n{c}"));
        tokio_test::block_on(service.call(labelled)).unwrap();
    });
    let told: Vec<_> = series(&snapshotter).into_keys().filter(|series| series.contains("http.")).collect();
    let label = "error_stats.label=a \"b\"\n{c} http.request.method=GET";
    let expected = [
        format!("g http.client.active_requests {label}"),
        format!("h http.client.request.duration {label} http.response.status_code=200"),
    ];
    assert_eq!(told, expected);
}

/// A recorder all of whose metrics panic: as they are asked for, or as they are told.
struct Broken {
    late: bool,
}

impl Broken {
    fn metric<T>(&self, late: impl FnOnce(Arc<Self>) -> T) -> T {
        assert!(self.late, "no metrics");
        late(Arc::new(Self { late: true }))
    }
}

impl Recorder for Broken {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.metric(Counter::from_arc)
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        self.metric(Gauge::from_arc)
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.metric(Histogram::from_arc)
    }
}

impl CounterFn for Broken {
    fn increment(&self, _: u64) {
        panic!("no counts")
    }
    fn absolute(&self, _: u64) {
        panic!("no counts")
    }
}

impl GaugeFn for Broken {
    fn increment(&self, _: f64) {
        panic!("no more")
    }
    fn decrement(&self, _: f64) {
        panic!("no less")
    }
    fn set(&self, _: f64) {
        panic!("no values")
    }
}

impl HistogramFn for Broken {
    fn record(&self, _: f64) {
        panic!("no records")
    }
}

/// Whoever is told may fail: calls go on as they would without, all is counted, and the alarm is raised and cleared.
#[test]
fn a_recorder_that_panics_harms_no_call_and_no_count() {
    for late in [false, true] {
        metrics::with_local_recorder(&Broken { late }, || {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let ear = heard.clone();
            let stats = ErrorStats::new().with_threshold(2).unwrap().with_metrics(Side::Client);
            let stats = stats.on_alarm(move |alarm| ear.lock().unwrap().push(alarm.to_string()));
            let mut service = stats.calls().layer(stats.attempts().layer(service_fn(act)));
            for status in [200, 0, 503, 404, 200] {
                let result = tokio_test::block_on(service.call(request("GET", status)));
                assert_eq!(result.is_ok_and(|response| response.status().as_u16() == status), status != 0);
            }
            drop(service.call(request("GET", 1)));
            stats.record_wait(Duration::from_millis(1));
            let Snapshot { calls, attempts, waits, .. } = stats.snapshot();
            for tally in [&calls, &attempts] {
                let counts = (tally.started, tally.succeeded, tally.failed, tally.cancelled, tally.in_flight);
                assert_eq!(counts, (6, 3, 2, 1, 0));
            }
            assert_eq!((calls.streak.longest, calls.streak.current, waits.count), (2, 0, 1));
            assert_eq!(heard.lock().unwrap().len(), 2);
        });
    }
}

/// A panic within a panic would be the process's end.
#[test]
fn a_service_and_the_recorder_may_panic_at_once() {
    for late in [false, true] {
        metrics::with_local_recorder(&Broken { late }, || {
            let stats = ErrorStats::new().with_metrics(Side::Client);
            let service =
                async |_: Request<u16>| -> Result<Response<()>, Infallible> { panic!("the service") };
            let mut service = stats.calls().layer(service_fn(service));
            let call = AssertUnwindSafe(|| tokio_test::block_on(service.call(request("GET", 200))));
            assert_eq!(catch_unwind(call).unwrap_err().downcast_ref(), Some(&"the service"));
            assert_eq!(stats.snapshot().calls.panicked, 1);
        });
    }
}

/// Two handles of one process, one series: it tells of both, and a handle that is gone is not told of.
#[test]
fn handles_share_the_alarms_gauge_and_none_hides_anothers_alarm() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let handle = |thresholds: &[u64]| {
            let stats = ErrorStats::new().with_thresholds(thresholds.iter().copied()).unwrap();
            stats.with_metrics(Side::Client)
        };
        let call = |stats: &ErrorStats, status| {
            drop(tokio_test::block_on(stats.calls().layer(service_fn(act)).call(request("GET", status))));
        };
        // What it changed by since the last look.
        let change = || series(&snapshotter)["g error_stats.alarm "];
        let (one, other, mut gauge) = (handle(&[1, 3]), handle(&[2]), 0.0);
        for (stats, status, expected) in [
            (&one, 503, 1.0),
            (&one, 503, 1.0),
            (&one, 503, 3.0),
            (&other, 503, 3.0),
            (&other, 503, 5.0),
            (&one, 200, 2.0),
            (&one, 503, 3.0),
            (&other, 200, 1.0),
        ] {
            call(stats, status);
            gauge += change();
            assert_eq!(gauge, expected);
        }
        drop(one);
        assert_eq!(gauge + change(), 0.0);
    });
}

/// A subscriber that panics at everything.
struct Mute;

impl<S: Subscriber> tracing_subscriber::Layer<S> for Mute {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        panic!("no events, please: {}", event.metadata().name());
    }
}

/// The panic is the call's, and the gauge has been told by then: of the alarm, and of its end.
#[test]
fn a_subscriber_that_panics_does_not_hold_the_alarms_gauge() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    // Other threads have no subscriber: what they come by first must not count as of no interest to anybody.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    metrics::with_local_recorder(&recorder, || {
        let stats = ErrorStats::new().with_threshold(2).unwrap().with_metrics(Side::Client);
        let mut service = stats.calls().layer(service_fn(act));
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Mute));
        for (status, change) in [(503, 0.0), (503, 2.0), (503, 0.0), (200, -2.0)] {
            let call = AssertUnwindSafe(|| tokio_test::block_on(service.call(request("GET", status))));
            assert!(catch_unwind(call).is_err());
            assert_eq!(series(&snapshotter)["g error_stats.alarm "], change);
        }
    });
}

/// A gauge whose recorder can be broken for a while.
#[derive(Default)]
struct Fuse {
    level: Mutex<f64>,
    broken: AtomicBool,
}

impl Fuse {
    fn add(&self, by: f64) {
        assert!(!self.broken.load(Ordering::Relaxed), "broken");
        *self.level.lock().unwrap() += by;
    }
}

impl GaugeFn for Fuse {
    fn increment(&self, by: f64) {
        self.add(by);
    }
    fn decrement(&self, by: f64) {
        self.add(-by);
    }
    fn set(&self, _: f64) {}
}

struct Fused(Arc<Fuse>);

impl Recorder for Fused {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        if key.name() == "error_stats.alarm" { self.0.clone().into() } else { Gauge::noop() }
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// What the recorder was not told it is not told to take back.
#[test]
fn a_recorder_that_fails_for_a_while_leaves_no_trace_in_the_alarms_gauge() {
    let fuse = Arc::new(Fuse::default());
    metrics::with_local_recorder(&Fused(fuse.clone()), || {
        let stats = ErrorStats::new().with_threshold(1).unwrap().with_metrics(Side::Client);
        let mut service = stats.calls().layer(service_fn(act));
        // At which of the calls it is broken.
        for broken in [[true, false, false, false], [false, true, false, false], [true, true, true, true]] {
            for (status, broken) in [503, 200, 503, 200].into_iter().zip(broken) {
                fuse.broken.store(broken, Ordering::Relaxed);
                tokio_test::block_on(service.call(request("GET", status))).unwrap();
            }
            assert_eq!(*fuse.level.lock().unwrap(), 0.0);
        }
    });
}

/// Made up hosts: each would be a time series.
#[test]
fn hosts_beyond_the_table_share_one_series() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let stats = ErrorStats::new().with_metrics(Side::Server);
        let mut service = stats.calls().layer(service_fn(act));
        for host in 0..1000 {
            let request = Request::builder().header("host", format!("h{host}:80")).body(200).unwrap();
            tokio_test::block_on(service.call(request)).unwrap();
        }
    });
    let told = series(&snapshotter);
    let durations = told.iter().filter(|(name, _)| name.starts_with("h ")).collect::<Vec<_>>();
    assert_eq!(durations.len(), 33);
    let others = durations.iter().find(|(name, _)| name.contains("server.address=_OTHER")).unwrap();
    assert_eq!(*others.1, 968.0);
}

/// The port that was asked, or else the scheme's; and no more of them than there is room for.
#[test]
fn ports_are_told_apart_as_far_as_there_is_room() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let stats = ErrorStats::new().with_metrics(Side::Client);
        let mut service = stats.calls().layer(service_fn(act));
        let mut ask = |uri: &str| {
            drop(tokio_test::block_on(service.call(Request::get(uri).body(200).unwrap())));
        };
        ["http://a", "https://a", "ftp://a", "/a", "https://a:80"].into_iter().for_each(&mut ask);
        (1000..2000).for_each(|port| ask(&format!("http://a:{port}")));
    });
    let told = series(&snapshotter);
    let of = |labels: &str| {
        let (name, status) =
            ("h http.client.request.duration", "http.request.method=GET http.response.status_code=200");
        told[format!("{name} {status} {labels}").trim_end()]
    };
    assert_eq!(of("server.address=a server.port=80 url.scheme=http"), 1.0);
    assert_eq!(of("server.address=a server.port=443 url.scheme=https"), 1.0);
    assert_eq!(of("server.address=a server.port=80 url.scheme=https"), 1.0);
    assert_eq!(of("server.address=a url.scheme=_OTHER"), 1.0);
    assert_eq!(of(""), 1.0);
    assert_eq!(of("server.address=a server.port=1029 url.scheme=http"), 1.0);
    assert_eq!(of("server.address=a url.scheme=http"), 970.0);
    assert_eq!(told.keys().filter(|series| series.starts_with('h')).count(), 36);
}
