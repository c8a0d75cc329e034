//! The body of a response that may have been looked into.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::rejected::LIMIT;

pin_project! {
    /// The response body of [`Sign`](crate::Sign): the inner one, frame by frame as it came.
    ///
    /// Only that of a 400 with a short JSON body is read ahead, up to 4 KiB, and handed on intact.
    pub struct ResponseBody<B: Body> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B: Body> {
        Untouched { #[pin] body: B },
        Read { ahead: Ahead<B> },
    }
}

impl<B: Body> ResponseBody<B> {
    pub(crate) fn untouched(body: B) -> Self {
        Self { state: State::Untouched { body } }
    }

    pub(crate) fn read(ahead: Ahead<B>) -> Self {
        Self { state: State::Read { ahead } }
    }
}

/// What has been read of a body, and the rest. The box lets a body that was polled be moved on.
pub(crate) struct Ahead<B: Body> {
    frames: VecDeque<Result<Frame<B::Data>, B::Error>>,
    size: usize,
    /// None: it has ended, or failed.
    rest: Option<Pin<Box<B>>>,
}

impl<B: Body<Data = Bytes>> Ahead<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { frames: VecDeque::new(), size: 0, rest: Some(Box::pin(body)) }
    }

    /// Reads until the end, an error, or more than the limit.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(rest) = &mut self.rest {
            if self.size > LIMIT {
                break;
            }
            let Some(frame) = ready!(rest.as_mut().poll_frame(cx)) else {
                self.rest = None;
                break;
            };
            match &frame {
                Ok(frame) => self.size += frame.data_ref().map_or(0, Bytes::len),
                Err(_) => self.rest = None,
            }
            self.frames.push_back(frame);
        }
        Poll::Ready(())
    }

    /// The whole body, if it could be read.
    pub(crate) fn whole(&self) -> Option<Vec<u8>> {
        if self.rest.is_some() || self.frames.iter().any(Result::is_err) {
            return None;
        }
        let data = self.frames.iter().flatten().filter_map(Frame::data_ref);
        Some(data.fold(Vec::with_capacity(self.size), |mut whole, data| {
            whole.extend_from_slice(data);
            whole
        }))
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.project().state.project() {
            StateProj::Untouched { body } => body.poll_frame(cx),
            StateProj::Read { ahead } => match (ahead.frames.pop_front(), &mut ahead.rest) {
                (Some(frame), _) => {
                    let read = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
                    ahead.size -= read;
                    Poll::Ready(Some(frame))
                }
                (None, Some(rest)) => rest.as_mut().poll_frame(cx),
                (None, None) => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Untouched { body } => body.is_end_stream(),
            State::Read { ahead } => {
                ahead.frames.is_empty() && ahead.rest.as_ref().is_none_or(Body::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Untouched { body } => body.size_hint(),
            State::Read { ahead } => {
                let rest = ahead.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
                let read = ahead.size as u64;
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(read));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
                    hint.set_upper(upper);
                }
                hint
            }
        }
    }
}

impl<B: Body> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
