//! Session → identity: what we understood of the answer. Pure.

mod advice;
mod fault;
mod mapping;
mod value;

pub use self::{
    fault::{Claim, ClaimFault, Why},
    mapping::Mapping,
    value::{MAX_ROLES, MAX_VALUE_BYTES},
};

use countersign::{ClientId, OrganisationId, Role, Subject};

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub subject: Subject,
    /// The name a person logs in with.
    pub username: Option<Box<str>>,
    /// E-mail address.
    pub email: Option<Box<str>>,
    /// What the caller may do, in the server's order without duplicates.
    pub roles: Box<[Role]>,
    /// Whose data.
    pub organisation: Option<OrganisationId>,
    /// What the client was allowed, space separated.
    pub scope: Option<Box<str>>,
    /// The client of the session.
    pub client: Option<ClientId>,
    /// The server's own name for the session (`sid`), from which ours is derived. Never put in a token.
    pub server_sid: Option<Box<str>>,
}

impl Identity {
    /// Whether a token that said `before` would now say too much: a role or a part of the scope is gone, or the
    /// organisation is another.
    #[must_use]
    pub fn has_less_than(&self, before: &Self) -> bool {
        let scope = |identity: &Self| -> Vec<Box<str>> {
            identity.scope.iter().flat_map(|scope| scope.split(' ')).map(Box::from).collect()
        };
        let now = scope(self);
        // No scope at all restricts nothing: where there was none, one is less; where there is none now, it is more.
        let less_scope = match (&before.scope, &self.scope) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(_), Some(_)) => scope(before).iter().any(|part| !now.contains(part)),
        };
        before.organisation != self.organisation
            || before.roles.iter().any(|role| !self.roles.contains(role))
            || less_scope
    }
}
