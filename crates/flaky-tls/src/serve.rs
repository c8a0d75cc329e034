//! What can be served.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

/// Any error, boxed, as tower has it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a request as the service gets it: already read in full.
pub type RequestBody = Full<Bytes>;

/// What can be served: any [`tower_service::Service`] from requests to responses that is `Clone` and `Send`.
///
/// An axum `Router` is one, and so is `tower::service_fn`; a service of hyper becomes one in
/// [`HyperService`](crate::HyperService). Implemented for all that fit; there is nothing to implement by hand.
pub trait Serve:
    Service<
        Request<RequestBody>,
        Response = Response<Self::ResponseBody>,
        Error = Self::Failure,
        Future = Self::Answering,
    > + Clone
    + Send
    + 'static
{
    /// The body of a response.
    type ResponseBody: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
    /// The service's error. A connection whose service fails is closed without an answer.
    type Failure: Into<BoxError>;
    /// The service's future.
    type Answering: Future<Output = Result<Response<Self::ResponseBody>, Self::Failure>> + Send + 'static;
}

impl<S, B> Serve for S
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type ResponseBody = B;
    type Failure = S::Error;
    type Answering = S::Future;
}
