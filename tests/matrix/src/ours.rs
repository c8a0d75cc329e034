//! The layers of this project, over any client.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use jittered_backoff::{Backoff, Limits};
use retry_on_tls_eof::{AttemptTimeoutLayer, CollectBodyLayer, CollectedBody, RetryOnTlsEofLayer};
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};
use wire_fault::{Boxed, chain};

use crate::run::{Calling, PATIENCE, Seat};
use crate::{ATTEMPTS, ID};

/// # Panics
///
/// If a setting is out of its range.
#[must_use]
pub fn ours(seat: &Seat) -> Calling {
    let transport = seat.client.build(&seat.trust, seat.proxy.as_deref());
    let wait = Duration::from_millis(1);
    let backoff = Backoff::exponential(wait..=wait).expect("in range");
    let limits = Limits::new().with_attempts(ATTEMPTS).expect("in range").without_deadline();
    let patience = AttemptTimeoutLayer::new(PATIENCE).expect("in range");
    let patience = if seat.client.notes_connections { patience.over_hyper_util() } else { patience };
    let (count, failures) = (Arc::clone(&seat.attempts), Arc::clone(&seat.failures));
    let below = ServiceBuilder::new()
        .map_request(move |mut request: Request<Full<Bytes>>| {
            // Each attempt has a name of its own, by which the server tells which of them it received.
            let attempt = count.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(id) = request.headers_mut().get_mut(ID) {
                let name = format!("{}.{attempt}", id.to_str().expect("as it was written"));
                *id = HeaderValue::try_from(name).expect("as it was written");
            }
            request
        })
        .map_err(move |error: BoxError| {
            let texts: Vec<_> = chain(&*error).map(ToString::to_string).collect();
            failures.lock().unwrap_or_else(PoisonError::into_inner).push(texts.join(" > "));
            error
        })
        .layer(patience)
        .layer(CollectBodyLayer::new(64 * 1024).expect("in range"))
        .service(transport);
    let retry = RetryOnTlsEofLayer::<Boxed>::new(backoff).with_limits(limits).over_attempt_timeout();
    // Every answer here is within the limit of what is collected.
    let length = |response: Response<CollectedBody<_>>| {
        (response.status(), response.body().as_whole().map_or(0, Bytes::len))
    };
    BoxCloneService::new(retry.layer(below).map_response(length))
}
