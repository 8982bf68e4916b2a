//! What a verified token says.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use serde_json::{Map, Value};

use super::Revocable;
use crate::{
    Audience, Claims, ClientId, Issuer, KeyId, OrganisationId, Role, SessionId, Subject, TokenId, UnixTime,
    jws::{Header, VerifyingKey},
};

/// The claims of a token whose every part has been checked. Only a [`Verifier`](crate::Verifier) makes one; a clone
/// is cheap.
///
/// It is a fact about one moment: do not keep it beyond the request.
#[derive(Clone)]
pub struct VerifiedClaims(Arc<Token>);

/// A verified token, as it is kept.
pub(crate) struct Token {
    pub(crate) claims: Claims,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) bound_to: Option<KeyId>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) derived_from: Vec<TokenId>,
    pub(crate) others: Map<String, Value>,
    pub(crate) header: Header,
    pub(crate) proof: Proof,
}

/// Which of the verifier's issuers signed, and with which key.
pub(crate) struct Proof {
    pub(crate) issuer: usize,
    pub(crate) key: ProofKey,
}

pub(crate) enum ProofKey {
    /// A published key, known to be in the set of that generation.
    Published { key: Arc<VerifyingKey>, generation: AtomicU64 },
    /// A shared secret, which the verifier has for good.
    Shared,
}

/// One who acts for the caller: a level of the `act` claim
/// ([RFC 8693 §4.1](https://www.rfc-editor.org/rfc/rfc8693#section-4.1)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who acts.
    pub subject: Subject,
    /// For which issuer `subject` is a name, if the token says so.
    pub issuer: Option<Issuer>,
}

impl VerifiedClaims {
    pub(crate) fn new(token: Token) -> Self {
        Self(Arc::new(token))
    }

    pub(crate) fn token(&self) -> &Token {
        &self.0
    }

    /// The claims of every access token of ours. `aud` is the one audience this verifier is for, also if the token
    /// names more.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Who signed (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.claims.iss
    }

    /// The service the token is for: this one.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.0.claims.aud
    }

    /// Who the caller is, for this issuer (`sub`).
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.claims.sub
    }

    /// The client of the session (`client_id`).
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.0.claims.client_id
    }

    /// The token's name (`jti`), for logs: it is no secret.
    #[must_use]
    pub fn token_id(&self) -> &TokenId {
        &self.0.claims.jti
    }

    /// The session it was made for (`sid`).
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        self.0.claims.sid.as_ref()
    }

    /// When it was signed (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.0.claims.iat
    }

    /// The first moment at which it is no longer valid (`exp`).
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.0.claims.exp
    }

    /// What the caller may do (`roles`); none if the token has no such claim.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.0.claims.roles
    }

    /// The one organisation whose data the caller may see (`organisation`).
    #[must_use]
    pub fn organisation(&self) -> Option<&OrganisationId> {
        self.0.claims.organisation.as_ref()
    }

    /// What the client was allowed (`scope`), one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.claims.scope.as_deref().unwrap_or_default().split(' ').filter(|scope| !scope.is_empty())
    }

    /// True if `scope` has exactly that token.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|token| token == scope)
    }

    /// The name a person logs in with (`preferred_username`). Not a key: it can change hands.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.0.claims.username.as_deref()
    }

    /// The e-mail address (`email`). Not a key: it can change hands.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.0.claims.email.as_deref()
    }

    /// Who acts for the caller (`act`), the present actor first; empty if the caller acts alone.
    #[must_use]
    pub fn actors(&self) -> &[Actor] {
        &self.0.actors
    }

    /// The tokens this one was exchanged for at the issuer (`derived_from`, a claim of Countersign's own), the nearest
    /// first; empty for a token that was signed for a session itself. A revocation of any of them is one of this token.
    #[must_use]
    pub fn derived_from(&self) -> &[TokenId] {
        &self.0.derived_from
    }

    /// The key the token is bound to (`cnf.jkt`), by its RFC 7638 thumbprint. Only a verifier that checks proofs
    /// (feature `dpop`) takes such a token.
    #[must_use]
    pub fn bound_to(&self) -> Option<&KeyId> {
        self.0.bound_to.as_ref()
    }

    /// A claim that has no method here, as JSON.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.others.get(name)
    }

    /// The token's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    pub(crate) fn revocable(&self) -> Revocable<'_> {
        let claims = &self.0.claims;
        Revocable {
            issuer: &claims.iss,
            token: &claims.jti,
            derived_from: &self.0.derived_from,
            session: claims.sid.as_ref(),
            subject: &claims.sub,
            organisation: claims.organisation.as_ref(),
            issued_at: claims.iat,
        }
    }
}

impl fmt::Debug for VerifiedClaims {
    /// Names who and what, not everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClaims")
            .field("issuer", self.issuer())
            .field("subject", self.subject())
            .field("organisation", &self.organisation())
            .field("roles", &self.roles())
            .field("token_id", self.token_id())
            .finish_non_exhaustive()
    }
}
