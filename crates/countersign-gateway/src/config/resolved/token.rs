//! `[claims]` and `[token]`: what a token says and how it is signed.

use std::time::Duration;

use countersign::{Audience, Role, Secret};

/// `[claims]`: paths into the answer. `None`: the standard member of that name, if any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsConfig {
    /// Default `sub`. Required.
    pub subject: Option<ClaimPath>,
    /// Default `username`, then `preferred_username`.
    pub username: Option<ClaimPath>,
    /// Default `email`.
    pub email: Option<ClaimPath>,
    /// Default `roles`.
    pub roles: Option<ClaimPath>,
    /// No default. When given, a session without it is refused.
    pub organisation: Option<ClaimPath>,
    /// Roles that are left out of a session whose scope does not hold their own. Default none.
    pub bounded_roles: Vec<BoundedRole>,
}

impl ClaimsConfig {
    /// Whether what tokens call the user is the server's `sub`.
    #[must_use]
    pub fn subject_is_sub(&self) -> bool {
        self.subject.as_ref().is_none_or(|path| matches!(path.steps.as_slice(), [step] if step == "sub"))
    }
}

/// Where a claim is found: `session.org.id`, `userinfo.groups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath {
    /// Which answer.
    pub root: ClaimRoot,
    /// Member names and array indexes, outermost first. Never empty.
    pub steps: Vec<String>,
}

/// The two answers a claim can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimRoot {
    /// The answer of introspection or whoami.
    Session,
    /// The answer of userinfo.
    Userinfo,
}

/// A role that a session has only with a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedRole {
    /// The role.
    pub role: Role,
    /// One scope (RFC 6749 §3.3).
    pub scope: Box<str>,
}

/// `[token]`: how a token is signed.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// Asymmetric algorithm of the key ring. Default ES256.
    pub algorithm: RingAlgorithm,
    /// Life of a token. Default 5 min.
    pub lifetime: Duration,
    /// How long a key is published before it signs. Default 24 h.
    pub key_lead: Duration,
    /// How long a key signs. Default 30 days.
    pub rotation: Duration,
    /// Longest `Authorization` value in bytes. Default 4,096.
    pub header_budget: usize,
    /// Audiences that asked for HS256 by name, each with its own secret of at least 32 bytes.
    pub shared_secrets: Vec<(Audience, Secret<Vec<u8>>)>,
}

/// The algorithms a key ring can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RingAlgorithm {
    /// Ed25519, written as `EdDSA` (RFC 8037 §3.1).
    Ed25519,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}
