//! The memory of a handle, by an allocator that counts: what is stated, whatever is sent.

use std::alloc::System;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Barrier;
use std::thread;

use error_stats::{ErrorStats, Label};
use http::{Request, Response, StatusCode};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower::{Layer, Service, service_fn};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is allocated and not freed since then, in bytes.
fn held(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated - change.bytes_deallocated
}

const LABELS: u64 = 1_000_000;
/// Fewer: it is the reading of URLs that would take the time.
const HOSTS: u64 = 100_000;

/// One call, with a label of its own, and one of the first to a host of its own; every eighth fails.
fn call(stats: &ErrorStats, n: u64) {
    let mut service = stats.calls().layer(service_fn(|request: Request<u64>| {
        let mut response = Response::new(());
        if request.into_body() % 8 == 0 {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        ready(Ok::<_, Infallible>(response))
    }));
    let mut request = Request::new(n);
    if n < HOSTS {
        *request.uri_mut() = format!("https://h{n}.example/").parse().unwrap();
    }
    request.extensions_mut().insert(Label::new(format!("label {n}")));
    let mut call = tokio_test::task::spawn(service.call(request));
    assert!(call.poll().is_ready());
}

/// One test, since all count into one allocator.
#[test]
fn a_handle_stays_within_what_is_stated() {
    let region = Region::new(ALLOCATOR);
    let stats = ErrorStats::new();
    let empty = held(&region);
    assert!(empty <= 90 << 10, "{empty} bytes of a handle");

    // A million labels, from one thread.
    call(&stats, 0);
    let thread = held(&region) - empty;
    // Its shard, and the first host's and label's names.
    assert!(thread <= 17 << 10, "{thread} bytes for a thread");
    (1..LABELS).for_each(|n| call(&stats, n));
    let attacked = held(&region);
    // The names of 31 hosts and labels more.
    assert!(attacked <= empty + thread + 62 * 128, "{attacked} bytes after {empty} and {thread}");

    // More threads at once than there are seats.
    const THREADS: u64 = 80;
    let all_sit = Barrier::new(THREADS as usize);
    let crowded = thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS)
            .map(|n| {
                let (stats, all_sit) = (&stats, &all_sit);
                scope.spawn(move || {
                    call(stats, n);
                    all_sit.wait();
                })
            })
            .collect();
        running.into_iter().for_each(|thread| thread.join().unwrap());
        held(&region)
    });
    // What the threads themselves leave with the standard library is not told apart: little.
    assert!(crowded <= 1_180 << 10, "{crowded} bytes");

    // Nobody is lost, those who were there keep their places, and the report says what it does not tell apart.
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.calls.started, snapshot.calls.in_flight), (LABELS + THREADS, 0));
    let told = [(&snapshot.calls.labels, "label 0", LABELS), (&snapshot.calls.hosts, "h0.example", HOSTS)];
    for (groups, first, sent) in told {
        assert_eq!((groups.named.len(), groups.full), (32, true));
        assert_eq!((groups.named[0].0.as_str(), groups.named[0].1.started), (first, 2));
        let named: u64 = groups.named.iter().map(|(_, count)| count.started).sum();
        assert_eq!(groups.others.started, sent + THREADS - named);
    }
    let report = snapshot.to_string();
    assert!(report.contains("all places for labels are taken: new ones count together"), "{report}");
    assert!(report.contains("other labels together: 125002 of 1000016 failed"), "{report}");
    drop(snapshot);
    drop(stats);
    let left = held(&region);
    assert!(left <= 8 << 10, "{left} bytes are left of a handle that is gone");
}
