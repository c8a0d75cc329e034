//! The tasks that ask the server for one limiter: one in each runtime that has callers of it.
//!
//! A runtime may end, or stand still: one that lives in a thread of its own is driven only while that thread is in
//! `block_on`. So no task depends on another. They share what is known, in the [`Leased`]; whichever comes first when there
//! is something to ask asks it, on its own runtime's connection; the others ask in its stead if it does not come back.

use std::any::Any;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jittered_backoff::Delays;
use tokio::runtime::Id;
use tokio::time::Instant;

use super::ask::Ask;
use super::away::Away;
use super::feed::Feed;
use super::lane::Failure;
use super::leased::{Leased, Plan};
use super::link::Answer;
use crate::demand::Demand;
use crate::shared::{Attend, Shared};

/// For ever, nearly.
const NEVER: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// When the others try, if a task has panicked.
const SOON: Duration = Duration::from_millis(500);

/// Starts the tasks, each in the runtime of whoever waits.
#[derive(Debug)]
pub(super) struct Driver {
    feed: Arc<Feed>,
    homes: Arc<Homes>,
}

/// The runtimes that have a task.
#[derive(Debug, Default)]
struct Homes(Mutex<Vec<Home>>);

#[derive(Debug)]
struct Home {
    runtime: Id,
    /// A task that has panicked would do so again (in a runtime without I/O, say): there is no other in its place.
    panicked: bool,
}

impl Driver {
    pub(super) fn new(feed: Arc<Feed>) -> Self {
        Self { feed, homes: Arc::default() }
    }
}

impl Attend for Driver {
    fn attend(&self, shared: &Arc<Shared>, runtime: Id) {
        if !self.homes.add(runtime) {
            return;
        }
        let polled = Arc::new(AtomicBool::new(false));
        let mut driving = Box::pin(drive(Running {
            feed: Arc::clone(&self.feed),
            shared: Arc::downgrade(shared),
            homes: Arc::clone(&self.homes),
            runtime,
            asking: AtomicU64::new(0),
            polled: Arc::clone(&polled),
        }));
        tokio::spawn(std::future::poll_fn(move |cx| {
            polled.store(true, Ordering::Relaxed);
            let done = driving.as_mut().poll(cx);
            polled.store(false, Ordering::Relaxed);
            done
        }));
    }

    fn tried(&self, shared: &Shared, cost: u32) {
        with(shared, |leased, _, now| leased.tried(cost, now));
    }

    #[cfg(feature = "server")]
    fn notice(&self) -> Duration {
        self.feed.notice()
    }
}

impl Homes {
    fn lock(&self) -> MutexGuard<'_, Vec<Home>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is a new one.
    fn add(&self, runtime: Id) -> bool {
        let mut homes = self.lock();
        let new = homes.iter().all(|home| home.runtime != runtime);
        if new {
            homes.push(Home { runtime, panicked: false });
        }
        new
    }

    fn remove(&self, runtime: Id) {
        self.lock().retain(|home| home.runtime != runtime);
    }

    /// A task has panicked. Returns whether there are others.
    fn panicked(&self, runtime: Id) -> bool {
        let mut homes = self.lock();
        for home in homes.iter_mut().filter(|home| home.runtime == runtime) {
            home.panicked = true;
        }
        homes.iter().any(|home| !home.panicked)
    }
}

struct Running {
    feed: Arc<Feed>,
    shared: Weak<Shared>,
    homes: Arc<Homes>,
    runtime: Id,
    /// The number of the question that is under way, from 1 on.
    asking: AtomicU64,
    /// While the task is polled: a panic elsewhere may drop it, too.
    polled: Arc<AtomicBool>,
}

/// When the runtime shuts down, its tasks are dropped: whoever waits in another runtime goes on there.
impl Drop for Running {
    fn drop(&mut self) {
        let panicked = std::thread::panicking() && self.polled.load(Ordering::Relaxed);
        let others = match panicked {
            true => self.homes.panicked(self.runtime),
            false => {
                self.homes.remove(self.runtime);
                true
            }
        };
        let Some(shared) = self.shared.upgrade() else { return };
        let asking = *self.asking.get_mut();
        with(&shared, |leased, _, now| match panicked {
            true => leased.failed(Away::Unreachable, now + if others { SOON } else { NEVER }, now),
            false => leased.interrupted(asking, now),
        });
        self.feed.ring();
        shared.wake_all();
    }
}

/// Runs until the limiter is no more.
async fn drive(running: Running) {
    let Running { feed, shared, asking, .. } = &running;
    let mut delays = feed.link().delays();
    loop {
        // Before the look: it may ring right after.
        let rung = feed.rung();
        let Some(plan) = shared.upgrade().and_then(|shared| with(&shared, Leased::plan)) else { break };
        match plan {
            Plan::Wait(until) => Feed::wait(rung, until).await,
            Plan::Ask(ask) => {
                asking.store(ask.number, Ordering::Relaxed);
                let answer = feed.link().ask(feed.place(), &ask, feed.notice()).await;
                asking.store(0, Ordering::Relaxed);
                let Some(shared) = shared.upgrade() else {
                    feed.leave(ask.permits());
                    break;
                };
                tell(&shared, &ask, answer, &mut delays, feed);
                drop(shared);
                feed.ring();
                // Perhaps this runtime was driven only for who has its permit now. Then the next question, for somebody
                // in another runtime, is better asked there.
                tokio::task::yield_now().await;
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
            with(shared, |leased, _, now| leased.unanswered(ask, why, retry_at, now));
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
