//! The future of a call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::body::RejectBody;
use super::fields::Fields;

pin_project! {
    /// The future of [`Reject`](super::Reject).
    ///
    /// # Panics
    ///
    /// If it is polled after it was ready.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, B> {
        Released { #[pin] response: F, fields: Option<Fields> },
        Refused { response: Option<Response<RejectBody<B>>> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn released(response: F, fields: Option<Fields>) -> Self {
        Self { state: State::Released { response, fields } }
    }

    pub(super) fn refused(response: Response<RejectBody<B>>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<RejectBody<B>>, E>;

    #[expect(clippy::panic, reason = "a contract of `Future` was broken, as documented")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Released { response, fields } => {
                let mut response = ready!(response.poll(cx))?;
                if let Some(fields) = fields.take() {
                    fields.add_to(response.headers_mut());
                }
                Poll::Ready(Ok(response.map(RejectBody::inner)))
            }
            StateProj::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => panic!("a call was polled after it was answered"),
            },
        }
    }
}
