//! reqwest as a transport.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response, Uri};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::BoxError;
use tower_service::Service;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

/// A [`reqwest::Client`] as a transport: a `Service<http::Request<_>>` that leaves repeating to the layers above.
///
/// What reqwest does not show, no layer can know:
///
/// - A time limit that ends an attempt over it, reqwest's or the stack's, always says "perhaps sent", so a `POST` is not
///   repeated after it. (hyper-util's note of the connection is a request extension, and reqwest passes none on.) Don't
///   say `over_hyper_util` over this.
/// - All else that hyper-util's errors prove is in reqwest's, too.
///
/// ```no_run
/// use tower::Layer;
/// use tower_ovh::{OvhStack, ReqwestTransport};
///
/// # fn main() -> Result<(), reqwest::Error> {
/// let transport = ReqwestTransport::new(reqwest::Client::builder().user_agent("shop/1.0"))?;
/// let ovh = OvhStack::new().layer().layer(transport);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`UrlChanged`] if reqwest would send another URL; else reqwest's own, less the URL, whose query may be secret.
///
/// # Cancellation
///
/// Dropping the future drops reqwest's: whether the request landed nobody can know.
///
/// # Clone
///
/// Clones share reqwest's pool of connections.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

impl ReqwestTransport {
    /// Builds the client, with two things changed: it repeats nothing (reqwest repeats protocol refusals, twice and at once), and
    /// it follows no redirects (that would send the signature of one URL to another).
    ///
    /// # Errors
    ///
    /// If reqwest can't build it.
    pub fn new(client: reqwest::ClientBuilder) -> Result<Self, reqwest::Error> {
        let client =
            client.retry(reqwest::retry::never()).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client })
    }
}

impl<B> Service<Request<B>> for ReqwestTransport
where
    B: Body + Send + Sync + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<reqwest::Body>;
    type Error = BoxError;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> ReqwestFuture {
        let url = request.uri().clone();
        let state = match reqwest::Request::try_from(request.map(reqwest::Body::wrap)) {
            Err(error) => State::Refused { error: Some(error.without_url().into()) },
            Ok(request) if !same(&url, request.url()) => {
                State::Refused { error: Some(UrlChanged::new(&url).into()) }
            }
            Ok(request) => State::Sent { future: self.client.call(request) },
        };
        ReqwestFuture { state }
    }
}

/// To the letter, as a signature is: `Uri` compares hosts without regard to case.
fn same(ours: &Uri, theirs: &reqwest::Url) -> bool {
    *ours == *theirs.as_str() && ours.authority().map(Authority::as_str) == Some(theirs.authority())
}

pin_project! {
    /// The future of a call through [`ReqwestTransport`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ReqwestFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        Refused { error: Option<BoxError> },
        Sent { #[pin] future: <reqwest::Client as Service<reqwest::Request>>::Future },
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Refused { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending, // Polled after it was done.
            },
            StateProj::Sent { future } => Poll::Ready(match ready!(future.poll(cx)) {
                Ok(response) => Ok(response.into()),
                // Its text has the URL, query and all.
                Err(error) => Err(error.without_url().into()),
            }),
        }
    }
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}

/// reqwest would send another URL than the request's: its URLs are normalised (`/a/../b`, `:443`, capitals in a host, a quote
/// in a query), and one that is changed after it was signed is not what was signed. Nothing was sent.
#[derive(Debug)]
pub struct UrlChanged {
    path: String,
    mark: Mark,
}

impl UrlChanged {
    fn new(url: &Uri) -> Self {
        let fault = Fault::new(Phase::Unknown, Delivery::NeverSent, Cause::Other, Healing::Permanent);
        Self { path: url.path().to_owned(), mark: Mark::verdict(Verdict::RefusedLocally).with_fault(fault) }
    }
}

impl fmt::Display for UrlChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "reqwest would change the URL with path {}: escape what it normalises, then sign",
            self.path
        )
    }
}

impl Error for UrlChanged {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
