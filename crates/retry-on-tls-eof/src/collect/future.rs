use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::{HeaderMap, Response, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::BoxError;

use super::body::CollectedBody;
use super::error::BodyCut;
use super::held::Held;
use super::length::announced;

pin_project! {
    /// The future of a call through [`CollectBody`](crate::CollectBody).
    ///
    /// Cancellation and panics: see there.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
        limit: usize,
        can_have_body: bool,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Head { #[pin] future: F },
        // `None` once it is handed on.
        Body { collecting: Option<Collecting<B>> },
    }
}

struct Collecting<B> {
    parts: response::Parts,
    body: B,
    held: Held,
    // What the body must have at least.
    announced: u64,
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn new(future: F, limit: usize, can_have_body: bool) -> Self {
        Self { state: State::Head { future }, limit, can_have_body }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<CollectedBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Head { future } => {
                    let (parts, body) = ready!(future.poll(cx)).map_err(Into::into)?.into_parts();
                    let announced = if *this.can_have_body { announced(&parts, &body) } else { 0 };
                    let collecting = Some(Collecting { parts, body, held: Held::default(), announced });
                    this.state.set(State::Body { collecting });
                }
                StateProj::Body { collecting } => {
                    let Some(part) = collecting else { unreachable!("polled again after it was done") };
                    let end = ready!(part.poll_end(cx, *this.limit));
                    let Some(Collecting { parts, body, held, announced }) = collecting.take() else {
                        unreachable!("it was there a line ago");
                    };
                    return Poll::Ready(match end {
                        End::Whole(_) if (held.len() as u64) < announced => {
                            Err(BodyCut::short(parts, held.len(), announced).into())
                        }
                        End::Whole(trailers) => {
                            Ok(Response::from_parts(parts, CollectedBody::whole(held.into_bytes(), trailers)))
                        }
                        End::OverLimit => Ok(Response::from_parts(
                            parts,
                            CollectedBody::over_limit(held.into_bytes(), body),
                        )),
                        End::Cut(error) => Err(BodyCut::new(parts, held.len(), error).into()),
                    });
                }
            }
        }
    }
}

enum End<E> {
    Whole(Option<HeaderMap>),
    OverLimit,
    Cut(E),
}

impl<B: Body + Unpin> Collecting<B> {
    fn poll_end(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<End<B::Error>> {
        loop {
            if self.body.is_end_stream() {
                return Poll::Ready(End::Whole(None));
            }
            let left = self.body.size_hint().lower();
            if left > limit.saturating_sub(self.held.len()) as u64 {
                return Poll::Ready(End::OverLimit);
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(End::Cut(error)),
                None => return Poll::Ready(End::Whole(None)),
            };
            match frame.into_data() {
                Ok(data) => {
                    let left = left.saturating_sub(data.remaining() as u64);
                    self.held.push(data, left);
                    if self.held.len() > limit {
                        return Poll::Ready(End::OverLimit);
                    }
                }
                // Trailers end a body; what is neither data nor trailers means nothing yet.
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return Poll::Ready(End::Whole(Some(trailers)));
                    }
                }
            }
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("limit", &self.limit).finish_non_exhaustive()
    }
}
