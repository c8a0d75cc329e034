//! When calls failed: minutes of the last hours, hours of the last days, and how many requests shared a second
//! with them. Of fixed size, with no lock and no clock.
//!
//! A call belongs to the second it started in, for that is when it met the others.

pub(crate) mod span;
mod sums;
#[cfg(test)]
mod tests;

use crate::history::span::{Span, in_order, is_within, span};
use crate::history::sums::Sums;
use crate::names::NAMES;
use crate::place::{CAUSES, PLACES};
use crate::rates::{Stratum, WINDOW, Window};

/// Two minutes, and more than the seconds that are open.
pub(crate) const LAST: usize = 128;
/// Six hours.
pub(crate) const MINUTES: usize = 360;
/// Two weeks.
pub(crate) const HOURS: usize = 14 * 24;
/// Six hours, in tens of minutes.
pub(crate) const STRATA: usize = 36;
pub(crate) const STRATUM: u32 = 600;
/// Half of the time that sums without a time of their own reach back: three to six hours.
const GENERATION: u32 = 3 * 3600;

/// How long a second is held open for the outcomes of what started in it. Less than the rings of seconds hold.
pub(crate) const OPEN: u32 = 60;

/// A second that is complete.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    /// Since the handle was made.
    pub(crate) number: u32,
    /// The hour it is in, since the Unix epoch.
    pub(crate) hour: u32,
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u32,
}

/// What the recorder must be told to settle its open seconds.
pub(crate) trait Facts {
    /// Seconds, with how many of the requests that started in them were answered well; the same second several times, in
    /// any order.
    fn answered(&self) -> impl Iterator<Item = (u32, u32)>;
    /// The hour, since the Unix epoch, that a second is in.
    fn hour(&self, second: u32) -> u32;
    /// How many requests each host has answered well: the failed are told one by one.
    fn hosts(&self) -> [u64; NAMES + 1];
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct History {
    /// Seconds before this one are complete, and told.
    settled: u32,
    /// The last ones. Of those that are not complete, what is told one by one: failures, cancellations, answers that took long.
    seconds: Box<[Span]>,
    minutes: Box<[Span]>,
    hours: Box<[Span]>,
    /// Not yet in its stratum.
    window: Window,
    strata: Box<[Stratum]>,
    generation: u32,
    pub(crate) places: Sums<PLACES>,
    pub(crate) causes: Sums<{ CAUSES.len() }>,
    pub(crate) hosts: Sums<{ NAMES + 1 }>,
    pub(crate) failed_hosts: Sums<{ NAMES + 1 }>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            settled: 0,
            seconds: vec![Span::default(); LAST].into(),
            minutes: vec![Span::default(); MINUTES].into(),
            hours: vec![Span::default(); HOURS].into(),
            window: Window::default(),
            strata: vec![Stratum::default(); STRATA].into(),
            generation: 0,
            places: Sums::new(),
            causes: Sums::new(),
            hosts: Sums::new(),
            failed_hosts: Sums::new(),
        }
    }

    /// A request that started in `second` has failed.
    pub(crate) fn failed(&mut self, second: u32, hour: u32) {
        self.ended(second, hour, |span| {
            span.ended += 1;
            span.failed += 1;
        });
    }

    /// A request that started in `second`, so long ago that it is not counted elsewhere, was answered.
    pub(crate) fn answered(&mut self, second: u32, hour: u32) {
        self.ended(second, hour, |span| span.ended += 1);
    }

    /// A request that started in `second` was cancelled.
    pub(crate) fn cancelled(&mut self, second: u32, hour: u32) {
        self.ended(second, hour, |span| span.cancel(1));
    }

    fn ended(&mut self, second: u32, hour: u32, count: impl Fn(&mut Span)) {
        if second < self.settled {
            self.spans(second, hour, false).for_each(count);
        } else {
            count(self.open(second));
        }
    }

    /// Counts a failure by what is known of it: where, and perhaps of what and at which host.
    pub(crate) fn sort(&mut self, place: usize, cause: Option<usize>, host: Option<usize>) {
        self.places.total[place] += 1;
        if let Some(cause) = cause {
            self.causes.total[cause] += 1;
        }
        if let Some(host) = host {
            self.failed_hosts.total[host] += 1;
        }
    }

    /// Settles the seconds before `end`.
    pub(crate) fn settle(&mut self, end: u32, facts: &impl Facts) {
        if end <= self.settled {
            return;
        }
        // The rings hold 64 seconds, few of which are open; a search for each, in order, is quick enough.
        while let Some(number) = self.next_open(end, facts) {
            let here = |&(second, _): &(u32, u32)| second == number;
            let answered: u64 = facts.answered().filter(here).map(|(_, count)| u64::from(count)).sum();
            let Span { cancelled, ended, failed, .. } = std::mem::take(self.open(number));
            let second =
                Second { number, hour: facts.hour(number), ended: answered + ended, failed, cancelled };
            self.second(&second, || facts.hosts());
        }
        self.settled = end;
    }

    /// Everything up to the second `now`, for reading: the open seconds too.
    pub(crate) fn close(mut self, now: u32, facts: &impl Facts) -> Self {
        self.settle(u32::MAX, facts);
        self.turn_window(u32::MAX);
        self.age(now, || facts.hosts());
        self.hosts.total = facts.hosts();
        self
    }

    /// Adds a second. They come in order.
    pub(crate) fn second(&mut self, second: &Second, hosts: impl FnOnce() -> [u64; NAMES + 1]) {
        self.age(second.number, hosts);
        for span in self.spans(second.number, second.hour, true) {
            span.ended += second.ended;
            span.failed += second.failed;
            span.cancel(second.cancelled);
        }
        self.settled = second.number + 1;
        self.turn_window(second.number / WINDOW);
        self.window.add(second.ended, second.failed);
    }

    /// Puts the window's seconds into its stratum, unless it goes on.
    fn turn_window(&mut self, next: u32) {
        if self.window.number == next {
            return;
        }
        let window = std::mem::replace(&mut self.window, Window::of(next));
        let number = window.number / (STRATUM / WINDOW);
        let stratum = &mut self.strata[number as usize % STRATA];
        if stratum.number != number {
            *stratum = Stratum::of(number);
        }
        stratum.add(&window);
    }

    /// The sums of a while ago are those of a while before this second.
    fn age(&mut self, second: u32, hosts: impl FnOnce() -> [u64; NAMES + 1]) {
        let generation = second / GENERATION;
        if generation > self.generation {
            self.hosts.total = hosts();
            // After a longer pause nothing is recent: both marks are passed.
            for _ in 0..(generation - self.generation).min(2) {
                self.places.turn();
                self.causes.turn();
                self.hosts.turn();
                self.failed_hosts.turn();
            }
            self.generation = generation;
        }
    }

    /// The last two minutes' seconds since the handle was made, up to the second `now`, oldest first; those in which nothing ended are
    /// left out.
    pub(crate) fn seconds(&self, now: u32) -> Vec<Span> {
        in_order(&self.seconds, now)
    }

    /// The last six hours' minutes since the handle was made, up to the second `now`, oldest first; those in which nothing
    /// ended are left out.
    pub(crate) fn minutes(&self, now: u32) -> Vec<Span> {
        in_order(&self.minutes, now / 60)
    }

    /// The last two weeks' hours since the Unix epoch, up to the hour `now`, oldest first; those in which nothing ended are
    /// left out.
    pub(crate) fn hours(&self, now: u32) -> Vec<Span> {
        in_order(&self.hours, now)
    }

    /// The tens of minutes of the six hours before the second `now`.
    pub(crate) fn strata(&self, now: u32) -> impl Iterator<Item = &Stratum> + Clone {
        self.strata.iter().filter(move |stratum| is_within(stratum.number, STRATA, now / STRATUM))
    }

    /// The spans of a second, which is the last there is, or a late one.
    fn spans(&mut self, second: u32, hour: u32, is_last: bool) -> impl Iterator<Item = &mut Span> {
        let own = span(&mut self.seconds, second, false);
        let minute = span(&mut self.minutes, second / 60, false);
        // The wall may have been ahead, and been set back: what is after the last second's hour never was.
        let hour = span(&mut self.hours, hour, is_last);
        own.into_iter().chain(minute).chain(hour)
    }

    fn open(&mut self, second: u32) -> &mut Span {
        let at = second as usize % LAST;
        let open = &mut self.seconds[at];
        if open.number != second {
            *open = Span { number: second, ..Span::default() };
        }
        open
    }

    fn next_open(&self, end: u32, facts: &impl Facts) -> Option<u32> {
        let told = |span: &&Span| span.ended > 0 || span.cancelled > 0;
        let seconds = self.seconds.iter().filter(told).map(|span| span.number);
        let seconds = facts.answered().map(|(second, _)| second).chain(seconds);
        seconds.filter(|second| (self.settled..end).contains(second)).min()
    }
}
