//! A runtime's connection to the server.
//!
//! Each runtime has its own, for what moves a connection's bytes is a task, and a task stands still with its runtime.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, RedisError};
use jittered_backoff::{Backoff, Delays, Seeds};
use tokio::runtime::Id;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::away::Away;
use super::stream::{Target, Unreached};

/// How long making a connection may take, unless calls wait even longer: name, TCP, TLS and login are several round
/// trips, and nobody waits for them.
pub(super) const CONNECT: Duration = Duration::from_secs(1);

/// How long until a server that is away is asked again, at the least and at the most.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

pub(super) struct Lane {
    runtime: Id,
    state: Mutex<State>,
    /// How many connections were made, by all lanes.
    made: Arc<AtomicU64>,
    /// Held by whoever makes the connection.
    connecting: tokio::sync::Mutex<()>,
}

struct State {
    connection: Option<Connection>,
    /// The last try to connect, if it failed.
    failed: Option<Failure>,
    delays: Delays,
}

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) redis: MultiplexedConnection,
    /// Which one it is of all lanes', from 1 on: one of a lower number was there before it.
    pub(super) number: u64,
    task: Arc<Task>,
}

/// What moves the bytes: it ends with its connection, even if the server never answers.
struct Task(AbortHandle);

/// Why there is no answer, and when a connection can be tried again.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) why: Away,
    pub(super) error: Option<Arc<dyn Error + Send + Sync>>,
    pub(super) retry_at: Option<Instant>,
}

/// When a connection was made: a question and its answer, and what the server's clock showed, in us.
pub(super) struct Shown {
    pub(super) sent: Instant,
    pub(super) received: Instant,
    pub(super) micros: i64,
}

impl Lane {
    pub(super) fn new(runtime: Id, seeds: &Seeds, made: Arc<AtomicU64>) -> Self {
        let state = State { connection: None, failed: None, delays: delays(seeds) };
        Self { runtime, state: Mutex::new(state), made, connecting: tokio::sync::Mutex::new(()) }
    }

    pub(super) fn runtime(&self) -> Id {
        self.runtime
    }

    /// Whether there is a connection, and its runtime has not ended.
    pub(super) fn is_connected(&self) -> bool {
        self.state().connection.as_ref().is_some_and(|connection| !connection.task.0.is_finished())
    }

    /// The connection, or a new one. Of many who want one, one makes it; and none tries again before it is time.
    pub(super) async fn connection(
        &self,
        target: &Target,
        seeds: &Seeds,
        notice: Duration,
        learn: impl FnOnce(Shown),
    ) -> Result<Connection, Failure> {
        if let Some(known) = self.known() {
            return known;
        }
        let _connecting = self.connecting.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let made = timeout(notice.max(CONNECT), connect(target)).await;
        let mut state = self.state();
        match made {
            Ok(Ok((redis, task, shown))) => {
                // Not before it is there: see `Ask::over`.
                let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
                let connection = Connection { redis, number, task: Arc::new(task) };
                (state.connection, state.failed) = (Some(connection.clone()), None);
                state.delays = delays(seeds);
                drop(state);
                learn(shown);
                Ok(connection)
            }
            made => {
                let (why, error) = match made {
                    Ok(Err((why, error))) => (why, Some(error)),
                    _ => (Away::Silent, None),
                };
                let retry_at = Some(Instant::now() + state.delays.draw());
                let failure = Failure { why, error, retry_at };
                state.failed = Some(failure.clone());
                Err(failure)
            }
        }
    }

    fn known(&self) -> Option<Result<Connection, Failure>> {
        let state = self.state();
        if let Some(connection) = &state.connection {
            return Some(Ok(connection.clone()));
        }
        let failed = state.failed.as_ref()?;
        failed.retry_at.is_some_and(|at| Instant::now() < at).then(|| Err(failed.clone()))
    }

    /// The connection did not answer in time: nobody uses it again.
    pub(super) fn silent(&self, connection: &Connection) -> Failure {
        self.discard(connection);
        Failure { why: Away::Silent, error: None, retry_at: None }
    }

    pub(super) fn broken(&self, connection: &Connection, error: RedisError) -> Failure {
        let why = Away::of(&error);
        if matches!(why, Away::Unreachable | Away::NotWritable) {
            self.discard(connection);
        }
        Failure { why, error: Some(Arc::new(error)), retry_at: None }
    }

    fn discard(&self, connection: &Connection) {
        let mut state = self.state();
        let discarded = state.connection.take_if(|current| current.number == connection.number);
        drop(state);
        drop(discarded);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(
    target: &Target,
) -> Result<(MultiplexedConnection, Task, Shown), (Away, Arc<dyn Error + Send + Sync>)> {
    let stream = target.open().await.map_err(|unreached| match unreached {
        Unreached::Io(error) => (Away::Unreachable, Arc::new(error) as _),
        #[cfg(feature = "redis-tls")]
        Unreached::Tls(error) => (Away::Tls, Arc::new(error) as _),
    })?;
    let refused = |error: RedisError| (Away::of(&error), Arc::new(error) as _);
    // The deadlines are ours.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let (mut redis, moving) =
        MultiplexedConnection::new_with_config(target.login(), stream, config).await.map_err(refused)?;
    let task = Task(tokio::spawn(moving).abort_handle());
    // Something harmless first: a server that was stopped would reserve slots, when it goes on, that nobody waits
    // for any more.
    let sent = Instant::now();
    let (seconds, micros): (i64, i64) =
        ::redis::cmd("TIME").query_async(&mut redis).await.map_err(refused)?;
    let micros = seconds.saturating_mul(1_000_000).saturating_add(micros);
    Ok((redis, task, Shown { sent, received: Instant::now(), micros }))
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn delays(seeds: &Seeds) -> Delays {
    #[expect(clippy::expect_used, reason = "they are a base and a cap above it")]
    let backoff = Backoff::exponential(WAITS.0..=WAITS.1).expect("a base below its cap");
    backoff.delays(seeds.next_seed())
}
