//! The error codes of HTTP/2.

use std::fmt;

/// An error code of HTTP/2 (RFC 9113, section 7).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Http2Error {
    /// NO_ERROR.
    NoError = 0,
    /// PROTOCOL_ERROR.
    ProtocolError = 1,
    /// INTERNAL_ERROR.
    InternalError = 2,
    /// FLOW_CONTROL_ERROR.
    FlowControlError = 3,
    /// SETTINGS_TIMEOUT.
    SettingsTimeout = 4,
    /// STREAM_CLOSED.
    StreamClosed = 5,
    /// FRAME_SIZE_ERROR.
    FrameSizeError = 6,
    /// REFUSED_STREAM: the stream was not processed.
    RefusedStream = 7,
    /// CANCEL.
    Cancel = 8,
    /// COMPRESSION_ERROR.
    CompressionError = 9,
    /// CONNECT_ERROR.
    ConnectError = 10,
    /// ENHANCE_YOUR_CALM.
    EnhanceYourCalm = 11,
    /// INADEQUATE_SECURITY.
    InadequateSecurity = 12,
    /// HTTP_1_1_REQUIRED.
    Http11Required = 13,
}

impl Http2Error {
    /// All codes, in order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::NoError,
        Self::ProtocolError,
        Self::InternalError,
        Self::FlowControlError,
        Self::SettingsTimeout,
        Self::StreamClosed,
        Self::FrameSizeError,
        Self::RefusedStream,
        Self::Cancel,
        Self::CompressionError,
        Self::ConnectError,
        Self::EnhanceYourCalm,
        Self::InadequateSecurity,
        Self::Http11Required,
    ];

    /// The number on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }
}

/// The name of RFC 9113 in lower case, with hyphens.
impl fmt::Display for Http2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoError => "no-error",
            Self::ProtocolError => "protocol-error",
            Self::InternalError => "internal-error",
            Self::FlowControlError => "flow-control-error",
            Self::SettingsTimeout => "settings-timeout",
            Self::StreamClosed => "stream-closed",
            Self::FrameSizeError => "frame-size-error",
            Self::RefusedStream => "refused-stream",
            Self::Cancel => "cancel",
            Self::CompressionError => "compression-error",
            Self::ConnectError => "connect-error",
            Self::EnhanceYourCalm => "enhance-your-calm",
            Self::InadequateSecurity => "inadequate-security",
            Self::Http11Required => "http-1-1-required",
        })
    }
}
