//! Synthetic days: what handles of made-up callers, servers and outages would remember.

use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use crate::history::{Facts, History, Second};
use crate::names::NAMES;
use crate::pattern::{Evidence, Pattern};
use crate::place::{PLACES, Place};
use crate::wall::Moment;

pub(super) const MINUTE: u32 = 60;
pub(super) const HOUR: u32 = 3600;
pub(super) const DAY: u32 = 24 * HOUR;
/// The hour of the first second, since the Unix epoch.
pub(super) const FIRST_HOUR: u32 = 490_000;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(super) fn within(&mut self, low: u32, high: u32) -> u32 {
        low + (self.next() % u64::from(high - low + 1)) as u32
    }

    pub(super) fn share(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.share(0.0, 1.0) < share
    }
}

/// When a request is made.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) now: u32,
    /// How many were made before it in the same second.
    pub(super) earlier: u32,
}

/// A handle's history, made up.
pub(super) struct World {
    pub(super) random: Random,
    history: History,
    hosts: [u64; NAMES + 1],
    pub(super) now: u32,
    /// When the last call that went well ended.
    pub(super) last_success: Option<u32>,
    /// Calls that have not ended.
    pub(super) under_way: u64,
    /// Where calls fail: anywhere, or at one place.
    pub(super) place: Option<Place>,
    /// The host that calls fail at: any, or this of three.
    pub(super) host: Option<usize>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)),
            history: History::new(),
            hosts: [0; NAMES + 1],
            now: 0,
            last_success: None,
            under_way: 0,
            place: None,
            host: None,
        }
    }

    /// So many requests in a second, each of which fails or not.
    pub(super) fn second(
        &mut self,
        number: u32,
        requests: u32,
        mut fails: impl FnMut(&mut Random, u32) -> bool,
    ) {
        let mut failed = 0;
        for request in 0..requests {
            let host = self.random.within(0, 2) as usize;
            let spared = self.host.is_some_and(|bad| bad != host);
            if spared || !fails(&mut self.random, request) {
                self.hosts[host] += 1;
                continue;
            }
            failed += 1;
            let anywhere = self.random.within(0, PLACES as u32 - 1) as usize;
            let place = match self.place {
                Some(place) if self.random.happens(0.99) => place.cell(),
                _ => anywhere,
            };
            self.history.sort(place, None, Some(host));
        }
        self.tell(number, requests.into(), failed);
    }

    /// A second's calls, each to a host, failed or not.
    pub(super) fn calls(&mut self, number: u32, calls: &[(usize, bool)]) {
        for &(host, failed) in calls {
            if failed {
                let place = self.random.within(0, PLACES as u32 - 1) as usize;
                self.history.sort(place, None, Some(host));
            } else {
                self.hosts[host] += 1;
            }
        }
        let failed = calls.iter().filter(|(_, failed)| *failed).count() as u64;
        self.tell(number, calls.len() as u64, failed);
    }

    fn tell(&mut self, number: u32, ended: u64, failed: u64) {
        let hour = FIRST_HOUR + number / HOUR;
        self.history.second(&Second { number, hour, ended, failed, cancelled: 0 }, || self.hosts);
        if ended > failed {
            self.last_success = Some(number);
        }
        self.now = number;
    }

    /// Some hours of calls, some in a fifth of the seconds, at rates that have nothing to do with anything.
    pub(super) fn run(&mut self, seconds: u32, mut fails: impl FnMut(&mut Random, Asked) -> bool) {
        for number in 0..seconds {
            if self.random.within(0, 4) == 0 {
                let requests = self.random.within(1, 6) * self.random.within(1, 3);
                self.second(number, requests, |random, earlier| {
                    fails(random, Asked { now: number, earlier })
                });
            }
        }
    }

    pub(super) fn pattern(self) -> Pattern {
        let beginning = Moment {
            instant: Instant::now(),
            wall: UNIX_EPOCH + HOUR * Duration::from_secs(FIRST_HOUR.into()),
        };
        let now = beginning.later(Duration::from_secs(self.now.into()));
        let history = self.history.close(self.now, &Settled(self.hosts));
        let hosts = ["one", "two", "three"].map(str::to_owned).to_vec();
        let Self { last_success, under_way, .. } = self;
        Evidence { history, hosts, beginning, now, last_success, under_way }.pattern()
    }
}

/// Nothing is open: all seconds were told.
struct Settled([u64; NAMES + 1]);

impl Facts for Settled {
    fn answered(&self) -> impl Iterator<Item = (u32, u32)> {
        std::iter::empty()
    }
    fn hour(&self, second: u32) -> u32 {
        FIRST_HOUR + second / HOUR
    }
    fn hosts(&self) -> [u64; NAMES + 1] {
        self.0
    }
}

/// Callers who ask one call after the other, each as soon as the last has ended; some pause now and then.
pub(super) struct Callers {
    /// How long a call takes that goes well, and one that is refused, in milliseconds.
    pub(super) well: u32,
    refused: u32,
    most: u32,
}

impl Callers {
    pub(super) fn new(random: &mut Random, most: u32) -> Self {
        Self { well: random.within(100, 400), refused: random.within(10, 50), most }
    }

    /// The outcomes of a second in which so many call, by what decides of each: the how many-th it is.
    pub(super) fn second(
        &self,
        random: &mut Random,
        callers: u32,
        mut fails: impl FnMut(&mut Random, u32) -> bool,
    ) -> Vec<bool> {
        let mut left = 1_000 * callers;
        let mut outcomes = Vec::new();
        loop {
            let failed = fails(random, outcomes.len() as u32);
            let mean = if failed { self.refused } else { self.well };
            let took = random.within(mean / 2, mean * 3 / 2);
            if left < took {
                return outcomes;
            }
            left -= took;
            outcomes.push(failed);
        }
    }

    /// A world of so many seconds.
    pub(super) fn run(
        &self,
        world: &mut World,
        seconds: u32,
        mut fails: impl FnMut(&mut Random, Asked) -> bool,
    ) {
        let mut callers = self.most;
        for number in 0..seconds {
            if world.random.within(1, 20) == 1 {
                callers = world.random.within(1, self.most);
            }
            let outcomes = self.second(&mut world.random, callers, |random, earlier| {
                fails(random, Asked { now: number, earlier })
            });
            world.second(number, outcomes.len() as u32, |_, request| outcomes[request as usize]);
        }
    }
}
