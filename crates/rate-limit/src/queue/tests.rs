//! Predictions are what they would be if everybody in the line were planned anew each time.

use proptest::prelude::*;

use super::*;
use crate::quota::Quota;

#[derive(Clone, Debug)]
enum Step {
    Join(u32, bool),
    Leave(usize),
    /// One of the waiters, or the first, is polled; and may step aside with its permits.
    Come(Option<usize>, bool),
    Spare(u32),
    GiveBack(usize),
    Pause(u64, bool),
    Change(Quotas),
    Advance(u64),
    /// The clock goes back.
    Back(u64),
    Ask(u32),
    AskTheLine,
}

fn quotas() -> impl Strategy<Value = Quotas> {
    let quota = (3u32..9, 1u64..60).prop_map(|(n, millis)| Quota::new(n, millis_of(millis)).unwrap());
    (prop::collection::vec(quota, 1..4), any::<bool>()).prop_map(|(mut quotas, spaced)| {
        if spaced {
            quotas[0] = quotas[0].spaced();
        }
        Quotas::new(quotas).unwrap()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let cost = || prop_oneof![4 => Just(1u32), 1 => 2u32..4];
    prop_oneof![
        8 => (cost(), any::<bool>()).prop_map(|(cost, bounded)| Step::Join(cost, bounded)),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => (prop::option::weighted(0.3, any::<usize>()), prop::bool::weighted(0.2))
            .prop_map(|(pick, aside)| Step::Come(pick, aside)),
        1 => cost().prop_map(Step::Spare),
        1 => any::<usize>().prop_map(Step::GiveBack),
        1 => (0u64..80, prop::bool::weighted(0.1)).prop_map(|(millis, cut)| Step::Pause(millis, cut)),
        1 => quotas().prop_map(Step::Change),
        3 => (0u64..20_000).prop_map(Step::Advance),
        1 => prop::bool::weighted(0.2).prop_map(|back| Step::Back(u64::from(back) * 3_000)),
        8 => cost().prop_map(Step::Ask),
        2 => Just(Step::AskTheLine),
    ]
}

fn millis_of(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Run {
    queue: Queue,
    now: Instant,
    seats: Vec<Seat>,
    taken: Vec<(Instant, u32)>,
}

impl Run {
    fn new(quotas: Quotas) -> Self {
        let now = Instant::now() + Duration::from_secs(60);
        Self { queue: Queue::new(quotas, now), now, seats: vec![], taken: vec![] }
    }

    fn ask(&mut self, cost: u32) {
        let predicted = self.queue.predicted(self.now, cost);
        let Queue { offers, gate, .. } = &mut self.queue;
        assert_eq!(predicted, gate.predicted_slowly(self.now, offers.ahead().costs, cost));
    }

    /// What the last in the line is told, or the one before it.
    fn ask_the_line(&mut self) {
        let Queue { offers, gate, .. } = &mut self.queue;
        let mut waits = vec![];
        gate.forecast(self.now, offers.ahead(), |wait| waits.push(wait));
        let costs: Vec<_> = offers.ahead().costs.collect();
        assert_eq!(waits.len(), costs.len());
        for index in costs.len().saturating_sub(2)..costs.len() {
            let ahead = costs[..index].iter().copied();
            let wait = gate.predicted_slowly(self.now, ahead, costs[index]);
            // In a pause that fails all, the line is about to be empty.
            assert!(waits[index] == wait || gate.refusal(self.now, 1).is_some());
        }
    }

    fn join(&mut self, cost: u32, bounded: bool) {
        match self.queue.arrive(self.now, cost, true) {
            Arrival::Turn(_) => self.taken.push((self.now, cost)),
            Arrival::Refused(..) => {}
            Arrival::Due | Arrival::Wait => {
                let until = bounded.then(|| self.now + self.queue.predicted(self.now, cost));
                self.seats.push(self.queue.join(Waker::noop().clone(), cost, until));
            }
        }
    }

    fn come(&mut self, index: usize, aside: bool) {
        let seat = self.seats[index];
        let cost = self.queue.offers.line.cost(seat);
        match self.queue.come(seat, self.now, true) {
            Coming::Turn(ticket, _, _) if aside => {
                self.queue.give_back(self.now, cost);
                self.seats[index] = self.queue.step_aside(ticket, cost, None);
            }
            Coming::Turn(..) => {
                self.seats.remove(index);
                self.taken.push((self.now, cost));
            }
            Coming::Refused(..) => _ = self.seats.remove(index),
            Coming::Due | Coming::Wait => {}
        }
    }

    fn step(&mut self, step: Step) {
        let (now, len) = (self.now, self.seats.len());
        match step {
            Step::Join(cost, bounded) => self.join(cost, bounded),
            Step::Leave(pick) if len > 0 => drop(self.queue.leave(self.seats.remove(pick % len))),
            Step::Come(pick, aside) if len > 0 => self.come(pick.unwrap_or(0) % len, aside),
            Step::Leave(_) | Step::Come(..) => {}
            Step::Spare(cost) => {
                if self.queue.take_spare(now, cost) {
                    self.taken.push((now, cost));
                }
            }
            Step::GiveBack(pick) => {
                if !self.taken.is_empty() {
                    let (at, cost) = self.taken.swap_remove(pick % self.taken.len());
                    self.queue.give_back(at, cost);
                }
            }
            Step::Pause(millis, cut) => {
                let most = if cut { millis / 2 } else { millis };
                self.queue.pause(now, millis_of(millis), millis_of(most));
            }
            Step::Change(quotas) => drop(self.queue.set_quotas(now, quotas)),
            Step::Advance(micros) => self.now += Duration::from_micros(micros),
            Step::Back(micros) => self.now -= Duration::from_micros(micros),
            Step::Ask(cost) => return self.ask(cost),
            Step::AskTheLine => return self.ask_the_line(),
        }
        while self.queue.offer(self.now, &mut Wakes::new()) {}
        self.queue.take_recalled();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_it_would_be_anew(
        quotas in quotas(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut run = Run::new(quotas);
        for step in steps {
            run.step(step);
        }
        (1..4).for_each(|cost| run.ask(cost));
    }
}

#[test]
fn a_forecast_is_kept_while_only_newcomers_come() {
    let two = Quota::per_second(10).unwrap().and(Quota::per_minute(60).unwrap()).unwrap();
    let mut run = Run::new(two);
    let kept = |run: &mut Run| {
        let ahead = run.queue.offers.ahead();
        let (order, len) = (ahead.order, ahead.len);
        run.queue.gate.foretells(run.now, order, len)
    };
    // Ten are free; the next has nobody before it, and needs no forecast.
    (0..11).for_each(|_| run.step(Step::Join(1, false)));
    run.ask(1);
    for _ in 0..100 {
        run.step(Step::Join(1, false));
        run.now += Duration::from_millis(9);
        assert!(kept(&mut run));
    }
    // Nobody could have been released: the next can when the first ten are a second old.
    run.now += Duration::from_millis(100);
    run.ask(1);
    assert!(kept(&mut run));
    // In a pause, too.
    run.step(Step::Pause(30_000, false));
    run.ask(1);
    run.now += Duration::from_secs(29);
    run.step(Step::Join(1, false));
    assert!(kept(&mut run));
    run.step(Step::Leave(50));
    assert!(!kept(&mut run));
}
