//! What can go wrong between the gateway and a service.

use std::error::Error as StdError;

use crate::{error::Refusal, tls_fault::TlsFault};

/// Why a service gave no answer.
///
/// Carries no bytes of the request or the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The request's own body failed while it was being sent.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The connection was closed after the request was sent and before the answer was complete.
    #[error("closed the connection before the answer")]
    Closed,
    /// No connection within the connect time-out.
    #[error("no connection within the time-out")]
    ConnectTimeout,
    /// No first byte of the answer in time.
    #[error("no answer within the time-out")]
    FirstByteTimeout,
    /// The answer is not HTTP, or its header section is too long.
    #[error("answered with something that is not HTTP")]
    Malformed,
    /// The name does not resolve, the connection is refused, or TLS fails.
    #[error("cannot be reached: {0}")]
    Unreachable(Unreachable),
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The TCP connection failed.
    #[error("{0}")]
    Connect(std::io::ErrorKind),
    /// The name does not resolve.
    #[error("the name does not resolve")]
    Name,
    /// The target has no origin.
    #[error("no upstream")]
    NoOrigin,
    /// The HTTP/2 connection was closed or refused the stream before the request was sent.
    #[error("the connection takes no requests")]
    Protocol,
    /// The TLS handshake failed, or the certificate is not trusted.
    #[error("{0}")]
    Tls(TlsFault),
}

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The sender went away.
    #[error("the sender of the body went away")]
    Gone,
    /// The chunks or frames are malformed.
    #[error("the body is malformed: {}", .0.code())]
    Malformed(Refusal),
    /// The stream has reached its last moment.
    #[error("the stream has reached its time limit")]
    Over,
    /// Nothing arrived in time.
    #[error("the body did not arrive in time")]
    Timeout,
    /// Longer than the limit.
    #[error("the body is longer than the limit")]
    TooLarge,
}

impl BodyError {
    pub(super) fn from_hyper(error: &hyper::Error) -> Self {
        let gone =
            error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_reset(error);
        if gone { Self::Gone } else { Self::Malformed(Refusal::Framing) }
    }
}

impl UpstreamError {
    pub(super) fn from_hyper(error: &hyper::Error) -> Self {
        if error.is_parse() { Self::Malformed } else { Self::Closed }
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Body(error) => error.into(),
            UpstreamError::Closed => Self::UpstreamClosed,
            UpstreamError::ConnectTimeout | UpstreamError::Unreachable(_) => Self::UpstreamUnreachable,
            UpstreamError::FirstByteTimeout => Self::UpstreamTimeout,
            UpstreamError::Malformed => Self::UpstreamMalformed,
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::Timeout | BodyError::Over => Self::BodyTimeout,
            BodyError::Malformed(refusal) => refusal,
            BodyError::Gone => Self::Framing,
        }
    }
}

/// Whether the connection or the stream broke, rather than what came over it.
fn is_reset(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind::{InvalidData, InvalidInput, Other};
            return !matches!(io.kind(), InvalidData | InvalidInput | Other);
        }
        source = cause.source();
    }
    false
}
