//! Notices when a response has been written completely.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use parking_lot::Mutex;

use crate::ledger::{Entry, Ticket};
use crate::progress::Progress;
use crate::serve::BoxError;

/// The responses of one connection whose last byte hyper has, but the operating system has not yet.
///
/// hyper takes the last frame of a body and writes it within one poll, so the next flush that succeeds has it out.
#[derive(Debug)]
pub(crate) struct Answers {
    entry: Arc<Entry>,
    progress: Arc<Progress>,
    unflushed: Mutex<Vec<Ticket>>,
}

impl Answers {
    pub(crate) fn new(entry: Arc<Entry>, progress: Arc<Progress>) -> Self {
        Self { entry, progress, unflushed: Mutex::new(Vec::new()) }
    }

    /// How many responses have been written completely.
    pub(crate) fn count(&self) -> u32 {
        self.progress.finished()
    }

    fn complete(&self, ticket: Ticket) {
        self.unflushed.lock().push(ticket);
    }

    /// A flush has succeeded.
    pub(crate) fn flushed(&self) {
        for ticket in self.unflushed.lock().drain(..) {
            self.entry.answered(&ticket);
            self.progress.finish();
        }
    }
}

/// A response body that says when hyper has taken its last byte.
pub(crate) struct Answer {
    body: UnsyncBoxBody<Bytes, BoxError>,
    left: Option<u64>,
    ticket: Option<Ticket>,
    answers: Arc<Answers>,
}

impl Answer {
    pub(crate) fn new(
        body: UnsyncBoxBody<Bytes, BoxError>,
        length: Option<u64>,
        ticket: Option<Ticket>,
        answers: Arc<Answers>,
    ) -> Self {
        let mut answer = Self { body, left: length, ticket, answers };
        answer.check();
        answer
    }

    fn check(&mut self) {
        if self.left == Some(0) || self.body.is_end_stream() {
            self.complete();
        }
    }

    fn complete(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.answers.complete(ticket);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => this.complete(),
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.left = this.left.map(|left| left.saturating_sub(data));
                this.check();
            }
            Poll::Ready(Some(Err(_))) => this.ticket = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
