//! Session → identity: what we understood of the answer. Pure.

mod fault;
mod mapping;
mod path;
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
