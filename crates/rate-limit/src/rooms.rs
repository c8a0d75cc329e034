//! Backpressure: room for so many calls to wait, and readiness is to have one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The rooms of a layer, and what one of its services has of them.
pub(crate) struct Rooms {
    rooms: Arc<Semaphore>,
    state: State,
}

/// A room, held until the call is released.
pub(crate) type Room = OwnedSemaphorePermit;

type Acquiring = Pin<Box<dyn Future<Output = Result<Room, AcquireError>> + Send + Sync>>;

enum State {
    Unready,
    Acquiring(Acquiring),
    Ready(Room),
}

impl Rooms {
    pub(crate) fn new(rooms: usize) -> Self {
        let rooms = rooms.clamp(1, Semaphore::MAX_PERMITS);
        Self { rooms: Arc::new(Semaphore::new(rooms)), state: State::Unready }
    }

    /// Ready when there is a room, in the order in which they were asked for.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Unready = self.state {
            // Nobody who waits already is overtaken: the semaphore is fair.
            self.state = match Arc::clone(&self.rooms).try_acquire_owned() {
                Ok(room) => State::Ready(room),
                Err(_) => State::Acquiring(Box::pin(Arc::clone(&self.rooms).acquire_owned())),
            };
        }
        if let State::Acquiring(acquiring) = &mut self.state {
            // It is never closed.
            let Ok(room) = ready!(acquiring.as_mut().poll(cx)) else { return Poll::Ready(()) };
            self.state = State::Ready(room);
        }
        Poll::Ready(())
    }

    /// The room of a service that is ready.
    pub(crate) fn take(&mut self) -> Option<Room> {
        match std::mem::replace(&mut self.state, State::Unready) {
            State::Ready(room) => Some(room),
            State::Unready | State::Acquiring(_) => None,
        }
    }
}

/// A clone is not ready.
impl Clone for Rooms {
    fn clone(&self) -> Self {
        Self { rooms: Arc::clone(&self.rooms), state: State::Unready }
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").field("free", &self.rooms.available_permits()).finish_non_exhaustive()
    }
}
