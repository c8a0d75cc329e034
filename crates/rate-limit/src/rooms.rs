//! Backpressure: room for so many calls to wait, for so long, and readiness is to have one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::bounds::Bounds;
use crate::door::Door;
use crate::shared::Shared;

/// The rooms of a layer, and what one of its services has of them; and the door before them.
#[derive(Clone)]
pub(crate) struct Rooms {
    /// With a bound on the wait.
    door: Option<Door>,
    /// With a bound on the queue.
    rooms: Option<Ours>,
}

struct Ours {
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
    /// None without bounds.
    pub(crate) fn new(shared: &Arc<Shared>, bounds: &Bounds) -> Option<Self> {
        let door = bounds.max_wait.map(|most| Door::new(Arc::clone(shared), most));
        let rooms = bounds.max_queue.map(Ours::new);
        (door.is_some() || rooms.is_some()).then_some(Self { door, rooms })
    }

    /// Ready when a call would not wait too long, and there is a room.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { door, rooms } = self;
        if let Some(door) = door {
            if door.poll_ready(cx).is_pending() {
                // Who comes in meanwhile is not to want for a room that nobody uses.
                if let Some(rooms) = rooms {
                    rooms.state = State::Unready;
                }
                return Poll::Pending;
            }
        }
        rooms.as_mut().map_or(Poll::Ready(()), |rooms| rooms.poll_ready(cx))
    }

    /// The room of a service that is ready.
    pub(crate) fn take(&mut self) -> Option<Room> {
        self.rooms.as_mut()?.take()
    }

    /// A call has found its permit free.
    pub(crate) fn came(&self) {
        if let Some(door) = &self.door {
            door.came();
        }
    }
}

impl Ours {
    fn new(rooms: usize) -> Self {
        let rooms = rooms.clamp(1, Semaphore::MAX_PERMITS);
        Self { rooms: Arc::new(Semaphore::new(rooms)), state: State::Unready }
    }

    /// Ready when there is a room, in the order in which they were asked for.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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

    fn take(&mut self) -> Option<Room> {
        match std::mem::replace(&mut self.state, State::Unready) {
            State::Ready(room) => Some(room),
            State::Unready | State::Acquiring(_) => None,
        }
    }
}

/// A clone is not ready.
impl Clone for Ours {
    fn clone(&self) -> Self {
        Self { rooms: Arc::clone(&self.rooms), state: State::Unready }
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.rooms.as_ref().map(|ours| ours.rooms.available_permits());
        f.debug_struct("Rooms").field("free", &free).finish_non_exhaustive()
    }
}
