//! Answers that are none: what gateways and a failing backend say.

use std::collections::VecDeque;

use axum::response::Response;
use http::StatusCode;

use crate::answer::{Refusal, html};
use crate::draw::fraction;
use crate::error::{Flaw, InvalidSetting};
use crate::pattern::fits;

/// A failure of the API or of what stands before it.
///
/// Those named `…After` come after the call was carried out: the order exists, the answer says that something broke, as
/// users of the real API have seen. The others come instead of it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// 200 with a page of HTML in place of JSON. Seen at the OAuth2 endpoint.
    HtmlOk,
    /// 408 with HTML.
    RequestTimeout,
    /// 500 with an error of class `Server::InternalServerError`.
    InternalError,
    /// 500 with the same error, after the call was carried out.
    InternalErrorAfter,
    /// 502 with HTML.
    BadGateway,
    /// 502 with HTML, after the call was carried out.
    BadGatewayAfter,
    /// 503 with HTML.
    Unavailable,
    /// 504 with HTML.
    GatewayTimeout,
    /// 504 with HTML, after the call was carried out.
    GatewayTimeoutAfter,
}

impl Failure {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::HtmlOk,
        Self::RequestTimeout,
        Self::InternalError,
        Self::InternalErrorAfter,
        Self::BadGateway,
        Self::BadGatewayAfter,
        Self::Unavailable,
        Self::GatewayTimeout,
        Self::GatewayTimeoutAfter,
    ];

    /// Whether the call is carried out all the same.
    #[must_use]
    pub fn is_after(self) -> bool {
        matches!(self, Self::InternalErrorAfter | Self::BadGatewayAfter | Self::GatewayTimeoutAfter)
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::HtmlOk => StatusCode::OK,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::InternalError | Self::InternalErrorAfter => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadGateway | Self::BadGatewayAfter => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::GatewayTimeout | Self::GatewayTimeoutAfter => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(crate) fn response(self) -> Response {
        match self {
            Self::InternalError | Self::InternalErrorAfter => {
                axum::response::IntoResponse::into_response(Refusal::internal())
            }
            _ => html(self.status()),
        }
    }
}

/// Which call fails how.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    rates: [f64; Failure::ALL.len()],
    next: VecDeque<(String, Failure)>,
}

impl Failures {
    pub(crate) fn set_rate(&mut self, failure: Failure, rate: f64) -> Result<(), InvalidSetting> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(InvalidSetting(Flaw::Rate { failure, rate }));
        }
        let mut rates = self.rates;
        rates[failure as usize] = rate;
        let sum: f64 = rates.iter().sum();
        // A sum of decimal fractions may miss 1 by a few bits.
        if sum > 1.0 + 1e-9 {
            return Err(InvalidSetting(Flaw::RateSum(sum)));
        }
        self.rates = rates;
        Ok(())
    }

    pub(crate) fn queue(&mut self, pattern: String, failure: Failure) {
        self.next.push_back((pattern, failure));
    }

    /// How call number `index` fails, if it does: what was queued comes before what is drawn.
    pub(crate) fn pick(&mut self, path: &str, seed: u64, index: u64) -> Option<Failure> {
        if let Some(at) = self.next.iter().position(|(pattern, _)| fits(pattern, path)) {
            return self.next.remove(at).map(|(_, failure)| failure);
        }
        let mut at = fraction(seed, index);
        Failure::ALL.into_iter().zip(self.rates).find_map(|(failure, rate)| {
            let hit = at < rate;
            at -= rate;
            hit.then_some(failure)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_kept_and_bounded() {
        let mut failures = Failures::default();
        assert_eq!(failures.pick("/", 1, 0), None);
        failures.set_rate(Failure::Unavailable, 0.25).unwrap();
        failures.set_rate(Failure::HtmlOk, 0.1).unwrap();
        let drawn: Vec<_> = (0..20_000).map(|index| failures.pick("/", 1, index)).collect();
        let share = |failure| drawn.iter().filter(|one| **one == failure).count() as f64 / 20_000.0;
        assert!((share(Some(Failure::Unavailable)) - 0.25).abs() < 0.02);
        assert!((share(Some(Failure::HtmlOk)) - 0.1).abs() < 0.02);
        assert_eq!(share(Some(Failure::BadGateway)), 0.0);

        for rate in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(failures.set_rate(Failure::BadGateway, rate).is_err());
        }
        let refused = failures.set_rate(Failure::BadGateway, 0.7).unwrap_err();
        assert!(refused.to_string().contains("at most 1"), "{refused}");
        failures.set_rate(Failure::BadGateway, 0.65).unwrap();
        assert!((0..20_000).all(|index| failures.pick("/", 1, index).is_some()));
    }

    #[test]
    fn the_place_in_the_list_is_the_place_of_the_rate() {
        for (place, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, place);
        }
    }

    #[test]
    fn what_is_queued_hits_the_first_call_that_fits() {
        let mut failures = Failures::default();
        failures.queue("/me*".into(), Failure::BadGateway);
        failures.queue("*".into(), Failure::Unavailable);
        assert_eq!(failures.pick("/auth/time", 1, 0), Some(Failure::Unavailable));
        assert_eq!(failures.pick("/auth/time", 1, 1), None);
        assert_eq!(failures.pick("/me", 1, 2), Some(Failure::BadGateway));
        assert_eq!(failures.pick("/me", 1, 3), None);
    }
}
