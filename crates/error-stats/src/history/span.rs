//! Spans of time, and rings of them: seconds, minutes, hours.

/// Calls that started in some span of time, as far as they have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Span {
    /// Which second, minute or hour.
    pub(crate) number: u32,
    /// Not among the ended.
    pub(crate) cancelled: u32,
    /// With an outcome.
    pub(crate) ended: u64,
    pub(crate) failed: u64,
}

impl Span {
    pub(super) fn cancel(&mut self, calls: u32) {
        self.cancelled = self.cancelled.saturating_add(calls);
    }
}

/// The span of this number in its ring, emptied if it held an older one; none if it holds a newer one, unless that is
/// known to be wrong.
pub(super) fn span(ring: &mut [Span], number: u32, is_last: bool) -> Option<&mut Span> {
    let at = number as usize % ring.len();
    let span = &mut ring[at];
    if span.number < number || (is_last && span.number > number) {
        *span = Span { number, ..Span::default() };
    }
    (span.number == number).then_some(span)
}

pub(super) fn in_order(ring: &[Span], now: u32) -> Vec<Span> {
    let some = |span: &&Span| span.ended > 0 || span.cancelled > 0;
    let within = |span: &&Span| is_within(span.number, ring.len(), now);
    let mut spans: Vec<_> = ring.iter().filter(some).filter(within).copied().collect();
    spans.sort_unstable_by_key(|span| span.number);
    spans
}

/// Whether this number is among the last so many, up to `now`.
pub(super) fn is_within(number: u32, reach: usize, now: u32) -> bool {
    now.checked_sub(number).is_some_and(|age| (age as usize) < reach)
}
