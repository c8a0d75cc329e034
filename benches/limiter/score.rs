//! What is read from a record of grants.

use std::time::Duration;

use tokio::time::Instant;

/// One permit: which arrival it was for, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub(crate) arrival: usize,
    /// When the caller had it.
    pub(crate) at: Instant,
    /// When the limiter says that it counts from.
    pub(crate) recorded: Option<Instant>,
}

/// The most of these instants in any half-open sliding second.
pub(crate) fn worst_second(times: impl Iterator<Item = Instant>) -> usize {
    let mut times: Vec<_> = times.collect();
    times.sort();
    let mut first = 0;
    let within = times.iter().enumerate().map(|(last, &at)| {
        while at - times[first] >= Duration::from_secs(1) {
            first += 1;
        }
        last + 1 - first
    });
    within.max().unwrap_or(0)
}

/// How far from its order of arrival a caller was served, at worst.
pub(crate) fn worst_displacement(grants: &[Grant]) -> usize {
    grants.iter().enumerate().map(|(order, grant)| order.abs_diff(grant.arrival)).max().unwrap_or(0)
}

/// How many callers were passed over by more than `most` that had arrived after them, served in the end or not.
pub(crate) fn starved(grants: &[Grant], arrivals: usize, most: usize) -> usize {
    let mut served = Served(vec![0; arrivals + 1]);
    let mut starved = 0;
    let mut waiting = vec![true; arrivals];
    for (before, grant) in grants.iter().enumerate() {
        let later = before - served.up_to(grant.arrival);
        starved += usize::from(later > most);
        served.add(grant.arrival);
        waiting[grant.arrival] = false;
    }
    let left = waiting.iter().enumerate().filter(|(_, waiting)| **waiting);
    starved + left.filter(|(arrival, _)| grants.len() - served.up_to(*arrival) > most).count()
}

/// How many of the arrivals up to one were served: a Fenwick tree.
struct Served(Vec<usize>);

impl Served {
    fn add(&mut self, arrival: usize) {
        let mut at = arrival + 1;
        while let Some(count) = self.0.get_mut(at) {
            *count += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn up_to(&self, arrival: usize) -> usize {
        let (mut at, mut sum) = (arrival + 1, 0);
        while at > 0 {
            sum += self.0[at];
            at &= at - 1;
        }
        sum
    }
}
