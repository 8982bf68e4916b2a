//! Why a session could not be understood: precise for logs and `check`, one code for the client.

use std::fmt;

use crate::error::Refusal;

/// The claim that could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// `client_id` or `azp`.
    Client,
    /// The e-mail address.
    Email,
    /// The organisation.
    Organisation,
    /// The roles.
    Roles,
    /// The scope.
    Scope,
    /// The server's own session id.
    Sid,
    /// The subject.
    Subject,
    /// The name a person logs in with.
    Username,
}

/// What is wrong with the value. Never the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Why {
    /// A role text with a comma: it could be one role or several.
    #[error("has a comma: one text holds roles separated by spaces, anything else is an array")]
    Comma,
    /// A text with control characters, line breaks, or white space at either end.
    #[error("has control characters or white space where none may be")]
    Characters,
    /// A text without a character.
    #[error("is empty")]
    Empty,
    /// Not there, or `null`.
    #[error("is not in the answer")]
    Missing,
    /// The client is not in `accept_clients`.
    #[error("is not in `accept_clients`")]
    NotAccepted,
    /// Not the name of exactly one organisation.
    #[error("does not name exactly one organisation")]
    NotOne,
    /// Longer than the limit.
    #[error("is too long")]
    TooLong,
    /// More values than the limit.
    #[error("has too many values")]
    TooMany,
    /// A number, boolean, array or object where another kind is needed.
    #[error("is of the wrong kind")]
    WrongKind,
}

/// One claim and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{claim} {why}")]
pub struct ClaimFault {
    /// Which claim.
    pub claim: Claim,
    /// What is wrong.
    pub why: Why,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "the client",
            Self::Email => "the e-mail address",
            Self::Organisation => "the organisation",
            Self::Roles => "the list of roles",
            Self::Scope => "the scope",
            Self::Sid => "the server's `sid`",
            Self::Subject => "the subject",
            Self::Username => "the username",
        })
    }
}

impl From<ClaimFault> for Refusal {
    fn from(fault: ClaimFault) -> Self {
        match (fault.claim, fault.why) {
            (_, Why::NotAccepted) => Self::SessionOfOtherClient,
            (Claim::Organisation, Why::Missing) => Self::OrganisationMissing,
            (Claim::Organisation, _) => Self::OrganisationInvalid,
            (Claim::Subject, Why::Missing | Why::Empty) => Self::SubjectMissing,
            _ => Self::ClaimInvalid,
        }
    }
}
