//! Sums without a time of their own, of which only the recent part is asked for.

/// Sums, and what they were a while ago.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sums<const N: usize> {
    pub(crate) total: [u64; N],
    mark: [u64; N],
    older: [u64; N],
}

impl<const N: usize> Sums<N> {
    pub(super) const fn new() -> Self {
        Self { total: [0; N], mark: [0; N], older: [0; N] }
    }

    pub(super) fn turn(&mut self) {
        self.older = self.mark;
        self.mark = self.total;
    }

    /// What was added in the last three to six hours.
    pub(crate) fn recent(&self) -> [u64; N] {
        std::array::from_fn(|at| self.total[at].saturating_sub(self.older[at]))
    }
}
