//! The policy under a paused clock: which attempts are made, when, and what the caller gets.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use jittered_backoff::{
    Backoff, BackoffLayer, BackoffPolicy, Decide, Decision, Jitter, Limits, Once, Replay, Seeds,
};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

/// The inner service's error: says what to do about it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Failed {
    number: u32,
    decision: Decision,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failure {}", self.number)
    }
}

impl std::error::Error for Failed {}

type Answer = Result<&'static str, Failed>;

const fn failure(number: u32, decision: Decision) -> Answer {
    Err(Failed { number, decision })
}

/// Asks the error what to do, whatever the request.
#[derive(Clone, Copy)]
struct AsTold;

impl<Req> Decide<Req, &'static str, Failed> for AsTold {
    fn decide(&self, _: &Req, result: Result<&&'static str, &Failed>, _: u32) -> Decision {
        result.map_or_else(|failed| failed.decision, |_| Decision::Done)
    }
}

/// A service that answers from a list, each answer after its time, and notes when it was called.
#[derive(Clone)]
struct Script {
    start: Instant,
    answers: Arc<Mutex<VecDeque<(Duration, Answer)>>>,
    calls: Arc<Mutex<Vec<Duration>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::timed(answers.into_iter().map(|answer| (Duration::ZERO, answer)))
    }

    fn timed(answers: impl IntoIterator<Item = (Duration, Answer)>) -> Self {
        Self {
            start: Instant::now(),
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            calls: Arc::default(),
        }
    }

    /// Fails with this decision for ever.
    fn failing(decision: Decision) -> Self {
        Self::new((1..=1_000).map(|number| failure(number, decision)))
    }

    /// When the attempts were made, in milliseconds.
    fn calls(&self) -> Vec<u128> {
        self.calls.lock().unwrap().iter().map(Duration::as_millis).collect()
    }
}

impl<Req> Service<Req> for Script {
    type Response = &'static str;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Req) -> Self::Future {
        self.calls.lock().unwrap().push(self.start.elapsed());
        let (takes, answer) = self.answers.lock().unwrap().pop_front().expect("no more attempts");
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            answer
        })
    }
}

/// Runs one call to its end: the answer, and when it came.
async fn run(layer: &BackoffLayer<AsTold>, script: &Script) -> (Answer, u128) {
    let start = Instant::now();
    let answer = layer.layer(script.clone()).oneshot("request").await;
    (answer, start.elapsed().as_millis())
}

/// Waits of exactly 100, 200, 400, 800, 1000, 1000 ms.
fn exact() -> Backoff {
    Backoff::exponential(millis(100)..=millis(1_000)).unwrap().with_jitter(Jitter::None)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn attempts(attempts: u32) -> Limits {
    Limits::new().with_attempts(attempts).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_handed_on() {
    let script = Script::new([Ok("answer")]);
    assert_eq!(run(&BackoffLayer::new(exact(), AsTold), &script).await, (Ok("answer"), 0));
    assert_eq!(script.calls(), [0]);
}

#[tokio::test(start_paused = true)]
async fn the_waits_are_the_backoffs_to_the_millisecond() {
    let script = Script::new((1..=6).map(|n| failure(n, Decision::Retry)).chain([Ok("healed")]));
    let layer = BackoffLayer::new(exact(), AsTold).with_limits(attempts(7));
    assert_eq!(run(&layer, &script).await, (Ok("healed"), 3_500));
    assert_eq!(script.calls(), [0, 100, 300, 700, 1_500, 2_500, 3_500]);
}

/// The jittered waits of the first session are those anyone can compute from the seed.
#[tokio::test(start_paused = true)]
async fn seeded_sessions_wait_as_computed() {
    let root = 11;
    let script = Script::failing(Decision::Retry);
    let layer = BackoffLayer::new(Backoff::default(), AsTold)
        .with_limits(attempts(5).without_deadline())
        .with_seeds(Seeds::new(root));
    run(&layer, &script).await.0.unwrap_err();

    let mut expected = vec![Duration::ZERO];
    for wait in Backoff::default().delays(Seeds::new(root).next_seed()).take(4) {
        expected.push(expected.last().unwrap().saturating_add(wait));
    }
    let calls = script.calls.lock().unwrap();
    assert_eq!(calls.len(), 5);
    for (nth, (call, expected)) in calls.iter().zip(&expected).enumerate() {
        // tokio's timer rounds each wait up to a millisecond.
        let late = call.checked_sub(*expected).expect("never early");
        assert!(late <= millis(1) * u32::try_from(nth).unwrap(), "attempt {nth}: {late:?} late");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_real_error_comes_back_when_attempts_end() {
    let script = Script::failing(Decision::Retry);
    let (answer, took) = run(&BackoffLayer::new(exact(), AsTold), &script).await;
    assert_eq!(answer, failure(3, Decision::Retry), "three attempts by default");
    assert_eq!(took, 300, "no wait after the last");

    let script = Script::failing(Decision::Retry);
    let once = BackoffLayer::new(exact(), AsTold).with_limits(attempts(1));
    assert_eq!(run(&once, &script).await, (failure(1, Decision::Retry), 0));
}

#[tokio::test(start_paused = true)]
async fn what_no_repeat_heals_comes_back_at_once() {
    let script = Script::new([failure(1, Decision::Retry), failure(2, Decision::GiveUp)]);
    let layer = BackoffLayer::new(exact(), AsTold).with_limits(attempts(9));
    assert_eq!(run(&layer, &script).await, (failure(2, Decision::GiveUp), 100));
}

/// The deadline counts the attempts' own time; a wait that would pass it is not begun.
#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_the_deadline_is_not_begun() {
    let script = || Script::timed((1..).map(|n| (millis(300), failure(n, Decision::Retry))).take(50));
    // Ends of attempts and waits: 300 +100, 700 +200, 1200 +400, 1900 +800 = 2700.
    let layer = |deadline| {
        BackoffLayer::new(exact(), AsTold).with_limits(attempts(50).with_deadline(millis(deadline)))
    };

    let fits = script();
    assert_eq!(run(&layer(2_701), &fits).await, (failure(5, Decision::Retry), 3_000));
    assert_eq!(fits.calls(), [0, 400, 900, 1_600, 2_700]);

    let at_the_deadline = script();
    assert_eq!(run(&layer(2_700), &at_the_deadline).await, (failure(4, Decision::Retry), 1_900));
    assert_eq!(at_the_deadline.calls(), [0, 400, 900, 1_600]);
}

/// Each call has its own: a service that is an hour old gives its next call the whole deadline.
#[tokio::test(start_paused = true)]
async fn the_deadline_starts_with_the_sessions_first_attempt() {
    let script = Script::failing(Decision::Retry);
    let layer = BackoffLayer::new(exact(), AsTold).with_limits(attempts(50).with_deadline(millis(1_000)));
    let service = layer.layer(script.clone());
    for session in 0..3 {
        let start = Instant::now();
        service.clone().oneshot("request").await.unwrap_err();
        assert_eq!(
            start.elapsed().as_millis(),
            700,
            "session {session}: 100 + 200 + 400, and 800 does not fit"
        );
        tokio::time::advance(Duration::from_secs(3_600)).await;
    }
    assert_eq!(script.calls().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_a_floor_under_the_wait() {
    let asked = |millis| Decision::RetryAfter(Duration::from_millis(millis));
    let script = Script::new([
        failure(1, asked(150)),
        failure(2, asked(150)),
        failure(3, asked(0)),
        failure(4, Decision::Retry),
        Ok("healed"),
    ]);
    let layer = BackoffLayer::new(exact(), AsTold).with_limits(attempts(9));
    // Drawn: 100, 200, 400, 800. Asked: 150, 150, 0, nothing.
    assert_eq!(run(&layer, &script).await, (Ok("healed"), 150 + 200 + 400 + 800));
}

#[tokio::test(start_paused = true)]
async fn retry_after_beyond_the_deadline_gives_up_at_once() {
    for asked in [Duration::from_secs(90), Duration::from_secs(u64::MAX), Duration::MAX] {
        let decision = Decision::RetryAfter(asked);
        let script = Script::failing(decision);
        let layer = BackoffLayer::new(exact(), AsTold);
        assert_eq!(run(&layer, &script).await, (failure(1, decision), 0));

        let endless = layer.with_limits(Limits::new().without_deadline());
        if asked > Backoff::MAX_CAP {
            assert_eq!(
                run(&endless, &script).await,
                (failure(2, decision), 0),
                "no deadline, no absurd wait"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_repeated_passes_once() {
    let script = Script::failing(Decision::Retry);
    let service = BackoffLayer::new(exact(), AsTold).layer(script.clone());
    assert_eq!(service.oneshot(Once::new("stream")).await, failure(1, Decision::Retry));
    assert_eq!(script.calls(), [0]);
}

/// A request whose copies know their number, and which can be copied so many times.
#[derive(Debug)]
struct Counted {
    copy: u32,
    left: Arc<Mutex<u32>>,
}

impl Replay for Counted {
    fn replay(&self) -> Option<Self> {
        let mut left = self.left.lock().unwrap();
        *left = left.checked_sub(1)?;
        Some(Self { copy: self.copy + 1, left: self.left.clone() })
    }
}

/// A request that can be copied only so often is repeated that often, and its last result is handed on.
#[tokio::test(start_paused = true)]
async fn a_request_is_asked_before_each_attempt() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inner = service_fn({
        let seen = seen.clone();
        move |request: Counted| {
            seen.lock().unwrap().push(request.copy);
            std::future::ready(Err::<&str, _>(Failed { number: request.copy, decision: Decision::Retry }))
        }
    });
    let layer = BackoffLayer::new(exact(), AsTold).with_limits(attempts(9));
    let request = Counted { copy: 0, left: Arc::new(Mutex::new(2)) };
    let answer = layer.layer(inner).oneshot(request).await;
    assert_eq!(answer, failure(2, Decision::Retry));
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
}

/// The attempt's number starts at one with every session, and the last attempt is decided too.
#[tokio::test(start_paused = true)]
async fn decide_is_told_the_attempts_number() {
    #[derive(Clone, Default)]
    struct Numbers(Arc<Mutex<Vec<u32>>>);
    impl Decide<&'static str, &'static str, Failed> for Numbers {
        fn decide(&self, _: &&'static str, _: Result<&&'static str, &Failed>, attempt: u32) -> Decision {
            self.0.lock().unwrap().push(attempt);
            Decision::Retry
        }
    }

    let (numbers, script) = (Numbers::default(), Script::failing(Decision::Retry));
    let service = BackoffLayer::new(exact(), numbers.clone()).layer(script.clone());
    for _ in 0..2 {
        service.clone().oneshot("request").await.unwrap_err();
    }
    assert_eq!(*numbers.0.lock().unwrap(), [1, 2, 3, 1, 2, 3]);
}

/// tower 0.5.3's own backoff hands every session of one maker the same waits: all come back at the same instant.
#[tokio::test(start_paused = true)]
async fn sessions_of_one_service_its_clones_and_its_siblings_wait_apart() {
    let layer =
        BackoffLayer::new(Backoff::default(), AsTold).with_limits(attempts(2)).with_seeds(Seeds::new(1));
    let service = || layer.layer(Script::failing(Decision::Retry));
    let one = service();

    let mut waits = Vec::new();
    for service in
        [one.clone(), one.clone(), one, service(), layer.clone().layer(Script::failing(Decision::Retry))]
    {
        let start = Instant::now();
        service.oneshot("request").await.unwrap_err();
        waits.push(start.elapsed().as_millis());
    }
    let mut distinct = waits.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), waits.len(), "{waits:?}");

    // And the k-th session of a root is the same in every run.
    let seeds = Seeds::new(1);
    for wait in waits {
        let drawn = Backoff::default().delays(seeds.next_seed()).draw().as_millis();
        assert!((drawn..=drawn + 1).contains(&wait), "{wait} is not {drawn}");
    }
}

/// A thousand calls at once through clones: each has its own attempts, deadline and waits.
#[tokio::test(start_paused = true)]
async fn concurrent_sessions_do_not_share_state() {
    let layer = BackoffLayer::new(Backoff::default(), AsTold).with_seeds(Seeds::new(2));
    let start = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let script = Script::failing(Decision::Retry);
        let service = layer.layer(script.clone());
        calls.spawn(async move {
            assert_eq!(service.oneshot("request").await, failure(3, Decision::Retry));
            let calls = script.calls();
            assert_eq!(calls.len(), 3);
            calls[1]
        });
    }
    let mut first = calls.join_all().await;
    assert!(start.elapsed() <= Duration::from_secs(17), "side by side: at most 6 s and 10 s of waiting");
    first.sort();
    first.dedup();
    // A thousand draws from 4,001 milliseconds: 885 different ones on average, with a deviation below 11.
    assert!(first.len() > 830, "{} different first waits", first.len());
}

/// A policy value may be driven by hand: what ended leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn a_policy_starts_afresh_after_a_session() {
    use tower::retry::Policy;

    fn ask<P: Policy<&'static str, &'static str, Failed>>(
        policy: &mut P,
        mut answer: Answer,
    ) -> Option<P::Future> {
        policy.retry(&mut "request", &mut answer)
    }
    fn copy<P: Policy<&'static str, &'static str, Failed>>(policy: &mut P) {
        policy.clone_request(&"request").unwrap();
    }

    let mut policy = BackoffPolicy::new(exact(), AsTold).with_limits(attempts(2));
    for _ in 0..3 {
        copy(&mut policy);
        assert!(ask(&mut policy, failure(1, Decision::Retry)).is_some());
        copy(&mut policy);
        assert!(ask(&mut policy, failure(2, Decision::Retry)).is_none(), "two attempts each");
    }
    // Asked with no session begun, it begins one.
    assert!(ask(&mut policy, failure(1, Decision::Retry)).is_some());
    assert!(ask(&mut policy, Ok("answer")).is_none());
}

/// A decision whose type nobody can name, shared by all calls.
#[tokio::test(start_paused = true)]
async fn a_shared_trait_object_decides() {
    let decide: Arc<dyn Decide<&'static str, &'static str, Failed> + Send + Sync> = Arc::new(AsTold);
    let script = Script::failing(Decision::Retry);
    let service = BackoffLayer::new(exact(), decide).layer(script.clone());
    assert_eq!(service.oneshot("request").await, failure(3, Decision::Retry));
}

/// Closures decide too, and the futures are `Send`.
#[tokio::test(start_paused = true)]
async fn closures_decide() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    let decide = |request: &String, result: Result<&&'static str, &Failed>| match result {
        Err(_) if request == "again" => Decision::Retry,
        _ => Decision::Done,
    };
    let layer = BackoffLayer::new(exact(), decide);
    for (request, attempts) in [("again", 3), ("never", 1)] {
        let script = Script::failing(Decision::Done);
        sent(layer.layer(script.clone()).oneshot(request.to_owned())).await.unwrap_err();
        assert_eq!(script.calls().len(), attempts);
    }
}
