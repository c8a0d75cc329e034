//! The server's time: fetched once, carried on, dropped when it is stale; and all that can go wrong with it.

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Api, Body, endpoint};
use http::{Request, Response};
use ovh_auth::{AuthError, AuthErrorKind, ServerClock, Timestamp};
use tokio::sync::Notify;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::service_fn;
use tower_test::mock;
use wire_fault::{Cause, Delivery, Fault, Healing, Phase, Verdict, chain};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_hundred_first_callers_fetch_once() {
    let api = Api::new(1_000_000).with_latency(SECOND);
    let clock = api.clock();
    assert_eq!(clock.try_now(), None);
    assert_eq!(clock.skew(), None);

    let callers: Vec<_> = (0..100)
        .map(|_| {
            let clock = clock.clone();
            tokio::spawn(async move { clock.now().await.unwrap().seconds() })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 1_000_001);
    }
    assert_eq!(api.fetches(), 1);

    // Carried on without asking again.
    tokio::time::advance(Duration::from_millis(1_999)).await;
    assert_eq!(clock.try_now().unwrap().seconds(), 1_000_002);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(clock.now().await.unwrap().seconds(), 1_000_003);
    assert_eq!(api.fetches(), 1);
}

#[tokio::test]
async fn the_fetch_goes_on_when_its_first_caller_is_dropped() {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let clock = ServerClock::new(&endpoint(), service);
    handle.allow(10);

    let mut first = task::spawn(clock.now());
    let mut second = task::spawn(clock.now());
    let mut third = task::spawn(clock.now());
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    let (request, answer) = assert_ready!(task::spawn(handle.next_request()).poll()).unwrap();
    assert_eq!(request.uri(), "https://eu.api.ovh.com/1.0/auth/time");
    assert_eq!(request.method(), "GET");
    drop(first);
    // One that joins after the drop, too.
    assert_pending!(third.poll());

    answer.send_response(Response::new(Body::from("1566485767")));
    assert!(second.is_woken() || third.is_woken());
    assert_eq!(assert_ready_ok!(second.poll()).seconds(), 1_566_485_767);
    assert_eq!(assert_ready_ok!(third.poll()).seconds(), 1_566_485_767);
    assert!(task::spawn(handle.next_request()).poll().is_pending(), "a second fetch was sent");
}

#[tokio::test]
async fn the_fetch_ends_with_its_last_caller() {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let clock = ServerClock::new(&endpoint(), service);
    handle.allow(10);

    let mut callers: Vec<_> = (0..3).map(|_| task::spawn(clock.now())).collect();
    for caller in &mut callers {
        assert_pending!(caller.poll());
    }
    let (_, answer) = assert_ready!(task::spawn(handle.next_request()).poll()).unwrap();
    drop(callers);
    // Nobody is there to take it.
    answer.send_response(Response::new(Body::from("1")));
    assert_eq!(clock.try_now(), None);

    // The next one begins anew.
    let mut next = task::spawn(clock.now());
    assert_pending!(next.poll());
    let (_, answer) = assert_ready!(task::spawn(handle.next_request()).poll()).unwrap();
    answer.send_response(Response::new(Body::from("2")));
    assert_eq!(assert_ready_ok!(next.poll()).seconds(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_every_waiters_and_the_next_call_tries_again() {
    let api = Api::new(1_000_000).with_latency(SECOND);
    api.answer_time(Err(io::Error::from(io::ErrorKind::ConnectionReset).into()));
    let clock = api.clock();
    let (a, b) = tokio::join!(clock.now(), clock.now());
    for result in [a, b] {
        assert_eq!(result.unwrap_err().kind(), AuthErrorKind::ServerTime);
    }
    assert_eq!(api.fetches(), 1);
    assert_eq!(clock.now().await.unwrap().seconds(), 1_000_002);
    assert_eq!(api.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_rejections_of_one_time_cause_one_fetch() {
    let api = Api::new(1_000_000);
    let clock = api.clock();
    let early = clock.now().await.unwrap();
    api.step(-3_600);
    // The server's clock went back; the rejections come in one after the other, some of them late.
    for _ in 0..10 {
        clock.invalidate(early);
    }
    let late = clock.now().await.unwrap();
    assert_eq!(late.seconds(), 996_400);
    clock.invalidate(early);
    assert_eq!(clock.now().await.unwrap(), late);
    assert_eq!(api.fetches(), 2);
    clock.invalidate(late);
    assert_eq!(clock.try_now(), None);
}

#[tokio::test]
async fn a_panic_below_ends_that_fetch_and_no_other() {
    let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let service = {
        let gate = gate.clone();
        service_fn(move |_: Request<Body>| {
            let (first, gate) = (calls.fetch_add(1, Ordering::Relaxed) == 0, gate.clone());
            async move {
                if first {
                    gate.notified().await;
                    panic!("on purpose");
                }
                Ok::<_, io::Error>(Response::new(Body::from("7")))
            }
        })
    };
    let clock = ServerClock::new(&endpoint(), service);
    // One that waits, and is not polled while the fetch breaks: it must not keep it alive for others.
    let mut idle = task::spawn(clock.now());
    assert_pending!(idle.poll());
    let other = clock.clone();
    let other = tokio::spawn(async move { other.now().await.map(Timestamp::seconds) });
    tokio::task::yield_now().await;
    gate.notify_one();
    assert!(other.await.unwrap_err().is_panic());

    assert_eq!(clock.now().await.unwrap().seconds(), 7);
    catch_unwind(AssertUnwindSafe(|| idle.poll().map(drop))).unwrap_err();
    assert_eq!(clock.try_now().unwrap().seconds(), 7);
}

async fn failed(answer: Result<Response<Body>, io::Error>) -> AuthError {
    let answer = Arc::new(Mutex::new(Some(answer)));
    let service = service_fn(move |_: Request<Body>| {
        let answer = answer.lock().unwrap().take().unwrap();
        async move { answer }
    });
    let error = ServerClock::new(&endpoint(), service).now().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::ServerTime);
    assert_eq!(error.fault().delivery, Delivery::NeverSent);
    error
}

fn answer(status: u16, content_type: &str, body: &str) -> Result<Response<Body>, io::Error> {
    let response = Response::builder().status(status).header("content-type", content_type);
    Ok(response.header("x-ovh-queryid", "EU.ext-1.2.3").body(Body::from(body.to_owned())).unwrap())
}

#[tokio::test]
async fn what_is_no_time_is_told() {
    let json = "application/json";
    let page = "<html><body>Service temporarily unavailable, please come back later</body></html>";

    let error = failed(answer(503, "text/html; charset=utf-8", page)).await;
    assert_eq!(
        error.to_string(),
        "the server's time could not be had: the answer was 503 Service Unavailable, an HTML page (query id EU.ext-1.2.3)"
    );
    assert_eq!(error.fault().healing, Healing::Transient);
    assert!(error.fault().may_repeat(false));

    let error = failed(answer(404, json, "{}")).await;
    assert!(error.to_string().contains("the answer was 404 Not Found (query id"), "{error}");
    assert!(!error.fault().may_repeat(true));

    // 204 is no time, however fine it is.
    assert!(failed(answer(204, json, "")).await.to_string().contains("the answer was 204 No Content"));

    for (kind, body) in [(json, "{}"), (json, ""), (json, "-1"), (json, "1566485767000"), ("text/html", page)]
    {
        let error = failed(answer(200, kind, body)).await;
        let html = if kind == "text/html" { ", an HTML page" } else { "" };
        assert_eq!(
            error.to_string(),
            format!(
                "the server's time could not be had: the answer is not of the expected form{html} (query id EU.ext-1.2.3)"
            )
        );
        assert_eq!((error.fault().cause, error.fault().healing), (Cause::Protocol, Healing::Unknown));
    }
}

#[tokio::test]
async fn a_failed_fetch_says_of_the_call_that_it_was_never_sent() {
    // In flight for the fetch, so "perhaps" for it; for the call that waited, never sent: a POST may be repeated.
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    assert_eq!(Fault::of(&reset).delivery, Delivery::Perhaps);
    let error = failed(Err(reset)).await;
    assert_eq!(error.to_string(), "the server's time could not be had: the call for it failed");
    let fault = Fault::of(&error);
    assert_eq!(
        (fault.delivery, fault.cause, fault.healing),
        (Delivery::NeverSent, Cause::Reset, Healing::Transient)
    );
    assert!(fault.may_repeat(false));
    assert_eq!(Verdict::of(&error), None);
    // The transport's own error is in the chain, to the type.
    let found = chain(&error).find_map(|error| error.downcast_ref::<io::Error>()).unwrap();
    assert_eq!(found.kind(), io::ErrorKind::ConnectionReset);

    let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
    assert_eq!(failed(Err(eof)).await.fault().phase, Phase::TlsHandshake);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_callers_own_patience() {
    let service = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, io::Error>>());
    let clock = ServerClock::new(&endpoint(), service);
    for _ in 0..3 {
        tokio::time::timeout(SECOND, clock.now()).await.unwrap_err();
    }
    assert_eq!(format!("{clock:?}"), "ServerClock { now: None, .. }");
}

#[tokio::test]
async fn skew_is_the_servers_time_less_the_walls() {
    let wall = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for (apart, sign) in [(3_600, 1), (3_600, -1)] {
        let api = Api::new(wall.checked_add_signed(apart * sign).unwrap());
        let clock = api.clock();
        clock.now().await.unwrap();
        let skew = clock.skew().unwrap();
        assert!((skew - apart * sign).abs() <= 60, "{skew}");
    }
}
