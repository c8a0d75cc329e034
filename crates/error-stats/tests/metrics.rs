//! What the `metrics` facade is told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use error_stats::{ErrorStats, Label, Side};
use http::{Method, Request, Response};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, Service, ServiceBuilder, service_fn};
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

        let at = "server.address=api.example.org";
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
        ];
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
    let told: Vec<_> = series(&snapshotter).into_keys().collect();
    let label = "error_stats.label=a \"b\"\n{c} http.request.method=GET";
    let expected = [
        format!("g http.client.active_requests {label}"),
        format!("h http.client.request.duration {label} http.response.status_code=200"),
    ];
    assert_eq!(told, expected);
}

/// Whoever is told may fail: the call it is told of has ended by that, and is not under way for ever.
#[test]
fn a_recorder_that_panics_leaves_nothing_in_flight() {
    struct Broken;
    impl Recorder for Broken {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            panic!("no counters")
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            panic!("no gauges")
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            panic!("no histograms")
        }
    }

    let stats = ErrorStats::new();
    metrics::with_local_recorder(&Broken, || {
        let stats = stats.clone().with_metrics(Side::Client);
        let mut service = stats.calls().layer(service_fn(act));
        catch_unwind(AssertUnwindSafe(|| drop(service.call(request("GET", 200))))).unwrap_err();
    });
    let calls = stats.snapshot().calls;
    assert_eq!((calls.started, calls.cancelled, calls.in_flight), (1, 1, 0));
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
