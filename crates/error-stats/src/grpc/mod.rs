//! gRPC over HTTP/2: a call ends by the status in its trailers, not by its head.

mod body;
mod code;
mod counts;
mod future;
mod layer;
mod service;

pub use self::body::GrpcBody;
pub use self::code::GrpcCode;
pub(crate) use self::counts::Codes;
pub use self::future::GrpcResponseFuture;
pub use self::layer::GrpcRecordLayer;
pub use self::service::GrpcRecord;
