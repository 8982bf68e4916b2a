//! The verified caller.

use std::{fmt, sync::Arc};

use crate::{
    Claims, InOrganisation, NoOrganisation, OrganisationId, Role, RoleName, SessionId, Subject, TokenId,
};

/// Who calls: the claims of a token that was verified, and nothing else.
///
/// Only the [`Verifier`](crate::Verifier) makes what it is made of, so whoever holds one need not ask again. A clone
/// is cheap.
///
/// It cannot be made up:
///
/// ```compile_fail,E0451
/// let caller = countersign::Caller { claims: todo!() };
/// ```
#[derive(Clone)]
pub struct Caller {
    claims: Arc<Claims>,
}

impl Caller {
    /// Who the caller is, for one issuer.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.claims.sub
    }

    /// The session the token was made for.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        self.claims.sid.as_ref()
    }

    /// The token's own name, for logs: it is no secret.
    #[must_use]
    pub fn token(&self) -> &TokenId {
        &self.claims.jti
    }

    /// The one organisation whose data the caller may see.
    #[must_use]
    pub fn organisation(&self) -> Option<&OrganisationId> {
        self.claims.organisation.as_ref()
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
        &self.claims.roles
    }

    /// Whether the caller has this role, compared byte for byte. [`HasRole`](crate::HasRole) is the same as an
    /// argument that cannot be forgotten.
    #[must_use]
    pub fn has_role<R: RoleName>(&self) -> bool {
        self.roles().iter().any(|role| role == R::NAME)
    }

    /// Everything the token says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
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
pub(crate) mod testing {
    use std::sync::Arc;

    use super::Caller;
    use crate::{Claims, OrganisationId, Role, UnixTime};

    /// A caller of this organisation (none if it is empty) with these roles.
    pub(crate) fn caller(organisation: &str, roles: &[&str]) -> Caller {
        let claims = Claims {
            iss: "https://issuer.test".into(),
            aud: "orders".into(),
            sub: "ann".into(),
            client_id: "web".into(),
            iat: UnixTime::from_secs(1),
            exp: UnixTime::from_secs(2),
            jti: "t1".into(),
            sid: None,
            roles: roles.iter().copied().map(Role::from).collect(),
            organisation: OrganisationId::new(organisation).ok(),
            scope: None,
            username: None,
            email: None,
        };
        Caller { claims: Arc::new(claims) }
    }
}
