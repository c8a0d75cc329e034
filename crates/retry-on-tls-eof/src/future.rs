//! The future of a call: attempt, wait, ready, attempt, …

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use jittered_backoff::Replay;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep, sleep_until};
use tower::BoxError;
use tower_service::Service;
use tracing::Span;
use wire_fault::AsFault;

use crate::call::{After, Call};
use crate::deadline::DeadlinePassed;
use crate::reconcile::{Look, Looking};

/// How long the attempt's own time limit may take to end an attempt whose time is up.
const GRACE: Duration = Duration::from_millis(1);

pin_project! {
    /// The future of a call through [`RetryOnTlsEof`](crate::RetryOnTlsEof).
    ///
    /// Cancellation and panics: see there.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, M, H>
    where
        S: Service<Request<B>>,
    {
        // Makes the attempts; `None` once the call has ended.
        service: Option<S>,
        call: Call,
        // What the next attempt sends; `None` if there can't be one.
        copy: Option<Request<B>>,
        #[pin]
        state: State<S::Future, S::Response>,
        // Ends the call, if it has a deadline.
        #[pin]
        deadline: Option<Sleep>,
        graced: bool,
        hook: H,
        // The call's own; here, too, so that it can be entered while the call changes.
        span: Span,
        marker: PhantomData<fn() -> M>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, T> {
        Attempt { #[pin] future: F },
        Wait { #[pin] sleep: Sleep },
        // Waits for the service to be ready for the next attempt.
        Ready,
        // A hook looks whether the call has landed.
        Look { looking: Looking<T> },
        // The call began after its deadline.
        TooLate,
        Done,
    }
}

impl<S, B, M, H> ResponseFuture<S, B, M, H>
where
    S: Service<Request<B>>,
    B: Replay,
{
    /// `service` has been polled ready.
    pub(crate) fn start(mut service: S, mut call: Call, request: Request<B>, hook: H) -> Self {
        let span = call.span.clone();
        let (copy, state) = if call.too_late {
            (None, State::TooLate)
        } else {
            let (copy, future) = span.in_scope(|| send(&mut service, &mut call, request));
            (copy, State::Attempt { future })
        };
        let deadline = call.pace.until.map(sleep_until);
        let service = Some(service);
        Self { service, call, copy, state, deadline, graced: false, hook, span, marker: PhantomData }
    }
}

/// Sends the request, and keeps a copy of it if another attempt may follow.
fn send<S, B>(service: &mut S, call: &mut Call, mut request: Request<B>) -> (Option<Request<B>>, S::Future)
where
    S: Service<Request<B>>,
    B: Replay,
{
    let copy = if call.may_go_on() || call.may_be_mended() { request.replay() } else { None };
    if copy.is_none() && call.may_go_on() {
        call.cannot_be_replayed();
    }
    call.copied = copy.is_some();
    call.sending(request.extensions_mut());
    (copy, service.call(request))
}

impl<S, B, M, H, R> Future for ResponseFuture<S, B, M, H>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: AsFault<M> + Into<BoxError>,
    B: Replay,
    H: Look<Response<R>>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.as_mut().advance(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => ready!(self.as_mut().poll_deadline(cx)),
        };
        // Whatever the call holds is free before the caller goes on, also one who keeps this future: what the attempt has
        // below, the place in a queue for the next one, and the permit for it.
        let mut this = self.project();
        this.state.set(State::Done);
        *this.service = None;
        *this.copy = None;
        this.call.pace.give_back();
        Poll::Ready(result)
    }
}

impl<S, B, M, H, R> ResponseFuture<S, B, M, H>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: AsFault<M> + Into<BoxError>,
    B: Replay,
    H: Look<Response<R>>,
{
    /// From state to state, as far as they go by themselves.
    fn advance(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Response<R>, BoxError>> {
        let mut this = self.project();
        let _entered = this.span.enter();
        loop {
            let after = match this.state.as_mut().project() {
                StateProj::Attempt { future } => {
                    let result = ready!(future.poll(cx));
                    // A stream that this attempt has touched can't go out with another.
                    if this.copy.as_ref().is_some_and(|copy| !copy.is_whole()) {
                        *this.copy = None;
                        this.call.cannot_be_replayed();
                    }
                    match result {
                        Ok(response) => this.call.answered(response),
                        Err(error) => this.call.failed(error),
                    }
                }
                StateProj::Wait { sleep } => {
                    ready!(sleep.poll(cx));
                    this.state.set(State::Ready);
                    continue;
                }
                StateProj::Ready => {
                    let (Some(service), true) = (&mut *this.service, this.copy.is_some()) else {
                        // It was given to the service, which panicked, and the call is polled all the same.
                        return Poll::Ready(this.call.unresolved(None));
                    };
                    match ready!(service.poll_ready(cx)) {
                        // The timer counts whole milliseconds, and a busy runtime more: too late to be answered.
                        Ok(()) if this.call.pace.is_over() => {
                            return Poll::Ready(Err(this.call.cut(false, false)));
                        }
                        Ok(()) => {
                            let Some(request) = this.copy.take() else {
                                unreachable!("it was there a moment ago")
                            };
                            this.call.go_on();
                            let (copy, future) = send(service, this.call, request);
                            *this.copy = copy;
                            this.state.set(State::Attempt { future });
                            continue;
                        }
                        Err(error) => this.call.broken(error),
                    }
                }
                StateProj::Look { looking } => {
                    let shown = ready!(looking.poll(cx));
                    this.call.looked(shown, looking.take_answer())
                }
                StateProj::TooLate => After::End(Err(DeadlinePassed::before_sent().into())),
                StateProj::Done => unreachable!("polled again after it was done"),
            };
            // Each of these drops the attempt, and with it whatever it holds below, before anything else is begun.
            match after {
                After::RepeatIn(wait) => this.state.set(State::Wait { sleep: sleep(wait) }),
                After::Unknown(answer) => {
                    this.state.set(State::Done);
                    let asked = this.call.question(answer.as_ref());
                    match asked.and_then(|(question, until)| this.hook.look(question, until)) {
                        Some(looking) => this.state.set(State::Look { looking: looking.keeping(answer) }),
                        None => return Poll::Ready(this.call.unresolved(answer)),
                    }
                }
                After::End(result) => return Poll::Ready(result),
            }
        }
    }

    /// Whether time is up, and what that makes of the call. `advance` was asked first: what is there when the time is up is
    /// in time.
    fn poll_deadline(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Response<R>, BoxError>> {
        let mut this = self.project();
        let Some(mut timer) = this.deadline.as_mut().as_pin_mut() else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        let under_way = matches!(*this.state, State::Attempt { .. });
        if under_way && this.call.is_kept_below() && !*this.graced {
            // The layer that has the attempt knows more of it, and its timer is due, too.
            *this.graced = true;
            let until = timer.deadline() + GRACE;
            timer.as_mut().reset(until);
            ready!(timer.poll(cx));
        }
        let _entered = this.span.enter();
        let look = match this.state.as_mut().project() {
            StateProj::Look { looking } => Some(looking.take_answer()),
            _ => None,
        };
        // Asked while the attempt still holds its request.
        let told_below = this.call.is_told_below();
        this.state.set(State::Done);
        Poll::Ready(match look {
            Some(answer) => this.call.unresolved(answer),
            None => Err(this.call.cut(under_way, told_below)),
        })
    }
}

impl<S, B, M, H> fmt::Debug for ResponseFuture<S, B, M, H>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("call", &self.call).finish_non_exhaustive()
    }
}
