//! The future of a call: attempt, wait, ready, attempt, …

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use jittered_backoff::Replay;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::BoxError;
use tower_service::Service;
use wire_fault::AsFault;

use crate::attempt::EarlierFault;
use crate::call::{After, Call};

pin_project! {
    /// The future of a call through [`RetryOnTlsEof`](crate::RetryOnTlsEof).
    pub struct ResponseFuture<S, B, M>
    where
        S: Service<Request<B>>,
    {
        service: S,
        call: Call,
        // What the next attempt sends; `None` if there can't be one.
        copy: Option<Request<B>>,
        #[pin]
        state: State<S::Future>,
        marker: PhantomData<fn() -> M>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Attempt { #[pin] future: F },
        Wait { #[pin] sleep: Sleep },
        // Waits for the service to be ready for the next attempt.
        Ready,
    }
}

impl<S, B, M> ResponseFuture<S, B, M>
where
    S: Service<Request<B>>,
    B: Replay,
{
    /// `service` has been polled ready.
    pub(crate) fn start(mut service: S, mut call: Call, request: Request<B>) -> Self {
        let (copy, future) = send(&mut service, &call, request);
        call.replayable = copy.is_some();
        Self { service, call, copy, state: State::Attempt { future }, marker: PhantomData }
    }
}

/// Sends the request, and keeps a copy of it if another attempt may follow.
fn send<S, B>(service: &mut S, call: &Call, mut request: Request<B>) -> (Option<Request<B>>, S::Future)
where
    S: Service<Request<B>>,
    B: Replay,
{
    let copy = if call.may_go_on() { request.replay() } else { None };
    request.extensions_mut().insert(call.attempt);
    (copy, service.call(request))
}

impl<S, B, M, R> Future for ResponseFuture<S, B, M>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: AsFault<M> + Into<BoxError>,
    B: Replay,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Attempt { future } => {
                    let wait = match ready!(future.poll(cx)) {
                        Ok(mut response) => {
                            let wait = this.call.answered(&response);
                            let Some(wait) = wait else {
                                let extensions = response.extensions_mut();
                                extensions.insert(this.call.attempt);
                                if let Some(fault) = this.call.may_have_landed {
                                    extensions.insert(EarlierFault(fault));
                                }
                                return Poll::Ready(Ok(response));
                            };
                            wait
                        }
                        Err(error) => match this.call.failed(error) {
                            After::RepeatIn(wait) => wait,
                            After::End(error) => return Poll::Ready(Err(error)),
                        },
                    };
                    // Drops the attempt, and with it whatever it holds below, before the next is asked for.
                    this.state.set(State::Wait { sleep: tokio::time::sleep(wait) });
                }
                StateProj::Wait { sleep } => {
                    ready!(sleep.poll(cx));
                    this.state.set(State::Ready);
                }
                StateProj::Ready => {
                    if let Err(error) = ready!(this.service.poll_ready(cx)) {
                        return Poll::Ready(Err(this.call.end(error)));
                    }
                    let Some(request) = this.copy.take() else {
                        // A wait begins only if the limits leave room for another attempt, and then a copy was kept.
                        unreachable!("a call without a copy is not repeated");
                    };
                    this.call.attempt = this.call.attempt.next();
                    let (copy, future) = send(this.service, this.call, request);
                    *this.copy = copy;
                    this.state.set(State::Attempt { future });
                }
            }
        }
    }
}

impl<S, B, M> fmt::Debug for ResponseFuture<S, B, M>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("call", &self.call).finish_non_exhaustive()
    }
}
