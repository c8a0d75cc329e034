//! How waits are spread.

/// How the waits of a [`Backoff`](crate::Backoff) are spread, so that callers which failed together don't come back
/// together.
///
/// The names and formulas are those of Marc Brooker, [Exponential Backoff And Jitter], AWS Architecture Blog, 2015. In
/// them the *ceiling* of wait `n` (from 0) is `min(cap, base * factor^n)`, and `uniform(a, b)` is drawn to the
/// nanosecond with both ends included.
///
/// [Exponential Backoff And Jitter]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// The ceiling itself. For a single caller, and for tests: callers that failed together return together.
    None,

    /// `uniform(0, ceiling)`. The widest spread and the least load; a wait may be as short as nothing.
    Full,

    /// `ceiling / 2 + uniform(0, ceiling / 2)`. At least half the ceiling is always waited.
    Equal,

    /// `min(cap, uniform(base, previous * factor))`, where the first wait counts `base` as the previous one, and the
    /// factor is 3 unless [`with_factor`](crate::Backoff::with_factor) says otherwise. The default: spread from the first
    /// wait on, and never below the base.
    ///
    /// As in the original, the draw is capped and not the range it is drawn from: what is drawn above the cap becomes a
    /// wait of exactly the cap. After such a wait, and with a base far below it, two of three are the cap again; the
    /// callers stay apart by the waits that came before.
    #[default]
    Decorrelated,
}
