//! What a successful call allocates, by an allocator that counts: nothing, whoever listens to the failures.

use std::alloc::System;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Waker};

use error_stats::ErrorStats;
use http::{Request, Response};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower::{Layer, Service, service_fn};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 1_000;

/// That many hosts are told apart.
const HOSTS: usize = 32;

/// The least of three, as the thread that waits for this test allocates now and then.
fn allocations(request: fn() -> Request<()>) -> usize {
    (0..3).map(|_| allocations_once(request)).min().unwrap()
}

/// Allocations of so many calls, after others have filled the table of hosts, and after a first one.
fn allocations_once(request: fn() -> Request<()>) -> usize {
    let stats = ErrorStats::new();
    let mut service =
        stats.calls().layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(())))));
    let mut call = |request| {
        let mut call = pin!(service.call(request));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    };
    call(api());
    for n in 1..HOSTS {
        call(Request::get(format!("https://h{n}.example/")).body(()).unwrap());
    }
    call(request());
    let requests: Vec<_> = (0..CALLS).map(|_| request()).collect();
    let region = Region::new(ALLOCATOR);
    requests.into_iter().for_each(&mut call);
    region.change().allocations
}

fn api() -> Request<()> {
    Request::get("https://api.ovh.com/1.0/auth/time").body(()).unwrap()
}

/// To a server, whose table of hosts its clients have filled with others.
fn beyond_the_table() -> Request<()> {
    Request::get("/").header("host", "Shop.example:8443").body(()).unwrap()
}

fn to_a_name_that_is_too_long() -> Request<()> {
    Request::get(format!("https://{}/", "x".repeat(129))).body(()).unwrap()
}

/// One test, since all count into one allocator.
#[test]
fn a_success_allocates_nothing_unless_it_is_told_of() {
    for request in [api, beyond_the_table, to_a_name_that_is_too_long] {
        assert_eq!(allocations(request), 0, "{:?}", request());
    }
    for level in [Level::ERROR, Level::INFO, Level::DEBUG] {
        let subscriber = tracing_subscriber::registry().with(LevelFilter::from_level(level));
        let count = tracing::subscriber::with_default(subscriber, || allocations(api));
        assert_eq!(count > 0, level == Level::DEBUG, "{count} allocations at {level}");
    }
}
