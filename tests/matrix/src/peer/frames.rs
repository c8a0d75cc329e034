//! Frames of HTTP/2 (RFC 9113, section 4), written by hand.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Of HEADERS and DATA.
pub(super) const END_STREAM: u8 = 1;
/// Of SETTINGS.
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;

pub(super) const NO_ERROR: u32 = 0;
pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const INTERNAL_ERROR: u32 = 2;
pub(super) const SETTINGS_TIMEOUT: u32 = 4;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).expect("a frame's length").to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(super) fn settings(setting: Option<(u16, u32)>) -> Vec<u8> {
    let payload = setting.map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(SETTINGS, 0, 0, &payload.unwrap_or_default())
}

/// Settings, and windows in which a large request has room.
pub(super) fn room() -> Vec<u8> {
    const ROOM: u32 = 1 << 24;
    let connection = frame(WINDOW_UPDATE, 0, 0, &ROOM.to_be_bytes());
    [settings(Some((INITIAL_WINDOW_SIZE, ROOM))), connection].concat()
}

pub(super) fn reset(stream: u32, reason: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &reason.to_be_bytes())
}

pub(super) fn go_away(last: u32, reason: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat())
}

/// `:status 200`, of the static table of HPACK.
pub(super) fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[0x88])
}

/// A head of this status alone: a literal whose name is the static table's eighth.
pub(super) fn head_of(stream: u32, status: &[u8; 3]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[&[8, 3], &status[..]].concat())
}

/// A whole answer.
pub(super) fn answer(stream: u32, body: &[u8]) -> Vec<u8> {
    [head(stream), frame(DATA, END_STREAM, stream, body)].concat()
}
