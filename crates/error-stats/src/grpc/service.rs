//! The service.

use std::marker::PhantomData;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use tower_service::Service;
use wire_fault::AsFault;

use crate::grpc::{GrpcBody, GrpcResponseFuture};
use crate::service::Record;

/// Counts gRPC calls by their status: made by a [`GrpcRecordLayer`](crate::GrpcRecordLayer).
///
/// Only calls whose `content-type` is that of [gRPC over HTTP/2][protocol] (`application/grpc`, alone or with `+proto` and
/// the like) are counted in this way; all others as by [`Record`]. gRPC-Web is among the others: it has no trailers.
///
/// | what came | the call ends | counted |
/// |-----------|---------------|---------|
/// | an error | with it | as by `Record` |
/// | a head with `grpc-status` ("Trailers-Only") | with it | by that [code](crate::GrpcCode) |
/// | a head that is not 200, without | with it | by its HTTP status: an intermediary's words |
/// | trailers with `grpc-status` | with them | by that code |
/// | the end of a body without one | with it | as `UNKNOWN`, [as gRPC has it][mapping] |
/// | an error of the body | with it | failed, by the fault read off the error |
/// | nothing: the body is dropped before its end | then | cancelled |
///
/// So a call is in flight until its body has been read, and its latency is that of the whole stream. A body that is
/// collected by a layer below comes with its trailers, and ends when somebody reads it.
///
/// Data, trailers, errors and readiness are the inner service's own.
///
/// # Cancellation, Clone
///
/// As with [`Record`].
///
/// [protocol]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
/// [mapping]: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
#[derive(Clone, Debug)]
pub struct GrpcRecord<S, M, N> {
    heads: Record<S, M>,
    marker: PhantomData<fn() -> N>,
}

impl<S, M, N> GrpcRecord<S, M, N> {
    pub(super) fn new(heads: Record<S, M>) -> Self {
        Self { heads, marker: PhantomData }
    }
}

impl<S, M, N, ReqBody, ResBody> Service<Request<ReqBody>> for GrpcRecord<S, M, N>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: AsFault<M>,
    ResBody: Body,
    ResBody::Error: AsFault<N>,
{
    type Response = Response<GrpcBody<ResBody, N>>;
    type Error = S::Error;
    type Future = GrpcResponseFuture<S::Future, M, N>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.heads.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let is_grpc = request.headers().get(header::CONTENT_TYPE).is_some_and(is_grpc);
        self.heads.start(request, |inner, pending| GrpcResponseFuture::new(inner, pending, is_grpc))
    }
}

/// `application/grpc`, or with what may follow it. Types are compared without regard to case (RFC 9110, section 8.3.1).
fn is_grpc(content_type: &HeaderValue) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let text = content_type.as_bytes();
    text.get(..GRPC.len()).is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
        && matches!(text.get(GRPC.len()), None | Some(b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_grpc() {
        let is = |text| is_grpc(&HeaderValue::from_static(text));
        assert!(
            ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"].map(is)
                == [true; 3]
        );
        assert!(is("Application/gRPC+json"));
        assert!(
            ![
                "application/grpc-web",
                "application/grpc-web+proto",
                "application/grpcx",
                "application/grp",
                ""
            ]
            .into_iter()
            .any(is)
        );
    }
}
