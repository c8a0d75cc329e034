//! Reads the head of a CONNECT request.

use std::io;

use bytes::BytesMut;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest head that is read, in bytes.
const MOST: usize = 16 * 1024;

/// A request to the proxy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    /// The authority that was asked for.
    pub(crate) target: String,
    /// The `Proxy-Authorization`, if there is one.
    pub(crate) authorization: Option<String>,
    /// What came after the head.
    pub(crate) rest: BytesMut,
}

/// Reads until the head is complete; a request that is no CONNECT gets the status to be answered. `None` if the client
/// left before.
pub(crate) async fn read<R: AsyncRead + Unpin>(
    io: &mut R,
) -> io::Result<Option<Result<Connect, StatusCode>>> {
    let mut bytes = BytesMut::new();
    let end = loop {
        // From three bytes before the last read on would do; heads are short.
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > MOST {
            return Ok(Some(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)));
        }
        if io.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = bytes.split_to(end + 4);
    Ok(Some(parse(&head[..end]).map(|(target, authorization)| Connect {
        target,
        authorization,
        rest: bytes,
    })))
}

fn parse(head: &[u8]) -> Result<(String, Option<String>), StatusCode> {
    let head = std::str::from_utf8(head).map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(target), Some(version)) = (method, target, version) else {
        return Err(StatusCode::BAD_REQUEST);
    };
    if !version.starts_with("HTTP/1.") {
        return Err(StatusCode::BAD_REQUEST);
    }
    if method != "CONNECT" {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let authorization = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))
        .map(|(_, value)| value.trim().to_owned());
    Ok((target.to_owned(), authorization))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{Connect, read};

    #[tokio::test]
    async fn heads_are_read_to_their_end_and_no_further() {
        let mut bytes =
            &b"CONNECT a:443 HTTP/1.1\r\nHost: x\r\nPROXY-authorization:  Basic eA== \r\n\r\nhello"[..];
        let expected = Connect {
            target: "a:443".into(),
            authorization: Some("Basic eA==".into()),
            rest: b"hello"[..].into(),
        };
        assert_eq!(read(&mut bytes).await.unwrap(), Some(Ok(expected)));
        for (request, status) in [
            ("GET / HTTP/1.1\r\n\r\n", StatusCode::METHOD_NOT_ALLOWED),
            ("CONNECT a:443 HTTP/2\r\n\r\n", StatusCode::BAD_REQUEST),
            ("CONNECT\r\n\r\n", StatusCode::BAD_REQUEST),
            (&"x".repeat(20_000), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        ] {
            assert_eq!(read(&mut request.as_bytes()).await.unwrap(), Some(Err(status)), "{request:.30}");
        }
        assert_eq!(read(&mut &b"CONNECT a:443 HTTP/1.1\r\n"[..]).await.unwrap(), None);
    }
}
