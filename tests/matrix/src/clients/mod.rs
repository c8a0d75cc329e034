//! The clients that need Rust and nothing else. Those over OpenSSL and native-tls are in `tests/native`.

pub mod hyper_util;
pub mod ovh;
pub mod raw;
pub mod reqwest;

use crate::client::Client;

/// Each by its name: over HTTP/1.1 unless it says otherwise.
pub const ALL: &[Client] = &[
    hyper_util::PLAIN,
    hyper_util::POOL,
    hyper_util::HTTP2,
    hyper_util::WITNESS,
    hyper_util::WITNESS_HTTP2,
    ovh::OVH,
    ovh::OVH_HTTP2,
    raw::RAW,
    raw::RAW_HTTP2,
    raw::RAW_HTTP2_SELECTED,
    reqwest::REQWEST12,
    reqwest::REQWEST12_HTTP2,
    reqwest::REQWEST13,
    reqwest::REQWEST13_HTTP2,
];
