//! The rules of verification, each with a name.
//!
//! A check reads `if Rule::X.is_broken_by(..)`. Outside this crate's unit tests that is the condition itself; the
//! unit tests can switch one rule off and then demand that the catalogue of bad tokens notices. What the types
//! enforce (a claim that is required or of another type gives no value to go on with) needs no switch.

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// One thing a token must be or do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Rule {
            $($(#[doc = $doc])+ $name),+
        }

        #[cfg(test)]
        impl Rule {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];
        }
    };
}

rules! {
    /// `alg` is the key's.
    Algorithm,
    /// `alg` is one the issuer's kind of key can have: decided before a key is looked for.
    AlgorithmKind,
    /// `aud` has the service.
    Audience,
    /// No `cnf`: its proof could not be checked.
    Bound,
    /// One spelling of base64url per value.
    CanonicalEncoding,
    /// No `crit`, no `b64` but `true`.
    Critical,
    /// No member is there twice.
    DuplicateMember,
    /// The present moment is before `exp`.
    Expiry,
    /// `iat` is not in the future.
    IssuedAt,
    /// `iss` is the chosen issuer's.
    Issuer,
    /// A key that is no longer published verifies nothing, not even a token seen before.
    KeyStillPublished,
    /// `exp` is not too long after `iat`.
    Lifetime,
    /// Names (`sub`, `jti`, `client_id`, `sid`) are not empty.
    NotEmpty,
    /// `nbf` has come.
    NotBefore,
    /// `kid` is not absurdly long.
    KeyIdLength,
    /// Not revoked.
    Revocation,
    /// The signature holds.
    Signature,
    /// At most so many bytes.
    Size,
    /// Nothing after the third segment.
    ThreeSegments,
    /// `typ` is an access token's.
    Type,
}

#[cfg(not(test))]
impl Rule {
    /// The condition, unchanged.
    #[inline(always)]
    pub(crate) const fn is_broken_by(self, condition: bool) -> bool {
        condition
    }
}

#[cfg(test)]
thread_local! {
    static OFF: std::cell::Cell<Option<Rule>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
impl Rule {
    pub(crate) fn is_broken_by(self, condition: bool) -> bool {
        condition && OFF.get() != Some(self)
    }

    /// Runs `work` on this thread as if the rule did not exist.
    pub(crate) fn switched_off<T>(self, work: impl FnOnce() -> T) -> T {
        OFF.set(Some(self));
        let result = work();
        OFF.set(None);
        result
    }
}
