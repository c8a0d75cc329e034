//! An orderly end: what was reserved and not used goes back.

use std::hash::Hash;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use super::invalid::FleetError;
use crate::keyed::KeyedLimiter;
use crate::limiter::Limiter;
use crate::shared::Shared;

impl Limiter {
    /// For a limiter of a [fleet](crate::redis): gives back what it has reserved and nobody waits for, and waits until the
    /// server has it. Any other has nothing to give back.
    ///
    /// Before a process ends, so that what it had [leased](super::Fleet::with_lease) is free for the others at once. A
    /// limiter that is dropped gives back, too, but by a task, which ends with its runtime. The limiter can be used
    /// afterwards, and reserves anew: call it when no calls come any more.
    ///
    /// # Errors
    ///
    /// If the server is away, or has not answered within twice the [notice](super::Fleet::with_notice). Then what was
    /// reserved counts for a window after its time.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: the limiter's task gives back what was to be given back.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire) does when it waits, outside a Tokio runtime with its timer enabled.
    ///
    /// ```no_run
    /// use rate_limit::redis::Fleet;
    /// use rate_limit::{BoxError, Quota};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let fleet = Fleet::new("redis://127.0.0.1/")?.with_lease(10)?;
    /// let limiter = fleet.limiter("ovh", Quota::per_second(10)?);
    /// limiter.acquire().await?;
    /// // Nine are left, for others:
    /// limiter.flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn flush(&self) -> Result<(), FleetError> {
        flush([Arc::clone(self.shared())]).await
    }
}

impl<K: Hash + Eq> KeyedLimiter<K> {
    /// As [`Limiter::flush`], for all keys at once: by a task for each, and meanwhile all of them are in use.
    ///
    /// # Errors
    ///
    /// As [`Limiter::flush`], if that of any key fails.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with its timer enabled.
    pub async fn flush(&self) -> Result<(), FleetError> {
        flush(self.all()).await
    }
}

/// By tasks: who is woken there is woken under the limiter's lock, where nobody's code but ours may run.
async fn flush(limiters: impl IntoIterator<Item = Arc<Shared>>) -> Result<(), FleetError> {
    let mut flushing = JoinSet::new();
    for shared in limiters.into_iter().filter(|shared| shared.is_attended()) {
        flushing.spawn(async move { shared.flush().await });
    }
    let mut flushed = Ok(());
    while let Some(one) = flushing.join_next().await {
        match one.map_err(JoinError::try_into_panic) {
            Ok(one) => flushed = flushed.and(one),
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime shuts down.
            Err(Err(_)) => {}
        }
    }
    flushed
}
