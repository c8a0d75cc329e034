//! The matrix over native-tls and OpenSSL.

use matrix_tests::load::Load;
use matrix_tests::suite::{cells, demand};

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_is_right() {
    demand(cells(native_tests::ALL).into_iter().step_by(43).collect()).await;
}

#[ignore = "takes a minute: .ci/run"]
#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_right() {
    demand(cells(native_tests::ALL)).await;
}

#[ignore = "takes many minutes: .ci/run long"]
#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_right_ten_times_under_load() {
    let _load = Load::heavy();
    for _ in 0..10 {
        demand(cells(native_tests::ALL)).await;
    }
}
