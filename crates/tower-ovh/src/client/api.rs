use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::BoxError;
use tower::util::BoxCloneSyncService;

/// The whole stack with its transport, whose type is nobody's business.
pub(super) type Api = BoxCloneSyncService<Request<Full<Bytes>>, Response<Bytes>, BoxError>;
