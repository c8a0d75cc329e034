//! The connection that a fleet's limiters share: made when it is needed, and again when it breaks.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, RedisError, Script};
use jittered_backoff::{Backoff, Delays, Seeds};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::ask::{Ask, Place, Reply};
use super::away::Away;
use super::clock::ServerClock;
use super::stream::{Target, Unreached};

/// How long until a server that is away is asked again, at the least and at the most.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// How long making a connection may take, unless calls wait even longer: name, TCP, TLS and login are several round
/// trips, and nobody waits for them.
const CONNECT: Duration = Duration::from_secs(1);

pub(super) struct Link {
    target: Target,
    script: Script,
    seeds: Seeds,
    state: Mutex<State>,
    /// Held by whoever makes the connection.
    connecting: tokio::sync::Mutex<()>,
}

struct State {
    connection: Option<Connection>,
    /// The last try to connect, if it failed.
    failed: Option<Failure>,
    delays: Delays,
    clock: ServerClock,
    serial: u64,
}

#[derive(Clone)]
struct Connection {
    redis: MultiplexedConnection,
    serial: u64,
    _task: Arc<Task>,
}

/// What moves the bytes: it ends with its connection, even if the server never answers.
struct Task(AbortHandle);

/// An answer, and what is known of the server's clock since.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) clock: ServerClock,
    /// How late its slots may be used, in us.
    pub(super) lateness: i64,
    /// How long it took.
    pub(super) trip: Duration,
}

/// Why there is no answer, and when a connection can be tried again.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) why: Away,
    pub(super) error: Option<Arc<dyn Error + Send + Sync>>,
    pub(super) retry_at: Option<Instant>,
}

impl Link {
    pub(super) fn new(target: Target, seeds: Seeds) -> Self {
        let delays = delays(&seeds);
        let clock = ServerClock::new(Instant::now());
        Self {
            target,
            script: Ask::script(),
            seeds,
            state: Mutex::new(State { connection: None, failed: None, delays, clock, serial: 0 }),
            connecting: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The waits of somebody who asks again.
    pub(super) fn delays(&self) -> Delays {
        delays(&self.seeds)
    }

    /// Asks, within `notice`. A connection that breaks meanwhile, or can't be made at first, is made again: to ask twice
    /// does no harm, for permits have numbers. A probe tries once.
    pub(super) async fn ask(&self, place: &Place, ask: &Ask, notice: Duration) -> Result<Answer, Failure> {
        if ask.probe {
            let connection = self.connection(notice).await?;
            let deadline = Instant::now() + notice;
            let answer = timeout_at(deadline, self.put(&connection, place, ask, deadline)).await;
            return answer.unwrap_or_else(|_| Err(self.silent(&connection)));
        }
        let deadline = Instant::now() + notice;
        let mut last = None;
        let mut asked = None;
        let asking = async {
            let mut delays = self.delays();
            loop {
                let failure = match self.connection(notice).await {
                    Ok(connection) => match self.put(asked.insert(connection), place, ask, deadline).await {
                        Err(failure) if failure.why == Away::Unreachable => failure,
                        done => return done,
                    },
                    Err(failure) if failure.why == Away::Denied => return Err(failure),
                    Err(failure) => failure,
                };
                asked = None;
                // A connection that has broken since it was last used is made again at once.
                let again =
                    failure.retry_at.or_else(|| last.is_some().then(|| Instant::now() + delays.draw()));
                last = Some(failure);
                if let Some(again) = again {
                    sleep_until(again).await;
                }
            }
        };
        match timeout_at(deadline, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(match (asked, last) {
                (Some(connection), _) => self.silent(&connection),
                (None, Some(failure)) => failure,
                (None, None) => Failure { why: Away::Silent, error: None, retry_at: None },
            }),
        }
    }

    /// Tells the server which permits will not be used. If that fails, they count for a window.
    pub(super) async fn give_back(&self, place: &Place, returns: Vec<u64>, notice: Duration) {
        let given_back = timeout(notice, async {
            let mut connection = self.connection(notice).await.ok()?;
            place.forget(&returns).query_async::<u64>(&mut connection.redis).await.ok()
        });
        let _ = given_back.await;
    }

    /// Connects, and sees whether the server runs scripts.
    pub(super) async fn check(&self, notice: Duration) -> Result<(), Failure> {
        let mut connection = self.connection(notice).await?;
        let loaded = timeout(notice.max(CONNECT), self.script.load_async(&mut connection.redis)).await;
        match loaded {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.broken(&connection, error)),
            Err(_) => Err(self.silent(&connection)),
        }
    }

    async fn put(
        &self,
        connection: &Connection,
        place: &Place,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let clock = self.state().clock;
        let mut redis = connection.redis.clone();
        let lateness = ask.lateness(&clock, deadline);
        let sent = Instant::now();
        let invocation = ask.invocation(&self.script, place, &clock, deadline, lateness);
        let answer: Result<Vec<i64>, _> = invocation.invoke_async(&mut redis).await;
        let received = Instant::now();
        let numbers = answer.map_err(|error| self.broken(connection, error))?;
        let Some(reply) = Reply::read(&numbers, ask.moves.len()) else {
            return Err(Failure { why: Away::Refused, error: None, retry_at: None });
        };
        let mut state = self.state();
        state.clock.learn(sent, received, reply.now);
        let trip = received.saturating_duration_since(sent);
        Ok(Answer { reply, clock: state.clock, lateness, trip })
    }

    /// The connection, or a new one. Of many who want one, one makes it; and none tries again before it is time.
    async fn connection(&self, notice: Duration) -> Result<Connection, Failure> {
        if let Some(known) = self.known() {
            return known;
        }
        let _connecting = self.connecting.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let made = timeout(notice.max(CONNECT), self.connect()).await;
        let mut state = self.state();
        match made {
            Ok(Ok((redis, task))) => {
                state.serial += 1;
                let connection = Connection { redis, serial: state.serial, _task: Arc::new(task) };
                (state.connection, state.failed) = (Some(connection.clone()), None);
                state.delays = delays(&self.seeds);
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

    async fn connect(&self) -> Result<(MultiplexedConnection, Task), (Away, Arc<dyn Error + Send + Sync>)> {
        let stream = self.target.open().await.map_err(|unreached| match unreached {
            Unreached::Io(error) => (Away::Unreachable, Arc::new(error) as _),
            #[cfg(feature = "redis-tls")]
            Unreached::Tls(error) => (Away::Tls, Arc::new(error) as _),
        })?;
        let refused = |error: RedisError| (Away::of(&error), Arc::new(error) as _);
        // The deadlines are ours.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let login = self.target.login();
        let (mut redis, moving) =
            MultiplexedConnection::new_with_config(login, stream, config).await.map_err(refused)?;
        let task = Task(tokio::spawn(moving).abort_handle());
        // Something harmless first: a server that was stopped would reserve slots, when it goes on, that nobody waits
        // for any more.
        let sent = Instant::now();
        let (seconds, micros): (i64, i64) =
            ::redis::cmd("TIME").query_async(&mut redis).await.map_err(refused)?;
        let shown = seconds.saturating_mul(1_000_000).saturating_add(micros);
        self.state().clock.learn(sent, Instant::now(), shown);
        Ok((redis, task))
    }

    /// The connection did not answer in time: nobody uses it again.
    fn silent(&self, connection: &Connection) -> Failure {
        self.discard(connection);
        Failure { why: Away::Silent, error: None, retry_at: None }
    }

    fn broken(&self, connection: &Connection, error: RedisError) -> Failure {
        let why = Away::of(&error);
        if matches!(why, Away::Unreachable | Away::NotWritable) {
            self.discard(connection);
        }
        Failure { why, error: Some(Arc::new(error)), retry_at: None }
    }

    fn discard(&self, connection: &Connection) {
        let mut state = self.state();
        let discarded = state.connection.take_if(|current| current.serial == connection.serial);
        drop(state);
        drop(discarded);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn delays(seeds: &Seeds) -> Delays {
    #[expect(clippy::expect_used, reason = "they are a base and a cap above it")]
    let backoff = Backoff::exponential(WAITS.0..=WAITS.1).expect("a base below its cap");
    backoff.delays(seeds.next_seed())
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("target", &self.target).finish_non_exhaustive()
    }
}
