//! Reads requests, and knows when one is complete.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::frames::{ACK, DATA, END_STREAM, HEADERS, SETTINGS, frame};

/// The client's first words (RFC 9113, section 3.4).
const PREFACE: usize = 24;

#[derive(Default)]
pub(super) struct Requests {
    http2: bool,
    greeted: bool,
    read: Vec<u8>,
    /// The stream whose body was last seen to come.
    uploads: Option<u32>,
}

impl Requests {
    pub(super) fn new(http2: bool) -> Self {
        Self { http2, ..Self::default() }
    }

    /// Waits for the last byte of the next request. Answers its stream (0 in HTTP/1.1), or nothing if the client has left.
    pub(super) async fn next(&mut self, tls: &mut TlsStream<TcpStream>) -> io::Result<Option<u32>> {
        loop {
            let complete = if self.http2 { self.frames(tls).await? } else { self.message() };
            if complete.is_some() {
                return Ok(complete);
            }
            if tls.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Waits until a part of the next request's body has come, or all of it. Answers its stream, and whether it is complete.
    pub(super) async fn begun(&mut self, tls: &mut TlsStream<TcpStream>) -> io::Result<Option<(u32, bool)>> {
        loop {
            let complete = if self.http2 { self.frames(tls).await? } else { self.message() };
            if let Some(stream) = complete {
                return Ok(Some((stream, true)));
            }
            let uploads = match self.http2 {
                true => self.uploads.take(),
                false => self.head().filter(|(end, _)| self.read.len() > *end).map(|_| 0),
            };
            if let Some(stream) = uploads {
                return Ok(Some((stream, false)));
            }
            if tls.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Where the head of a message of HTTP/1.1 ends, and how long its body is. All that come here say so, or have none.
    fn head(&self) -> Option<(usize, usize)> {
        let end = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.read[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        Some((end, length.map_or(0, |length| length.trim().parse().expect("a length"))))
    }

    /// A whole message of HTTP/1.1.
    fn message(&mut self) -> Option<u32> {
        let (end, length) = self.head()?;
        if self.read.len() < end + length {
            return None;
        }
        self.read.drain(..end + length);
        Some(0)
    }

    async fn frames(&mut self, tls: &mut TlsStream<TcpStream>) -> io::Result<Option<u32>> {
        if !self.greeted && self.read.len() >= PREFACE {
            self.read.drain(..PREFACE);
            self.greeted = true;
        }
        while let (true, Some(&[high, middle, low, kind, flags, a, b, c, d])) =
            (self.greeted, self.read.first_chunk())
        {
            let length = 9 + u32::from_be_bytes([0, high, middle, low]) as usize;
            if self.read.len() < length {
                break;
            }
            self.read.drain(..length);
            if kind == SETTINGS && flags & ACK == 0 {
                tls.write_all(&frame(SETTINGS, ACK, 0, &[])).await?;
                tls.flush().await?;
            }
            let stream = u32::from_be_bytes([a, b, c, d]);
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                return Ok(Some(stream));
            }
            if kind == DATA {
                self.uploads = Some(stream);
            }
        }
        Ok(None)
    }
}
