//! A value that is fetched when it is first needed, once however many wait for it, and kept until it is dropped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};

use crate::failure::Failure;

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A fetch under way. Whoever waits drives it, so it goes on when the one who began it is dropped; it ends with its
/// last waiter.
pub(crate) type Flight<T> = Shared<Fetch<T>>;

type Fetch<T> = BoxFuture<Result<Held<T>, Failure>>;

/// A value, and which fetch it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<T> {
    pub(crate) value: T,
    pub(crate) generation: u64,
}

pub(crate) struct Kept<T> {
    fetch: Arc<dyn Fn() -> BoxFuture<Result<T, Failure>> + Send + Sync>,
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    held: Option<Held<T>>,
    /// The number of the last fetch begun; the first is 1.
    generation: u64,
    /// The last fetch begun, until it ends. Weak, so that it does not outlive those who wait for it.
    flight: Option<WeakShared<Fetch<T>>>,
}

/// What is to be had now.
pub(crate) enum Lookup<T> {
    Held(Held<T>),
    Fetching(Flight<T>),
}

impl<T: Clone + Send + Sync + 'static> Kept<T> {
    pub(crate) fn new(fetch: impl Fn() -> BoxFuture<Result<T, Failure>> + Send + Sync + 'static) -> Self {
        let state = State { held: None, generation: 0, flight: None };
        Self { fetch: Arc::new(fetch), state: Arc::new(Mutex::new(state)) }
    }

    /// The value, if one is kept.
    pub(crate) fn held(&self) -> Option<Held<T>> {
        lock(&self.state).held.clone()
    }

    /// The value if one is kept and is still `good`, or else the fetch of the next, which is joined if it is under way.
    pub(crate) fn look_up(&self, good: impl FnOnce(&T) -> bool) -> Lookup<T> {
        let mut state = lock(&self.state);
        if let Some(held) = state.held.clone() {
            if good(&held.value) {
                return Lookup::Held(held);
            }
        }
        if let Some(flight) = state.flight.as_ref().and_then(WeakShared::upgrade) {
            return Lookup::Fetching(flight);
        }
        state.generation += 1;
        let ending = Ending { state: self.state.clone(), generation: state.generation };
        let fetch = self.fetch.clone();
        let flight = async move {
            let result = fetch().await.map(|value| Held { value, generation: ending.generation });
            if let Ok(held) = &result {
                ending.keep(held.clone());
            }
            result
        };
        let flight = (Box::pin(flight) as Fetch<T>).shared();
        state.flight = flight.downgrade();
        Lookup::Fetching(flight)
    }

    /// Drops the value if it is that fetch's and `useless`. A newer one stays: many who failed by one value cause one fetch.
    ///
    /// Answers whether it did.
    pub(crate) fn invalidate(&self, generation: u64, useless: impl FnOnce(&T) -> bool) -> bool {
        let mut state = lock(&self.state);
        let hit =
            state.held.as_ref().is_some_and(|held| held.generation == generation && useless(&held.value));
        if hit {
            state.held = None;
        }
        hit
    }
}

/// Strikes a fetch off when it ends, however it does: with a result, a panic, or by being dropped.
struct Ending<T> {
    state: Arc<Mutex<State<T>>>,
    generation: u64,
}

impl<T> Ending<T> {
    fn keep(&self, held: Held<T>) {
        lock(&self.state).held = Some(held);
    }
}

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.generation == self.generation {
            state.flight = None;
        }
    }
}

/// No code of others runs under the lock: the fetch is made when its flight is first polled.
fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Clone + Send + Sync + 'static> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("generation", &self.held().map(|held| held.generation))
            .finish_non_exhaustive()
    }
}
