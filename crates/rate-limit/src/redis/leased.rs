//! The admission that a server feeds: slots that were reserved there, or else what the fallback allows.
//!
//! A slot is a stretch of local time within which one permit may be used: from its time, by the server's clock, until so
//! much later as the server was told it might be. Whoever is first in the queue when a slot's time has come takes it;
//! nobody owns one before. So the queue's order, bounds and cancellation are the same as without a server.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ask::{Ask, MOST, Move, Status};
use super::away::{Away, FleetState};
use super::fallback::Fallback;
use super::feed::Feed;
use super::link::Answer;
use super::recent::{Recent, Release};
#[cfg(feature = "server")]
use crate::admission::Standing;
use crate::admission::{Admit, Log, Planned, admission_after};
use crate::demand::Demand;
use crate::quota::{LONGEST, Quota};
use crate::quotas::Quotas;

/// How long a question is taken to take before one was answered.
const UNTRIED: Duration = Duration::from_millis(10);
/// What tokio's timer may be late by, and what it takes to send a question.
const SLACK: Duration = Duration::from_millis(5);
/// How often at most the server is asked when it has no slot within its reach.
const FULL: Duration = Duration::from_millis(50);

/// How far ahead a slot is, at least, of which it is worth asking whether there is an earlier one; and how often at most, and
/// at least, that is asked.
const FAR: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(2);

/// A permit that was reserved.
#[derive(Clone, Copy, Debug)]
struct Held {
    from: Instant,
    until: Instant,
    id: u64,
    /// From when until when, by the server's clock, in us.
    slot: Option<(i64, i64)>,
}

enum Mode {
    /// The server is asked.
    Fleet,
    Local(Box<dyn Admit>),
    Refuse(Away),
    Allow,
}

/// What is to be done for it next.
#[derive(Debug)]
pub(super) enum Plan {
    /// Nothing, until this instant, or somebody asks.
    Wait(Option<Instant>),
    Ask(Ask),
}

pub(crate) struct Leased {
    feed: Arc<Feed>,
    quotas: Quotas,
    lateness: Duration,
    mode: Mode,
    state: FleetState,
    /// While the server is away: when to see whether it is back.
    retry_at: Instant,
    /// By their times.
    held: VecDeque<Held>,
    /// No permit held can be used until later than its slot's end, the first of which is no earlier than this.
    first_end: Option<Instant>,
    recent: Recent,
    returns: Vec<u64>,
    next_id: u64,
    epoch: i64,
    /// When the server would have had another permit, when it was last asked.
    next: Instant,
    /// How long a question takes.
    trip: Duration,
    ask_no_sooner: Option<Instant>,
    asked_at: Instant,
    /// What there is to show as a record; a fleet's is not here.
    no_log: Log,
}

impl Leased {
    pub(super) fn new(feed: Arc<Feed>, quotas: Quotas, now: Instant) -> Self {
        let fallback = feed.fallback();
        let (window, most) = reach(&quotas, fallback);
        Self {
            lateness: feed.lateness(&quotas),
            feed,
            mode: Mode::Fleet,
            state: FleetState::Idle,
            retry_at: now,
            held: VecDeque::new(),
            first_end: None,
            recent: Recent::new(window, most),
            returns: Vec::new(),
            next_id: 0,
            epoch: 0,
            next: now,
            trip: UNTRIED,
            ask_no_sooner: None,
            asked_at: now,
            no_log: Log::new(),
            quotas,
        }
    }

    /// The most memory, over that of the local admission, in bytes.
    pub(super) fn bytes(quotas: &Quotas, fallback: &Fallback) -> usize {
        // The task, and what it keeps between two questions, is taken to be 2 KiB.
        reach(quotas, fallback).1.saturating_mul(Recent::ENTRY).saturating_add(2048 + size_of::<Self>())
    }

    /// What to do next.
    pub(super) fn plan(&mut self, Demand { costs, hold }: Demand<'_>, now: Instant) -> Plan {
        self.recent.forget(now);
        if let FleetState::Away { .. } = self.state {
            return match now < self.retry_at {
                true => Plan::Wait(Some(self.retry_at)),
                false => Plan::Ask(self.ask(Vec::new(), true, now)),
            };
        }
        let mut costs = costs.peekable();
        let move_at = costs.peek().and_then(|_| self.move_at(now)).max(hold);
        let mut wants = self.wants(costs);
        let lease = self.feed.lease();
        if !wants.is_empty() {
            wants.resize(wants.len().max(lease), 1);
        }
        // Others are not kept from a slot any longer than it takes to use the one before.
        let before = self.held.back().map(|last| last.from).max(hold);
        let soonest = before.and_then(|before| before.checked_sub(self.lead())).max(self.ask_no_sooner);
        let ask_at = (!wants.is_empty()).then(|| soonest.unwrap_or(now).max(now));
        if ask_at == Some(now) {
            return Plan::Ask(self.ask(wants, false, now));
        }
        if !self.returns.is_empty() || move_at.is_some_and(|at| at <= now) {
            return Plan::Ask(self.ask(Vec::new(), false, now));
        }
        let due = self.held.iter().find(|held| held.from > now).map(|held| held.from);
        let end = self.first_end;
        Plan::Wait([ask_at, move_at, due, end].into_iter().flatten().min())
    }

    /// When to ask whether the slot that the first waits for could come sooner.
    fn move_at(&self, now: Instant) -> Option<Instant> {
        let ahead = self.held.front()?.from.checked_duration_since(now + self.far())?;
        Some(self.asked_at + (ahead / 4).clamp(FAR, SELDOM))
    }

    /// No slot is used while a question is under way that may move it.
    fn far(&self) -> Duration {
        FAR.max(self.feed.notice())
    }

    /// The slots that are far ahead.
    fn moves(&self, now: Instant) -> Vec<Move> {
        let mut moves: Vec<Move> = Vec::new();
        for held in self.held.iter().filter(|held| held.from > now + self.far()).take(MOST) {
            let Some((at, end)) = held.slot else { continue };
            match moves.last_mut() {
                // The permits of one call stay together.
                Some(last) if last.at == at && last.first + u64::from(last.cost) == held.id => last.cost += 1,
                _ => moves.push(Move { first: held.id, cost: 1, at, end }),
            }
        }
        moves
    }

    /// The permits that those who wait lack, as the slots to ask for.
    fn wants(&self, costs: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut wants = Vec::new();
        let mut held = self.held.len();
        for cost in costs {
            match held.checked_sub(cost as usize) {
                Some(left) => held = left,
                None => wants.push(cost),
            }
            if wants.len() == MOST {
                break;
            }
        }
        wants
    }

    /// How long before a slot's time the one behind it is asked for.
    fn lead(&self) -> Duration {
        self.trip * 2 + SLACK
    }

    fn ask(&mut self, mut wants: Vec<u32>, probe: bool, now: Instant) -> Ask {
        self.asked_at = now;
        let reports = self.recent.report(MOST);
        if self.recent.untold() > 0 {
            // First all that was released, then more.
            wants.clear();
        }
        let first = self.next_id;
        let returned = self.returns.len().saturating_sub(MOST);
        let ask = Ask {
            quotas: self.quotas.clone(),
            lateness: self.lateness,
            horizon: self.lead(),
            least: self.feed.lease(),
            epoch: self.epoch,
            known: self.recent.told() > reports.len(),
            moves: self.moves(now),
            first,
            wants,
            reports,
            returns: self.returns.split_off(returned),
            probe,
        };
        self.next_id = ask.permits().end;
        ask
    }

    /// The server has answered, in so much time.
    pub(super) fn answered(&mut self, ask: &Ask, answer: &Answer, now: Instant) {
        let Answer { reply, clock, trip, .. } = answer;
        self.trip = (self.trip * 3 + *trip) / 4;
        if reply.status == Status::Late {
            // The clock knows better now.
            self.recent.untell();
            return;
        }
        if ask.probe {
            if self.recent.untold() > MOST {
                // There is more to tell, first.
                return;
            }
            self.mode = Mode::Fleet;
        }
        self.state = FleetState::Connected;
        if reply.status == Status::Unknown {
            self.recent.untell();
        }
        self.epoch = reply.epoch;
        for (one, &wait) in ask.moves.iter().zip(&reply.moved).filter(|&(_, &wait)| wait >= 0) {
            for id in one.first..one.first + u64::from(one.cost) {
                // It may have been used meanwhile, or given back.
                if let Some(index) = self.held.iter().position(|held| held.id == id) {
                    self.held.remove(index);
                    self.reserved(id, reply.now.saturating_add(wait), answer);
                }
            }
        }
        let mut ids = ask.permits();
        for (&cost, &wait) in ask.wants.iter().zip(&reply.waits) {
            for id in ids.by_ref().take(cost as usize) {
                self.reserved(id, reply.now.saturating_add(wait), answer);
            }
        }
        self.next = clock.not_before(reply.now.saturating_add(reply.next)).unwrap_or(now);
        let full = reply.status == Status::Done && reply.waits.is_empty() && !ask.wants.is_empty();
        self.ask_no_sooner = full.then(|| {
            let reach = self.quotas.window().saturating_mul(8);
            now + self.next.saturating_duration_since(now).saturating_sub(reach).max(FULL)
        });
    }

    /// The server is of no use. It is to be asked again at `retry_at`.
    pub(super) fn failed(&mut self, why: Away, retry_at: Instant, now: Instant) {
        self.retry_at = retry_at;
        // What was asked may have been done, or not.
        self.recent.untell();
        if let FleetState::Away { since, .. } = self.state {
            self.state = FleetState::Away { since, why };
            if let Mode::Refuse(old) = &mut self.mode {
                *old = why;
            }
            return;
        }
        self.state = FleetState::Away { since: now, why };
        // They count with the server as long as they would have. Here, what was released counts, and no more.
        self.held.clear();
        self.returns.clear();
        self.first_end = None;
        self.mode = match self.feed.fallback() {
            Fallback::Local(quotas) => Mode::Local(admission_after(quotas, self.recent.times(), now)),
            Fallback::Refuse => Mode::Refuse(why),
            Fallback::Allow => Mode::Allow,
        };
    }

    /// The task has ended; what it was asking may have been done, or not.
    pub(super) fn interrupted(&mut self, now: Instant) {
        self.recent.untell();
        self.returns.extend(self.held.drain(..).map(|held| held.id));
        self.first_end = None;
        self.retry_at = self.retry_at.min(now);
    }

    /// A permit may be used from `at` on, by the server's clock.
    fn reserved(&mut self, id: u64, at: i64, Answer { clock, lateness, .. }: &Answer) {
        let end = at.saturating_add(*lateness);
        match clock.not_before(at).zip(clock.not_after(end)) {
            Some((from, until)) if from <= until => {
                self.hold(Held { from, until, id, slot: Some((at, end)) });
            }
            _ => self.returns.push(id),
        }
    }

    fn hold(&mut self, held: Held) {
        let index = self.held.partition_point(|other| other.from <= held.from);
        self.held.insert(index, held);
        self.first_end = self.first_end.map_or(Some(held.until), |end| Some(end.min(held.until)));
    }

    /// When so many permits could be used, if they were taken one by one; an estimate, if that many are not held.
    fn permits(&self, now: Instant, most: u64) -> Instant {
        let Some(missing) = most.checked_sub(self.held.len() as u64 + 1) else {
            let index = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(1);
            return self.held.get(index).map_or(now, |held| held.from.max(now));
        };
        // Somebody else may take them, or give some back: nobody but the server knows.
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let asked = (now + self.trip).max(self.next).max(self.held.back().map_or(now, |last| last.from));
        let ahead = self.quotas.interval().saturating_mul(missing).min(LONGEST);
        asked + ahead
    }

    fn release(&mut self, at: Instant, id: u64, until: Option<Instant>) {
        self.recent.push(Release { at, id, until });
    }
}

/// How far back releases count, and how many of them, in any of the quotas.
fn reach(quotas: &Quotas, fallback: &Fallback) -> (Duration, usize) {
    let most = |quotas: &Quotas| quotas.iter().map(Quota::n).max().unwrap_or(1) as usize;
    match fallback {
        Fallback::Local(local) => (quotas.window().max(local.window()), most(quotas).max(most(local))),
        _ => (quotas.window(), most(quotas)),
    }
}

impl Admit for Leased {
    fn earliest(&mut self, now: Instant, planned: &[Planned], cost: u32) -> Instant {
        match &mut self.mode {
            Mode::Fleet => {
                let ahead = planned.last().map_or(0, |last| last.upto);
                self.permits(now, ahead + u64::from(cost))
            }
            Mode::Local(local) => local.earliest(now, planned, cost),
            Mode::Refuse(_) => self.retry_at.max(now + UNTRIED),
            Mode::Allow => now,
        }
    }

    fn fits(&mut self, now: Instant, ahead: u64, cost: u32) -> bool {
        match &mut self.mode {
            // What has gone by is looked at first: see `lapse`.
            Mode::Fleet => {
                self.first_end.is_none_or(|end| now <= end)
                    && self.permits(now, ahead + u64::from(cost)) <= now
            }
            Mode::Local(local) => local.fits(now, ahead, cost),
            Mode::Refuse(_) => false,
            Mode::Allow => true,
        }
    }

    fn wait(&mut self, now: Instant, ahead: u64) -> Option<Duration> {
        match &mut self.mode {
            Mode::Fleet => Some(self.permits(now, ahead + 1).saturating_duration_since(now)),
            Mode::Local(local) => local.wait(now, ahead),
            Mode::Refuse(_) => Some(self.retry_at.saturating_duration_since(now)),
            Mode::Allow => Some(Duration::ZERO),
        }
    }

    fn free(&mut self, now: Instant) -> u64 {
        match &mut self.mode {
            Mode::Fleet => self.held.partition_point(|held| held.from <= now) as u64,
            Mode::Local(local) => local.free(now),
            Mode::Refuse(_) => 0,
            Mode::Allow => self.quotas.most().into(),
        }
    }

    fn take(&mut self, now: Instant, cost: u32) -> bool {
        if let Mode::Local(local) = &mut self.mode {
            local.take(now, cost);
        }
        for _ in 0..cost {
            let held = match self.mode {
                Mode::Fleet => self.held.pop_front(),
                _ => None,
            };
            let (id, until) = match held {
                Some(Held { id, until, .. }) => (id, Some(until)),
                None => {
                    self.next_id += 1;
                    (self.next_id - 1, None)
                }
            };
            self.release(now, id, until);
        }
        if self.held.is_empty() {
            self.first_end = None;
        }
        self.free(now) > 0
    }

    fn give_back(&mut self, at: Instant, cost: u32) {
        if let Mode::Local(local) = &mut self.mode {
            local.give_back(at, cost);
        }
        for _ in 0..cost {
            let Some((release, told)) = self.recent.take_back(at) else { break };
            match (release, &self.mode) {
                (Release { until: Some(until), id, .. }, Mode::Fleet) if !told => {
                    self.hold(Held { from: at, until, id, slot: None });
                }
                (Release { id, .. }, _) => self.returns.push(id),
            }
        }
        self.feed.ring();
    }

    fn rewind(&mut self, now: Instant) {
        if let Mode::Local(local) = &mut self.mode {
            local.rewind(now);
        }
        self.returns.extend(self.held.drain(..).map(|held| held.id));
        self.first_end = None;
        self.recent.rewind(now);
        self.next = self.next.min(now);
        self.retry_at = self.retry_at.min(now);
        self.ask_no_sooner = None;
        self.feed.ring();
    }

    #[cfg(feature = "server")]
    fn standings(&mut self, now: Instant) -> Vec<Standing> {
        let free = self.free(now);
        let more = self.permits(now, free + 1).saturating_duration_since(now);
        self.quotas.iter().map(|_| Standing { free, more: Some(more) }).collect()
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
        if self.first_end.is_none_or(|end| now <= end) {
            return false;
        }
        let held = self.held.len();
        self.held.retain(|held| {
            let good = now <= held.until;
            if !good {
                self.returns.push(held.id);
            }
            good
        });
        self.first_end = self.held.iter().map(|held| held.until).min();
        self.held.len() < held
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
        self.lateness = self.feed.lateness(quotas);
        let (window, most) = reach(quotas, self.feed.fallback());
        self.recent.resize(window, most);
        // Slots of the old quotas may be too many for the new ones.
        self.returns.extend(self.held.drain(..).map(|held| held.id));
        self.first_end = None;
        self.feed.ring();
        true
    }

    fn closed(&self) -> Option<Away> {
        match self.mode {
            Mode::Refuse(why) => Some(why),
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

/// What it holds goes back.
impl Drop for Leased {
    fn drop(&mut self) {
        let held = self.held.drain(..).map(|held| held.id);
        self.feed.leave(self.returns.drain(..).chain(held));
    }
}

impl fmt::Debug for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased")
            .field("state", &self.state)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}
