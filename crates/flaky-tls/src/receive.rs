//! Reads the body of a request.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

/// What became of a request's body.
pub(crate) enum Received {
    /// It was read to its end.
    Whole(Bytes),
    /// It is longer than the limit.
    TooLarge,
    /// As much as was wanted was read, and it goes on.
    Part,
}

/// Reads a body whole; or, where a part is wanted, until that many bytes have been read and more are to come.
pub(crate) async fn receive<B>(body: B, limit: usize, part: Option<u64>) -> Result<Received, B::Error>
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    let mut read = 0u64;
    loop {
        if part.is_some_and(|part| read >= part) && !body.is_end_stream() {
            return Ok(Received::Part);
        }
        let Some(frame) = body.frame().await.transpose()? else {
            let fits = read <= limit as u64;
            return Ok(if fits { Received::Whole(whole.freeze()) } else { Received::TooLarge });
        };
        let Ok(data) = frame.into_data() else { continue };
        read += data.len() as u64;
        if read <= limit as u64 {
            whole.extend_from_slice(&data);
        } else if part.is_none() {
            return Ok(Received::TooLarge);
        }
    }
}
