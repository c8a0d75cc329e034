//! One small call through a service that the caller gave.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::Instant;
use tower_service::Service;

use crate::failure::{BoxError, Failure};

pub(crate) struct Answer {
    pub(crate) head: Parts,
    /// When the head had come.
    pub(crate) at: Instant,
    /// None: longer than asked for.
    pub(crate) body: Option<Bytes>,
}

/// Sends a request and reads its answer, up to `limit` bytes of it.
pub(crate) async fn exchange<S, B, R>(
    mut service: S,
    request: Request<B>,
    limit: usize,
) -> Result<Answer, Failure>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Failure::service)?;
    let response = service.call(request).await.map_err(Failure::service)?;
    let at = Instant::now();
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, limit).collect().await {
        Ok(read) => Some(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => None,
        Err(error) => return Err(Failure::service(error)),
    };
    Ok(Answer { head, at, body })
}

/// A service of which a clone is had from anywhere: the lock spares the caller `Sync`.
pub(crate) struct Source<S>(Mutex<S>);

impl<S: Clone> Source<S> {
    pub(crate) fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }

    pub(crate) fn get(&self) -> S {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
