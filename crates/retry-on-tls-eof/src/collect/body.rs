use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The body of a response through [`CollectBody`](crate::CollectBody): all of it, or, over the limit, what was read first and
/// then the rest as it comes.
///
/// Its data are [`Bytes`], whatever the body's below are.
pub struct CollectedBody<B> {
    read: Bytes,
    trailers: Option<HeaderMap>,
    /// What was not read, if the body is over the limit.
    rest: Option<B>,
}

impl<B> CollectedBody<B> {
    pub(super) fn whole(read: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { read, trailers, rest: None }
    }

    pub(super) fn over_limit(read: Bytes, rest: B) -> Self {
        Self { read, trailers: None, rest: Some(rest) }
    }

    /// The whole body, if it was within the limit and nothing has been taken from it yet; trailers aside.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
    /// use http::{Request, Response};
    /// use retry_on_tls_eof::CollectBodyLayer;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let client = service_fn(async |_: Request<()>| Ok::<_, std::io::Error>(Response::new("[]".to_owned())));
    /// let service = CollectBodyLayer::new(1024)?.layer(client);
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert_eq!(response.body().as_whole().map(|bytes| &bytes[..]), Some(&b"[]"[..]));
    /// # Ok(()) }
    /// ```
    pub fn as_whole(&self) -> Option<&Bytes> {
        self.rest.is_none().then_some(&self.read)
    }
}

impl<B: Body + Unpin> Body for CollectedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if !self.read.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.read)))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let frame = Pin::new(rest).poll_frame(cx);
        frame.map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.trailers.is_none() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.read.len() as u64;
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint.set_lower(rest.lower().saturating_add(read));
        hint
    }
}

impl<B> fmt::Debug for CollectedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectedBody")
            .field("read", &self.read.len())
            .field("whole", &self.rest.is_none())
            .finish_non_exhaustive()
    }
}
