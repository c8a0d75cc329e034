//! The tasks that ask the server for one limiter: one in each runtime that has callers of it.
//!
//! A runtime may end, or stand still: one that lives in a thread of its own is driven only while that thread is in
//! `block_on`. So no task depends on another. They share what is known, in the [`Leased`]; whichever comes first when there
//! is something to ask asks it, on its own runtime's connection; the others ask in its stead if it does not come back.
//!
//! A task whose runtime can't connect (it was built without I/O: tokio panics then) lets the others go first, and says that
//! the server can't be reached if there is nobody who asks.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use jittered_backoff::Delays;
use tokio::runtime::Id;
use tokio::time::{Instant, sleep, sleep_until};

use super::ask::Ask;
use super::away::Away;
use super::feed::Feed;
use super::invalid::FleetError;
use super::lane::Failure;
use super::leased::{Leased, Plan};
use super::link::Asked;
use crate::demand::Demand;
use crate::shared::{Attend, Flushing, Shared};

/// When the next try is due if nobody can ask: somebody may come who can.
const SOON: Duration = Duration::from_millis(500);
/// How much later than the others a task looks that can't ask itself.
const AFTER_OTHERS: Duration = Duration::from_millis(20);

/// What tokio adds to a task: a header, a trailer, and alignment to 128 bytes.
const TASK: usize = 256;

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
    /// Its task has not panicked.
    asks: bool,
}

impl Driver {
    pub(super) fn new(feed: Arc<Feed>) -> Self {
        Self { feed, homes: Arc::default() }
    }

    /// The bytes of a task between two questions.
    pub(super) fn task_bytes() -> usize {
        fn of<F>(_: impl FnOnce(Running) -> F) -> usize {
            size_of::<F>()
        }
        of(run) + TASK
    }
}

impl Attend for Driver {
    fn attend(&self, shared: &Arc<Shared>, runtime: Id) {
        let Some(alone) = self.homes.add(runtime) else { return };
        if alone {
            // Nobody has looked whether the server is there.
            with(shared, |leased, _, now| leased.try_at_once(now));
        }
        tokio::spawn(run(Running {
            feed: Arc::clone(&self.feed),
            shared: Arc::downgrade(shared),
            homes: Arc::clone(&self.homes),
            runtime,
            asking: AtomicU64::new(0),
        }));
    }

    fn tried(&self, shared: &Shared, cost: u32) {
        with(shared, |leased, _, now| leased.tried(cost, now));
    }

    fn awaited(&self, shared: &Shared) {
        with(shared, |leased, _, now| leased.awaited(now));
    }

    fn flush<'a>(&'a self, shared: &'a Arc<Shared>) -> Flushing<'a> {
        Box::pin(flush(&self.feed, shared))
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

    /// None if it is there already; otherwise whether no other asks.
    fn add(&self, runtime: Id) -> Option<bool> {
        let mut homes = self.lock();
        if homes.iter().any(|home| home.runtime == runtime) {
            return None;
        }
        let alone = !homes.iter().any(|home| home.asks);
        homes.push(Home { runtime, asks: true });
        Some(alone)
    }

    fn remove(&self, runtime: Id) {
        self.lock().retain(|home| home.runtime != runtime);
    }

    /// This one's task has panicked, and would again.
    fn asks_no_more(&self, runtime: Id) {
        self.lock().iter_mut().filter(|home| home.runtime == runtime).for_each(|home| home.asks = false);
    }

    fn any_asks(&self) -> bool {
        self.lock().iter().any(|home| home.asks)
    }
}

struct Running {
    feed: Arc<Feed>,
    shared: Weak<Shared>,
    homes: Arc<Homes>,
    runtime: Id,
    /// The number of the question that is under way, from 1 on.
    asking: AtomicU64,
}

impl Running {
    /// What was asked will not be answered here.
    fn interrupted(&self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let asking = self.asking.swap(0, Ordering::Relaxed);
        with(&shared, |leased, _, now| leased.interrupted(asking, now));
        self.feed.ring();
        shared.wake_all();
    }

    /// Nothing is asked in this runtime. After a while somebody else has asked, if anybody has; otherwise that is an answer.
    async fn ask_in_vain(&self, ask: &Ask) -> Failure {
        if let (Some(deadline), true) = (ask.deadline, self.homes.any_asks()) {
            sleep_until(deadline).await;
        }
        let error = Some(Arc::new(Panicked) as _);
        Failure { why: Away::Unreachable, error, retry_at: Some(Instant::now() + SOON) }
    }
}

/// When the runtime shuts down, its tasks are dropped: whoever waits in another runtime goes on there.
impl Drop for Running {
    fn drop(&mut self) {
        self.homes.remove(self.runtime);
        self.interrupted();
    }
}

/// Runs until the limiter is no more, whatever happens: a task that ended would be started again by the next call, to panic
/// again.
async fn run(running: Running) {
    let mut asks = true;
    while caught(pin!(drive(&running, asks))).await.is_none() {
        running.homes.asks_no_more(running.runtime);
        running.interrupted();
        if !asks {
            // There is no timer either: nobody can wait in this runtime.
            return idle(&running).await;
        }
        asks = false;
    }
}

/// None if it has panicked: tokio tells of that as of any panic of a task, by the hook.
async fn caught<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

async fn idle(running: &Running) {
    loop {
        let rung = running.feed.rung();
        if running.shared.strong_count() == 0 {
            break;
        }
        rung.await;
    }
}

async fn drive(running: &Running, asks: bool) {
    let Running { feed, shared, asking, homes, .. } = running;
    let mut delays = feed.link().delays();
    loop {
        // Before the look: it may ring right after.
        let rung = feed.rung();
        if !asks && homes.any_asks() {
            sleep(AFTER_OTHERS).await;
        }
        let plan = |shared: Arc<Shared>| with(&shared, |leased, demand, now| leased.plan(demand, asks, now));
        let Some(plan) = shared.upgrade().and_then(plan) else { break };
        match plan {
            Plan::Wait(until) => Feed::wait(rung, until).await,
            Plan::Ask(ask) => {
                asking.store(ask.number, Ordering::Relaxed);
                let asked = Instant::now();
                let answer = match asks {
                    true => feed.link().ask(feed.place(), &ask, feed.notice()).await,
                    false => Err(running.ask_in_vain(&ask).await),
                };
                asking.store(0, Ordering::Relaxed);
                let Some(shared) = shared.upgrade() else {
                    let returns = ask.returns.iter().copied();
                    feed.leave(&ask.quotas, ask.permits().chain(ask.moved()).chain(returns));
                    break;
                };
                tell(&shared, (&ask, asked), answer, &mut delays, feed);
                drop(shared);
                feed.ring();
                // Perhaps this runtime was driven only for who has its permit now. Then the next question, for somebody
                // in another runtime, is better asked there.
                tokio::task::yield_now().await;
            }
        }
    }
    if !asks {
        return;
    }
    if let Some((quotas, permits)) = feed.take_left() {
        feed.link().give_back(feed.place(), &quotas, &permits, feed.notice()).await;
    }
}

fn tell(
    shared: &Shared,
    (ask, asked): (&Ask, Instant),
    answer: Result<Asked, Failure>,
    delays: &mut Delays,
    feed: &Feed,
) {
    let (prefix, name) = feed.place().limiter();
    let server = feed.link().target();
    match answer {
        Ok(Asked::Answered(answer)) => {
            *delays = feed.link().delays();
            let back = with(shared, |leased, _, now| {
                let before = leased.away();
                leased.answered(ask, &answer, now);
                before.filter(|_| !leased.is_away()).map(|(since, why)| (now, now - since, why))
            });
            let Some((now, away_for, why)) = back.flatten() else { return };
            if feed.news().answered(why, now) {
                tracing::info!(%server, prefix, name, ?away_for, "the fleet's Redis is back");
            } else {
                tracing::debug!(%server, prefix, name, ?away_for, "the fleet's Redis is back for this limiter");
            }
        }
        Ok(Asked::Elsewhere(over)) => {
            _ = with(shared, |leased, _, now| leased.elsewhere(ask.number, over, now));
        }
        Err(Failure { why, error, retry_at }) => {
            let retry_at = retry_at.unwrap_or_else(|| Instant::now() + delays.draw());
            let counts =
                with(shared, |leased, _, now| leased.unanswered(ask, why, retry_at, now).then_some(now));
            let error = error.as_ref().map(tracing::field::display);
            let Some(now) = counts.flatten() else {
                // Somebody else has asked meanwhile, or it is too late to tell anything.
                tracing::debug!(%server, prefix, name, %why, error, "a fleet's question is of no account");
                return;
            };
            if feed.news().failed(why, asked, now) {
                tracing::warn!(%server, prefix, name, %why, error, "the fleet's Redis is away: its fallback holds");
            } else {
                tracing::debug!(%server, prefix, name, %why, error, "the fleet's Redis is away for this limiter");
            }
        }
    }
}

/// What is held beyond what those who wait want goes back, by the task; until the server has it, or no answer comes to the
/// question that is under way, nor to the next.
async fn flush(feed: &Feed, shared: &Arc<Shared>) -> Result<(), FleetError> {
    let until = Instant::now() + feed.notice() * 2;
    loop {
        // Before the look: it may ring right after.
        let rung = feed.rung();
        let flushed = with(shared, |leased, demand, _| leased.flush(demand)).unwrap_or(Some(Ok(())));
        match flushed {
            Some(flushed) => return flushed.map_err(|why| FleetError::new(why, None)),
            None if Instant::now() >= until => return Err(FleetError::new(Away::Silent, None)),
            None => {
                // Here, if it was used in other runtimes before.
                shared.attend();
                Feed::wait(rung, Some(until)).await;
            }
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

/// Why nothing is asked in a runtime.
#[derive(Debug)]
struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a task of the fleet has panicked in this Tokio runtime, which must have I/O and time enabled",
        )
    }
}

impl Error for Panicked {}
