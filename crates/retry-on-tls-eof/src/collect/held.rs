//! What has been read of a body.

use bytes::{Buf, Bytes, BytesMut};

/// As much room as is made for a body on its word alone.
const ROOM_ON_TRUST: u64 = 64 * 1024;

/// Bytes read so far. One frame is kept as it came; more are put together, so that a body in tiny frames takes no more
/// memory than its bytes.
#[derive(Debug, Default)]
pub(super) enum Held {
    #[default]
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Held {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    /// Adds a frame; `left` is how much is announced to follow it.
    pub(super) fn push(&mut self, mut data: impl Buf, left: u64) {
        let len = data.remaining();
        if len == 0 {
            return;
        }
        match self {
            Self::Nothing => *self = Self::One(data.copy_to_bytes(len)),
            Self::One(first) => {
                let room = len + left.min(ROOM_ON_TRUST) as usize;
                let mut many = BytesMut::with_capacity(first.len() + room);
                many.extend_from_slice(first);
                many.extend_from_slice(&data.copy_to_bytes(len));
                *self = Self::Many(many);
            }
            Self::Many(many) => {
                many.reserve(len);
                while data.has_remaining() {
                    let chunk = data.chunk();
                    let taken = chunk.len();
                    many.extend_from_slice(chunk);
                    data.advance(taken);
                }
            }
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
