//! The task that asks the server for one limiter.

use std::any::Any;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use jittered_backoff::Delays;
use tokio::time::Instant;

use super::ask::Ask;
use super::away::Away;
use super::feed::Feed;
use super::leased::{Leased, Plan};
use super::link::{Answer, Failure};
use crate::demand::Demand;
use crate::shared::{Attend, Shared};

/// For ever, nearly.
const NEVER: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Starts the task, in the runtime of whoever waits.
#[derive(Debug)]
pub(super) struct Driver {
    feed: Arc<Feed>,
    running: Arc<AtomicBool>,
}

impl Driver {
    pub(super) fn new(feed: Arc<Feed>) -> Self {
        Self { feed, running: Arc::new(AtomicBool::new(false)) }
    }
}

impl Attend for Driver {
    fn attend(&self, shared: &Arc<Shared>) {
        if self.running.load(Ordering::Acquire) || self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let polled = Arc::new(AtomicBool::new(false));
        let mut driving = Box::pin(drive(Running {
            feed: Arc::clone(&self.feed),
            shared: Arc::downgrade(shared),
            running: Arc::clone(&self.running),
            polled: Arc::clone(&polled),
        }));
        tokio::spawn(std::future::poll_fn(move |cx| {
            polled.store(true, Ordering::Relaxed);
            let done = driving.as_mut().poll(cx);
            polled.store(false, Ordering::Relaxed);
            done
        }));
    }
}

struct Running {
    feed: Arc<Feed>,
    shared: Weak<Shared>,
    running: Arc<AtomicBool>,
    /// While the task is polled: a panic elsewhere may drop it, too.
    polled: Arc<AtomicBool>,
}

/// When the runtime shuts down, its tasks are dropped: whoever waits in another runtime starts this one there.
impl Drop for Running {
    fn drop(&mut self) {
        // A task that has panicked would do so again (in a runtime without I/O, say): it stays, and the fallback holds.
        let panicked = std::thread::panicking() && self.polled.load(Ordering::Relaxed);
        self.running.store(panicked, Ordering::Release);
        let Some(shared) = self.shared.upgrade() else { return };
        with(&shared, |leased, _, now| match panicked {
            true => leased.failed(Away::Unreachable, now + NEVER, now),
            false => leased.interrupted(now),
        });
        shared.wake_all();
    }
}

/// Runs until the limiter is no more.
async fn drive(running: Running) {
    let Running { feed, shared, .. } = &running;
    let mut delays = feed.link().delays();
    let plan = || shared.upgrade().and_then(|shared| with(&shared, Leased::plan));
    while let Some(plan) = plan() {
        match plan {
            Plan::Wait(until) => feed.wait(until).await,
            Plan::Ask(ask) => {
                let answer = feed.link().ask(feed.place(), &ask, feed.notice()).await;
                let Some(shared) = shared.upgrade() else {
                    feed.leave(ask.permits());
                    break;
                };
                tell(&shared, &ask, answer, &mut delays, feed);
            }
        }
    }
    let returns = feed.take_left();
    if !returns.is_empty() {
        feed.link().give_back(feed.place(), returns, feed.notice()).await;
    }
}

fn tell(shared: &Shared, ask: &Ask, answer: Result<Answer, Failure>, delays: &mut Delays, feed: &Feed) {
    match answer {
        Ok(answer) => {
            *delays = feed.link().delays();
            with(shared, |leased, _, now| leased.answered(ask, &answer, now));
        }
        Err(Failure { why, error, retry_at }) => {
            let error = error.as_ref().map(tracing::field::display);
            if ask.probe {
                tracing::debug!(%why, error, "the fleet's Redis is still away");
            } else {
                tracing::warn!(%why, error, "the fleet's Redis is away: its fallback holds");
            }
            let retry_at = retry_at.unwrap_or_else(|| Instant::now() + delays.draw());
            with(shared, |leased, _, now| leased.failed(why, retry_at, now));
        }
    }
}

/// None if the limiter is not one of a fleet.
fn with<T>(shared: &Shared, act: impl FnOnce(&mut Leased, Demand<'_>, Instant) -> T) -> Option<T> {
    let act = |admission: &mut dyn Any, demand: Demand<'_>, now| {
        admission.downcast_mut().map(|leased| act(leased, demand, now))
    };
    shared.remote(act).flatten()
}
