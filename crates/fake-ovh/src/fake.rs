//! The API's value: what it consists of, and what is known of what happened.

use std::fmt;
use std::sync::Arc;

use http::Method;
use parking_lot::{Mutex, RwLock};

use crate::cart::Cart;
use crate::clock::Clock;
use crate::credentials::{AccessRule, CredentialState, Credentials};
use crate::failures::Failures;
use crate::ledger::{Call, Ledger, Tally};
use crate::order::Order;
use crate::settings::Settings;
use crate::shop::Shop;
use crate::throttle::Windows;

/// The application key that is known from the start.
pub const APPLICATION_KEY: &str = "7kbG7Bk7S9Nt7ZSV";
/// Its secret: that of the official clients' test vectors.
pub const APPLICATION_SECRET: &str = "9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk";
/// The consumer key that is known from the start, and may call everything: that of the same vectors.
pub const CONSUMER_KEY: &str = "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY";

// What is drawn of one seed for several purposes must not be the same.
pub(crate) const SEED_OF_QUERY_IDS: u64 = 0x71;
pub(crate) const SEED_OF_KEYS: u64 = 0x72;
pub(crate) const SEED_OF_CARTS: u64 = 0x73;
pub(crate) const SEED_OF_FAILURES: u64 = 0x74;

/// An OVH API: the settings, and the handle to what really happened.
///
/// Serve it with [`serve`](Self::serve), or put [`router`](Self::router) behind any server.
///
/// # Clone
///
/// Clones are the same API: settings, carts, orders and counts are shared, and each setting can be changed while calls
/// come in.
#[derive(Clone)]
pub struct FakeOvh {
    pub(crate) shared: Arc<Shared>,
}

/// Locks are never held across an `await`. Where two are held, their order is that of these fields.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) credentials: Mutex<Credentials>,
    pub(crate) shop: Mutex<Shop>,
    pub(crate) failures: Mutex<Failures>,
    pub(crate) windows: Mutex<Windows>,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) settings: RwLock<Settings>,
}

impl FakeOvh {
    /// An API that knows [`APPLICATION_KEY`] and [`CONSUMER_KEY`], has the machine's time, fails and throttles never.
    #[must_use]
    pub fn new() -> Self {
        let mut credentials = Credentials::default();
        let known = credentials.add_application(APPLICATION_KEY, APPLICATION_SECRET).and_then(|()| {
            let (rules, state) = (AccessRule::everything(), CredentialState::Validated);
            credentials.add_consumer(APPLICATION_KEY, CONSUMER_KEY, rules, state)
        });
        debug_assert!(known.is_ok(), "the constants are good credentials");
        Self {
            shared: Arc::new(Shared {
                clock: Clock::system(),
                credentials: Mutex::new(credentials),
                shop: Mutex::default(),
                failures: Mutex::default(),
                windows: Mutex::default(),
                ledger: Mutex::default(),
                settings: RwLock::default(),
            }),
        }
    }

    /// The counts so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.ledger.lock().tally
    }

    /// How many calls of this method came to paths below the version that fit the pattern, in which each `*` stands for
    /// any text. All are counted, however they were answered.
    #[must_use]
    pub fn received(&self, method: &Method, pattern: &str) -> u64 {
        self.shared.ledger.lock().count(method, pattern)
    }

    /// The calls in order of arrival: a copy.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.ledger.lock().calls().to_vec()
    }

    /// The carts that were made and not deleted, in order: a copy.
    #[must_use]
    pub fn carts(&self) -> Vec<Cart> {
        self.shared.shop.lock().carts().to_vec()
    }

    /// The orders that were made, in order: a copy. What a buyer has really bought.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.shared.shop.lock().orders().to_vec()
    }

    /// The server's time, in seconds since the Unix epoch, skew included: what `/auth/time` tells.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.shared.clock.unix()
    }
}

impl Default for FakeOvh {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows no secret.
impl fmt::Debug for FakeOvh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeOvh")
            .field("clock", &self.shared.clock)
            .field("settings", &self.shared.settings.read())
            .finish_non_exhaustive()
    }
}
