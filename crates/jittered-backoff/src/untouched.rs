//! A body that can be sent again as long as nobody has asked it for a byte.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::BoxError;

use crate::replay::Replay;

pin_project! {
    /// A streaming body, which can be sent again only while it is untouched: for uploads that should survive a connection
    /// that could not be made.
    ///
    /// A client asks a body for its first frame once it has a connection. Until then nothing of the stream is used up, and
    /// it can go out with another attempt. Copies ([`Replay::replay`]) share the one stream; the first that is polled has
    /// it from then on, and the others are no longer [whole](Replay::is_whole). If one of those is polled after all, its
    /// body is an error ([`BodyTaken`]): no request ever carries half a stream, and no two requests carry the whole.
    ///
    /// Being asked for its size doesn't touch a body.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Full};
    /// use jittered_backoff::{Replay, Untouched};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let upload = Untouched::new(Full::new(Bytes::from("a long stream")));
    /// let copy = upload.replay().expect("shares the stream");
    /// assert!(copy.is_whole());
    ///
    /// assert_eq!(upload.collect().await.unwrap().to_bytes(), "a long stream");
    /// assert!(!copy.is_whole());
    /// assert!(copy.collect().await.is_err());
    /// # }
    /// ```
    ///
    /// # Memory
    ///
    /// One small allocation for the stream's place. Nothing of its contents is held.
    pub struct Untouched<B> {
        // Where the stream is until the first poll.
        place: Arc<Mutex<Option<B>>>,
        // The stream, once this copy has taken it.
        #[pin]
        mine: Option<B>,
    }
}

impl<B> Untouched<B> {
    /// Wraps a body that has not been polled.
    pub fn new(body: B) -> Self {
        Self { place: Arc::new(Mutex::new(Some(body))), mine: None }
    }

    fn ask<T>(&self, ask: impl FnOnce(&B) -> T) -> Option<T> {
        match &self.mine {
            Some(body) => Some(ask(body)),
            None => lock(&self.place).as_ref().map(ask),
        }
    }
}

/// A stream that panicked while it was asked for its size is still the same stream.
fn lock<B>(place: &Mutex<Option<B>>) -> MutexGuard<'_, Option<B>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Replay for Untouched<B> {
    fn replay(&self) -> Option<Self> {
        self.is_whole().then(|| Self { place: Arc::clone(&self.place), mine: None })
    }

    fn is_whole(&self) -> bool {
        self.mine.is_none() && lock(&self.place).is_some()
    }
}

impl<B> Body for Untouched<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        if this.mine.is_none() {
            // It was never polled, so it may still be moved.
            let Some(body) = lock(this.place).take() else {
                return Poll::Ready(Some(Err(BodyTaken(()).into())));
            };
            this.mine.set(Some(body));
        }
        match this.mine.as_pin_mut() {
            Some(body) => body.poll_frame(cx).map_err(Into::into),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        // Another's stream is not at its end: who asks for it must learn that it is gone.
        self.ask(B::is_end_stream).unwrap_or(false)
    }

    fn size_hint(&self) -> SizeHint {
        self.ask(B::size_hint).unwrap_or_default()
    }
}

impl<B> fmt::Debug for Untouched<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Untouched").field("whole", &self.is_whole()).finish_non_exhaustive()
    }
}

/// The body of a copy of an [`Untouched`] stream that another copy has already sent, at least in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTaken(());

impl fmt::Display for BodyTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the streaming body went out with another attempt")
    }
}

impl Error for BodyTaken {}
