//! The verified caller.

use std::fmt;

use crate::{
    Actor, InOrganisation, NoOrganisation, OrganisationId, Role, RoleName, SessionId, Subject, TokenId,
    VerifiedClaims,
};

/// Who calls: the claims of a token that was verified, and nothing else.
///
/// Only a [`Verifier`](crate::Verifier) makes the [`VerifiedClaims`] it is made of, so whoever is given one need not
/// ask again. A clone is cheap. It is a fact about one request: do not keep it beyond that.
///
/// It cannot be made up:
///
/// ```compile_fail,E0451
/// fn forge(claims: countersign::VerifiedClaims) -> countersign::Caller {
///     countersign::Caller { claims }
/// }
/// ```
///
/// nor made of claims that were not verified:
///
/// ```compile_fail,E0308
/// fn forge(claims: countersign::Claims) -> countersign::Caller {
///     countersign::Caller::new(claims)
/// }
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Caller {
    claims: VerifiedClaims,
}

impl Caller {
    /// The caller a verified token speaks for.
    #[must_use]
    pub const fn new(claims: VerifiedClaims) -> Self {
        Self { claims }
    }

    /// Who the caller is, for one issuer.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.claims.subject()
    }

    /// The session the token was made for.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        self.claims.session()
    }

    /// The token's own name, for logs: it is no secret.
    #[must_use]
    pub fn token_id(&self) -> &TokenId {
        self.claims.token_id()
    }

    /// The one organisation whose data the caller may see.
    #[must_use]
    pub fn organisation(&self) -> Option<&OrganisationId> {
        self.claims.organisation()
    }

    /// The same as proof that there is one.
    ///
    /// # Errors
    /// [`NoOrganisation`] if the token names none.
    pub fn in_organisation(&self) -> Result<InOrganisation, NoOrganisation> {
        InOrganisation::check(self.clone())
    }

    /// What the caller may do.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        self.claims.roles()
    }

    /// Whether the caller has this role, compared byte for byte. [`HasRole`](crate::HasRole) is the same as an
    /// argument that cannot be forgotten.
    #[must_use]
    pub fn has_role<R: RoleName>(&self) -> bool {
        self.roles().iter().any(|role| role == R::NAME)
    }

    /// Who acts for the caller (RFC 8693 §4.1), the present actor first and whom that acts for next; empty if the
    /// caller acts alone. What a caller may do is the caller's: an actor adds nothing to it.
    #[must_use]
    pub fn actors(&self) -> &[Actor] {
        self.claims.actors()
    }

    /// Who acts for the caller at present, if anybody does.
    #[must_use]
    pub fn actor(&self) -> Option<&Actor> {
        self.actors().first()
    }

    /// Everything the token says.
    #[must_use]
    pub const fn claims(&self) -> &VerifiedClaims {
        &self.claims
    }
}

impl From<VerifiedClaims> for Caller {
    fn from(claims: VerifiedClaims) -> Self {
        Self::new(claims)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("subject", self.subject())
            .field("organisation", &self.organisation())
            .field("roles", &self.roles())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "sign")]
pub(crate) mod testing {
    use std::sync::LazyLock;

    use super::Caller;
    use crate::{
        Claims, OrganisationId, Role, Secret, SigningKey, UnixTime, Verifier,
        jws::{Algorithm, SharedSecret},
    };

    static KEYS: LazyLock<(SigningKey, Verifier)> = LazyLock::new(|| {
        let secret = || Secret::new(b"unit-test key, 32 bytes at least!".to_vec());
        let verifier = Verifier::builder()
            .issuer("https://issuer.test")
            .audience("orders")
            .shared_secret(SharedSecret::new(Algorithm::Hs256, secret()).unwrap())
            .build();
        (SigningKey::shared_secret(Algorithm::Hs256, secret()).unwrap(), verifier.unwrap())
    });

    /// A caller of this organisation (none if it is empty) with these roles, out of a token that was verified.
    pub(crate) fn caller(organisation: &str, roles: &[&str]) -> Caller {
        let (key, verifier) = &*KEYS;
        let claims = Claims {
            iss: "https://issuer.test".into(),
            aud: "orders".into(),
            sub: "ann".into(),
            client_id: "web".into(),
            iat: UnixTime::from_secs(1000),
            exp: UnixTime::from_secs(1300),
            jti: "t1".into(),
            sid: None,
            roles: roles.iter().copied().map(Role::from).collect(),
            organisation: OrganisationId::new(organisation).ok(),
            scope: None,
            username: None,
            email: None,
        };
        let token = key.sign("at+jwt", &claims).unwrap();
        Caller::new(verifier.verify_at(token.as_bytes(), UnixTime::from_secs(1010)).unwrap())
    }
}
