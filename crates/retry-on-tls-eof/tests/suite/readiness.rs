//! Readiness before every attempt, over services that make a call wait; and calls dropped wherever they stand.

use crate::common;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::common::{Answer, S, Script, at_most, cut, layer, limits, ms, never_sent, ok, request, status};
use http::{Method, Request, Response};
use jittered_backoff::{Replay, RetryBudget};
use retry_on_tls_eof::{AttemptTimeoutLayer, Exhausted, MayHaveLanded, OutcomeUnknown, Reconciled};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use wire_fault::Delivery;

/// Counts polls to readiness, holds the service to "ready, then one call", and is not ready for a while after each call.
#[derive(Debug)]
struct Strict<S> {
    inner: S,
    ready: bool,
    rest: std::time::Duration,
    resting: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
    taken: Arc<AtomicU32>,
}

impl<S> Strict<S> {
    fn new(inner: S, rest: std::time::Duration) -> (Self, Arc<AtomicU32>) {
        let taken = Arc::default();
        (Self { inner, ready: false, rest, resting: None, taken: Arc::clone(&taken) }, taken)
    }
}

impl<S: Clone> Clone for Strict<S> {
    fn clone(&self) -> Self {
        let (inner, taken) = (self.inner.clone(), Arc::clone(&self.taken));
        Self { inner, ready: false, rest: self.rest, resting: None, taken }
    }
}

impl<S: Service<R>, R> Service<R> for Strict<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if let Some(resting) = &mut self.resting {
            std::task::ready!(resting.as_mut().poll(cx));
            self.resting = None;
        }
        std::task::ready!(self.inner.poll_ready(cx))?;
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> S::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.resting = Some(Box::pin(tokio::time::sleep(self.rest)));
        self.inner.call(request)
    }
}

fn answers() -> [Answer; 3] {
    [Err(never_sent()), Ok(status(503)), ok()]
}

#[tokio::test(start_paused = true)]
async fn over_a_service_that_becomes_unready_between_attempts() {
    let script = Script::new(answers());
    let (strict, taken) = Strict::new(script.clone(), 5 * S);
    layer(3).layer(strict).oneshot(request(Method::GET)).await.expect("healed");
    // The waits of 1 s and 2 s are over long before it is ready again.
    assert_eq!((script.at(), taken.load(Ordering::Relaxed)), (vec![0, 5_000, 10_000], 3));
}

/// Ready when the time is up is too late for a repeat, by a millisecond or by any time that a busy runtime takes.
#[tokio::test(start_paused = true)]
async fn over_a_service_that_becomes_ready_at_the_deadline() {
    for (rest, sent) in [(4_999, vec![0, 4_999]), (5_000, vec![0])] {
        let script = Script::new([Err(never_sent()), ok()]);
        let (strict, _) = Strict::new(script.clone(), ms(rest));
        let ending = layer(3).with_limits(limits(3).with_deadline(5 * S));
        let result = ending.layer(strict).oneshot(request(Method::POST)).await;
        assert_eq!((result.is_ok(), script.at()), (sent.len() == 2, sent));
        if let Err(error) = result {
            assert_eq!(
                Exhausted::of(&*error).map(|error| (error.attempts(), error.elapsed())),
                Some((1, 5 * S))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn over_a_concurrency_limit_of_one() {
    let script = Script::timed(answers().into_iter().chain(answers()).map(|answer| (ms(10), answer)));
    let (strict, taken) = Strict::new(script.clone(), ms(0));
    let service = ServiceBuilder::new().layer(layer(3)).concurrency_limit(1).service(strict);
    let one = service.clone().oneshot(request(Method::GET));
    one.await.expect("healed");
    service.oneshot(request(Method::GET)).await.expect("healed, so the permit was free again");
    assert_eq!(taken.load(Ordering::Relaxed), 6);
    assert_eq!(script.at(), [0, 1_010, 3_020, 3_030, 4_040, 6_050]);
}

/// Two calls over one permit: the one that waits for its repeat lets the other pass.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_holds_no_permit() {
    let script = Script::timed([(ms(10), Err(cut())), (ms(10), ok()), (ms(10), ok())]);
    let service = ServiceBuilder::new().layer(layer(3)).concurrency_limit(1).service(script.clone());
    let (first, second) =
        tokio::join!(service.clone().oneshot(request(Method::GET)), service.oneshot(request(Method::GET)));
    first.and(second).expect("both are answered");
    assert_eq!(script.at(), [0, 10, 1_010]);
}

#[tokio::test(start_paused = true)]
async fn over_a_buffer() {
    for bound in [1, 4] {
        let script = Script::timed(answers().map(|answer| (ms(10), answer)));
        let (strict, taken) = Strict::new(script.clone(), ms(1));
        let service = ServiceBuilder::new().layer(layer(3)).buffer(bound).service(strict);
        service.oneshot(request(Method::GET)).await.expect("healed");
        assert_eq!((script.at(), taken.load(Ordering::Relaxed)), (vec![0, 1_010, 3_020], 3));
    }
}

/// What a load shed below refuses was never sent: also a POST is repeated, and known to be undone if that does not help.
#[tokio::test(start_paused = true)]
async fn over_a_load_shed() {
    for (takes, heals) in [(1_500, true), (9_000, false)] {
        let script = Script::timed([(ms(takes), ok()), (ms(10), ok())]);
        let service = ServiceBuilder::new().layer(layer(3)).load_shed().concurrency_limit(1);
        let service = service.service(script.clone());
        let (first, second) = tokio::join!(
            service.clone().oneshot(request(Method::POST)),
            service.oneshot(request(Method::POST))
        );
        first.expect("answered");
        // Shed at 0 s and at 1 s.
        if heals {
            second.expect("healed");
            assert_eq!(script.at(), [0, 3_000]);
        } else {
            let error = second.expect_err("shed at 3 s, too");
            let exhausted = Exhausted::of(&*error).expect("never sent");
            assert_eq!((exhausted.attempts(), exhausted.fault().delivery), (3, Delivery::NeverSent));
            assert_eq!(script.at(), [0]);
        }
    }
}

/// A buffer whose service breaks ends every call that it still holds: none of them was sent, and none can be.
#[tokio::test(start_paused = true)]
async fn over_a_buffer_that_breaks() {
    let (transport, mut handle) = tower_test::mock::pair::<Request<String>, Response<&'static str>>();
    let service = ServiceBuilder::new().layer(layer(3)).buffer(4).service(transport);
    handle.allow(0);
    let call = service.oneshot(request(Method::POST));
    let breaks = async {
        tokio::time::sleep(ms(10)).await;
        handle.send_error("the transport is gone");
    };
    let (result, ()) = tokio::join!(call, breaks);
    let error = result.expect_err("broken");
    assert!(error.is::<tower::buffer::error::ServiceError>(), "untouched: {error:?}");
}

/// A request that counts its copies.
#[derive(Debug)]
struct Counted(Arc<()>);

impl Replay for Counted {
    fn replay(&self) -> Option<Self> {
        Some(Self(Arc::clone(&self.0)))
    }
}

/// Names the request, of which a service that takes many can't tell.
async fn ready<S>(service: &mut S) -> &mut S
where
    S: Service<Request<Counted>>,
    S::Error: std::fmt::Debug,
{
    let ready = tokio::time::timeout(common::S * 60, service.ready()).await;
    ready.expect("no permit is lost").expect("ready")
}

/// One call through every state there is, dropped after each number of polls: it leaves no attempt, no copy, no permit of
/// the service below, and has paid for the repeats that it sent and for no other.
#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_it_leaves_everything_whole() {
    let mut seen = Vec::new();
    for polls in 0.. {
        let script = Script::timed([
            (ms(10), Err(never_sent())),
            (ms(10), Err(cut())),
            (ms(10), Ok(status(503))),
            (ms(10), Err(never_sent())),
            (ms(10), ok()),
        ]);
        let (strict, taken) = Strict::new(script.clone(), 3 * S);
        let budget = RetryBudget::new(1, 1_000_000).expect("in range").with_reserve(9..=9).expect("in range");
        let (hook, body) = (Arc::new(()), Arc::new(()));
        let held = Arc::clone(&hook);
        let looking = layer(5).with_budget(budget.clone()).with_reconcile(move |_: MayHaveLanded| {
            let held = Arc::clone(&held);
            async move {
                tokio::time::sleep(ms(100)).await;
                tokio::task::yield_now().await;
                drop(held);
                Ok(Reconciled::NotLanded)
            }
        });
        let mut service = ServiceBuilder::new()
            .layer(looking)
            .concurrency_limit(1)
            .layer(AttemptTimeoutLayer::new(S).expect("in range"))
            .service(strict);

        let post = Request::post("/order").body(Counted(Arc::clone(&body))).expect("a request");
        let call = ready(&mut service).await.call(post);
        let result = at_most(polls, call).await;

        let sent = taken.load(Ordering::Relaxed);
        assert_eq!(budget.permits(), 9 - sent.saturating_sub(1), "after {polls} polls, {sent} attempts");
        assert_eq!(script.under_way(), 0, "after {polls} polls");
        assert_eq!(Arc::strong_count(&body), 1, "after {polls} polls a copy is left");
        assert_eq!(Arc::strong_count(&hook), 2, "after {polls} polls a look is left");
        // The one permit is free, and nothing more is sent.
        ready(&mut service).await;
        assert_eq!(taken.load(Ordering::Relaxed), sent);
        if let Some(result) = result {
            assert_eq!((result.expect("healed").into_body(), sent), ("ok", 5));
            break;
        }
        seen.push(sent);
    }
    // One attempt at least was dropped in each place.
    seen.dedup();
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

/// Over a buffer that has room for one: what it holds of a dropped call is not sent, and its room is free.
#[tokio::test(start_paused = true)]
async fn dropped_over_a_buffer_it_leaves_everything_whole() {
    let mut seen = Vec::new();
    for polls in 0.. {
        let script = Script::timed(answers().map(|answer| (ms(10), answer)));
        let (strict, taken) = Strict::new(script.clone(), 3 * S);
        let budget = RetryBudget::new(1, 1_000_000).expect("in range").with_reserve(9..=9).expect("in range");
        let body = Arc::new(());
        let retrying = layer(3).with_budget(budget.clone());
        let mut service =
            ServiceBuilder::new().layer(retrying).buffer(1).concurrency_limit(1).service(strict);
        let put = Request::put("/order").body(Counted(Arc::clone(&body))).expect("a request");
        let call = ready(&mut service).await.call(put);
        let result = at_most(polls, call).await;
        // The buffer's task comes to what it holds.
        tokio::time::sleep(60 * S).await;
        let sent = taken.load(Ordering::Relaxed);
        assert_eq!((Arc::strong_count(&body), script.under_way()), (1, 0), "after {polls} polls");
        // Given to the buffer it is paid for, whether it comes to be sent or not.
        let paid = 9 - budget.permits();
        assert!(paid == sent.saturating_sub(1) || paid == sent && sent > 0, "after {polls} polls");
        ready(&mut service).await;
        assert_eq!(taken.load(Ordering::Relaxed), sent);
        if let Some(result) = result {
            assert_eq!((result.expect("healed").into_body(), sent), ("ok", 3));
            break;
        }
        seen.push(sent);
    }
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 3]);
}

/// The same where the call ends by its deadline, and the caller still listens: nothing is left behind either.
#[tokio::test(start_paused = true)]
async fn cut_anywhere_it_leaves_everything_whole() {
    for deadline in (1..4_200).step_by(7) {
        let script = Script::timed([(ms(10), Err(never_sent())), (ms(1_000), Err(cut())), (ms(10), ok())]);
        let (strict, taken) = Strict::new(script.clone(), ms(500));
        let budget = RetryBudget::new(1, 1_000_000).expect("in range").with_reserve(9..=9).expect("in range");
        let mut service = ServiceBuilder::new()
            .layer(layer(4).with_budget(budget.clone()).with_limits(limits(4).with_deadline(ms(deadline))))
            .concurrency_limit(1)
            .service(strict);
        let body = Arc::new(());
        let put = Request::put("/order").body(Counted(Arc::clone(&body))).expect("a request");
        let start = tokio::time::Instant::now();
        let result = ready(&mut service).await.call(put).await;
        assert!(start.elapsed() <= ms(deadline));
        let sent = taken.load(Ordering::Relaxed);
        assert_eq!(budget.permits(), 9 - (sent - 1));
        assert_eq!((script.under_way(), Arc::strong_count(&body)), (0, 1));
        ready(&mut service).await;
        // Attempts start at 0, 1010 and 4010; an answer takes 10 ms.
        match result {
            Ok(_) => assert!(deadline >= 4_020),
            Err(error) => {
                let attempts = 1 + u32::from(deadline > 1_010) + u32::from(deadline > 4_010);
                assert_eq!(sent, attempts, "deadline {deadline}");
                // Never sent from its answer at 10 until the second attempt begins.
                let may_have_landed = !(10..=1_010).contains(&deadline);
                assert_eq!(
                    OutcomeUnknown::of(&*error).is_some(),
                    may_have_landed,
                    "deadline {deadline}: {error:?}"
                );
            }
        }
    }
}

/// A caller may keep the future of a call that has ended. It holds nothing any more: neither a place in the queue for the one
/// permit below, nor a copy, nor the permit for a repeat that was not sent.
#[tokio::test(start_paused = true)]
async fn a_call_that_has_ended_holds_nothing() {
    let budget = RetryBudget::new(1, 1_000_000).expect("in range").with_reserve(9..=9).expect("in range");
    let script = Script::timed([(ms(10), Err(never_sent())), (10 * S, ok())]);
    let mut limited = ServiceBuilder::new().concurrency_limit(1).service(script.clone());
    let ending = layer(3).with_budget(budget.clone()).with_limits(limits(3).with_deadline(5 * S));
    let mut retrying = ending.layer(limited.clone());

    let body = Arc::new(());
    let post = Request::post("/order").body(Counted(Arc::clone(&body))).expect("a request");
    let mut call = pin!(ready(&mut retrying).await.call(post));
    let other = async {
        tokio::time::sleep(ms(20)).await;
        limited.clone().oneshot(request(Method::GET)).await
    };
    // The other has the permit until after the deadline.
    let (result, other) = tokio::join!(call.as_mut(), other);
    other.expect("answered");
    let error = result.expect_err("no permit in time");
    assert_eq!(Exhausted::of(&*error).map(|error| (error.attempts(), error.elapsed())), Some((1, 5 * S)));
    assert_eq!((budget.permits(), Arc::strong_count(&body), script.under_way()), (9, 1, 0));
    ready(&mut limited).await;
}

/// Begun in one task and ended in another, from every state: whoever polled last is woken.
#[tokio::test(start_paused = true)]
async fn it_moves_from_task_to_task() {
    let script = Script::timed([
        (ms(10), Err(never_sent())),
        (ms(10), Err(cut())),
        (ms(10), Ok(status(503))),
        (ms(10), ok()),
    ]);
    let (strict, _) = Strict::new(script.clone(), 3 * S);
    let looking = layer(4).with_reconcile(async |_: MayHaveLanded| {
        tokio::time::sleep(ms(100)).await;
        Ok(Reconciled::NotLanded)
    });
    let mut service = looking.layer(strict);
    let service = ServiceExt::<Request<String>>::ready(&mut service).await.expect("ready");
    let mut call: Pin<Box<dyn Future<Output = Answer> + Send>> =
        Box::pin(service.call(request(Method::POST)));
    let mut tasks = 0;
    let response = loop {
        // Each task polls it twice, and is woken once more.
        let polled = tokio::spawn(async move {
            let polled = at_most(2, call.as_mut()).await;
            (polled, call)
        });
        let (polled, back) = tokio::time::timeout(60 * S, polled).await.expect("woken").expect("no panic");
        (call, tasks) = (back, tasks + 1);
        if let Some(result) = polled {
            break result.expect("healed");
        }
    };
    assert_eq!((*response.body(), script.at().len()), ("ok", 4));
    assert!(tasks > 4, "{tasks}");
}

/// A panic below ends its call, and leaves the service, its permit and the budget to the next.
#[tokio::test(start_paused = true)]
async fn a_panic_below_stays_in_its_call() {
    let budget = RetryBudget::new(1, 100).expect("in range").with_reserve(5..=5).expect("in range");
    let attempts = Arc::new(Mutex::new(0));
    let transport = tower::service_fn(move |_: Request<String>| {
        let attempts = Arc::clone(&attempts);
        async move {
            let attempt = {
                let mut attempts = attempts.lock().unwrap();
                *attempts += 1;
                *attempts
            };
            match attempt {
                1 | 3 => Err(never_sent()),
                2 => panic!("in the transport"),
                _ => Ok::<_, BoxError>(Response::new("ok")),
            }
        }
    });
    let service = ServiceBuilder::new()
        .layer(layer(3).with_budget(budget.clone()))
        .concurrency_limit(1)
        .service(transport);
    let panicked = tokio::spawn(service.clone().oneshot(request(Method::POST))).await.expect_err("it panics");
    assert!(panicked.is_panic());
    assert_eq!(budget.permits(), 4, "the repeat was sent");
    service.oneshot(request(Method::POST)).await.expect("healed");
    assert_eq!(budget.permits(), 3);
}

/// A service that panics when it is given a repeat, and a caller that polls on regardless: nobody knows what it has done.
#[tokio::test(start_paused = true)]
async fn a_repeat_that_panics_in_the_service_is_unknown() {
    /// Panics in its second call, and is not ready any more if it is told so.
    #[derive(Clone)]
    struct Panicking {
        sent: Arc<AtomicU32>,
        recovers: bool,
    }

    impl Service<Request<String>> for Panicking {
        type Response = Response<&'static str>;
        type Error = BoxError;
        type Future = std::future::Ready<Answer>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            let ready = self.recovers || self.sent.load(Ordering::Relaxed) < 2;
            if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
        }

        fn call(&mut self, _: Request<String>) -> Self::Future {
            assert_eq!(self.sent.fetch_add(1, Ordering::Relaxed), 0, "the second attempt");
            std::future::ready(Err(never_sent()))
        }
    }

    for recovers in [true, false] {
        let sent = Arc::new(AtomicU32::new(0));
        let budget = RetryBudget::new(1, 100).expect("in range").with_reserve(5..=5).expect("in range");
        let panicking = Panicking { sent: Arc::clone(&sent), recovers };
        let mut service = layer(3).with_budget(budget.clone()).layer(panicking);
        let mut call = pin!(service.ready().await.expect("ready").call(request(Method::POST)));
        let mut panics = 0;
        let error = poll_fn(|cx| {
            let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.as_mut().poll(cx)));
            polled.unwrap_or_else(|_| {
                panics += 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
        })
        .await
        .expect_err("no answer");
        assert!(OutcomeUnknown::of(&*error).is_some(), "{error:?}");
        assert_eq!((panics, sent.load(Ordering::Relaxed), budget.permits()), (1, 2, 4));
    }
}
