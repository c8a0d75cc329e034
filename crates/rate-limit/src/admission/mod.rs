//! How many releases the quotas allow now, and when the next ones.
//!
//! The question a queue asks, without the queue: every answer follows from the releases recorded and from the
//! time it is told. Nothing here reads a clock, waits or locks.

mod all;
mod log;
mod spaced;
mod window;

#[cfg(feature = "redis")]
use std::any::Any;
use std::fmt::Debug;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tokio::time::Instant;

use self::all::All;
#[cfg(feature = "redis")]
pub(crate) use self::log::Log;
#[cfg(not(feature = "redis"))]
use self::log::Log;
use self::spaced::Spaced;
use self::window::Window;
use crate::lane::Taken;
use crate::quota::Quota;
use crate::quotas::Quotas;
#[cfg(feature = "redis")]
use crate::redis::FleetState;
#[cfg(feature = "redis")]
use crate::refusal::Refusal;

/// A release that is yet to be made, as far as is known: what a prediction is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) at: Instant,
    pub(crate) cost: u64,
    /// The cost of all planned releases up to this one.
    pub(crate) upto: u64,
}

/// How a quota stands.
#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The permits that are free.
    pub(crate) free: u64,
    /// In what time there will be more; none if all are free.
    pub(crate) more: Option<Duration>,
}

/// Quotas at work. The `now` it is told never goes back, but through [`rewind`](Admit::rewind).
pub(crate) trait Admit: Debug + Send {
    /// When a call could be released at the earliest, from `now` on, if the `planned` ones go before it.
    fn earliest(&mut self, now: Instant, planned: &[Planned], cost: u32) -> Instant;

    /// Whether a call fits now, after others that take so many permits: what [`earliest`](Self::earliest) says, for less.
    fn fits(&mut self, now: Instant, ahead: u64, cost: u32) -> bool;

    /// How long until a call of one permit could be released after `ahead` others of one permit, if those are
    /// released as early as they can, and none before `from`; if that can be told without going through them one by one.
    fn wait(&mut self, now: Instant, from: Instant, ahead: u64) -> Option<Duration>;

    /// How many permits are free now.
    fn free(&mut self, now: Instant) -> u64;

    /// Records a release. MUST only be called when it is allowed. Returns whether another permit is free.
    fn take(&mut self, now: Instant, cost: u32) -> bool;

    /// Takes the record of a release back that was recorded `at` that instant, but not made after all.
    fn give_back(&mut self, at: Instant, cost: u32);

    /// The clock has gone back to `now`: whatever lies later is taken to have happened now.
    fn rewind(&mut self, now: Instant);

    /// How each quota stands.
    #[cfg(feature = "server")]
    fn standings(&mut self, now: Instant) -> Vec<Standing>;

    /// Whether nothing that was recorded matters any more.
    fn is_idle(&mut self, now: Instant) -> bool;

    /// The record of releases, and how far back it reaches.
    fn log(&self) -> (Duration, &Log);

    /// If releases are spaced: when the next is allowed.
    fn slot(&self) -> Option<Instant>;

    /// Lets go of permits that can't be used any more. Returns whether there are fewer for that; offers are to be looked at
    /// then.
    fn lapse(&mut self, _now: Instant) -> bool {
        false
    }

    /// Those who wait want so many permits from now on.
    fn asked(&mut self, _claimed: u64) {}

    /// Whether what it tells of times to come is so, unless somebody leaves: if not, it may get worse.
    fn foresees(&self) -> bool {
        true
    }

    /// How long a first that does not come may hold the others up, at the most.
    fn patience(&self) -> Duration {
        Duration::MAX
    }

    /// Other quotas hold, if it can change them itself.
    fn set_quotas(&mut self, _quotas: &Quotas) -> bool {
        false
    }

    /// The most permits that a call can ever have, if not the quotas say so.
    #[cfg(feature = "redis")]
    fn most(&self) -> u32 {
        u32::MAX
    }

    /// The most permits that a call can have now.
    #[cfg(feature = "redis")]
    fn most_now(&self) -> u32 {
        self.most()
    }

    /// Why a call is not released now, whatever it would wait.
    #[cfg(feature = "redis")]
    fn refusal(&self, _cost: u32) -> Option<Refusal> {
        None
    }

    /// How a fleet stands with its server.
    #[cfg(feature = "redis")]
    fn fleet(&self) -> Option<FleetState> {
        None
    }

    /// Itself, if somebody else is to be asked for its permits.
    #[cfg(feature = "redis")]
    fn remote(&mut self) -> Option<&mut dyn Any> {
        None
    }
}

/// Quotas at work, of whatever kind. A single exact window, what most have, is asked without a detour.
#[derive(Debug)]
pub(crate) enum Admission {
    Window(Window),
    Other(Box<dyn Admit>),
}

impl Admission {
    /// Records a release if it is allowed. Returns whether another permit is free.
    #[inline]
    pub(crate) fn try_take(&mut self, now: Instant, cost: u32) -> Option<bool> {
        match self {
            Self::Window(window) => window.try_take(now, cost),
            Self::Other(other) => {
                #[cfg(feature = "redis")]
                if other.refusal(cost).is_some() {
                    return None;
                }
                other.fits(now, 0, cost).then(|| other.take(now, cost))
            }
        }
    }

    /// How many permits are free from now on, until they are taken; none, if that can't be known.
    #[inline]
    pub(crate) fn known(&mut self, now: Instant) -> u64 {
        match self {
            Self::Window(window) => window.free(now),
            // A spaced quota has one at a time, and needs the lock to know when the next comes.
            Self::Other(other) if other.foresees() && other.slot().is_none() => other.free(now),
            Self::Other(_) => 0,
        }
    }

    /// Records a release of permits that are [`known`](Self::known) to be free. If it can't, nothing is recorded.
    #[inline]
    pub(crate) fn record(&mut self, now: Instant, cost: u32) -> bool {
        match self {
            Self::Window(window) => window.record(now, cost),
            Self::Other(_) => false,
        }
    }

    /// Records releases, in order and up to now, of permits that were [`known`](Self::known) to be free.
    pub(crate) fn took(&mut self, now: Instant, taken: Taken<'_>) {
        match self {
            Self::Window(window) => window.took(now, taken),
            Self::Other(other) => {
                for index in 0..taken.len() {
                    // What no longer counts makes room.
                    other.free(taken.at(index));
                    other.take(taken.at(index), 1);
                }
            }
        }
    }

    /// As [`Admit::lapse`].
    #[inline]
    pub(crate) fn lapse(&mut self, now: Instant) -> bool {
        match self {
            Self::Window(_) => false,
            Self::Other(other) => other.lapse(now),
        }
    }

    fn boxed(self) -> Box<dyn Admit> {
        match self {
            Self::Window(window) => Box::new(window),
            Self::Other(other) => other,
        }
    }
}

impl Deref for Admission {
    type Target = dyn Admit;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Window(window) => window,
            Self::Other(other) => &**other,
        }
    }
}

impl DerefMut for Admission {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Window(window) => window,
            Self::Other(other) => &mut **other,
        }
    }
}

/// The admission that quotas ask for.
pub(crate) fn admission(quotas: &Quotas, now: Instant) -> Admission {
    build(quotas, &Log::new(), now)
}

/// The admission that other quotas ask for, with the record of the old ones: what was released before counts. A
/// spaced quota begins no earlier than the old spaced one would have gone on.
pub(crate) fn succession(old: &dyn Admit, quotas: &Quotas, now: Instant) -> Admission {
    build(quotas, old.log().1, old.slot().map_or(now, |slot| slot.max(now)))
}

/// The admission that quotas ask for, after these releases, the oldest first.
#[cfg(feature = "redis")]
pub(crate) fn admission_after(
    quotas: &Quotas,
    releases: impl Iterator<Item = Instant>,
    now: Instant,
) -> Box<dyn Admit> {
    let mut log = Log::new();
    releases.for_each(|at| log.push(at, 1, u32::MAX));
    build(quotas, &log, now).boxed()
}

/// The most memory that an admission uses: in an estimate that counts every quota as a spaced one.
pub(crate) fn bytes(quotas: &Quotas) -> usize {
    let log = |quota: &Quota| (quota.n() as usize).saturating_mul(Log::ENTRY);
    quotas.iter().map(|quota| log(quota).saturating_add(size_of::<Spaced>())).fold(0, usize::saturating_add)
}

fn build(quotas: &Quotas, log: &Log, slot: Instant) -> Admission {
    let part = |quota: &Quota| {
        let window = Window::new(quota.n(), quota.window(), log.clone());
        match quota.is_spaced() {
            true => Admission::Other(Box::new(Spaced::new(quota.interval(), window, slot))),
            false => Admission::Window(window),
        }
    };
    let mut parts: Vec<_> = quotas.iter().map(part).collect();
    let first = parts.remove(0);
    if parts.is_empty() {
        return first;
    }
    let others = parts.into_iter().map(Admission::boxed).collect();
    Admission::Other(Box::new(All::new(first.boxed(), others)))
}
