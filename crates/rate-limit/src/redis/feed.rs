//! What a limiter of a fleet and the tasks that ask for it share.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::ask::Place;
use super::fallback::Fallback;
use super::link::Link;
use super::news::News;
use super::settings::Settings;
use crate::quota::Quota;
use crate::quotas::Quotas;

/// The lateness, unless said otherwise: a tenth of the shortest window, but in this range. More would let a slot lie
/// idle for longer if its process crashes; less would lose slots on a machine that is busy.
const LATENESS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));

#[derive(Debug)]
pub(super) struct Feed {
    settings: Settings,
    place: Place,
    bell: Notify,
    /// What a limiter had reserved that is no more, and its quotas.
    left: Mutex<Option<(Quotas, Vec<u64>)>>,
}

impl Feed {
    pub(super) fn new(settings: Settings, name: &str) -> Arc<Self> {
        // Nobody else's permits are named so.
        let own = format!("{:016x}:", RandomState::new().hash_one(name));
        let place = Place::new(&settings.prefix, name, own);
        Arc::new(Self { settings, place, bell: Notify::new(), left: Mutex::default() })
    }

    /// All who ask are to look again.
    pub(super) fn ring(&self) {
        self.bell.notify_waiters();
    }

    /// Hears it ring from now on.
    pub(super) fn rung(&self) -> Notified<'_> {
        self.bell.notified()
    }

    /// The limiter is no more; these will not be used.
    pub(super) fn leave(&self, quotas: &Quotas, permits: impl Iterator<Item = u64>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.get_or_insert_with(|| (quotas.clone(), Vec::new())).1.extend(permits);
        drop(left);
        self.ring();
    }

    pub(super) fn take_left(&self) -> Option<(Quotas, Vec<u64>)> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Until that instant, or until it has rung.
    pub(super) async fn wait(rung: Notified<'_>, until: Option<Instant>) {
        match until {
            Some(until) => drop(tokio::time::timeout_at(until, rung).await),
            None => rung.await,
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.settings.link
    }

    pub(super) fn news(&self) -> &News {
        &self.settings.news
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn notice(&self) -> Duration {
        self.settings.notice
    }

    pub(super) fn fallback(&self) -> &Fallback {
        &self.settings.fallback
    }

    pub(super) fn lease(&self) -> usize {
        self.settings.lease
    }

    pub(super) fn lateness(&self, quotas: &Quotas) -> Duration {
        let shortest = quotas.iter().map(Quota::window).min().unwrap_or_default();
        self.settings.lateness.unwrap_or_else(|| (shortest / 10).clamp(LATENESS.0, LATENESS.1))
    }
}
