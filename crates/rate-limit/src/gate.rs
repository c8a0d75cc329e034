//! What may be released now: the quotas, what has been released of them, and a pause. It knows nobody who waits.

#[cfg(feature = "redis")]
use std::any::Any;
use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "redis")]
use crate::admission::Admit;
#[cfg(feature = "server")]
use crate::admission::Standing;
use crate::admission::{Admission, Planned, admission, succession};
use crate::forecast::{Ahead, Forecast, Terms};
use crate::lane::Taken;
use crate::pause::Pause;
use crate::quotas::Quotas;
#[cfg(feature = "redis")]
use crate::redis::FleetState;
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Gate {
    quotas: Quotas,
    /// The most permits that a call can ask for.
    most: u32,
    admission: Admission,
    pause: Pause,
    /// Most never need one.
    forecast: Option<Box<Forecast>>,
}

impl Gate {
    pub(crate) fn new(quotas: Quotas, now: Instant) -> Self {
        Self::with(admission(&quotas, now), quotas)
    }

    /// With an admission of another kind.
    #[cfg(feature = "redis")]
    pub(crate) fn over(admission: Box<dyn Admit>, quotas: Quotas) -> Self {
        Self::with(Admission::Other(admission), quotas)
    }

    fn with(admission: Admission, quotas: Quotas) -> Self {
        Self { most: most(&quotas, &admission), admission, pause: Pause::default(), forecast: None, quotas }
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Other quotas hold from now on; what was released before counts.
    pub(crate) fn set_quotas(&mut self, now: Instant, quotas: Quotas) {
        if !self.admission.set_quotas(&quotas) {
            self.admission = succession(&*self.admission, &quotas, now);
        }
        (self.most, self.quotas) = (most(&quotas, &self.admission), quotas);
        self.surprise();
    }

    /// Nobody is released for as long as was `asked`; if that is more than `most`, calls are refused for `most`.
    pub(crate) fn pause(&mut self, now: Instant, asked: Duration, most: Duration) {
        self.pause.begin(now, asked, most);
        self.surprise();
    }

    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.until(now)
    }

    /// The clock has gone back by so much. Nobody shall wait for another's future.
    pub(crate) fn rewind(&mut self, now: Instant, by: Duration) {
        self.surprise();
        self.pause.rewind(by);
        self.admission.rewind(now);
    }

    /// Why a call can't even wait.
    #[inline]
    pub(crate) fn refusal(&self, now: Instant, cost: u32) -> Option<Refusal> {
        let refusal =
            if cost > self.most { Some(Refusal::Cost) } else { self.pause.bars(now).map(|_| Refusal::Pause) };
        #[cfg(feature = "redis")]
        let refusal = refusal.or_else(|| self.admission.refusal(cost));
        refusal
    }

    /// As [`Admit::lapse`].
    #[inline]
    pub(crate) fn lapse(&mut self, now: Instant) -> bool {
        self.admission.lapse(now)
    }

    /// As [`Admit::asked`].
    pub(crate) fn asked(&mut self, claimed: u64) {
        self.admission.asked(claimed);
    }

    /// As [`Admit::foresees`].
    pub(crate) fn foresees(&self) -> bool {
        self.admission.foresees()
    }

    /// As [`Admit::patience`].
    pub(crate) fn patience(&self) -> Duration {
        self.admission.patience()
    }

    /// The most permits that a call can have now.
    #[cfg(feature = "redis")]
    pub(crate) fn most_now(&self) -> u32 {
        self.most.min(self.admission.most_now())
    }

    /// As [`Admit::fleet`].
    #[cfg(feature = "redis")]
    pub(crate) fn fleet(&self) -> Option<FleetState> {
        self.admission.fleet()
    }

    /// As [`Admit::remote`].
    #[cfg(feature = "redis")]
    pub(crate) fn remote(&mut self) -> Option<&mut dyn Any> {
        self.admission.remote()
    }

    /// Whether a call fits now, after others that take so many permits.
    #[inline]
    pub(crate) fn fits(&mut self, now: Instant, ahead: u64, cost: u32) -> bool {
        self.pause.until(now).is_none() && self.admission.fits(now, ahead, cost)
    }

    /// Records a release if it fits now, and nothing else stands against it; while nobody waits. Returns whether another
    /// permit is free.
    #[inline]
    pub(crate) fn try_take(&mut self, now: Instant, cost: u32) -> Option<bool> {
        if cost > self.most || self.pause.until(now).is_some() {
            return None;
        }
        self.admission.try_take(now, cost)
    }

    /// As [`Admission::known`]; none, in a pause.
    #[inline]
    pub(crate) fn known(&mut self, now: Instant) -> u64 {
        if self.pause.until(now).is_some() { 0 } else { self.admission.known(now) }
    }

    /// As [`Admission::record`].
    #[inline]
    pub(crate) fn record(&mut self, now: Instant, cost: u32) -> bool {
        self.admission.record(now, cost)
    }

    /// As [`Admission::took`].
    #[inline]
    pub(crate) fn took(&mut self, now: Instant, taken: Taken<'_>) {
        self.admission.took(now, taken);
    }

    /// When a call fits, if others take so many permits now.
    pub(crate) fn slot(&mut self, now: Instant, ahead: u64, cost: u32) -> Instant {
        let planned = [Planned { at: now, cost: ahead, upto: ahead }];
        let planned = if ahead == 0 { &[] } else { &planned[..] };
        let slot = self.admission.earliest(now, planned, cost);
        self.pause.until(now).map_or(slot, |until| slot.max(until))
    }

    /// Records a release. MUST only be called when it [`fits`](Self::fits). Returns whether another permit is free.
    #[inline]
    pub(crate) fn take(&mut self, now: Instant, cost: u32) -> bool {
        self.surprise();
        self.admission.take(now, cost)
    }

    /// A release that was recorded `at` that instant was not made.
    pub(crate) fn give_back(&mut self, at: Instant, cost: u32) {
        if cost > 0 {
            self.surprise();
            self.admission.give_back(at, cost);
        }
    }

    /// How long a newcomer would wait behind these, if all are released as early as possible.
    ///
    /// If there is one quota and all take one permit, that is known at once; otherwise from what was planned when it was last
    /// asked, as long as that holds. If it does not, it takes as many steps as there are others.
    pub(crate) fn predicted(
        &mut self,
        now: Instant,
        ahead: Ahead<impl Iterator<Item = u32>>,
        cost: u32,
    ) -> Duration {
        if cost > self.most {
            return Duration::MAX;
        }
        if let Some(asked) = self.pause.bars(now) {
            return asked;
        }
        #[cfg(feature = "redis")]
        if self.admission.refusal(cost).is_some() {
            // Whoever waits has nothing to do with it.
            return self.admission.earliest(now, &[], cost).saturating_duration_since(now);
        }
        let others = ahead.len as u64;
        if cost == 1 && ahead.permits == others {
            let from = self.pause.until(now).unwrap_or(now);
            if let Some(wait) = self.admission.wait(now, from, others) {
                return wait;
            }
        }
        if !self.foretells(now, ahead.order, ahead.len) {
            self.forecast(now, ahead, |_| ());
        }
        let (forecast, mut terms) = self.plan(now);
        forecast.next(&mut terms, cost).saturating_duration_since(now)
    }

    /// The same, by going through all of them, whatever was planned before.
    #[cfg(test)]
    pub(crate) fn predicted_slowly(
        &mut self,
        now: Instant,
        costs: impl Iterator<Item = u32>,
        cost: u32,
    ) -> Duration {
        if cost > self.most {
            return Duration::MAX;
        }
        if let Some(asked) = self.pause.bars(now) {
            return asked;
        }
        let (mut planned, mut wait) = (Vec::<Planned>::new(), Duration::ZERO);
        for cost in costs.chain([cost]) {
            let (last, ahead) = planned.last().map_or((now, 0), |last| (last.at, last.upto));
            let from = last.max(self.pause.until(now).unwrap_or(now));
            let at = self.admission.earliest(now, &planned, cost).max(from);
            planned.push(Planned { at, cost: cost.into(), upto: ahead + u64::from(cost) });
            wait = at.saturating_duration_since(now);
        }
        wait
    }

    /// Tells how long each of these will wait, in their order, if all are released as early as possible; without those who
    /// can never be released.
    pub(crate) fn forecast(
        &mut self,
        now: Instant,
        ahead: Ahead<impl Iterator<Item = u32>>,
        mut tell: impl FnMut(Duration),
    ) {
        if let Some(forecast) = self.forecast.as_ref().filter(|kept| kept.is_of(ahead.order, ahead.len, now))
        {
            return forecast.waits(now).for_each(tell);
        }
        let most = self.most;
        let kept = self.admission.foresees().then_some(ahead.order);
        let (forecast, mut terms) = self.plan(now);
        forecast.begin(kept);
        for cost in ahead.costs {
            tell(if cost <= most { forecast.push(&mut terms, cost) } else { Duration::MAX });
        }
    }

    /// Somebody has joined the line, and is the last of so many.
    pub(crate) fn joined(&mut self, now: Instant, order: u64, len: usize, cost: u32) {
        if self.foretells(now, order, len.saturating_sub(1)) {
            let (forecast, mut terms) = self.plan(now);
            forecast.push(&mut terms, cost);
        }
    }

    /// Whether there is a forecast of this line that holds.
    pub(crate) fn foretells(&self, now: Instant, order: u64, len: usize) -> bool {
        self.forecast.as_ref().is_some_and(|forecast| forecast.is_of(order, len, now))
    }

    /// What happens is not what was foreseen.
    fn surprise(&mut self) {
        if let Some(forecast) = &mut self.forecast {
            forecast.forget();
        }
    }

    fn plan(&mut self, now: Instant) -> (&mut Forecast, Terms<'_>) {
        let Self { admission, pause, forecast, .. } = self;
        (
            forecast.get_or_insert_default(),
            Terms { admission: &mut **admission, now, from: pause.until(now).unwrap_or(now) },
        )
    }

    /// How many permits are free: none, in a pause.
    pub(crate) fn free(&mut self, now: Instant) -> u64 {
        match self.pause.until(now) {
            Some(_) => 0,
            None => self.admission.free(now),
        }
    }

    /// How each quota stands, in their order; in a pause, nothing is free.
    #[cfg(feature = "server")]
    pub(crate) fn standings(&mut self, now: Instant) -> Vec<Standing> {
        let mut standings = self.admission.standings(now);
        if let Some(until) = self.pause.until(now) {
            for standing in &mut standings {
                let pause = until.saturating_duration_since(now);
                *standing = Standing { free: 0, more: standing.more.max(Some(pause)) };
            }
        }
        standings
    }

    /// Whether nothing that was released matters any more, and there is no pause.
    pub(crate) fn is_idle(&mut self, now: Instant) -> bool {
        self.pause.until(now).is_none() && self.admission.is_idle(now)
    }
}

/// The most permits that a call can ask for.
fn most(quotas: &Quotas, admission: &Admission) -> u32 {
    #[cfg(feature = "redis")]
    let most = admission.most();
    #[cfg(not(feature = "redis"))]
    let most = {
        let _ = admission;
        u32::MAX
    };
    quotas.most().min(most)
}
