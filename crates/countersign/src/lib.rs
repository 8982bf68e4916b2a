//! Verify access tokens, check roles and read only the caller's organisation's data.

mod claims;
mod identifiers;
mod secret;
mod time;

pub use claims::Claims;
pub use identifiers::{
    Audience, ClientId, InvalidOrganisation, Issuer, KeyId, OrganisationId, Role, SessionId, Subject, TokenId,
};
pub use secret::Secret;
pub use time::{Clock, SystemClock, UnixTime};
