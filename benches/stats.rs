//! What counting costs a successful call, beside the peers.
//!
//! `cargo bench -p benches --bench stats`

use std::alloc::System;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use benches::{Rounds, time_on};
use error_stats::ErrorStats;
use http::{Request, Response, Uri};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http::metrics::InFlightRequestsLayer;
use wire_fault::{CallId, Plain};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Few, so that a round has a chance to be left alone by other work on the machine.
const CALLS: u32 = 5_000;
const ROUNDS: usize = 400;

/// Answers 200 when it is polled, as services do. (A response that is there when the service is called would be moved with
/// each future around it.)
#[derive(Clone, Copy, Debug)]
struct Bare;

#[derive(Debug)]
struct Answer;

impl Future for Answer {
    type Output = Result<Response<()>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Response::new(())))
    }
}

impl Service<Request<()>> for Bare {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        Answer
    }
}

fn request() -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_static("https://api.ovh.com/1.0/auth/time");
    request
}

/// One call from request to response.
fn call<S>(service: &mut S, request: Request<()>)
where
    S: Service<Request<()>>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut call = pin!(service.call(black_box(request)));
    assert!(black_box(call.as_mut().poll(&mut context)).is_ready());
}

/// What a clock read costs where it is paid for, between other work.
/// (In a loop of nothing else it costs less, for there is nothing that it holds up.)
fn one_clock_read() -> impl Service<Request<()>, Response = Response<()>> + Clone + Send + Sync {
    Bare.map_request(|request| {
        black_box(Instant::now());
        request
    })
}

/// The least that tells how long a call took: what no layer that does so can stay below.
fn clock_reads_around() -> impl Service<Request<()>> + Clone + Send + Sync {
    one_clock_read().map_response(|response| {
        black_box(Instant::now());
        response
    })
}

/// The counter that most people write first.
fn by_hand() -> impl Service<Request<()>> + Clone + Send + Sync {
    let counts = Arc::new(Mutex::new(HashMap::<u16, u64>::new()));
    let count = move |response: Response<()>| {
        if let Ok(mut counts) = counts.lock() {
            *counts.entry(response.status().as_u16()).or_insert(0) += 1;
        }
        response
    };
    Bare.map_response(count)
}

/// The nanoseconds of a call, on so many threads that share what `service` holds.
fn timed<S>(threads: usize, service: &S) -> f64
where
    S: Service<Request<()>> + Clone + Send + Sync,
{
    time_on(threads, CALLS, || {
        let mut service = service.clone();
        move || call(&mut service, request())
    })
}

/// Allocations per call, once warm.
fn allocations<S>(service: &S, mut make: impl FnMut() -> Request<()>) -> f64
where
    S: Service<Request<()>> + Clone,
{
    let mut service = service.clone();
    call(&mut service, make());
    let requests: Vec<_> = (0..1_000).map(|_| make()).collect();
    let region = Region::new(ALLOCATOR);
    requests.into_iter().for_each(|request| call(&mut service, request));
    region.change().allocations as f64 / 1_000.0
}

fn main() {
    let stats = ErrorStats::new();
    let ours = ServiceBuilder::new().layer(stats.calls::<Plain>()).service(Bare);
    let pair = ErrorStats::new();
    let both =
        ServiceBuilder::new().layer(pair.calls::<Plain>()).layer(pair.attempts::<Plain>()).service(Bare);
    let (layer, _counter) = InFlightRequestsLayer::pair();
    let in_flight = ServiceBuilder::new().layer(layer).service(Bare);
    let (clock, around, map) = (one_clock_read(), clock_reads_around(), by_hand());

    for threads in [1, 2] {
        let rounds = Rounds::run(
            ROUNDS,
            &mut [
                &mut || time_on(threads, CALLS, || || _ = black_box(Instant::now())),
                &mut || timed(threads, &Bare),
                &mut || timed(threads, &clock),
                &mut || timed(threads, &around),
                &mut || timed(threads, &ours),
                &mut || timed(threads, &both),
                &mut || timed(threads, &in_flight),
                &mut || timed(threads, &map),
            ],
        );
        let read = rounds.best(2) - rounds.best(1);
        println!("\n{threads} thread(s), {CALLS} calls each, best and median of {ROUNDS} rounds");
        println!("{:<44} {:>8} {:>8} {:>9} {:>8} {:>8}", "", "ns", "median", "overhead", "× clock", "× loop");
        let names = [
            "a clock read, in a loop of them",
            "bare service",
            "bare service and one clock read",
            "bare service, a clock read at each end",
            "error-stats: calls",
            "error-stats: calls and attempts, joined",
            "tower-http: in-flight requests",
            "Mutex<HashMap> by status",
        ];
        for (at, name) in names.into_iter().enumerate() {
            let (best, median) = (rounds.best(at), rounds.median(at));
            if at < 2 {
                println!("{name:<44} {best:>8.1} {median:>8.1}");
                continue;
            }
            let over = best - rounds.best(1);
            let (of_read, of_loop) = (over / read, over / rounds.best(0));
            println!("{name:<44} {best:>8.1} {median:>8.1} {over:>9.1} {of_read:>8.2} {of_loop:>8.2}");
        }
    }

    let region = Region::new(ALLOCATOR);
    let handle = ErrorStats::new();
    let empty = region.change().bytes_allocated;
    call(&mut ServiceBuilder::new().layer(handle.calls::<Plain>()).service(Bare), request());
    let thread = region.change().bytes_allocated - empty;
    println!("\nmemory of a handle: {empty} bytes, and {thread} for each thread that calls, 65 at most");

    println!("\nallocations per call");
    let named = || {
        let mut request = request();
        CallId::of(request.extensions_mut());
        request
    };
    println!("{:<44} {:>8}", "bare service", allocations(&Bare, request));
    println!("{:<44} {:>8}", "error-stats: calls", allocations(&ours, request));
    println!("{:<44} {:>8}", "both, the call named before", allocations(&both, named));
    println!("{:<44} {:>8}", "both: the extension that joins them", allocations(&both, request));
    println!("{:<44} {:>8}", "tower-http: in-flight requests", allocations(&in_flight, request));
    println!("{:<44} {:>8}", "Mutex<HashMap> by status", allocations(&map, request));
    assert_eq!(allocations(&ours, request), 0.0);
}
