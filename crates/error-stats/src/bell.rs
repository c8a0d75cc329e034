//! Tells of alarms: the metrics at once, the user's hooks where they delay no call. (The call that crossed tells `tracing`,
//! last of all.)

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use tracing::dispatcher::{self, Dispatch};

use crate::alarm::Alarm;
use crate::guard::{lock, shielded};
use crate::line::{Line, Turn};
use crate::sync::{Mutex, Ordering, apart};

type Hook = Arc<dyn Fn(&Alarm) + Send + Sync>;
type Gauge = Box<dyn Fn(u64) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Bell {
    /// Failed calls in a row when the alarm was raised; 0 when none is. Written in the order of the crossings.
    level: AtomicU64,
    gauge: OnceLock<Gauge>,
    /// How many ask for the gauge to be told. Who is the first does it for all that come meanwhile: a gauge needs the
    /// last level only.
    asked: AtomicU64,
    /// To be told to the hooks, however slow they are.
    far: Arc<Line>,
    hooks: Arc<Mutex<Vec<Hook>>>,
}

impl Bell {
    pub(crate) fn add(&self, hook: impl Fn(&Alarm) + Send + Sync + 'static) {
        lock(&self.hooks).push(Arc::new(hook));
    }

    /// Tells the metrics too; the first time only.
    #[cfg(feature = "metrics")]
    pub(crate) fn set_gauge(&self, gauge: impl FnOnce() -> Gauge) {
        self.gauge.get_or_init(gauge);
        self.measure();
    }

    /// Puts an alarm in line. Called under the lock of the streak that crossed.
    pub(crate) fn push(&self, alarm: Alarm) {
        let level = match alarm {
            Alarm::Raised { failures, .. } => failures,
            Alarm::Cleared { .. } => 0,
        };
        self.level.store(level, Ordering::Relaxed);
        if !lock(&self.hooks).is_empty() {
            self.far.push(alarm);
        }
    }

    /// Tells the gauge, and sees to it that the hooks are told, unless somebody is at it. Called with no lock held: hooks
    /// may make calls, and take snapshots. Before anything that may panic: a `tracing` subscriber that does keeps nothing
    /// from them.
    pub(crate) fn ring(&self) {
        self.measure();
        if let Some(turn) = Turn::take(self.far.clone()) {
            self.hand_over(turn);
        }
    }

    /// Tells the gauge the level, unless somebody is at it, who then does it once more.
    fn measure(&self) {
        let Some(gauge) = self.gauge.get() else { return };
        // Release: the level was stored before. Acquire: it is read after.
        if self.asked.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let mut asked = 1;
        loop {
            // It does not panic: the recorder is shielded.
            gauge(self.level.load(Ordering::Relaxed));
            match self.asked.compare_exchange(asked, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(more) => asked = more,
            }
        }
    }

    /// How many alarms the hooks were not told of.
    pub(crate) fn left_out(&self) -> u64 {
        self.far.left_out()
    }

    fn hand_over(&self, turn: Turn<Arc<Line>>) {
        let (hooks, subscriber) = (self.hooks.clone(), dispatcher::get_default(Clone::clone));
        let delivery = Delivery { turn, hooks, subscriber };
        shielded("the runtime", || apart(move || drop(delivery)));
    }
}

/// What is to be told, and to whom. Told when it is dropped: so a runtime that ends, and drops what it has not come to, does
/// what it was asked for.
struct Delivery {
    turn: Turn<Arc<Line>>,
    hooks: Arc<Mutex<Vec<Hook>>>,
    subscriber: Dispatch,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let deliver = || {
            while let Some(alarm) = self.turn.next() {
                let hooks = lock(&self.hooks).clone();
                for hook in hooks {
                    shielded("an alarm hook", || hook(&alarm));
                }
            }
        };
        // If anything else panics the turn is given back, and the next alarm takes these along.
        shielded("a subscriber", || dispatcher::with_default(&self.subscriber, deliver));
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell")
            .field("far", &self.far)
            .field("hooks", &lock(&self.hooks).len())
            .finish_non_exhaustive()
    }
}
