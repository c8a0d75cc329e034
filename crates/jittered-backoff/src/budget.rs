//! How many repeats there may be for so many calls.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tower::retry::budget::Budget;

use crate::error::{BudgetFlaw, InvalidBudget, MOST_CALLS, MOST_PERMITS};

/// A share of the calls that may be repeated: what keeps a server that fails from being hit by every call several times.
///
/// Each fresh call earns a part of a permit, and each repeat costs a whole one: with `RetryBudget::new(1, 100)` a hundred
/// calls pay for one repeat. A repeat always costs more than a call earns. Attempts per call are limited by
/// [`Limits`](crate::Limits), for one call at a time; a budget limits all of them together.
///
/// Unspent permits are kept up to a cap, and some are there from the start, so that the first calls of a process, and a
/// client that makes few, can be repeated at all: 10, with a cap of 100, unless
/// [`with_reserve`](Self::with_reserve) says otherwise (a choice, not a measurement). The budget knows no time: permits
/// don't expire, and none come but by calls.
///
/// The arithmetic is in whole numbers: after any number of calls the balance is exact, for 1 in 1,000,000 as for 1 in 2.
///
/// ```
/// use jittered_backoff::RetryBudget;
///
/// let budget = RetryBudget::new(1, 100)?.with_reserve(1..=5)?;
/// budget.take().expect("the reserve").spend();
/// assert!(budget.take().is_none());
///
/// for _ in 0..99 {
///     budget.earn();
/// }
/// assert!(budget.take().is_none(), "not yet");
/// budget.earn();
/// assert_eq!(budget.permits(), 1, "exactly after a hundred calls");
///
/// // A permit that is dropped unspent goes back.
/// drop(budget.take().expect("the one"));
/// assert_eq!(budget.permits(), 1);
/// # Ok::<(), jittered_backoff::InvalidBudget>(())
/// ```
///
/// It is a [`tower::retry::budget::Budget`] too, for policies of your own: `deposit` is [`earn`](Self::earn), and
/// `withdraw` takes a permit and spends it.
///
/// # Clone
///
/// Clones share one balance. So do all services of a layer that was given the budget.
#[derive(Clone)]
pub struct RetryBudget {
    terms: Terms,
    /// In parts of a permit; never above the cap.
    balance: Arc<AtomicU64>,
}

/// All in parts of which `price` make a permit, so that nothing is ever rounded.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Terms {
    /// What a call earns.
    earned: u64,
    /// What a repeat costs: more than a call earns.
    price: u64,
    /// At most `MOST_PERMITS * MOST_CALLS`, 10^12, so no sum below can overflow.
    cap: u64,
}

impl RetryBudget {
    /// At most so many `repeats` for so many `calls`: 1 to 999,999 for 2 to 1,000,000, and fewer repeats than calls.
    ///
    /// # Errors
    ///
    /// If either is zero, if there are more than a million calls, or not fewer repeats than calls: such a budget would
    /// forbid every repeat or allow every one.
    pub fn new(repeats: u32, calls: u32) -> Result<Self, InvalidBudget> {
        if repeats == 0 || repeats >= calls || calls > MOST_CALLS {
            return Err(InvalidBudget(BudgetFlaw::Share { repeats, calls }));
        }
        let price = u64::from(calls);
        let terms = Terms { earned: u64::from(repeats), price, cap: 100 * price };
        Ok(Self { terms, balance: Arc::new(AtomicU64::new(10 * price)) })
    }

    /// How many permits there are at the start, and how many are kept at most: the end is from 1 to a million, the start
    /// from 0 to the end.
    ///
    /// This makes a new balance: clones taken before keep theirs.
    ///
    /// # Errors
    ///
    /// If the range is outside those bounds: with a cap of zero there would never be a permit.
    pub fn with_reserve(self, reserve: RangeInclusive<u32>) -> Result<Self, InvalidBudget> {
        let (start, cap) = reserve.into_inner();
        if cap == 0 || cap > MOST_PERMITS || start > cap {
            return Err(InvalidBudget(BudgetFlaw::Reserve { start, cap }));
        }
        let price = self.terms.price;
        let terms = Terms { cap: u64::from(cap) * price, ..self.terms };
        Ok(Self { terms, balance: Arc::new(AtomicU64::new(u64::from(start) * price)) })
    }

    /// A fresh call is being made: its part of a permit is added, up to the cap. Not for repeats. Takes no lock.
    pub fn earn(&self) {
        self.add(self.terms.earned);
    }

    /// A permit for one repeat, if there is one. Takes no lock.
    pub fn take(&self) -> Option<RetryPermit> {
        let price = self.terms.price;
        let taken =
            self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |parts| parts.checked_sub(price));
        taken.is_ok().then(|| RetryPermit { budget: Some(self.clone()) })
    }

    /// How many repeats could be made now.
    #[must_use]
    pub fn permits(&self) -> u32 {
        // At most the cap, which is `MOST_PERMITS` at most.
        (self.balance.load(Ordering::Relaxed) / self.terms.price) as u32
    }

    fn add(&self, parts: u64) {
        // At the cap nothing is written, so that calls which need no budget don't contend for it.
        let cap = self.terms.cap;
        let _ = self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
            (balance < cap).then(|| (balance + parts).min(cap))
        });
    }
}

/// 1 repeat for 10 calls, with the usual reserve: a choice, not a measurement.
impl Default for RetryBudget {
    fn default() -> Self {
        let price = 10;
        let terms = Terms { earned: 1, price, cap: 100 * price };
        Self { terms, balance: Arc::new(AtomicU64::new(10 * price)) }
    }
}

impl Budget for RetryBudget {
    fn deposit(&self) {
        self.earn();
    }

    fn withdraw(&self) -> bool {
        self.take().map(RetryPermit::spend).is_some()
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Terms { earned, price, cap } = self.terms;
        f.debug_struct("RetryBudget")
            .field("repeats", &earned)
            .field("calls", &price)
            .field("permits", &self.permits())
            .field("cap", &(cap / price))
            .finish()
    }
}

/// A permit for one repeat, from [`RetryBudget::take`].
///
/// # Cancellation
///
/// Dropped unspent, it goes back to the budget (as far as the cap leaves room): a call that is dropped while it waits for
/// its repeat has cost nothing.
#[derive(Debug)]
#[must_use = "dropped, it goes back to the budget"]
pub struct RetryPermit {
    /// `None` once it is spent.
    budget: Option<RetryBudget>,
}

impl RetryPermit {
    /// The repeat is being sent: the permit is used up.
    pub fn spend(mut self) {
        self.budget = None;
    }
}

impl Drop for RetryPermit {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.add(budget.terms.price);
        }
    }
}
