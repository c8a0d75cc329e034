//! The codes, and where they are read.

use std::fmt;

use http::HeaderMap;

/// The header, or trailer, that holds the code, in decimal digits.
const STATUS: &str = "grpc-status";

/// How a gRPC call ended: the code of its [status](https://grpc.io/docs/guides/status-codes/).
///
/// A code counts as the HTTP status does to which [google.rpc.Code] maps it: what would be a 429 or a 5xx is a failure.
///
/// | code | HTTP | counted as | streak |
/// |------|------|------------|--------|
/// | `OK` | 200 | succeeded | resets |
/// | `CANCELLED` | 499 | succeeded | neither |
/// | `INVALID_ARGUMENT`, `FAILED_PRECONDITION`, `OUT_OF_RANGE` | 400 | succeeded | neither |
/// | `UNAUTHENTICATED` | 401 | succeeded | neither |
/// | `PERMISSION_DENIED` | 403 | succeeded | neither |
/// | `NOT_FOUND` | 404 | succeeded | neither |
/// | `ALREADY_EXISTS`, `ABORTED` | 409 | succeeded | neither |
/// | `RESOURCE_EXHAUSTED` | 429 | failed | extends |
/// | `UNKNOWN`, `INTERNAL`, `DATA_LOSS` | 500 | failed | extends |
/// | `UNIMPLEMENTED` | 501 | failed | extends |
/// | `UNAVAILABLE` | 503 | failed | extends |
/// | `DEADLINE_EXCEEDED` | 504 | failed | extends |
///
/// `Display` gives the code's name as in the table.
///
/// [google.rpc.Code]: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrpcCode {
    /// 0: no error.
    Ok = 0,
    /// 1: cancelled, usually by the caller.
    Cancelled = 1,
    /// 2: an error of which no more is known. Statuses that can't be read, and codes that gRPC does not know, are this.
    Unknown = 2,
    /// 3: the arguments are wrong, whatever the state of the system.
    InvalidArgument = 3,
    /// 4: time was up before the call was done.
    DeadlineExceeded = 4,
    /// 5: what was asked for is not there.
    NotFound = 5,
    /// 6: what should be made is there already.
    AlreadyExists = 6,
    /// 7: the caller may not do this.
    PermissionDenied = 7,
    /// 8: a quota, or a resource of the server's, is used up.
    ResourceExhausted = 8,
    /// 9: the system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// 10: a conflict with other calls.
    Aborted = 10,
    /// 11: beyond the end of what there is.
    OutOfRange = 11,
    /// 12: the server does not have this method.
    Unimplemented = 12,
    /// 13: something is broken in the server.
    Internal = 13,
    /// 14: the server can't answer now.
    Unavailable = 14,
    /// 15: data is lost beyond repair.
    DataLoss = 15,
    /// 16: nobody knows who is calling.
    Unauthenticated = 16,
}

impl GrpcCode {
    /// All codes, each at the place of its number.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// Its name in gRPC's documents: `RESOURCE_EXHAUSTED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// Whether it counts as a failure: see the table.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::DeadlineExceeded
                | Self::ResourceExhausted
                | Self::Unimplemented
                | Self::Internal
                | Self::Unavailable
                | Self::DataLoss
        )
    }

    /// What the headers or trailers say; `None` where they don't.
    ///
    /// ```
    /// use error_stats::GrpcCode;
    /// use http::HeaderMap;
    ///
    /// let mut trailers = HeaderMap::new();
    /// assert_eq!(GrpcCode::of(&trailers), None);
    /// trailers.insert("grpc-status", "14".parse()?);
    /// assert_eq!(GrpcCode::of(&trailers), Some(GrpcCode::Unavailable));
    /// trailers.insert("grpc-status", "fourteen".parse()?);
    /// assert_eq!(GrpcCode::of(&trailers), Some(GrpcCode::Unknown));
    /// # Ok::<(), http::header::InvalidHeaderValue>(())
    /// ```
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let number = headers.get(STATUS)?.to_str().ok().and_then(|text| text.parse::<usize>().ok());
        Some(number.and_then(|number| Self::ALL.get(number)).copied().unwrap_or(Self::Unknown))
    }
}

impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::outcome::{is_failure, proves_health};

    /// google/rpc/code.proto, "HTTP Mapping", by number.
    const HTTP: [u16; 17] =
        [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

    #[test]
    fn each_code_counts_as_the_http_status_that_it_maps_to() {
        for (number, (code, http)) in GrpcCode::ALL.into_iter().zip(HTTP).enumerate() {
            assert_eq!(code as usize, number);
            let http = StatusCode::from_u16(http).unwrap();
            assert_eq!(code.is_failure(), is_failure(http), "{code}");
            assert_eq!(code == GrpcCode::Ok, proves_health(http), "{code}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        for (text, code) in [
            ("0", GrpcCode::Ok),
            ("16", GrpcCode::Unauthenticated),
            ("17", GrpcCode::Unknown),
            ("-1", GrpcCode::Unknown),
            ("", GrpcCode::Unknown),
            ("OK", GrpcCode::Unknown),
            ("99999999999999999999999", GrpcCode::Unknown),
        ] {
            let headers = HeaderMap::from_iter([(STATUS.parse().unwrap(), text.parse().unwrap())]);
            assert_eq!(GrpcCode::of(&headers), Some(code), "{text:?}");
        }
    }
}
