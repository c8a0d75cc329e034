//! Step by step, without a server.

use std::sync::Arc;

use super::super::Plan;
use super::super::slots::Held;
use super::*;
use crate::admission::Admit;
use crate::demand::Demand;
use crate::quota::Quota;
use crate::redis::ask::{MOST, Reply, Status};
use crate::redis::clock::ServerClock;
use crate::redis::fallback::Fallback;
use crate::redis::feed::Feed;
use crate::redis::link::Answer;
use crate::redis::settings::Settings;
use crate::redis::stream::{Target, Tls};
use crate::refusal::Refusal;

const NOTICE: Duration = Duration::from_millis(200);

fn leased(fallback: Fallback, now: Instant) -> Leased {
    let target = Target::parse("redis://localhost", Tls::default()).unwrap();
    let settings = Settings {
        link: Arc::new(Link::new(target, jittered_backoff::Seeds::new(1))),
        news: Arc::default(),
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
    leased.plan(Demand { costs: &mut std::iter::repeat_n(1, waiting), hold: None }, true, now)
}

fn ask(plan: Plan) -> Ask {
    match plan {
        Plan::Ask(ask) => *ask,
        Plan::Wait(until) => panic!("waits until {until:?}"),
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An answer at that time, by a server whose clock shows the time since `zero`: so many slots, free at once.
fn answer(zero: Instant, after: Duration, slots: usize) -> Answer {
    let micros = i64::try_from(after.as_micros()).unwrap();
    let mut clock = ServerClock::new(zero);
    clock.learn(zero + after, zero + after, micros);
    let reply = Reply {
        now: micros,
        status: Status::Done,
        epoch: 1,
        next: 0,
        moved: vec![],
        waits: vec![0; slots],
        #[cfg(feature = "server")]
        standings: vec![],
    };
    Answer { reply, over: 1, clock, lateness: 50_000, trip: ms(1) }
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
    // The first one is of no account any more: what it brings is given back, for the second has given it back before.
    leased.answered(&first, &answer(zero, ms(51), 2), zero + ms(51));
    assert!(leased.held.is_empty() && leased.asking.is_some());
    assert_eq!(leased.returns, [0, 1]);
    assert!(
        !leased.unanswered(&first, Away::Silent, zero + NOTICE, zero + ms(60)),
        "nobody is told of an outage"
    );
    assert!(!leased.is_away());
    // Nor is it again if the second has come back. It has brought all.
    leased.answered(&second, &answer(zero, ms(61), 3), zero + ms(61));
    assert_eq!(leased.held.iter().map(|held| held.id).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(!leased.unanswered(&first, Away::Silent, zero + NOTICE, zero + ms(62)));
    assert!(!leased.is_away());
}

#[test]
fn nobody_waits_for_ever_for_who_does_not_come_back() {
    let zero = Instant::now();
    let mut leased = leased(Fallback::Refuse, zero);
    ask(plan(&mut leased, 3, zero));
    assert!(!leased.lapse(zero + NOTICE * 2 - ms(1)) && leased.refusal(1).is_none());
    assert!(leased.lapse(zero + NOTICE * 2));
    assert_eq!(leased.refusal(1), Some(Refusal::Away(Away::Silent)));
}

#[test]
fn a_question_that_nobody_waited_for_tells_nothing_of_the_server() {
    let zero = Instant::now();
    for fallback in [Fallback::Refuse, Fallback::Allow, Fallback::local(Quota::per_second(9).unwrap())] {
        // Long after its end, somebody comes: it is asked anew, by whoever comes.
        let mut fed = leased(fallback.clone(), zero);
        let first = ask(plan(&mut fed, 1, zero));
        let late = zero + NOTICE * 2 + OVERDUE + ms(1);
        assert!(fed.lapse(late) && fed.refusal(1).is_none() && !fed.fits(late, 0, 1));
        let second = ask(plan(&mut fed, 1, late));
        assert_eq!((second.probe, second.deadline), (false, Some(late + NOTICE)));
        assert!(!fed.unanswered(&first, Away::Silent, late + ms(20), late + ms(1)));
        assert!(!fed.is_away());
        // Before its end, in another runtime: whoever comes has not waited yet.
        let mut fed = leased(fallback.clone(), zero);
        ask(plan(&mut fed, 1, zero));
        let late = zero + NOTICE + ms(50);
        assert_eq!(ask(plan(&mut fed, 1, late)).deadline, Some(late + NOTICE));
        // Whoever asked comes back to it late, and finds that it took too long.
        let mut fed = leased(fallback.clone(), zero);
        let first = ask(plan(&mut fed, 1, zero));
        let late = zero + NOTICE + OVERDUE + ms(1);
        assert!(!fed.lapse(late));
        assert!(!fed.unanswered(&first, Away::Silent, late + ms(20), late));
        assert!(!fed.is_away());
        let second = ask(plan(&mut fed, 1, late));
        // This one was waited for, in vain.
        assert!(fed.unanswered(&second, Away::Silent, late + ms(300), late + NOTICE + ms(1)));
        assert!(fed.is_away());
    }
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
        assert_eq!((leased.refusal(1).is_some(), leased.fits(retry_at, 0, 1)), (refuses, fits));
        let late = retry_at + OVERDUE;
        assert!(leased.lapse(late), "there is less to be released");
        assert!(leased.refusal(1).is_none() && !leased.fits(late, 0, 1) && leased.free(late) == 0);
        // The next call waits, as the first did, and no longer.
        let probe = ask(plan(&mut leased, 1, late));
        assert_eq!((probe.probe, probe.deadline), (true, Some(late + NOTICE)));
        assert!(!leased.lapse(late + ms(1)) && !leased.fits(late, 0, 1));
        assert!(leased.unanswered(&probe, Away::Silent, late + ms(300), late + NOTICE));
        assert!(!leased.lapse(late + NOTICE));
        assert_eq!((leased.refusal(1).is_some(), leased.fits(late + NOTICE, 0, 1)), (refuses, fits));
        // One that is watched is believed; but not for ever.
        let again = late + ms(300);
        let probe = ask(plan(&mut leased, 1, again));
        assert_eq!((probe.probe, probe.deadline), (true, None));
        let end = again + Link::longest(NOTICE) + NOTICE;
        assert!(!leased.lapse(end - ms(1)));
        assert!(leased.lapse(end) && leased.refusal(1).is_some() == refuses);
        assert!(matches!(plan(&mut leased, 1, end), Plan::Wait(Some(at)) if at == end + AGAIN));
        assert!(ask(plan(&mut leased, 1, end + AGAIN)).probe);
    }
}

#[test]
fn what_a_lost_question_gave_back_is_given_back_again() {
    let zero = Instant::now();
    let mut leased = leased(Fallback::Refuse, zero);
    leased.returns.push(90);
    let first = ask(plan(&mut leased, 0, zero));
    assert_eq!((first.returns.as_slice(), leased.returns.len()), ([90].as_slice(), 0));
    leased.interrupted(first.number, zero + ms(1));
    // The server was late, and did nothing.
    let second = ask(plan(&mut leased, 0, zero + ms(1)));
    assert_eq!(second.returns, [90]);
    let mut late = answer(zero, ms(2), 0);
    late.reply.status = Status::Late;
    leased.answered(&second, &late, zero + ms(2));
    let third = ask(plan(&mut leased, 0, zero + ms(2)));
    assert_eq!(third.returns, [90]);
    // Of one that is of no account, neither is how long it took.
    let trip = leased.trip;
    let stale = Answer { trip: ms(8000), ..answer(zero, ms(3), 0) };
    leased.answered(&second, &stale, zero + ms(3));
    assert_eq!(leased.trip, trip);
    leased.answered(&third, &answer(zero, ms(4), 0), zero + ms(4));
    assert!(leased.returns.is_empty());
}

#[test]
fn what_an_outage_made_useless_is_given_back_after_it() {
    let zero = Instant::now();
    for fallback in [Fallback::Refuse, Fallback::Allow, Fallback::local(Quota::per_second(9).unwrap())] {
        let mut leased = leased(fallback, zero);
        leased.held.hold(Held { from: zero, until: zero + ms(50), id: 80, slot: Some((0, 0)) });
        leased.returns.push(90);
        leased.next_id = 91;
        let first = ask(plan(&mut leased, 3, zero));
        assert!(leased.unanswered(&first, Away::Silent, zero + ms(300), zero + NOTICE));
        // A try that fails forgets none of it.
        let mut all: Vec<u64> = [80, 90, 91, 92].into();
        for at in [ms(300), ms(600)] {
            let mut probe = ask(plan(&mut leased, 1, zero + at));
            probe.returns.sort();
            assert_eq!((probe.probe, &probe.returns), (true, &all));
            assert!(leased.unanswered(&probe, Away::Unreachable, zero + at + ms(300), zero + at));
        }
        // But it is not hoarded.
        leased.returns.extend(1000..9000);
        all = (9000 - MOST as u64..9000).collect();
        leased.failed(Away::Unreachable, zero + ms(900), zero + ms(800));
        assert_eq!(leased.returns, all);
        let probe = ask(plan(&mut leased, 0, zero + ms(900)));
        leased.answered(&probe, &answer(zero, ms(901), 0), zero + ms(901));
        assert!(leased.returns.is_empty() && !leased.is_away());
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

#[test]
fn another_server_hears_all_before_it_is_asked() {
    let zero = Instant::now();
    let mut leased = leased(Fallback::Refuse, zero);
    let first = ask(plan(&mut leased, 3, zero));
    assert!(!first.known, "the first question may go to any server");
    leased.answered(&first, &answer(zero, ms(1), 3), zero + ms(1));
    assert!(leased.take(zero + ms(2), 2) && leased.held.len() == 1);
    // What is held is relied on, as what was reported is.
    let question = ask(plan(&mut leased, 2, zero + ms(2)));
    assert_eq!((question.known, question.over), (true, 1));
    leased.elsewhere(question.number + 1, 3, zero + ms(3));
    assert_eq!((leased.held.len(), leased.over), (1, 1), "that was another's");
    leased.elsewhere(question.number, 2, zero + ms(3));
    assert!(leased.held.is_empty());
    let anew = ask(plan(&mut leased, 2, zero + ms(4)));
    assert_eq!((anew.known, anew.over, anew.deadline), (false, 2, question.deadline), "nobody waits longer");
    assert_eq!((anew.reports.len(), &anew.returns[..]), (2, &[2, 3][..]));
    leased.answered(&anew, &answer(zero, ms(5), 2), zero + ms(5));
    assert_eq!(leased.over, 2, "the answer came over an older one, which has been there all the time");
    // Another epoch: what is held is not there.
    let question = ask(plan(&mut leased, 3, zero + ms(6)));
    let mut unknown = answer(zero, ms(7), 0);
    (unknown.reply.status, unknown.reply.epoch) = (Status::Unknown, 2);
    leased.answered(&question, &unknown, zero + ms(7));
    assert!(leased.held.is_empty() && leased.free(zero + ms(7)) == 0);
    let anew = ask(plan(&mut leased, 3, zero + ms(8)));
    assert_eq!((anew.known, anew.epoch, anew.reports.len(), anew.wants.len()), (false, 2, 2, 3));
}

#[test]
fn one_question_is_never_for_more_than_the_server_does_in_a_moment() {
    let zero = Instant::now();
    let mut leased = leased(Fallback::Refuse, zero);
    leased.set_quotas(&Quota::per_second(1_000_000).unwrap().into());
    let costs = |leased: &mut Leased, costs: &[u32]| {
        let mut costs = costs.iter().copied();
        let demand = Demand { costs: &mut costs, hold: None };
        let asked = ask(leased.plan(demand, true, zero));
        leased.lose();
        leased.returns.clear();
        asked.wants
    };
    assert_eq!(costs(&mut leased, &[1000; 100]), [1000, 1000]);
    assert_eq!(costs(&mut leased, &[2000, 1000, 48]), [2000], "nobody overtakes");
    assert_eq!(costs(&mut leased, &[2048, 1]), [2048]);
    assert_eq!(costs(&mut leased, &[1; 5000]).len(), MOST);
    // A call that costs more is refused; nothing is asked for it.
    assert_eq!(leased.most(), 2048);
    leased.tried(2049, zero);
    assert_eq!(leased.tried, None);
    leased.tried(2048, zero);
    assert_eq!(leased.tried, Some(2048));
}

#[test]
fn a_flush_gives_back_what_nobody_waits_for() {
    let zero = Instant::now();
    let mut leased = leased(Fallback::Refuse, zero);
    let flush = |leased: &mut Leased, waiting: usize| {
        let mut costs = std::iter::repeat_n(1, waiting);
        leased.flush(Demand { costs: &mut costs, hold: None })
    };
    assert_eq!(flush(&mut leased, 0), Some(Ok(())), "there is nothing");
    for id in [1, 2, 3] {
        leased.held.hold(Held { from: zero, until: zero + ms(50), id, slot: Some((0, 0)) });
    }
    assert_eq!(flush(&mut leased, 1), None);
    assert_eq!((leased.held.len(), leased.returns.as_slice()), (1, [2, 3].as_slice()));
    // Not before the server has it, nor while it may be about to reserve more.
    let first = ask(plan(&mut leased, 1, zero));
    assert_eq!((flush(&mut leased, 1), first.returns.len()), (None, 2));
    leased.answered(&first, &answer(zero, ms(1), 0), zero + ms(1));
    assert_eq!(flush(&mut leased, 1), Some(Ok(())));
    let second = ask(plan(&mut leased, 2, zero + ms(1)));
    assert_eq!((flush(&mut leased, 2), flush(&mut leased, 0)), (Some(Ok(())), None));
    leased.answered(&second, &answer(zero, ms(2), 1), zero + ms(2));
    assert_eq!((flush(&mut leased, 0), leased.held.len()), (None, 0));
    let third = ask(plan(&mut leased, 0, zero + ms(2)));
    assert!(leased.unanswered(&third, Away::Silent, zero + ms(300), zero + NOTICE));
    assert_eq!(flush(&mut leased, 0), Some(Err(Away::Silent)));
}
