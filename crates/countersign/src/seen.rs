//! Remembers tokens that were verified, so that the signature of a repeated token is not computed again.
//!
//! 1. Only a token that was good is remembered, under all of its bytes: a fast hash with a random seed finds the
//!    place, the bytes decide. Another spelling of the same token is another token. The hash takes in the end of the
//!    token alone, which is a part of its signature: nobody but the issuer could make two good tokens that share it.
//! 2. What is remembered is that the signature held and what the claims are. Time, audience, key and revocation are
//!    the verifier's to check on every use.
//! 3. At most so many tokens; the least used leave first.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use quick_cache::{Equivalent, sync::Cache};
use zeroize::Zeroize;

use crate::VerifiedClaims;

/// The verified tokens of one verifier. Without room for any it does nothing.
pub(crate) struct Seen(Option<Cache<TokenBytes, VerifiedClaims>>);

/// A token: a credential, so it is wiped when it is forgotten.
#[derive(PartialEq, Eq)]
struct TokenBytes(Box<[u8]>);

/// A token that may be remembered.
struct Presented<'a>(&'a [u8]);

/// How many bytes of a token are hashed.
const HASHED: usize = 32;

impl Drop for TokenBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Hash for TokenBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Presented(&self.0).hash(state);
    }
}

impl Hash for Presented<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.last_chunk::<HASHED>().map_or(self.0, <[u8; HASHED]>::as_slice));
    }
}

impl Equivalent<TokenBytes> for Presented<'_> {
    fn equivalent(&self, key: &TokenBytes) -> bool {
        *self.0 == *key.0
    }
}

impl Seen {
    /// Room for that many tokens.
    pub(crate) fn new(capacity: usize) -> Self {
        Self((capacity > 0).then(|| Cache::new(capacity)))
    }

    /// What was found when exactly these bytes were verified.
    pub(crate) fn find(&self, token: &[u8]) -> Option<VerifiedClaims> {
        self.0.as_ref()?.get(&Presented(token))
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
            cache.remove(&Presented(token));
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

#[cfg(test)]
mod tests {
    use super::Seen;
    use crate::testkit::TestIssuer;

    #[test]
    fn the_bytes_decide_and_not_the_hash() {
        let issuer = TestIssuer::new("orders");
        let token = issuer.token().sign();
        let claims = issuer.verifier().verify(&token).unwrap();
        let seen = Seen::new(10);
        seen.remember(token.as_bytes(), &claims);
        assert!(seen.find(token.as_bytes()).is_some());
        // The same end, and so the same hash.
        for other in [
            format!("x{token}"),
            token.replacen("eyJ", "eyK", 1),
            token.split_at(token.len() - 32).1.to_owned(),
        ] {
            assert!(seen.find(other.as_bytes()).is_none(), "{other}");
        }
        seen.remember(b"short", &claims);
        assert!(seen.find(b"short").is_some() && seen.find(b"shor").is_none() && seen.find(b"").is_none());
        seen.forget(token.as_bytes());
        assert!(seen.find(token.as_bytes()).is_none());
    }
}
