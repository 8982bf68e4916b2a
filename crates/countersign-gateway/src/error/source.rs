//! Why the authorization server gave no verdict.

use crate::error::Refusal;

/// Why the authorization server gave no verdict. Never the caller's fault, never cached, never a 401.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No connection, TLS failure, or a 5xx or 429 answer.
    #[error("cannot be asked: {0}")]
    Unavailable(String),
    /// No complete answer in time.
    #[error("no answer within the time-out")]
    Timeout,
    /// An answer that is no answer: wrong type, not JSON, too long, a redirect that is not "no".
    #[error("gives no usable answer: {0}")]
    Nonsense(String),
    /// It refuses to answer us: our client authentication or permission.
    #[error("refuses us: {0}")]
    RefusesUs(String),
    /// The look-up was given up because too many were under way.
    #[error("too many look-ups at once")]
    TooMany,
}

impl From<&SourceError> for Refusal {
    fn from(error: &SourceError) -> Self {
        match error {
            SourceError::Unavailable(_) | SourceError::Timeout => Self::SourceUnavailable,
            SourceError::Nonsense(_) => Self::SourceNonsense,
            SourceError::RefusesUs(_) => Self::SourceRefusesUs,
            SourceError::TooMany => Self::TooManyLookups,
        }
    }
}
