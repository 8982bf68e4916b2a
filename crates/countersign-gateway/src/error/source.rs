//! Why the authorization server gave no verdict.

use std::fmt;

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
    /// Both introspection and userinfo are to be asked, and one of them gave no verdict.
    #[error("{error} ({half}; {})", half.circumstance())]
    OfHalf {
        /// Which.
        half: Half,
        /// Why. Never of a half itself.
        error: Box<Self>,
    },
}

/// One half of a source that asks introspection, and then userinfo about the same token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Asked first.
    Introspection,
    /// Asked about what introspection calls a live session.
    Userinfo,
}

impl Half {
    /// What the other half has said when this one has its say.
    const fn circumstance(self) -> &'static str {
        match self {
            Self::Introspection => "userinfo was not asked",
            Self::Userinfo => "introspection calls the session live",
        }
    }

    /// The whole of a "no", for who has to find out why.
    #[must_use]
    pub const fn said_no(self) -> &'static str {
        match self {
            Self::Introspection => "introspection says no; userinfo was not asked",
            Self::Userinfo => "userinfo says no; introspection calls the session live",
        }
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
        })
    }
}

impl From<&SourceError> for Refusal {
    fn from(error: &SourceError) -> Self {
        match error {
            SourceError::Unavailable(_) | SourceError::Timeout => Self::SourceUnavailable,
            SourceError::Nonsense(_) => Self::SourceNonsense,
            SourceError::RefusesUs(_) => Self::SourceRefusesUs,
            SourceError::TooMany => Self::TooManyLookups,
            SourceError::OfHalf { error, .. } => Self::from(&**error),
        }
    }
}
