//! Reading when a server's limit starts afresh, in each form that the draft has had.

use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use jittered_backoff::rate_limit_reset;
use proptest::prelude::*;

fn secs(fields: &[(&'static str, &str)]) -> Option<u64> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    rate_limit_reset(&headers).map(|wait| wait.as_secs())
}

#[test]
fn separate_fields() {
    assert_eq!(secs(&[("ratelimit-reset", "30")]), Some(30), "what is left is not said");
    assert_eq!(secs(&[("ratelimit-reset", "30"), ("ratelimit-remaining", "0")]), Some(30));
    assert_eq!(secs(&[("ratelimit-reset", "30"), ("ratelimit-remaining", "7")]), None, "it is not the limit");
    assert_eq!(secs(&[("ratelimit-reset", "30;comment=\"soon\"")]), Some(30));
    assert_eq!(secs(&[("ratelimit-reset", "99999999999999999999999")]), Some(u64::MAX));
    assert_eq!(secs(&[("ratelimit-remaining", "0")]), None);
    for no_number in ["", "-1", "1.5", "soon", "٣", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        assert_eq!(secs(&[("ratelimit-reset", no_number)]), None, "{no_number:?}");
    }
}

#[test]
fn a_list_of_limits() {
    let one = |value| secs(&[("ratelimit", value)]);
    assert_eq!(one("\"default\";r=0;t=30"), Some(30));
    assert_eq!(one("\"default\";t=30;r=0"), Some(30));
    assert_eq!(one("\"default\"; r=0 ; t=30"), Some(30));
    assert_eq!(one("\"default\";t=30"), Some(30));
    assert_eq!(one("default;r=0;t=30"), Some(30), "a token in place of a string");
    assert_eq!(one("\"default\";r=50;t=30"), None);
    assert_eq!(one("\"default\";r=0"), None);
    assert_eq!(
        one("\"m\";r=0;t=30, \"h\";r=0;t=900, \"d\";r=5;t=50000"),
        Some(900),
        "the last that is used up"
    );
    assert_eq!(one("\"a;t=99,b\\\";t=98\";r=0;t=7"), Some(7), "what is quoted is a name");
    assert_eq!(one("\"unclosed;r=0;t=7"), None);
    assert_eq!(secs(&[("ratelimit", "\"m\";r=0;t=30"), ("ratelimit", "\"h\";r=0;t=60")]), Some(60));
}

#[test]
fn a_dictionary() {
    let one = |value| secs(&[("ratelimit", value)]);
    assert_eq!(one("limit=60, remaining=0, reset=30"), Some(30));
    assert_eq!(one("reset=30,remaining=0"), Some(30));
    assert_eq!(one("limit=60, reset=30"), Some(30));
    assert_eq!(one("limit=60, remaining=1, reset=30"), None);
    assert_eq!(one("limit=60"), None);
}

#[test]
fn the_newer_field_comes_first() {
    assert_eq!(secs(&[("ratelimit", "\"m\";r=0;t=30"), ("ratelimit-reset", "60")]), Some(30));
    assert_eq!(secs(&[]), None);
    let mut bytes = HeaderMap::new();
    bytes.insert("ratelimit", HeaderValue::from_bytes(b"\xff;t=3").unwrap());
    bytes.insert("ratelimit-reset", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(rate_limit_reset(&bytes), None);
}

proptest! {
    #[test]
    fn never_panics(value in "[ -~]{0,60}") {
        secs(&[("ratelimit", &value), ("ratelimit-reset", &value), ("ratelimit-remaining", &value)]);
    }

    #[test]
    fn reads_what_is_written(left in 0_u64..3, seconds in any::<u64>()) {
        let expected = (left == 0).then(|| Duration::from_secs(seconds).as_secs());
        let list = format!("\"a\";r={left};t={seconds}");
        prop_assert_eq!(secs(&[("ratelimit", &list)]), expected);
        let dictionary = format!("limit=9, remaining={left}, reset={seconds}");
        prop_assert_eq!(secs(&[("ratelimit", &dictionary)]), expected);
    }
}
