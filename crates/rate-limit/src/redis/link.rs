//! The way to the server that a fleet's limiters share.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::Script;
use jittered_backoff::{Delays, Seeds};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::ask::{Ask, MOST, Place, Reply};
use super::away::Away;
use super::clock::ServerClock;
use super::lane::{CONNECT, Connection, Failure, Lane, Shown, delays};
use super::stream::Target;
use crate::quotas::Quotas;

/// A timer that is later than this: its runtime has stood still.
const LATE: Duration = Duration::from_millis(5);
/// How long it takes a runtime that goes on to read what has come meanwhile.
const READING: Duration = Duration::from_millis(10);

pub(super) struct Link {
    target: Target,
    script: Script,
    seeds: Seeds,
    clock: Mutex<ServerClock>,
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// How many connections were made.
    made: Arc<AtomicU64>,
}

/// What became of a question that did not fail.
pub(super) enum Asked {
    Answered(Answer),
    /// It was not asked, for there is a connection only of this number, over which the server may be, or have, another
    /// record than the one that was reported to: see [`Ask::over`].
    Elsewhere(u64),
}

/// An answer, and what is known of the server's clock since.
pub(super) struct Answer {
    pub(super) reply: Reply,
    /// The number of the connection that it came over.
    pub(super) over: u64,
    pub(super) clock: ServerClock,
    /// How late its slots may be used, in us.
    pub(super) lateness: i64,
    /// How long it took.
    pub(super) trip: Duration,
}

impl Link {
    pub(super) fn new(target: Target, seeds: Seeds) -> Self {
        Self {
            target,
            script: Ask::script(),
            seeds,
            clock: Mutex::new(ServerClock::new(Instant::now())),
            lanes: Mutex::default(),
            made: Arc::default(),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The waits of somebody who asks again.
    pub(super) fn delays(&self) -> Delays {
        delays(&self.seeds)
    }

    /// Asks, until the question's deadline. A connection that breaks meanwhile, or can't be made at first, is made again:
    /// to ask twice does no harm, for permits have numbers. If nobody waits, it is tried once, in more time.
    pub(super) async fn ask(&self, place: &Place, ask: &Ask, notice: Duration) -> Result<Asked, Failure> {
        let lane = self.lane();
        let Some(deadline) = ask.deadline else {
            let connection = self.connection(&lane, notice).await?;
            let deadline = Instant::now() + notice;
            let answer = by(deadline, pin!(self.put(&lane, &connection, place, ask, deadline))).await;
            return answer.unwrap_or_else(|| Err(lane.silent(&connection)));
        };
        let mut last = None;
        let mut asked = None;
        let asking = async {
            let mut delays = self.delays();
            loop {
                let failure = match self.connection(&lane, notice).await {
                    Ok(connection) => {
                        match self.put(&lane, asked.insert(connection), place, ask, deadline).await {
                            Err(failure) if failure.why == Away::Unreachable => failure,
                            done => return done,
                        }
                    }
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
        let answer = by(deadline, pin!(asking)).await;
        match answer {
            Some(answer) => answer,
            None => Err(match (asked, last) {
                (Some(connection), _) => lane.silent(&connection),
                (None, Some(failure)) => failure,
                (None, None) => Failure { why: Away::Silent, error: None, retry_at: None },
            }),
        }
    }

    /// The longest that a question can take which has no deadline: until another's connection was made or not, then its
    /// own, then the answer.
    pub(super) fn longest(notice: Duration) -> Duration {
        notice.max(CONNECT) * 2 + notice
    }

    /// Tells the server which permits will not be used. If that fails, they count for a window.
    pub(super) async fn give_back(&self, place: &Place, quotas: &Quotas, permits: &[u64], notice: Duration) {
        let given_back = timeout(notice, async {
            for permits in permits.chunks(MOST) {
                self.ask(place, &Ask::farewell(quotas.clone(), permits.to_vec()), notice).await.ok()?;
            }
            Some(())
        });
        let _ = given_back.await;
    }

    /// Connects, and sees whether the server runs scripts.
    pub(super) async fn check(&self, notice: Duration) -> Result<(), Failure> {
        let lane = self.lane();
        let mut connection = self.connection(&lane, notice).await?;
        let loaded = timeout(notice.max(CONNECT), self.script.load_async(&mut connection.redis)).await;
        match loaded {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(lane.broken(&connection, error)),
            Err(_) => Err(lane.silent(&connection)),
        }
    }

    async fn put(
        &self,
        lane: &Lane,
        connection: &Connection,
        place: &Place,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Asked, Failure> {
        if ask.known && connection.number > ask.over {
            return Ok(Asked::Elsewhere(connection.number));
        }
        let clock = *self.clock();
        let mut redis = connection.redis.clone();
        let lateness = ask.lateness(&clock, deadline);
        let sent = Instant::now();
        let invocation = ask.invocation(&self.script, place, &clock, deadline, lateness);
        let answer: Result<Vec<i64>, _> = invocation.invoke_async(&mut redis).await;
        let received = Instant::now();
        let numbers = answer.map_err(|error| lane.broken(connection, error))?;
        let Some(reply) = Reply::read(&numbers, ask) else {
            let error = io::Error::new(io::ErrorKind::InvalidData, "its answer is not that of the script");
            return Err(Failure { why: Away::Refused, error: Some(Arc::new(error)), retry_at: None });
        };
        let clock = self.learn(&Shown { sent, received, micros: reply.now });
        let trip = received.saturating_duration_since(sent);
        Ok(Asked::Answered(Answer { reply, over: connection.number, clock, lateness, trip }))
    }

    /// The current runtime's.
    fn lane(&self) -> Arc<Lane> {
        let runtime = Handle::current().id();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.iter().find(|lane| lane.runtime() == runtime) {
            return Arc::clone(lane);
        }
        // Those of runtimes that have ended go.
        lanes.retain(|lane| Arc::strong_count(lane) > 1 || lane.is_connected());
        let lane = Arc::new(Lane::new(runtime, &self.seeds, Arc::clone(&self.made)));
        lanes.push(Arc::clone(&lane));
        lane
    }

    async fn connection(&self, lane: &Lane, notice: Duration) -> Result<Connection, Failure> {
        lane.connection(&self.target, &self.seeds, notice, |shown| _ = self.learn(&shown)).await
    }

    fn learn(&self, &Shown { sent, received, micros }: &Shown) -> ServerClock {
        let mut clock = self.clock();
        clock.learn(sent, received, micros);
        *clock
    }

    fn clock(&self) -> MutexGuard<'_, ServerClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is by then. A runtime that has stood still sees that the time is up before it has read the answer that has been
/// there for long: so then it is read first.
async fn by<F: Future>(deadline: Instant, mut answer: Pin<&mut F>) -> Option<F::Output> {
    if let Ok(answer) = timeout_at(deadline, answer.as_mut()).await {
        return Some(answer);
    }
    let late = Instant::now() > deadline + LATE;
    if late { timeout(READING, answer).await.ok() } else { None }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("target", &self.target).finish_non_exhaustive()
    }
}
