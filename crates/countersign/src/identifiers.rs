//! Names of things, each its own type, so that none can stand where another is meant.
//!
//! All of them are opaque strings, compared byte for byte.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The value, as it stands in a token.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                Self(value.into())
            }
        }

        impl From<String> for $name {
            fn from(value: String) -> Self {
                Self(value.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

identifier! {
    /// Whom a token is for: the `aud` claim (RFC 7519 §4.1.3). Every token of ours has exactly one.
    Audience
}
identifier! {
    /// The OAuth client of the session: the `client_id` claim (RFC 9068 §2.2).
    ClientId
}
identifier! {
    /// Who signs: the `iss` claim (RFC 7519 §4.1.1), compared byte for byte.
    Issuer
}
identifier! {
    /// Which key signed: the `kid` header parameter (RFC 7515 §4.1.4). An opaque map key, nothing else.
    KeyId
}
identifier! {
    /// What a caller may do: one member of the `roles` claim (RFC 9068 §2.2.3.1), compared exactly.
    Role
}
identifier! {
    /// Our own name for a session: the `sid` claim. Never the authorization server's.
    SessionId
}
identifier! {
    /// Who the caller is, for one issuer: the `sub` claim (RFC 7519 §4.1.2).
    Subject
}
identifier! {
    /// Names one token: the `jti` claim (RFC 7519 §4.1.7).
    TokenId
}

/// The tenant whose data a caller may see: the `organisation` claim.
///
/// Never empty and never `*`: a value that could mean "all" is refused where it is read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct OrganisationId(Arc<str>);

/// The value cannot name one organisation: it is empty, `*`, longer than 255 bytes, or has control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an organisation is 1 to 255 bytes without control characters, and not `*`")]
pub struct InvalidOrganisation;

impl OrganisationId {
    /// The longest accepted value, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Reads an organisation.
    ///
    /// # Errors
    /// [`InvalidOrganisation`] for an empty value, `*`, more than [`Self::MAX_BYTES`] bytes, surrounding white
    /// space or control characters.
    pub fn new(value: &str) -> Result<Self, InvalidOrganisation> {
        let acceptable = !value.is_empty()
            && value != "*"
            && value.len() <= Self::MAX_BYTES
            && value.trim() == value
            && !value.chars().any(char::is_control);
        if acceptable { Ok(Self(value.into())) } else { Err(InvalidOrganisation) }
    }

    /// The value, as it stands in a token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganisationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrganisationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::OrganisationId;

    #[test]
    fn an_organisation_that_could_mean_all_is_refused() {
        for bad in ["", "*", " ", " acme", "acme\n", "a\0b", &"x".repeat(256)] {
            assert!(OrganisationId::new(bad).is_err(), "{bad:?}");
        }
        for good in ["acme", "7", "Ünï", "a b", &"x".repeat(255)] {
            assert!(OrganisationId::new(good).is_ok(), "{good:?}");
        }
    }
}
