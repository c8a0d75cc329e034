//! Frames of HTTP/2 (RFC 9113, sections 4 and 6), written by hand where h2 would not write them.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{header, response};

use crate::desk;
use crate::http2_error::Http2Error;

/// What a client sends first (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The longest payload that every peer takes (RFC 9113, section 4.2).
const MOST: usize = 16_384;

/// SETTINGS with the defaults.
pub(crate) fn settings() -> Bytes {
    let mut bytes = BytesMut::new();
    put(&mut bytes, SETTINGS, 0, 0, &[]);
    bytes.freeze()
}

/// GOAWAY with this last stream.
pub(crate) fn goaway(last: u32, reason: Http2Error) -> Bytes {
    let mut payload = last.to_be_bytes().to_vec();
    payload.extend(reason.code().to_be_bytes());
    let mut bytes = BytesMut::new();
    put(&mut bytes, GOAWAY, 0, 0, &payload);
    bytes.freeze()
}

/// The first half of a response head: END_HEADERS is missing.
pub(crate) fn half_head(stream: u32, parts: &response::Parts, length: Option<u64>) -> Bytes {
    let block = block(parts, length);
    let mut bytes = BytesMut::new();
    put_head(&mut bytes, stream, &block[..block.len() / 2], 0);
    bytes.freeze()
}

/// A response head and a part of its body: END_STREAM is missing.
pub(crate) fn half_answer(stream: u32, parts: &response::Parts, length: Option<u64>, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    put_head(&mut bytes, stream, &block(parts, length), END_HEADERS);
    put(&mut bytes, DATA, 0, stream, body);
    bytes.freeze()
}

/// A whole answer, given before the request was read, and the wish that the client stop sending (RFC 9113, section
/// 8.1).
pub(crate) fn early(stream: u32, status: http::StatusCode) -> Bytes {
    let (parts, body) = desk::early(status);
    let mut bytes = BytesMut::new();
    put_head(&mut bytes, stream, &block(&parts, Some(body.len() as u64)), END_HEADERS);
    put(&mut bytes, DATA, END_STREAM, stream, &body);
    put(&mut bytes, RST_STREAM, 0, stream, &Http2Error::NoError.code().to_be_bytes());
    bytes.freeze()
}

/// Appends one frame.
pub(crate) fn put(bytes: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.put_uint(payload.len() as u64, 3);
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_u32(stream);
    bytes.put_slice(payload);
}

fn put_head(bytes: &mut BytesMut, stream: u32, block: &[u8], last_flags: u8) {
    let last = block.chunks(MOST).count().saturating_sub(1);
    for (place, part) in block.chunks(MOST).enumerate() {
        let kind = if place == 0 { HEADERS } else { CONTINUATION };
        put(bytes, kind, if place == last { last_flags } else { 0 }, stream, part);
    }
}

/// The head as literals that enter no table (RFC 7541, section 6.2.2), so that h2's own table stays as it is.
fn block(parts: &response::Parts, length: Option<u64>) -> Bytes {
    let mut block = BytesMut::new();
    block.put_u8(8); // The name `:status` stands at index 8 of the static table.
    put_string(&mut block, parts.status.as_str().as_bytes());
    let mut line = |name: &[u8], value: &[u8]| {
        block.put_u8(0);
        put_string(&mut block, name);
        put_string(&mut block, value);
    };
    for (name, value) in &parts.headers {
        line(name.as_str().as_bytes(), value.as_bytes());
    }
    if let Some(length) = length.filter(|_| !parts.headers.contains_key(header::CONTENT_LENGTH)) {
        line(header::CONTENT_LENGTH.as_str().as_bytes(), length.to_string().as_bytes());
    }
    block.freeze()
}

/// A string without Huffman coding (RFC 7541, sections 5.1 and 5.2).
fn put_string(block: &mut BytesMut, text: &[u8]) {
    const PREFIX: usize = 127;
    if text.len() < PREFIX {
        block.put_u8(text.len() as u8);
    } else {
        block.put_u8(PREFIX as u8);
        let mut rest = text.len() - PREFIX;
        while rest >= 128 {
            block.put_u8((rest % 128) as u8 | 128);
            rest /= 128;
        }
        block.put_u8(rest as u8);
    }
    block.put_slice(text);
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::put_string;

    #[test]
    fn long_strings_are_prefixed_as_in_the_rfc() {
        for (length, prefix) in
            [(0, &[0][..]), (126, &[126]), (127, &[127, 0]), (255, &[127, 128, 1]), (1337, &[127, 186, 9])]
        {
            let mut block = BytesMut::new();
            put_string(&mut block, &vec![b'x'; length]);
            assert_eq!(&block[..block.len() - length], prefix, "{length}");
        }
    }
}
