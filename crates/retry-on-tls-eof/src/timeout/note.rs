//! hyper-util's note of a connection, and what its absence proves.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use http::Request;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

/// Where hyper-util's client notes the connection that it hands the request to, in the very poll in which it does.
///
/// There is one place for it in a request, so whoever asks for a note of its own takes it from whoever asked before: two
/// of these layers share one, as an extension of the request.
#[derive(Clone, Debug)]
pub(super) struct Note(CaptureConnection);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A connection has the request, or had it.
    Written,
    /// Nobody can write it any more: the request, or its extensions, are gone.
    Lost,
    /// Somebody holds the request and has not handed it to a connection.
    Blank,
}

impl Note {
    pub(super) fn of<B>(request: &mut Request<B>) -> Self {
        if let Some(note) = request.extensions().get::<Self>() {
            return note.clone();
        }
        let note = Self(capture_connection(request));
        request.extensions_mut().insert(note.clone());
        note
    }

    /// Drops the attempt, and answers whether that proves that its request was never sent.
    ///
    /// It does if the attempt itself held the request, up to the end, with the note blank: somebody who had taken the
    /// extensions off it would have lost the note before, and somebody who had taken the request elsewhere (a spawned
    /// task) would hold the note still.
    pub(super) fn proves_unsent(&mut self, drop_attempt: impl FnOnce()) -> bool {
        let before = self.state();
        drop_attempt();
        before == State::Blank && self.state() == State::Lost
    }

    fn state(&mut self) -> State {
        if self.0.connection_metadata().is_some() {
            return State::Written;
        }
        let answer =
            pin!(self.0.wait_for_connection_metadata()).poll(&mut Context::from_waker(Waker::noop()));
        match answer {
            std::task::Poll::Ready(metadata) if metadata.is_some() => State::Written,
            std::task::Poll::Ready(_) => State::Lost,
            std::task::Poll::Pending => State::Blank,
        }
    }
}
