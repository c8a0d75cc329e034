//! Follows the frames of HTTP/2 in a stream of bytes (RFC 9113, section 4.1).

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

/// Follows the frames in a stream of bytes, however it is divided.
#[derive(Debug)]
pub(crate) struct Scanner {
    head: [u8; 9],
    have: usize,
    /// Bytes to pass over until the next frame.
    left: usize,
    frame: Option<Frame>,
}

/// What a scanner has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The head of a frame.
    Begun(Frame),
    /// The last byte of a frame.
    Ended(Frame),
}

impl Scanner {
    /// Of bytes that begin with so many that belong to no frame.
    pub(crate) fn after(bytes: usize) -> Self {
        Self { head: [0; 9], have: 0, left: bytes, frame: None }
    }

    /// Whether the bytes so far end with a whole frame.
    pub(crate) fn is_whole(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    pub(crate) fn scan(&mut self, mut bytes: &[u8], mut saw: impl FnMut(Seen)) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(bytes.len());
                self.left -= passed;
                bytes = &bytes[passed..];
            } else {
                let part = (self.head.len() - self.have).min(bytes.len());
                self.head[self.have..self.have + part].copy_from_slice(&bytes[..part]);
                self.have += part;
                bytes = &bytes[part..];
                if self.have < self.head.len() {
                    return;
                }
                self.have = 0;
                let [high, middle, low, kind, flags, stream @ ..] = self.head;
                self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
                // The highest bit is reserved.
                let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
                self.frame = Some(Frame { kind, flags, stream });
                saw(Seen::Begun(Frame { kind, flags, stream }));
            }
            if self.left == 0 {
                if let Some(frame) = self.frame.take() {
                    saw(Seen::Ended(frame));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{Frame, Scanner, Seen};
    use crate::http2::frame::put;

    #[test]
    fn frames_are_followed_byte_by_byte_and_at_once() {
        let mut bytes = BytesMut::from(&b"xx"[..]);
        put(&mut bytes, 4, 0, 0, &[]);
        put(&mut bytes, 1, 5, 3, b"abc");
        let (settings, headers) =
            (Frame { kind: 4, flags: 0, stream: 0 }, Frame { kind: 1, flags: 5, stream: 3 });
        let expected =
            [Seen::Begun(settings), Seen::Ended(settings), Seen::Begun(headers), Seen::Ended(headers)];
        for size in [1, 2, 7, bytes.len()] {
            let mut scanner = Scanner::after(2);
            let mut seen = Vec::new();
            for part in bytes.chunks(size) {
                scanner.scan(part, |frame| seen.push(frame));
            }
            assert_eq!(seen, expected, "{size}");
            assert!(scanner.is_whole());
        }
        let mut scanner = Scanner::after(0);
        scanner.scan(&bytes[2..bytes.len() - 1], |_| {});
        assert!(!scanner.is_whole());
    }
}
