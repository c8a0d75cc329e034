//! Reading what a server asked for.

use std::time::Duration;

use http::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use jittered_backoff::retry_after;
use proptest::prelude::*;

fn headers(asked: &[u8], date: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_bytes(asked).unwrap());
    if let Some(date) = date {
        headers.insert(DATE, date.parse().unwrap());
    }
    headers
}

fn secs(asked: &str, date: Option<&str>) -> Option<u64> {
    retry_after(&headers(asked.as_bytes(), date)).map(|wait| wait.as_secs())
}

const DATE_OF_RESPONSE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn seconds() {
    assert_eq!(secs("0", None), Some(0));
    assert_eq!(secs("120", None), Some(120));
    assert_eq!(secs("  007  ", None), Some(7));
    assert_eq!(secs("18446744073709551615", None), Some(u64::MAX));
    assert_eq!(secs("99999999999999999999999999", None), Some(u64::MAX), "beyond u64");
}

#[test]
fn neither_seconds_nor_date() {
    let date = Some(DATE_OF_RESPONSE);
    for asked in ["", "  ", "-1", "+1", "1.5", "1e3", "12 s", "1, 2", "soon", "Sun, 06 Nov 1994", "٣"] {
        assert_eq!(secs(asked, date), None, "{asked:?}");
    }
    assert_eq!(retry_after(&headers(b"\xff", date)), None);
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

/// All three forms RFC 9110, 5.6.7 asks recipients to accept.
#[test]
fn dates_are_measured_against_the_responses_own_date() {
    for asked in
        ["Sun, 06 Nov 1994 08:51:07 GMT", "Sunday, 06-Nov-94 08:51:07 GMT", "Sun Nov  6 08:51:07 1994"]
    {
        assert_eq!(secs(asked, Some(DATE_OF_RESPONSE)), Some(90), "{asked}");
    }
    assert_eq!(secs(DATE_OF_RESPONSE, Some(DATE_OF_RESPONSE)), Some(0));
    assert_eq!(secs("Sun, 06 Nov 1994 08:49:36 GMT", Some(DATE_OF_RESPONSE)), Some(0), "in the past");
    assert_eq!(secs("Mon, 06 Nov 1995 08:49:37 GMT", Some(DATE_OF_RESPONSE)), Some(365 * 86_400));
}

#[test]
fn a_date_without_a_date_to_measure_it_against() {
    assert_eq!(secs(DATE_OF_RESPONSE, None), None);
    assert_eq!(secs(DATE_OF_RESPONSE, Some("yesterday")), None);
}

#[test]
fn the_first_of_several_counts() {
    let mut headers = headers(b"5", None);
    headers.append(RETRY_AFTER, HeaderValue::from_static("9"));
    assert_eq!(retry_after(&headers), Some(Duration::from_secs(5)));
}

proptest! {
    #[test]
    fn no_header_panics(asked in "[ -~]{0,40}", date in "[ -~]{0,40}") {
        let _ = retry_after(&headers(asked.as_bytes(), Some(&date)));
    }
}
