//! The server: its routes, and what stands before each.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use error_stats::ErrorStats;
use http::StatusCode;
use http::header::RETRY_AFTER;
use parking_lot::Mutex;
use rate_limit::{BoxError, KeyedLimiter, Limiter, Quota, RateLimitLayer, RateLimited, server};
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::ServiceBuilder;

/// Of `/stock`, for all clients together.
pub(crate) const PER_SECOND: u32 = 10;

/// Of `/orders`, for each client.
pub(crate) const PER_CLIENT: u32 = 5;

/// How many clients there may be at a time. What they need is bounded: some 600 bytes each.
const CLIENTS: usize = 100_000;

/// What the handlers saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) released: Mutex<Vec<Instant>>,
    pub(crate) slow: Notify,
}

pub(crate) fn app(stats: &ErrorStats, seen: &Arc<Seen>) -> Result<Router, BoxError> {
    // Calls wait for their turn, for two seconds at most.
    let limiter = Limiter::new(Quota::per_second(PER_SECOND)?.with_guard(Duration::from_millis(50))?)
        .with_max_wait(Duration::from_secs(2));
    // A limiter may refuse, and axum wants every error answered: the one goes above the other.
    let paced =
        ServiceBuilder::new().layer(HandleErrorLayer::new(refuse)).layer(RateLimitLayer::from(limiter));

    // Calls don't wait: each client has its quota, and is told how it stands. A client is its address, as our proxy saw it;
    // the proxy is on this machine, and nobody else is believed.
    let proxies = server::Proxies::x_forwarded_for(["127.0.0.0/8", "::1"])?;
    let client = server::client(proxies, |ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
    let limiters = KeyedLimiter::new(Quota::per_second(PER_CLIENT)?, CLIENTS)?;
    let per_client = RateLimitLayer::keyed(limiters, client).rejecting().with_name("orders")?;

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
        .route("/orders", get(async || "[]").layer(per_client))
        .route("/slow", get(slow))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        // Outermost: it counts what the callers get, the limiters' refusals included.
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
