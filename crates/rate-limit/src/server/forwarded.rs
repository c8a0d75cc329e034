//! The fields in which proxies tell whom they forward.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;

#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Forwarded,
    XForwardedFor,
}

/// The addresses of a field, the last first; none for a hop that can't be read or is hidden.
pub(super) fn from_the_end(field: Field, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let values = match field {
        Field::Forwarded => headers.get_all(FORWARDED),
        Field::XForwardedFor => headers.get_all("x-forwarded-for"),
    };
    values.iter().rev().flat_map(move |value| {
        // A line that is not text is one hop that can't be read.
        let hops: Vec<_> = match (value.to_str(), field) {
            (Ok(text), Field::XForwardedFor) => text.rsplit(',').map(|hop| address(hop.trim())).collect(),
            (Ok(text), Field::Forwarded) => rsplit(text, ',').map(node).collect(),
            (Err(_), _) => vec![None],
        };
        hops
    })
}

/// The address in one element of `Forwarded`.
fn node(element: &str) -> Option<IpAddr> {
    rsplit(element, ';').find_map(|pair| {
        let (name, node) = pair.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("for") {
            return None;
        }
        let node = node.trim();
        let quoted = node.strip_prefix('"').and_then(|node| node.strip_suffix('"'));
        address(quoted.unwrap_or(node))
    })
}

/// An address, with or without a port; one of IPv6 in brackets or not.
fn address(node: &str) -> Option<IpAddr> {
    let bracketed = || node.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(node.parse::<SocketAddr>().ok()?.ip());
    node.parse().ok().or_else(with_port).or_else(bracketed)
}

/// Splits where the separator is not within quotes, as seen from the end: a quote that the client has left open must not
/// swallow what our proxies append to it.
fn rsplit(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.rsplit(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}
