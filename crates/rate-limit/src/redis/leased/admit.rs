//! The admission itself.

use std::any::Any;
use std::time::Duration;

use tokio::time::Instant;

use super::super::ask::MOST;
use super::super::away::FleetState;
use super::super::recent::Release;
use super::slots::Held;
use super::{Leased, Mode, SOON, UNTRIED, reach};
#[cfg(feature = "server")]
use crate::admission::Standing;
use crate::admission::{Admit, Log, Planned};
#[cfg(feature = "server")]
use crate::quota::Quota;
use crate::quotas::Quotas;
use crate::refusal::Refusal;

impl Admit for Leased {
    fn earliest(&mut self, now: Instant, planned: &[Planned], cost: u32) -> Instant {
        match &mut self.mode {
            Mode::Fleet => {
                let ahead = planned.last().map_or(0, |last| last.upto);
                self.permits(now, ahead + u64::from(cost), self.trip.max(SOON))
            }
            _ if self.stale => now + SOON,
            Mode::Local { most, admission, .. } if cost <= *most => admission.earliest(now, planned, cost),
            Mode::Local { .. } | Mode::Refuse(_) => self.retry_at.max(now + UNTRIED),
            Mode::Allow => now,
        }
    }

    fn fits(&mut self, now: Instant, ahead: u64, cost: u32) -> bool {
        match &mut self.mode {
            // What has gone by is looked at first: see `lapse`.
            Mode::Fleet => self.held.are_good(now) && self.permits(now, ahead + u64::from(cost), SOON) <= now,
            _ if self.stale => false,
            Mode::Local { admission, .. } => admission.fits(now, ahead, cost),
            Mode::Refuse(_) => false,
            Mode::Allow => true,
        }
    }

    fn wait(&mut self, now: Instant, from: Instant, ahead: u64) -> Option<Duration> {
        let first = match &mut self.mode {
            Mode::Fleet => self.permits(now, ahead + 1, SOON),
            _ if self.stale => now + SOON,
            Mode::Local { admission, .. } => return admission.wait(now, from, ahead),
            Mode::Refuse(_) => self.retry_at,
            Mode::Allow => now,
        };
        Some(first.max(from).saturating_duration_since(now))
    }

    fn free(&mut self, now: Instant) -> u64 {
        match &mut self.mode {
            Mode::Fleet => self.held.free(now),
            _ if self.stale => 0,
            Mode::Local { admission, .. } => admission.free(now),
            Mode::Refuse(_) => 0,
            Mode::Allow => self.quotas.most().into(),
        }
    }

    fn take(&mut self, now: Instant, cost: u32) -> bool {
        if let Mode::Local { admission, .. } = &mut self.mode {
            admission.take(now, cost);
        }
        for _ in 0..cost {
            let held = match self.mode {
                Mode::Fleet => self.held.take_first(),
                _ => None,
            };
            let (id, until) = match held {
                Some(Held { id, until, .. }) => (id, Some(until)),
                None => {
                    self.next_id += 1;
                    (self.next_id - 1, None)
                }
            };
            self.recent.push(Release { at: now, id, until });
        }
        self.free(now) > 0
    }

    fn give_back(&mut self, at: Instant, cost: u32) {
        if let Mode::Local { admission, .. } = &mut self.mode {
            admission.give_back(at, cost);
        }
        for _ in 0..cost {
            let Some((release, told)) = self.recent.take_back(at) else { break };
            match (release, &self.mode) {
                (Release { until: Some(until), id, .. }, Mode::Fleet) if !told => {
                    self.held.hold(Held { from: at, until, id, slot: None });
                }
                (Release { id, .. }, _) => self.returns.push(id),
            }
        }
        self.feed.ring();
    }

    fn rewind(&mut self, now: Instant) {
        if let Mode::Local { admission, .. } = &mut self.mode {
            admission.rewind(now);
        }
        self.lose();
        self.returns.extend(self.held.drain());
        self.recent.rewind(now);
        self.next = self.next.min(now);
        self.asked_at = self.asked_at.min(now);
        self.retry_at = self.retry_at.min(now);
        self.ask_no_sooner = None;
        self.feed.ring();
    }

    #[cfg(feature = "server")]
    fn standings(&mut self, now: Instant) -> Vec<Standing> {
        let held = self.free(now);
        let more = self.wait(now, now, held).filter(|wait| !wait.is_zero());
        let knows = matches!(self.mode, Mode::Fleet) && self.told.len() == self.quotas.iter().count();
        let standing = |(index, quota): (usize, &Quota)| match self.told.get(index) {
            // What was used since the answer was held then.
            Some(&(free, more)) if knows && !quota.is_spaced() => {
                let more = more.map(|at| at.saturating_duration_since(now).max(SOON));
                Standing { free: (free + held).min(quota.n().into()), more }
            }
            _ => Standing { free: held, more },
        };
        self.quotas.iter().enumerate().map(standing).collect()
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        self.recent.forget(now);
        self.recent.is_empty() && self.held.is_empty()
    }

    fn log(&self) -> (Duration, &Log) {
        (self.quotas.window(), &self.no_log)
    }

    fn slot(&self) -> Option<Instant> {
        None
    }

    fn lapse(&mut self, now: Instant) -> bool {
        let fewer = self.oversee(now);
        if self.held.are_good(now) {
            return fewer;
        }
        let held = self.held.len();
        let Self { held: slots, returns, .. } = self;
        slots.lapse(now, |id| returns.push(id));
        fewer || self.held.len() < held
    }

    fn foresees(&self) -> bool {
        false
    }

    /// A slot must outlast a first that does not come.
    fn patience(&self) -> Duration {
        self.lateness / 2
    }

    fn asked(&mut self, claimed: u64) {
        if matches!(self.mode, Mode::Fleet) && claimed > self.held.len() as u64 {
            self.feed.ring();
        }
    }

    fn set_quotas(&mut self, quotas: &Quotas) -> bool {
        self.quotas = quotas.clone();
        #[cfg(feature = "server")]
        self.told.clear();
        self.lateness = self.feed.lateness(quotas);
        let (window, most) = reach(quotas, self.feed.fallback());
        self.next_id = self.recent.resize(window, most, self.next_id);
        // Slots of the old quotas may be too many for the new ones.
        self.lose();
        self.returns.extend(self.held.drain());
        self.feed.ring();
        true
    }

    fn most(&self) -> u32 {
        MOST as u32
    }

    fn most_now(&self) -> u32 {
        match self.mode {
            Mode::Local { most, .. } if !self.stale => most,
            _ => self.most(),
        }
    }

    fn refusal(&self, cost: u32) -> Option<Refusal> {
        match (&self.mode, self.state) {
            _ if self.stale => None,
            (&Mode::Refuse(why), _) => Some(Refusal::Away(why)),
            (&Mode::Local { most, .. }, FleetState::Away { why, .. }) if cost > most => {
                Some(Refusal::Share(why))
            }
            _ => None,
        }
    }

    fn fleet(&self) -> Option<FleetState> {
        Some(self.state)
    }

    fn remote(&mut self) -> Option<&mut dyn Any> {
        Some(self)
    }
}
