//! The question that is under way, and what becomes of it if nobody comes back with an answer.

use std::mem;
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::super::ask::Ask;
use super::super::away::{Away, FleetState};
use super::super::link::Link;
use super::{Leased, Mode};

/// How late whoever is to see whether the server is back may begin.
const OVERDUE: Duration = Duration::from_millis(100);
/// When to see whether the server is back, if whoever asked did not come back.
const AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Asking {
    number: u64,
    /// Since when there has been no answer to this one, or to those in whose stead it was asked.
    pub(super) since: Instant,
    /// From when on another may ask in its stead.
    pub(super) yields_at: Instant,
    /// From then on there will be no answer: all who might ask stand still.
    ends_at: Instant,
    /// Calls wait for the answer.
    hurried: bool,
    permits: Range<u64>,
    /// The permits whose slots it may move, and when the first of these could be used.
    moves: Vec<Range<u64>>,
    moves_by: Instant,
}

impl Leased {
    /// A question is to be sent now.
    pub(super) fn begin(&mut self, ask: &Ask, since: Instant, now: Instant) {
        let notice = self.feed.notice();
        // Whoever asks sees for itself when there is no answer in time. On a machine that is busy with other things it is
        // late for that, and perhaps the answer is there.
        let ends_at = ask.deadline.unwrap_or(now + Link::longest(notice)) + notice;
        let patience = (notice / 4).max(self.trip * 4);
        let yields_at = ask.deadline.map_or(ends_at, |_| ends_at.min(now + patience));
        let moves = ask.moves.iter().map(|one| one.first..one.first + u64::from(one.cost)).collect();
        self.asking = Some(Asking {
            number: ask.number,
            since,
            yields_at,
            ends_at,
            hurried: ask.deadline.is_some(),
            permits: ask.permits(),
            moves,
            moves_by: now + self.far(),
        });
    }

    /// Somebody has come back from the question of this number. Returns whether it is the one that is waited for.
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.asking.take_if(|asking| asking.number == number).is_some()
    }

    /// The answer to the question under way is not waited for any longer: it may have been done, or be done yet.
    pub(super) fn lose(&mut self) {
        self.lose_moves();
        let Some(Asking { permits, .. }) = self.asking.take() else { return };
        self.recent.untell();
        self.returns.extend(permits);
    }

    /// Gives the slots back that the question under way may have moved: nobody knows where they are. Returns whether there
    /// were any.
    fn lose_moves(&mut self) -> bool {
        let moves = self.asking.as_mut().map(|asking| mem::take(&mut asking.moves)).unwrap_or_default();
        let returned = self.returns.len();
        for id in moves.into_iter().flatten() {
            // Unless it was given back meanwhile.
            if self.held.take(id).is_some() {
                self.returns.push(id);
            }
        }
        self.returns.len() > returned
    }

    /// The task that asked the question of this number, if one was under way, has ended.
    pub(in crate::redis) fn interrupted(&mut self, number: u64, now: Instant) {
        if self.asking.as_ref().is_some_and(|asking| asking.number == number) {
            self.lose();
        }
        self.retry_at = self.retry_at.min(now);
    }

    /// Looks whether somebody is late. Returns whether what may be released is less for that.
    pub(super) fn oversee(&mut self, now: Instant) -> bool {
        let ended = self.asking.as_ref().is_some_and(|asking| asking.ends_at <= now);
        if ended {
            self.failed(Away::Silent, now + AGAIN, now);
        }
        let moves_by = self.asking.as_ref().map(|asking| asking.moves_by);
        let moved = moves_by.is_some_and(|by| by <= now) && self.lose_moves();
        let stale = !matches!(self.mode, Mode::Fleet) && !self.is_watched(now);
        let turned = stale && !self.stale;
        self.stale = stale;
        if ended || turned {
            self.feed.ring();
        }
        ended || turned || moved
    }

    /// Whether somebody sees to it that the return of a server that is away is noticed. Otherwise the next call does, as the
    /// first one did: it waits until there is an answer, or none in time.
    fn is_watched(&self, now: Instant) -> bool {
        match &self.asking {
            Some(asking) => !asking.hurried,
            None => now < self.retry_at + OVERDUE,
        }
    }

    pub(super) fn is_away(&self) -> bool {
        matches!(self.state, FleetState::Away { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::fallback::Fallback;
    use super::super::super::feed::Feed;
    use super::super::super::settings::Settings;
    use super::super::super::stream::{Target, Tls};
    use super::super::Plan;
    use super::super::slots::Held;
    use super::*;
    use crate::admission::Admit;
    use crate::demand::Demand;
    use crate::quota::Quota;

    const NOTICE: Duration = Duration::from_millis(200);

    fn leased(fallback: Fallback, now: Instant) -> Leased {
        let target = Target::parse("redis://localhost", Tls::default()).unwrap();
        let settings = Settings {
            link: Arc::new(Link::new(target, jittered_backoff::Seeds::new(1))),
            prefix: "test".to_owned(),
            lease: 1,
            lateness: None,
            notice: NOTICE,
            fallback,
        };
        Leased::new(Feed::new(settings, "a"), Quota::per_second(10).unwrap().into(), now)
    }

    /// What there is to do while so many wait; time alone is told first, as the queue does.
    fn plan(leased: &mut Leased, waiting: usize, now: Instant) -> Plan {
        leased.lapse(now);
        leased.plan(Demand { costs: &mut std::iter::repeat_n(1, waiting), hold: None }, now)
    }

    fn ask(plan: Plan) -> Ask {
        match plan {
            Plan::Ask(ask) => ask,
            Plan::Wait(until) => panic!("waits until {until:?}"),
        }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn one_asks_at_a_time_and_another_in_its_stead() {
        let zero = Instant::now();
        let mut leased = leased(Fallback::Refuse, zero);
        let first = ask(plan(&mut leased, 3, zero));
        assert_eq!((first.permits(), first.deadline), (0..3, Some(zero + NOTICE)));
        assert!(matches!(plan(&mut leased, 3, zero), Plan::Wait(Some(at)) if at == zero + ms(50)));
        let second = ask(plan(&mut leased, 3, zero + ms(50)));
        assert_eq!((second.permits(), second.deadline), (3..6, Some(zero + NOTICE)), "nobody waits longer");
        assert_eq!(second.returns, [0, 1, 2]);
        // The first one is of no account any more.
        leased.unanswered(&first, Away::Silent, zero + NOTICE, zero + ms(60));
        assert!(!leased.is_away());
        // Nobody comes back.
        assert!(!leased.lapse(zero + NOTICE * 2 - ms(1)) && leased.closed().is_none());
        assert!(leased.lapse(zero + NOTICE * 2));
        assert_eq!(leased.closed(), Some(Away::Silent));
    }

    #[test]
    fn an_outage_that_nobody_watches_is_not_believed_for_long() {
        let zero = Instant::now();
        for fallback in [Fallback::Refuse, Fallback::Allow, Fallback::local(Quota::per_second(9).unwrap())] {
            let mut leased = leased(fallback.clone(), zero);
            let retry_at = zero + ms(20);
            leased.failed(Away::Unreachable, retry_at, zero);
            let (refuses, fits) = (fallback == Fallback::Refuse, fallback != Fallback::Refuse);
            assert!(!leased.lapse(retry_at + OVERDUE - ms(1)));
            assert_eq!((leased.closed().is_some(), leased.fits(retry_at, 0, 1)), (refuses, fits));
            let late = retry_at + OVERDUE;
            assert!(leased.lapse(late), "there is less to be released");
            assert!(leased.closed().is_none() && !leased.fits(late, 0, 1) && leased.free(late) == 0);
            // The next call waits, as the first did, and no longer.
            let probe = ask(plan(&mut leased, 1, late));
            assert_eq!((probe.probe, probe.deadline), (true, Some(late + NOTICE)));
            assert!(!leased.lapse(late + ms(1)) && !leased.fits(late, 0, 1));
            leased.unanswered(&probe, Away::Silent, late + ms(300), late + NOTICE);
            assert!(!leased.lapse(late + NOTICE));
            assert_eq!((leased.closed().is_some(), leased.fits(late + NOTICE, 0, 1)), (refuses, fits));
            // One that is watched is believed; but not for ever.
            let again = late + ms(300);
            let probe = ask(plan(&mut leased, 1, again));
            assert_eq!((probe.probe, probe.deadline), (true, None));
            let end = again + Link::longest(NOTICE) + NOTICE;
            assert!(!leased.lapse(end - ms(1)));
            assert!(leased.lapse(end) && leased.closed().is_some() == refuses);
            assert!(matches!(plan(&mut leased, 1, end), Plan::Wait(Some(at)) if at == end + AGAIN));
            assert!(ask(plan(&mut leased, 1, end + AGAIN)).probe);
        }
    }

    #[test]
    fn a_slot_that_may_have_been_moved_is_not_used() {
        let zero = Instant::now();
        let mut leased = leased(Fallback::Refuse, zero);
        let hold = |leased: &mut Leased, id, from| {
            leased.held.hold(Held { from, until: from + ms(50), id, slot: Some((0, 0)) });
        };
        hold(&mut leased, 1, zero + ms(10_000));
        hold(&mut leased, 2, zero + ms(10_100));
        let question = ask(plan(&mut leased, 1, zero + ms(2500)));
        assert_eq!((question.moves[0].first, question.moves[0].cost), (1, 2));
        leased.interrupted(question.number + 1, zero + ms(2501));
        assert_eq!(leased.held.len(), 2, "that was another's");
        // One of them is given back meanwhile.
        leased.held.take(2);
        leased.interrupted(question.number, zero + ms(2502));
        assert!(leased.held.is_empty());
        assert_eq!(leased.returns, [1]);
        // The answer takes longer than it is until the slot.
        hold(&mut leased, 3, zero + ms(3000));
        leased.retry_at = zero;
        let question = ask(plan(&mut leased, 1, zero + ms(2600)));
        assert_eq!(question.moves.len(), 1);
        assert!(!leased.lapse(zero + ms(2849)) && leased.held.len() == 1);
        assert!(leased.lapse(zero + ms(2850)) && leased.held.is_empty());
    }
}
