//! A request or body that is sent once.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::replay::Replay;

pin_project! {
    /// Passes once: never repeated, whatever the result.
    ///
    /// Wraps what can't be sent again (a stream, [`BoxBody`](http_body_util::combinators::BoxBody), a received body), or
    /// what shouldn't be. It is an [`http_body::Body`] if the value is.
    ///
    /// ```
    /// use http_body_util::{BodyExt, Full};
    /// use jittered_backoff::{Once, Replay};
    ///
    /// let boxed = Full::new(bytes::Bytes::from("from a file")).boxed();
    /// let request = http::Request::put("/upload").body(Once::new(boxed)).unwrap();
    /// assert!(request.replay().is_none());
    /// ```
    #[derive(Debug, Default)]
    pub struct Once<T> {
        #[pin]
        value: T,
    }
}

impl<T> Once<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self { value }
    }

    /// The value.
    pub const fn get_ref(&self) -> &T {
        &self.value
    }

    /// The value, to change it.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Replay for Once<T> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<B: Body> Body for Once<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().value.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.value.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.value.size_hint()
    }
}
