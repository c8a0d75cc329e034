//! Who is told how long calls wait.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A hook, or none.
#[derive(Clone, Default)]
pub(crate) struct Told(Option<Arc<dyn Fn(Duration) + Send + Sync>>);

impl Told {
    pub(crate) fn new(hook: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// A panic of the hook ends here: it must not become the call's, which has been released.
    #[inline]
    pub(crate) fn tell(&self, waited: impl FnOnce() -> Duration) {
        let Some(hook) = &self.0 else { return };
        let waited = waited();
        if catch_unwind(AssertUnwindSafe(|| hook(waited))).is_err() {
            tracing::error!("the on_wait hook panicked");
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Told" } else { "Untold" })
    }
}
