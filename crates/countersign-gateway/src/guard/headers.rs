//! What a service is told of the caller in headers of their own. Pure.
//!
//! 1. A header is set or it is not there: what the client sent by that name, in any spelling, is gone before.
//! 2. Visible ASCII stands for itself, but for `%`, `+` and `,`. Everything else is percent-encoded, byte by byte in
//!    UTF-8. So a value never holds a line end, a space at its edge or a list's comma; every percent-decoder gives the
//!    claim back, also one that takes `+` for a space; and two different claims never have the same value, whether a
//!    service decodes it or not.
//! 3. Roles are divided by commas and scopes by single spaces, each encoded by itself: divide first, decode then.
//! 4. A claim that the token lacks has no header, and no header says nothing.
//! 5. All of them together are [`MAX_IDENTITY_BYTES`] at most, or the request is refused.
//!
//! **What can an attacker do if this is wrong?** Be anyone: a service that reads these headers believes them.

use std::fmt::Write as _;

use countersign::{Role, VerifiedClaims};
use http::{HeaderName, HeaderValue};

use crate::{
    config::resolved::{IdentityFact, IdentityHeader},
    http::Fields,
};

/// Longest names and values together: 4 KiB.
pub const MAX_IDENTITY_BYTES: usize = 4_096;

/// What one caller's token says, as headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders(Vec<(HeaderName, HeaderValue)>);

/// It does not fit in [`MAX_IDENTITY_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the service is to be told is longer than {MAX_IDENTITY_BYTES} bytes")]
pub struct IdentityTooLarge;

impl IdentityHeaders {
    /// What these headers say of a caller.
    ///
    /// # Errors
    /// [`IdentityTooLarge`].
    pub fn of(headers: &[IdentityHeader], claims: &VerifiedClaims) -> Result<Self, IdentityTooLarge> {
        let mut left = MAX_IDENTITY_BYTES;
        let mut set = Vec::with_capacity(headers.len());
        for header in headers {
            let Some(value) = value_of(header.says, claims) else { continue };
            let length = header.name.as_str().len().saturating_add(value.len());
            left = left.checked_sub(length).ok_or(IdentityTooLarge)?;
            // It is visible ASCII and single spaces: a header can hold it.
            let value = HeaderValue::try_from(value).map_err(|_| IdentityTooLarge)?;
            set.push((header.name.clone(), value));
        }
        Ok(Self(set))
    }

    /// Sets them, each in the place of all others of its name.
    pub fn set(&self, fields: &mut Fields) {
        for (name, value) in &self.0 {
            fields.set(name, value);
        }
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

/// The value of one header; `None` if the token says nothing of it.
fn value_of(says: IdentityFact, claims: &VerifiedClaims) -> Option<String> {
    let one = |text: &str| joined([text].into_iter(), "");
    match says {
        IdentityFact::Actor => one(claims.actors().first()?.subject.as_str()),
        IdentityFact::Client => one(claims.client().as_str()),
        IdentityFact::Email => one(claims.email()?),
        IdentityFact::Organisation => one(claims.organisation()?.as_str()),
        IdentityFact::Roles => joined(claims.roles().iter().map(Role::as_str), ","),
        IdentityFact::Scope => joined(claims.scopes(), " "),
        IdentityFact::Session => one(claims.session()?.as_str()),
        IdentityFact::Subject => one(claims.subject().as_str()),
        IdentityFact::TokenId => one(claims.token_id().as_str()),
        IdentityFact::Username => one(claims.username()?),
    }
}

/// The texts that are not empty, each encoded; `None` if there is none.
fn joined<'a>(texts: impl Iterator<Item = &'a str>, between: &str) -> Option<String> {
    let mut value = String::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if !value.is_empty() {
            value.push_str(between);
        }
        encode(&mut value, text);
    }
    (!value.is_empty()).then_some(value)
}

fn encode(value: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'+' | b',') {
            value.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests;
