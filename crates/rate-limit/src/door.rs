//! Backpressure of a bound on the wait: a service is ready while a call would not wait too long.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::alarm::Alarm;
use crate::doors::Key;
use crate::shared::Shared;

/// What one service has of it.
pub(crate) struct Door {
    shared: Arc<Shared>,
    max_wait: Duration,
    asleep: Option<Asleep>,
}

/// Its place among those who sleep, and the alarm it relies on: that of the runtime it was last polled in.
struct Asleep {
    key: Key,
    home: Arc<Alarm<Shared>>,
}

/// What it takes to sleep: who is woken, and the alarm of the runtime.
type Means = (Waker, Arc<Alarm<Shared>>);

/// What is to be dropped outside the lock.
#[derive(Default)]
struct Replaced {
    waker: Option<Waker>,
    asleep: Option<Asleep>,
    means: Option<Means>,
}

enum Step {
    Open,
    /// It is to sleep, and needs the means.
    Closed,
    /// It sleeps. The alarm is to be served, or is set already.
    Asleep {
        serve: bool,
    },
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
        // All that may panic, allocate or run code of others happens outside the lock.
        let mut replaced = Replaced::default();
        let mut step = self.step(None, &mut replaced);
        if let Step::Closed = step {
            step = self.step(Some((cx.waker().clone(), self.shared.alarm())), &mut replaced);
        }
        let (Step::Asleep { serve }, Some(Asleep { home, .. })) = (step, &self.asleep) else {
            return Poll::Ready(());
        };
        if serve {
            home.serve();
        }
        #[cfg(feature = "redis")]
        self.shared.slept();
        assert!(
            !home.is_lost(),
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

    fn step(&mut self, means: Option<Means>, replaced: &mut Replaced) -> Step {
        let Self { shared, max_wait, asleep } = self;
        shared.with(|state, now| {
            if state.queue.wait_of_one(now).is_none_or(|wait| wait <= *max_wait) {
                replaced.means = means;
                if let Some(Asleep { key, home }) = &*asleep {
                    replaced.waker = state.doors.leave(*key);
                    state.unregister(home);
                    replaced.asleep = asleep.take();
                }
                return Step::Open;
            }
            let Some((waker, home)) = means else { return Step::Closed };
            let key = match asleep.take() {
                Some(before) => {
                    state.unregister(&before.home);
                    replaced.asleep.insert(before).key
                }
                None => state.doors.key(*max_wait),
            };
            replaced.waker = state.doors.sleep(key, waker);
            let serve = state.register(&home, now);
            *asleep = Some(Asleep { key, home });
            Step::Asleep { serve }
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
            state.unregister(&home);
            waker.is_none() && state.doors.came()
        });
        // It was woken for nothing.
        if next {
            self.shared.hand_over(|_| ());
        }
    }
}
