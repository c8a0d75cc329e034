//! A body of any type, which is repeated as that type is.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::MapErr;
use tower::BoxError;

use crate::replay::Replay;

/// A boxed body that still knows how it is sent again: for clients whose requests have bodies of several types.
///
/// [`http_body_util::combinators::BoxBody`] has forgotten it, and can be sent only [`Once`](crate::Once).
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::{Empty, Full};
/// use jittered_backoff::{Once, Replay, ReplayBox, Untouched};
///
/// let bodies: [ReplayBox<Bytes>; 4] = [
///     ReplayBox::new(Full::new(Bytes::from("{}"))),
///     ReplayBox::new(Empty::new()),
///     ReplayBox::new(Untouched::new(Full::new(Bytes::from("in place of a stream")))),
///     ReplayBox::new(Once::new(Full::new(Bytes::from("in place of a stream")))),
/// ];
/// assert_eq!(bodies.map(|body| body.replay().is_some()), [true, true, true, false]);
/// ```
pub struct ReplayBox<D> {
    body: Pin<Box<dyn Erased<Data = D, Error = BoxError> + Send + Sync>>,
}

impl<D> ReplayBox<D> {
    /// Boxes a body.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = D> + Replay + Send + Sync + 'static,
        B::Error: Into<BoxError>,
    {
        let boxing: Boxing<B> = body.map_err(Into::into);
        Self { body: Box::pin(boxing) }
    }
}

/// [`Replay`] for `dyn`.
trait Erased: Body {
    fn replay_boxed(&self) -> Option<ReplayBox<Self::Data>>;
    fn is_whole_boxed(&self) -> bool;
}

/// Gives every body the one error type.
type Boxing<B> = MapErr<B, fn(<B as Body>::Error) -> BoxError>;

impl<B> Erased for Boxing<B>
where
    B: Body + Replay + Send + Sync + 'static,
    B::Error: Into<BoxError>,
{
    fn replay_boxed(&self) -> Option<ReplayBox<B::Data>> {
        self.get_ref().replay().map(ReplayBox::new)
    }

    fn is_whole_boxed(&self) -> bool {
        self.get_ref().is_whole()
    }
}

impl<D: Buf> Replay for ReplayBox<D> {
    fn replay(&self) -> Option<Self> {
        self.body.replay_boxed()
    }

    fn is_whole(&self) -> bool {
        self.body.is_whole_boxed()
    }
}

impl<D: Buf> Body for ReplayBox<D> {
    type Data = D;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<D> fmt::Debug for ReplayBox<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBox").finish_non_exhaustive()
    }
}
