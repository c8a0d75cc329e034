//! The sliding second.

use std::time::Duration;

use tokio::time::Instant;

/// The most of these instants, which are in order, that lie within any half-open span of this length.
pub(crate) fn busiest(instants: impl IntoIterator<Item = Instant>, span: Duration) -> usize {
    let mut window = std::collections::VecDeque::new();
    let mut most = 0;
    for now in instants {
        window.push_back(now);
        while window.front().is_some_and(|first| now.duration_since(*first) >= span) {
            window.pop_front();
        }
        most = most.max(window.len());
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busiest_of(millis: &[u64]) -> usize {
        let start = Instant::now();
        busiest(millis.iter().map(|ms| start + Duration::from_millis(*ms)), Duration::from_secs(1))
    }

    #[test]
    fn the_window_slides_and_is_half_open() {
        assert_eq!(busiest_of(&[]), 0);
        assert_eq!(busiest_of(&[0, 0, 0]), 3);
        assert_eq!(busiest_of(&[0, 1000, 2000]), 1, "what is a whole second apart is in two windows");
        assert_eq!(busiest_of(&[0, 999, 1001]), 2);
        // Two fixed seconds of three each hold five in the second between them.
        assert_eq!(busiest_of(&[0, 900, 950, 1000, 1050, 1100, 1999]), 5);
    }
}
