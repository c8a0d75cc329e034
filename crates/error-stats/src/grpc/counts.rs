//! Counts by code.

use crate::count::Count;
use crate::grpc::GrpcCode;
use crate::seat::Seat;

const CODES: usize = GrpcCode::ALL.len();

/// A counter for each code.
#[derive(Debug, Default)]
pub(crate) struct Codes([Count; CODES]);

impl Codes {
    pub(crate) fn add(&self, seat: Seat, code: GrpcCode) {
        self.0[code as usize].add(seat);
    }

    pub(crate) fn succeeded(&self) -> u64 {
        let succeeded = GrpcCode::ALL.into_iter().filter(|code| !code.is_failure());
        succeeded.map(|code| self.0[code as usize].get()).sum()
    }

    /// The codes that have occurred, in order, over all shards.
    pub(crate) fn read<'a>(shards: &(impl Iterator<Item = &'a Self> + Clone)) -> Vec<(GrpcCode, u64)> {
        let sum = |code: GrpcCode| shards.clone().map(|codes| codes.0[code as usize].get()).sum();
        let counts = GrpcCode::ALL.into_iter().map(|code| (code, sum(code)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}
