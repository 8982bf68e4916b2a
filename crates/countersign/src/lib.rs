// The examples of README.md need these features.
#![cfg_attr(
    all(feature = "axum", feature = "remote", feature = "sqlx-postgres", feature = "testkit"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "axum", feature = "remote", feature = "sqlx-postgres", feature = "testkit")),
    doc = "Verify access tokens, check roles and read only the caller's organisation's data."
)]

#[cfg(feature = "axum")]
pub mod axum;
mod caller;
mod claims;
mod custom_claims;
#[cfg(feature = "dpop")]
pub mod dpop;
mod identifiers;
mod json;
mod jwk;
pub mod jws;
mod key_set;
mod refusal;
#[cfg(feature = "remote")]
pub mod remote;
pub mod revocation;
mod roles;
pub mod row_level_security;
mod rule;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub mod scope;
mod scopes;
mod secret;
mod seen;
#[cfg(feature = "sign")]
mod sign;
#[cfg(feature = "testkit")]
pub mod testkit;
mod time;
#[cfg(feature = "tonic")]
pub mod tonic;
pub mod tower;
mod verifier;

pub use caller::Caller;
pub use claims::Claims;
pub use custom_claims::{CustomClaim, HasClaim};
pub use identifiers::{
    Audience, ClientId, InvalidOrganisation, Issuer, KeyId, OrganisationId, Role, SessionId, Subject, TokenId,
};
pub use jwk::{Jwk, JwkError};
pub use key_set::{KeySet, KeySetError, KeySource, PublishedKeys, SkippedKey, StaticKeys};
pub use refusal::{Challenge, ClaimName, RefusalRow, TokenRefusal};
pub use roles::{AnyRole, HasAnyRole, HasRole, InOrganisation, NoOrganisation, RoleMissing, RoleName};
pub use scopes::{HasScope, ScopeMissing, ScopeName};
pub use secret::Secret;
#[cfg(feature = "sign")]
pub use sign::{SignError, SigningKey};
pub use time::{Clock, SystemClock, UnixTime};
pub use verifier::{
    Actor, ClaimPaths, Complete, NoRevocations, Organisations, Revocable, Revocations, Standing,
    VerifiedClaims, Verifier, VerifierBuilder, VerifierError, WantsAudience, WantsIssuer, WantsKeys,
};
