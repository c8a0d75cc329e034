//! hyper-util's note of a connection, and what it proves.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::Request;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, capture_connection};
use wire_fault::Witness;

/// Where hyper-util's client notes the connection that it hands the request to, in the very poll in which it does.
///
/// There is one place for it in a request, so whoever asks for a note of its own takes it from whoever asked before: two
/// of these layers share one, as an extension of the request.
#[derive(Clone, Debug)]
pub(super) struct Note {
    capture: CaptureConnection,
    /// Counts the copies of the note: this one, and one with each copy of the request's extensions.
    holders: Arc<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A connection has the request, or had it.
    HandedOver,
    /// Nobody can hand it over any more: the request, or its extensions, are gone.
    Lost,
    /// Somebody holds the request and has not handed it to a connection.
    Blank,
}

impl Note {
    pub(super) fn of<B>(request: &mut Request<B>) -> Self {
        let shared = request.extensions().get::<Self>().map(|note| note.capture.clone());
        let capture = shared.unwrap_or_else(|| capture_connection(request));
        let note = Self { capture, holders: Arc::default() };
        request.extensions_mut().insert(note.clone());
        note
    }

    /// Drops the attempt, and answers whether that proves that its request was never sent.
    ///
    /// Before a connection was had it does if the attempt itself held the request, up to the end, with the note blank:
    /// somebody who had taken the extensions off it would have lost the note before, and somebody who had taken the request
    /// elsewhere (a spawned task) would hold the note still.
    ///
    /// Afterwards (the connection is busy elsewhere, or has ended just then, hyper#4122) its [`Witness`] must show that
    /// nothing was ever written to it, and forbid that anything is. A connection that was used before has been written
    /// to, and so has one of HTTP/2, which begins with a preface: these prove nothing, whatever else they carry. And the
    /// request must lie in the connection's queue with the only copy of its extensions: another copy is somebody's who
    /// may have sent it before, over another connection.
    ///
    /// A connection over which time ran out gets no further request: it may have stalled, and one of HTTP/2 would be handed
    /// to the very repeat. Calls that it carries beside this one go on.
    pub(super) fn give_up(&mut self, drop_attempt: impl FnOnce()) -> bool {
        let before = self.state();
        let one_request = Arc::strong_count(&self.holders) == 2;
        // First, so that the pool does not get it back.
        self.with_connection(Connected::poison);
        drop_attempt();
        match before {
            State::Blank => self.state() == State::Lost,
            State::HandedOver if one_request => {
                self.with_connection(Witness::of).flatten().is_some_and(|witness| witness.seal())
            }
            State::HandedOver | State::Lost => false,
        }
    }

    fn with_connection<T>(&self, ask: impl FnOnce(&Connected) -> T) -> Option<T> {
        self.capture.connection_metadata().as_ref().map(ask)
    }

    fn state(&mut self) -> State {
        if self.capture.connection_metadata().is_some() {
            return State::HandedOver;
        }
        let answer =
            pin!(self.capture.wait_for_connection_metadata()).poll(&mut Context::from_waker(Waker::noop()));
        match answer {
            Poll::Ready(metadata) if metadata.is_some() => State::HandedOver,
            Poll::Ready(_) => State::Lost,
            Poll::Pending => State::Blank,
        }
    }
}
