//! A snapshot, serialised.

use std::time::{Duration, UNIX_EPOCH};

use error_stats::{ErrorStats, Label};
use http::{Request, Response};
use serde_json::json;
use tower::{Layer, Service, service_fn};
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

const CUT: Fault = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient);

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_plain_json() {
    let stats = ErrorStats::with_wall_clock(|| UNIX_EPOCH + Duration::from_secs(1_000));
    let mut service = stats.calls().layer(service_fn(|request: Request<u16>| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match request.into_body() {
            0 => Err(Mark::verdict(Verdict::Exhausted).with_fault(CUT)),
            status => {
                let response = Response::builder().status(status).header("x-ovh-queryid", "EU.1");
                Ok(response.body(()).unwrap())
            }
        }
    }));
    for status in [200, 0, 503] {
        let mut request = Request::get("https://api.example.org/").body(status).unwrap();
        request.extensions_mut().insert(Label::from_static("me"));
        drop(service.call(request).await);
    }

    let json = serde_json::to_value(stats.snapshot()).unwrap();
    assert_eq!(json["at"], 1_003.0);
    assert_eq!(json["calls"]["started"], 3);
    assert_eq!(json["calls"]["responses"]["server_error"], 1);
    assert_eq!(
        json["calls"]["faults"][0],
        json!({ "phase": "TlsHandshake", "cause": "Eof", "delivery": "NeverSent", "count": 1 })
    );
    assert_eq!(
        json["calls"]["last_failure"],
        json!({
            "at": 1_003.0, "call": null, "query_id": "EU.1", "status": 503, "grpc": null,
            "phase": null, "cause": null, "delivery": null, "verdict": null
        })
    );
    assert_eq!(json["calls"]["streak"]["longest_began"], 1_002.0);
    let took = json["calls"]["latency"]["p50"].as_f64().unwrap();
    assert!((1.0..1.07).contains(&took), "{took}");
    let counted = json!({ "started": 3, "succeeded": 1, "failed": 2, "cancelled": 0 });
    assert_eq!(json["calls"]["hosts"]["named"], json!([["api.example.org", counted]]));
    assert_eq!(json["calls"]["labels"]["named"][0][0], "me");
    assert_eq!(json["pattern"]["main"]["kind"]["TooFew"]["all"], json!({ "failed": 2, "of": 3 }));
}

#[tokio::test(start_paused = true)]
async fn an_error_is_serialised_by_its_parts() {
    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(|_: Request<()>| async {
        Err::<Response<()>, _>(Mark::verdict(Verdict::Exhausted).with_fault(CUT))
    }));
    service.call(Request::new(())).await.unwrap_err();
    let json = serde_json::to_value(stats.snapshot().calls.last_failure).unwrap();
    assert_eq!(json["phase"], "TlsHandshake");
    assert_eq!(json["verdict"], "Exhausted");
    assert_eq!(json["status"], serde_json::Value::Null);
}
