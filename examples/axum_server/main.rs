//! Statistics and a rate limit on the server's side, in axum.
//!
//! ```text
//! cargo run --example axum_server             # a server and its client, which compare their counts; ends by itself
//! cargo run --example axum_server -- 8080     # the server alone, until Ctrl-C
//!
//! curl -i http://127.0.0.1:8080/stock
//! curl -i http://127.0.0.1:8080/broken
//! curl -i --max-time 1 http://127.0.0.1:8080/slow
//! curl -s "http://127.0.0.1:8080/stock?[1-30]"
//! curl -s http://127.0.0.1:8080/stats
//! ```
//!
//! `/stock` is released ten times a second at most; who would wait for more than two seconds is answered 429. A client that
//! leaves before its answer is counted as cancelled.

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use error_stats::ErrorStats;
use http::header::RETRY_AFTER;
use http::{StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use rate_limit::{BoxError, Limiter, Quota, RateLimitLayer, RateLimited};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::ServiceBuilder;

const PER_SECOND: u32 = 10;
const CALLS: usize = 35;

/// What the handlers saw.
#[derive(Default)]
struct Seen {
    released: Mutex<Vec<Instant>>,
    slow: Notify,
}

fn app(stats: &ErrorStats, seen: &Arc<Seen>) -> Result<Router, BoxError> {
    let limiter = Limiter::new(Quota::per_second(PER_SECOND)?.with_guard(Duration::from_millis(50))?)
        .with_max_wait(Duration::from_secs(2));
    // A limiter may refuse, and axum wants every error answered: the one goes above the other.
    let paced =
        ServiceBuilder::new().layer(HandleErrorLayer::new(refuse)).layer(RateLimitLayer::from(limiter));
    let (stock, slow, counts) = (seen.clone(), seen.clone(), stats.clone());
    let stock = async move || {
        stock.released.lock().push(Instant::now());
        "[]"
    };
    let slow = async move || {
        slow.slow.notify_one();
        pending::<&'static str>().await
    };
    Ok(Router::new()
        .route("/stock", get(stock).layer(paced))
        .route("/slow", get(slow))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        // Outermost: it counts what the callers get, the limiter's refusals included.
        .layer(stats.calls())
        // After the layer, so not counted.
        .route("/stats", get(async move || format!("{}\n", counts.snapshot()))))
}

async fn refuse(error: BoxError) -> Response {
    match error.downcast_ref::<RateLimited>() {
        Some(refused) => {
            let seconds = refused.retry_after().as_secs_f64().ceil();
            let header = [(RETRY_AFTER, format!("{seconds}"))];
            (StatusCode::TOO_MANY_REQUESTS, header, format!("{refused}\n")).into_response()
        }
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let stats = ErrorStats::new().on_alarm(|alarm| eprintln!("{alarm}"));
    let seen = Arc::new(Seen::default());
    let app = app(&stats, &seen)?;
    if let Some(port) = std::env::args().nth(1) {
        let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
        println!("http://{}", listener.local_addr()?);
        let stop = async { tokio::signal::ctrl_c().await.unwrap_or_else(|error| eprintln!("{error}")) };
        axum::serve(listener, app).with_graceful_shutdown(stop).await?;
        println!("{}", stats.snapshot());
        return Ok(());
    }

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let server = tokio::spawn(async { axum::serve(listener, app).with_graceful_shutdown(stopped).await });

    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url = |path: &str| format!("{base}{path}").parse::<Uri>();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        calls.spawn(client.get(url("/stock")?));
    }
    let (mut released, mut refused) = (0, 0);
    while let Some(response) = calls.join_next().await {
        match response??.status() {
            StatusCode::OK => released += 1,
            StatusCode::TOO_MANY_REQUESTS => refused += 1,
            other => return Err(format!("/stock was answered {other}").into()),
        }
    }
    for _ in 0..3 {
        assert_eq!(client.get(url("/broken")?).await?.status(), 500);
    }
    tokio::select! {
        answer = client.get(url("/slow")?) => return Err(format!("/slow has answered: {answer:?}").into()),
        // The handler is at work: the client leaves.
        () = seen.slow.notified() => {}
    }

    drop(client);
    let _ = stop.send(());
    // Waits for every connection, so that all is counted.
    server.await??;
    let calls = stats.snapshot().calls;
    let busiest = busiest(&seen.released.lock());
    println!("{}\n", stats.snapshot());
    println!(
        "{CALLS} calls at once: {released} released, {refused} refused, at most {busiest} in any second"
    );
    println!("{} answers of 5xx, {} calls cancelled", calls.responses.server_error, calls.cancelled);

    assert_eq!(released + refused, u64::try_from(CALLS)?);
    assert!(busiest <= usize::try_from(PER_SECOND)?, "{busiest} in one second");
    assert_eq!((calls.responses.success, calls.responses.too_many_requests), (released, refused));
    assert!(refused > 0, "nobody would have waited too long");
    assert_eq!((calls.responses.server_error, calls.cancelled, calls.in_flight), (3, 1, 0));
    Ok(())
}

/// The most calls in any sliding second.
fn busiest(at: &[Instant]) -> usize {
    let within = |start: &Instant| {
        at.iter().filter(|&at| at >= start && *at - *start < Duration::from_secs(1)).count()
    };
    at.iter().map(within).max().unwrap_or(0)
}
