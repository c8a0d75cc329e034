//! Every scenario over every client, by `GET` and by `POST`: never twice, never in vain.

use std::collections::BTreeSet;

use matrix_tests::load::Load;
use matrix_tests::suite::{cells, demand};
use matrix_tests::{case, clients};

#[test]
fn it_is_as_large_as_is_said() {
    let names: BTreeSet<_> = case::all().into_iter().map(|case| case.name).collect();
    assert_eq!(names.len(), case::all().len(), "each scenario has a name of its own");
    assert!(names.len() >= 480 && clients::ALL.len() >= 14, "{} by {}", names.len(), clients::ALL.len());
}

/// Of every client, every method and every kind of scenario some.
#[tokio::test(flavor = "multi_thread")]
async fn a_slice_is_right() {
    // A prime, so that it is not always the same method or client.
    demand(cells(clients::ALL).into_iter().step_by(109).collect()).await;
}

#[ignore = "takes a minute or two: .ci/run"]
#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_right() {
    demand(cells(clients::ALL)).await;
}

#[ignore = "takes many minutes: .ci/run long"]
#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_right_ten_times_under_load() {
    let _load = Load::heavy();
    for _ in 0..10 {
        demand(cells(clients::ALL)).await;
    }
}
