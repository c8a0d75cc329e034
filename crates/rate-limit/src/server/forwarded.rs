//! The fields in which proxies tell whom they forward.

use std::net::{IpAddr, SocketAddr};
use std::str;

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
        // Split as bytes: what the client wrote need not be text, and must not hide what our proxies append to it.
        let quotes = matches!(field, Field::Forwarded);
        rsplit(value.as_bytes(), b',', quotes).map(move |hop| match field {
            Field::Forwarded => node(hop),
            Field::XForwardedFor => address(hop),
        })
    })
}

/// The address in one element of `Forwarded`. The other parameters need not be text either: a proxy may put the client's
/// `Host` there.
fn node(element: &[u8]) -> Option<IpAddr> {
    rsplit(element, b';', true).find_map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (name, node) = (parts.next()?, parts.next()?.trim_ascii());
        if !name.trim_ascii().eq_ignore_ascii_case(b"for") {
            return None;
        }
        let quoted = node.strip_prefix(b"\"").and_then(|node| node.strip_suffix(b"\""));
        address(quoted.unwrap_or(node))
    })
}

/// An address, with or without a port; one of IPv6 in brackets or not.
fn address(node: &[u8]) -> Option<IpAddr> {
    let node = str::from_utf8(node.trim_ascii()).ok()?;
    let bracketed = || node.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(node.parse::<SocketAddr>().ok()?.ip());
    node.parse().ok().or_else(with_port).or_else(bracketed)
}

/// Splits where the separator is not within quotes, if these matter, as seen from the end: a quote that the client has
/// left open must not swallow what our proxies append to it. Nor must one that they escaped.
fn rsplit(bytes: &[u8], separator: u8, quotes: bool) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    // Whether the quote just seen is escaped: by an odd number of backslashes, which come before it, and so now.
    let mut escaped: Option<bool> = None;
    bytes.rsplit(move |byte| {
        if let (Some(escaped), b'\\') = (&mut escaped, byte) {
            *escaped = !*escaped;
            return false;
        }
        if let Some(escaped) = escaped.take() {
            // One that ends a string can't be.
            quoted = !quoted || escaped;
        }
        if quotes && *byte == b'"' {
            escaped = Some(false);
        }
        *byte == separator && !quoted
    })
}
