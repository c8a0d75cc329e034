//! A peer of HTTP/2 that writes its frames by hand.
#![allow(dead_code, reason = "no test uses all of it")]

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub(crate) const PREFACE: usize = 24;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
pub(crate) const INADEQUATE_SECURITY: u32 = 12;
pub(crate) const HTTP_1_1_REQUIRED: u32 = 13;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub(crate) fn settings() -> Vec<u8> {
    [frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat()
}

pub(crate) fn reset(stream: u32, reason: u32) -> Vec<u8> {
    frame(3, 0, stream, &reason.to_be_bytes())
}

pub(crate) fn go_away(last: u32, reason: u32) -> Vec<u8> {
    frame(7, 0, 0, &[&last.to_be_bytes()[..], &reason.to_be_bytes()[..], b"why"].concat())
}

/// A response's head: `:status 200`, from the static table.
pub(crate) fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, 4, stream, &[0x88])
}

/// Reads to the first request's head, and answers with these frames. Then closes, or stays.
pub(crate) async fn peer(mut stream: DuplexStream, frames: Vec<u8>, close: bool) {
    let _ = stream.write_all(&settings()).await;
    let _ = stream.read_exact(&mut [0; PREFACE]).await;
    loop {
        let mut header = [0; 9];
        if stream.read_exact(&mut header).await.is_err() {
            return;
        }
        let len = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let _ = stream.read_exact(&mut vec![0; len]).await;
        if header[3] == HEADERS {
            break;
        }
    }
    let _ = stream.write_all(&frames).await;
    if close {
        // As a FIN does: what was written is still read.
        let _ = stream.shutdown().await;
    }
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
