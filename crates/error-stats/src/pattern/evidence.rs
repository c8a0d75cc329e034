//! Reads the history: asks each test, and decides what says most.

use crate::history::History;
use crate::pattern::base::{base, cancelled};
use crate::pattern::constant::constant;
use crate::pattern::course::Course;
use crate::pattern::day::{day, includes};
use crate::pattern::host::host;
use crate::pattern::phase::phase;
use crate::pattern::rate::rate;
use crate::pattern::sample::sum;
use crate::pattern::step::step;
use crate::pattern::{Finding, Kind, Pattern};
use crate::place::Place;
use crate::wall::{Moment, hour};

/// What a pattern is read off: plain data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    pub(crate) history: History,
    /// The names of the hosts, by their places.
    pub(crate) hosts: Vec<String>,
    /// The moment that the history's seconds count from.
    pub(crate) beginning: Moment,
    pub(crate) now: Moment,
    /// The second in which the last call that went well has ended.
    pub(crate) last_success: Option<u32>,
    /// Calls that have not ended.
    pub(crate) under_way: u64,
}

impl Evidence {
    /// A pure function.
    pub(crate) fn pattern(&self) -> Pattern {
        let now = self.now.instant.saturating_duration_since(self.beginning.instant).as_secs();
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        let this_hour = hour(self.now.wall);
        let course = self.course(now);
        let minutes = &course.minutes;
        // Hours that went well hide no outage that has begun.
        let step = step(&course);
        let has_begun = step.is_some();
        let base = step.unwrap_or_else(|| base(sum(minutes)));
        let day = day(&self.history.hours(this_hour));
        let phase = phase(&self.history);
        let constant = constant(&course, phase.as_ref().and_then(place));
        let is_constant = constant.is_some();

        let mut found: Vec<Finding> = Vec::new();
        // An outage at its usual hours is told as such first.
        let expected = day.as_ref().is_some_and(|day| includes(&day.kind, this_hour));
        let (first, last) = if expected { (day, constant) } else { (constant, day) };
        found.extend([first, rate(&self.history.strata(now)), last].into_iter().flatten());

        let timed = !found.is_empty();
        let healthy = matches!(base.kind, Kind::Healthy { .. });
        // Where hardly anything fails, it does not matter where.
        if !healthy || !found.is_empty() {
            found.extend(host(&self.history, minutes, &self.hosts));
            found.extend(phase);
        }
        let unexplained = found.is_empty();
        let cancelled = cancelled(minutes);
        // That calls fail at all is no news beside what they have in common; since when they do is, and that few do. But few
        // do where most are given up, or where an outage has only begun, and that is not health.
        let tells =
            if healthy { cancelled.is_none() && !is_constant } else { unexplained || (has_begun && !timed) };
        found.extend(cancelled);
        if tells {
            found.push(base);
        }
        let main = found.remove(0);
        Pattern { main, also: found }
    }

    fn course(&self, now: u32) -> Course {
        let Self { ref history, last_success, under_way, beginning, .. } = *self;
        let (minutes, seconds) = (history.minutes(now), history.seconds(now));
        Course { minutes, seconds, last_success, under_way, now, beginning }
    }
}

fn place(phase: &Finding) -> Option<Place> {
    match phase.kind {
        Kind::OnePhase { place, .. } => Some(place),
        _ => None,
    }
}
