//! `[guard]`: whose tokens guarded routes let through.

use std::sync::Arc;

use countersign::{ClientId, Issuer, Secret};
use http::{HeaderName, Uri};

use super::Endpoint;
use crate::config::secret;

/// `[guard]`: the issuer whose tokens guarded routes let through.
#[derive(Debug, Clone)]
pub struct GuardConfig {
    /// `iss` of the tokens.
    pub issuer: Issuer,
    /// The issuer's key set.
    pub keys: Endpoint,
    /// The issuer's revocation feed. `None`: a token is good until its end.
    pub feed: Option<GuardFeed>,
    /// Headers in which services are told who calls. Empty: none.
    pub headers: Arc<[IdentityHeader]>,
    /// Keys and feed may be fetched over plain HTTP beyond loopback. Default false.
    pub insecure_http: bool,
}

/// Where revocations of the trusted issuer are learned of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardFeed {
    /// Its `internal_listen`.
    pub location: Uri,
    /// Which of its clients we are.
    pub client: ClientId,
    /// How we prove it.
    pub proof: FeedProof,
    /// Tokens are refused while it cannot be known what is revoked. Default false.
    pub refuse_on_loss: bool,
}

/// How a guard proves to the issuer which client it is.
#[derive(Debug, Clone)]
pub enum FeedProof {
    /// HTTP basic, with this secret.
    Basic(Secret<String>),
    /// A signed assertion (`private_key_jwt`); the key is PKCS#8 PEM.
    PrivateKeyJwt(Secret<String>),
}

impl PartialEq for FeedProof {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Basic(left), Self::Basic(right))
            | (Self::PrivateKeyJwt(left), Self::PrivateKeyJwt(right)) => secret::is_same(left, right),
            (Self::Basic(_), Self::PrivateKeyJwt(_)) | (Self::PrivateKeyJwt(_), Self::Basic(_)) => false,
        }
    }
}

impl Eq for FeedProof {}

/// A header that tells a service something of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeader {
    /// What.
    pub says: IdentityFact,
    /// Its name: letters, digits and `-`.
    pub name: HeaderName,
}

/// What of a verified token a header can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityFact {
    /// Who acts for the caller at present (`act.sub`).
    Actor,
    /// `client_id`.
    Client,
    /// `email`.
    Email,
    /// `organisation`.
    Organisation,
    /// `roles`.
    Roles,
    /// `scope`.
    Scope,
    /// `sid`.
    Session,
    /// `sub`.
    Subject,
    /// `jti`.
    TokenId,
    /// `preferred_username`.
    Username,
}
