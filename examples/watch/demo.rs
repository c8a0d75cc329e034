//! The demo's endpoint: availabilities behind a server that cuts connections.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flaky_tls::{
    AlertDescription, BadCertificate, CutPoint, FlakyTls, Mix, RequestBody, Running, Scenario, Script,
};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::shelf::{Filter, Shelf};
use crate::watch::PATH;

/// What the base URL ends in.
const ROOT: &str = "/1.0";

/// Each of so many answers is a gateway's 503.
const GATEWAY_FAILS: u64 = 41;

/// Starts the server. Which connection is cut where depends on the seed, and on the order in which they come.
pub(crate) async fn start(seed: u64) -> Result<Running, Box<dyn Error>> {
    let shelf = Arc::new(Mutex::new(Shelf::new(seed)));
    let started = Instant::now();
    let mut answered = seed % GATEWAY_FAILS;
    let count = Arc::new(Mutex::new(move || {
        answered += 1;
        answered % GATEWAY_FAILS == 0
    }));
    let service = tower::service_fn(move |request: Request<RequestBody>| -> Ready<Result<_, Infallible>> {
        if count.lock()() {
            return ready(Ok(answer(StatusCode::SERVICE_UNAVAILABLE, "text/html", GATEWAY)));
        }
        let mut shelf = shelf.lock();
        shelf.grow_to(started.elapsed());
        ready(Ok(respond(&request, &shelf)))
    });
    let server = FlakyTls::new()
        .with_script(Script::seeded(seed, mix()?))
        // More than a day of connections at the limiter's rate.
        .with_record_limit(1_000_000)
        .with_grace(Duration::from_secs(1))
        .serve(service)
        .await?;
    Ok(server)
}

/// The base URL for [`Endpoint`](crate::endpoint::Endpoint).
pub(crate) fn base(server: &Running) -> String {
    format!("{}{ROOT}", server.url())
}

/// Every cut there is, each as often as any other; and stalls, alerts that pass, and now and then a certificate that no
/// repeat can heal.
fn mix() -> Result<Mix, flaky_tls::InvalidMix> {
    let cuts = Scenario::cuts().map(|cut| (cut, 10));
    Mix::new(cuts.chain([
        (Scenario::Healthy, 700),
        (Scenario::Alert(AlertDescription::InternalError), 20),
        (Scenario::Alert(AlertDescription::UserCanceled), 10),
        (Scenario::Stall(CutPoint::ClientHello), 10),
        (Scenario::Stall(CutPoint::Request), 10),
        (Scenario::Certificate(BadCertificate::Expired), 8),
    ]))
}

const GATEWAY: &str = "<html><body><h1>503 Service Unavailable</h1>No server is available.</body></html>";

fn respond<B>(request: &Request<B>, shelf: &Shelf) -> Response<Full<Bytes>> {
    let known = request.uri().path().strip_prefix(ROOT) == Some(PATH);
    if !known || request.method() != Method::GET {
        let body = r#"{"class":"Client::NotFound","message":"Got an invalid (or empty) URL"}"#;
        return answer(StatusCode::NOT_FOUND, "application/json", body);
    }
    match shelf.answer(&filter(request.uri().query().unwrap_or_default())) {
        Some(body) => answer(StatusCode::OK, "application/json", body),
        None => {
            let body = r#"{"class":"Client::NotFound","message":"No availabilities found"}"#;
            answer(StatusCode::NOT_FOUND, "application/json", body)
        }
    }
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// Reads the query. What the demo does not know is ignored.
fn filter(query: &str) -> Filter {
    let mut filter = Filter::default();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "planCode" => filter.plans.push(value.to_owned()),
            "datacenters" => filter.datacenters.extend(value.split(',').map(str::to_owned)),
            "excludeDatacenters" => filter.exclude_datacenters = value == "true",
            "addonFamily" => filter.options.push(value.to_owned()),
            _ => {}
        }
    }
    filter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::query;

    #[test]
    fn what_the_watcher_asks_is_what_the_server_reads() {
        let list = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (datacenters, options) = (list(&["gra", "rbx"]), list(&["ram-64g", "softraid-2x450nvme"]));
        let read = filter(&query("24sk10", &datacenters, &options));
        assert_eq!(
            read,
            Filter { plans: list(&["24sk10"]), datacenters, exclude_datacenters: false, options }
        );
        assert_eq!(filter(&query("a", &[], &[])), Filter { plans: list(&["a"]), ..Filter::default() });
    }

    #[test]
    fn unknown_paths_plans_and_methods_are_not_found() {
        let shelf = Shelf::new(1);
        let status = |method: Method, uri: &str| {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            respond(&request, &shelf).status().as_u16()
        };
        let path = "/1.0/dedicated/server/datacenter/availabilities";
        assert_eq!(status(Method::GET, &format!("{path}?planCode=24sk10")), 200);
        assert_eq!(status(Method::GET, &format!("{path}?planCode=99none")), 404);
        assert_eq!(status(Method::POST, path), 404);
        assert_eq!(status(Method::GET, "/dedicated/server/datacenter/availabilities"), 404);
        assert_eq!(status(Method::GET, "/1.0/auth/time"), 404);
    }
}
