//! What the tests share.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rate_limit::{Limiter, Quota};
use tokio::time::Instant;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn per_second(n: u32) -> Limiter {
    Limiter::new(Quota::per_second(n).unwrap())
}

/// The exact quota: of any n + 1 releases in a row, the last comes at least a window after the first.
#[track_caller]
pub(crate) fn assert_exact(releases: &[Instant], quota: Quota) {
    assert!(releases.is_sorted(), "releases are recorded in order");
    let n = quota.n() as usize;
    for (first, beyond) in releases.iter().zip(releases.iter().skip(n)) {
        assert!(
            beyond.duration_since(*first) >= quota.window(),
            "{} releases within {:?} at a quota of {quota}",
            n + 1,
            beyond.duration_since(*first)
        );
    }
    if quota.is_spaced() {
        for pair in releases.windows(2) {
            assert!(pair[1].duration_since(pair[0]) >= quota.interval());
        }
    }
}

/// Small, seeded, good enough for schedules (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Counts the polls of a future.
pub(crate) struct Counted<F> {
    pub(crate) future: Pin<Box<F>>,
    pub(crate) polls: Arc<AtomicUsize>,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.future.as_mut().poll(cx)
    }
}

/// The same for calls of several permits and several quotas: no window that begins at a release holds too many.
#[track_caller]
pub(crate) fn assert_exact_costs(releases: &[(Instant, u32)], quotas: &rate_limit::Quotas) {
    assert!(releases.is_sorted_by_key(|(at, _)| *at), "releases are recorded in order");
    for quota in quotas.iter() {
        for (index, (first, _)) in releases.iter().enumerate() {
            let within = releases[index..].iter().take_while(|(at, _)| *at < *first + quota.window());
            let sum: u32 = within.map(|(_, cost)| cost).sum();
            assert!(sum <= quota.n(), "{sum} permits in a window of {quota}");
        }
        if quota.is_spaced() {
            for pair in releases.windows(2) {
                assert!(pair[1].0 - pair[0].0 >= quota.interval() * pair[0].1);
            }
        }
    }
}
