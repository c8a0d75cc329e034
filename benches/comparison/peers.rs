//! The retries that others use, with as many attempts and as short waits as ours.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use matrix_tests::ATTEMPTS;
use matrix_tests::clients::reqwest::builder13;
use matrix_tests::run::{Calling, PATIENCE, Seat};
use reqwest_middleware::{ClientBuilder, Next};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tower::retry::{Policy, RetryLayer};
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

type Reading = Pin<Box<dyn Future<Output = Result<(StatusCode, usize), BoxError>> + Send>>;
type Middle<'a> = Pin<Box<dyn Future<Output = reqwest_middleware::Result<reqwest::Response>> + Send + 'a>>;

/// A request whose body can be sent again.
async fn buffered(request: Request<Full<Bytes>>) -> Result<reqwest::Request, BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(reqwest::Request::try_from(Request::from_parts(parts, body))?)
}

async fn read(response: reqwest::Response) -> Result<(StatusCode, usize), BoxError> {
    Ok((response.status(), response.bytes().await?.len()))
}

fn client(seat: &Seat) -> reqwest::ClientBuilder {
    builder13(seat.client, &seat.trust, seat.proxy.as_deref()).timeout(PATIENCE)
}

/// reqwest-retry's default strategy, over a client that repeats nothing by itself.
pub(crate) fn reqwest_retry(seat: &Seat) -> Calling {
    let client = client(seat).retry(reqwest::retry::never()).build().expect("a client");
    let wait = Duration::from_millis(1);
    let policy = ExponentialBackoff::builder().retry_bounds(wait, wait).build_with_max_retries(ATTEMPTS - 1);
    let client = ClientBuilder::new(client)
        .with(RetryTransientMiddleware::new_with_policy(policy))
        .with(counting(Arc::clone(&seat.attempts)))
        .build();
    BoxCloneService::new(service_fn(move |request| {
        let client = client.clone();
        async move { read(client.execute(buffered(request).await?).await?).await }
    }))
}

fn counting(
    attempts: Arc<AtomicU32>,
) -> impl for<'a> Fn(reqwest::Request, &'a mut Extensions, Next<'a>) -> Middle<'a> {
    move |request, extensions, next| {
        attempts.fetch_add(1, Ordering::Relaxed);
        Box::pin(next.run(request, extensions))
    }
}

/// What reqwest repeats by itself, by default. It can't be counted from outside: the server does.
pub(crate) fn reqwest_alone(seat: &Seat) -> Calling {
    let client = client(seat).build().expect("a client");
    BoxCloneService::new(service_fn(move |request| {
        let client = client.clone();
        async move { read(client.execute(buffered(request).await?).await?).await }
    }))
}

/// The loop that everybody writes first: any error is tried again.
#[derive(Clone)]
struct AnyError {
    left: u32,
}

impl<E> Policy<Request<Full<Bytes>>, Response<Whole>, E> for AnyError {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<Whole>, E>,
    ) -> Option<Self::Future> {
        if result.is_ok() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(tokio::time::sleep(Duration::from_millis(1)))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

type Whole = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

pub(crate) fn any_error(seat: &Seat) -> Calling {
    let transport = seat.client.build(&seat.trust, seat.proxy.as_deref());
    let attempts = Arc::clone(&seat.attempts);
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(AnyError { left: ATTEMPTS - 1 }))
        .map_request(move |request: Request<Full<Bytes>>| {
            attempts.fetch_add(1, Ordering::Relaxed);
            request
        })
        .timeout(PATIENCE)
        .service(transport);
    BoxCloneService::new(service.and_then(whole))
}

/// Boxed here, where rustc still sees that it is `Send`.
fn whole(response: Response<Whole>) -> Reading {
    Box::pin(async move {
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await??;
        Ok((parts.status, body.to_bytes().len()))
    })
}
