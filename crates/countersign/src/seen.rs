//! Remembers tokens that were verified, so that the signature of a repeated token is not computed again.
//!
//! 1. Only a token that was good is remembered, under all of its bytes: a fast hash with a random seed finds the
//!    place, the bytes decide. Another spelling of the same token is another token.
//! 2. What is remembered is that the signature held and what the claims are. Time, audience, key and revocation are
//!    the verifier's to check on every use.
//! 3. At most so many tokens; the least used leave first.

use std::{borrow::Borrow, fmt};

use quick_cache::sync::Cache;
use zeroize::Zeroize;

use crate::VerifiedClaims;

/// The verified tokens of one verifier. Without room for any it does nothing.
pub(crate) struct Seen(Option<Cache<TokenBytes, VerifiedClaims>>);

/// A token: a credential, so it is wiped when it is forgotten.
#[derive(PartialEq, Eq, Hash)]
struct TokenBytes(Box<[u8]>);

impl Drop for TokenBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Borrow<[u8]> for TokenBytes {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Seen {
    /// Room for that many tokens.
    pub(crate) fn new(capacity: usize) -> Self {
        Self((capacity > 0).then(|| Cache::new(capacity)))
    }

    /// What was found when exactly these bytes were verified.
    pub(crate) fn find(&self, token: &[u8]) -> Option<VerifiedClaims> {
        self.0.as_ref()?.get(token)
    }

    /// Remembers a token that was good.
    pub(crate) fn remember(&self, token: &[u8], claims: &VerifiedClaims) {
        if let Some(cache) = &self.0 {
            cache.insert(TokenBytes(token.into()), claims.clone());
        }
    }

    /// Forgets a token that is no longer good.
    pub(crate) fn forget(&self, token: &[u8]) {
        if let Some(cache) = &self.0 {
            cache.remove(token);
        }
    }
}

#[cfg(test)]
impl Seen {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("len", &self.0.as_ref().map(Cache::len)).finish()
    }
}
