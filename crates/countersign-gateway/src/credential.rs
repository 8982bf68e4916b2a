//! Finds exactly one credential in a request, or none, or refuses.

use std::fmt;

use countersign::Secret;

/// The longest accepted credential in bytes.
pub const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// How a credential travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Bearer,
    /// The session cookie.
    Cookie,
}

/// A credential that outlives its request: what a look-up takes along.
pub struct OwnedCredential {
    /// How it came, and so how it is sent on.
    pub kind: CredentialKind,
    /// The value, printable ASCII, without quotes.
    pub value: Secret<String>,
}

impl fmt::Debug for OwnedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}([redacted])", self.kind)
    }
}
