//! Backpressure of a bound on the wait: a service is ready while a call would not wait too long.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::alarm::{Alarm, Home};
use crate::doors::Key;
use crate::shared::Shared;

/// What one service has of it.
pub(crate) struct Door {
    shared: Arc<Shared>,
    max_wait: Duration,
    asleep: Option<Asleep>,
}

/// Its place among those who sleep, and the alarm it relies on: that of the runtime it was last polled in.
#[derive(Clone, Copy)]
struct Asleep {
    key: Key,
    home: Home,
}

/// What it takes to sleep: who is woken, and the alarm of the runtime.
type Means<'a> = (Waker, &'a Arc<Alarm<Shared>>);

enum Step {
    Open,
    /// It is to sleep, and needs the means.
    Closed,
    /// It sleeps. The alarm is set already, or to be served.
    Asleep(Option<Arc<Alarm<Shared>>>),
}

impl Door {
    pub(crate) fn new(shared: Arc<Shared>, max_wait: Duration) -> Self {
        Self { shared, max_wait, asleep: None }
    }

    /// Pending while a call for one permit that came now would wait too long. If it would be refused for another
    /// reason, it shall come, and be told so.
    ///
    /// Panics as `tokio::time::sleep` does, if it is pending.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // All that may panic, allocate or run code of others happens outside the lock: wakers are dropped there.
        let mut replaced = [None, None];
        let mut step = self.step(None, &mut replaced);
        if let Step::Closed = step {
            let alarm = self.shared.alarm();
            step = self.step(Some((cx.waker().clone(), &alarm)), &mut replaced);
        }
        let Step::Asleep(serve) = step else { return Poll::Ready(()) };
        if let Some(alarm) = &serve {
            alarm.serve();
        }
        // A fleet that has no permit must ask for the next call's.
        #[cfg(feature = "redis")]
        self.shared.tried(1);
        assert!(
            !serve.is_some_and(|alarm| alarm.is_lost()),
            "a service must wait for its rate limit, but its Tokio runtime has shut down"
        );
        Poll::Pending
    }

    /// A call came that did not have to wait.
    pub(crate) fn came(&self) {
        if self.shared.with(|state, _| state.doors.came()) {
            self.shared.hand_over(|_| ());
        }
    }

    fn step(&mut self, means: Option<Means<'_>>, replaced: &mut [Option<Waker>; 2]) -> Step {
        let Self { shared, max_wait, asleep } = self;
        shared.with(|state, now| {
            if state.queue.wait_of_one(now).is_none_or(|wait| wait <= *max_wait) {
                let old = asleep.take().and_then(|Asleep { key, home }| {
                    state.unregister(home);
                    state.doors.leave(key)
                });
                *replaced = [means.map(|(waker, _)| waker), old];
                return Step::Open;
            }
            let Some((waker, alarm)) = means else { return Step::Closed };
            let Some(home) = state.home(alarm.runtime(), Some(alarm)) else { return Step::Closed };
            let key = match asleep.take() {
                Some(before) => {
                    state.unregister(before.home);
                    before.key
                }
                None => state.doors.key(*max_wait),
            };
            replaced[1] = state.doors.sleep(key, waker);
            *asleep = Some(Asleep { key, home });
            Step::Asleep(state.register(home, now))
        })
    }
}

/// A clone is not ready.
impl Clone for Door {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared), self.max_wait)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let Some(Asleep { key, home }) = self.asleep.take() else { return };
        let mut waker = None;
        let next = self.shared.with(|state, _| {
            waker = state.doors.leave(key);
            state.unregister(home);
            waker.is_none() && state.doors.came()
        });
        // It was woken for nothing.
        if next {
            self.shared.hand_over(|_| ());
        }
    }
}
