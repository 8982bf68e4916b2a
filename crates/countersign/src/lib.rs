//! Verify access tokens, check roles and read only the caller's organisation's data.

mod caller;
mod claims;
mod identifiers;
mod json;
mod jwk;
pub mod jws;
mod key_set;
mod roles;
#[cfg(feature = "sqlx-sqlite")]
pub mod scope;
mod secret;
#[cfg(feature = "sign")]
mod sign;
mod time;

pub use caller::Caller;
pub use claims::Claims;
pub use identifiers::{
    Audience, ClientId, InvalidOrganisation, Issuer, KeyId, OrganisationId, Role, SessionId, Subject, TokenId,
};
pub use jwk::{Jwk, JwkError};
pub use key_set::{KeySet, KeySetError, SkippedKey};
pub use roles::{AnyRole, HasAnyRole, HasRole, InOrganisation, NoOrganisation, RoleMissing, RoleName};
pub use secret::Secret;
#[cfg(feature = "sign")]
pub use sign::{SignError, SigningKey};
pub use time::{Clock, SystemClock, UnixTime};
