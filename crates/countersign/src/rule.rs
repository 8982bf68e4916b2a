//! The rules of verification, each with a name.
//!
//! A check reads `if Rule::X.is_broken_by(..)`. Outside this crate's unit tests that is the condition itself; the
//! unit tests can switch one rule off and then demand that the catalogue of bad tokens notices. What the types
//! enforce (a claim that is required or of another type gives no value to go on with) needs no switch.

macro_rules! rules {
    (
        of tokens: $($(#[doc = $doc:literal])+ $name:ident),+;
        of proofs: $($(#[doc = $proof_doc:literal])+ $proof:ident),+;
        of keys: $($(#[doc = $key_doc:literal])+ $key:ident),+;
    ) => {
        /// One thing a token, a proof or a key must be or do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Rule {
            $($(#[doc = $doc])+ $name),+,
            $(#[cfg(feature = "dpop")] $(#[doc = $proof_doc])+ $proof,)+
            $($(#[doc = $key_doc])+ $key),+
        }

        #[cfg(test)]
        impl Rule {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];
            #[cfg(feature = "dpop")]
            pub(crate) const OF_PROOFS: &'static [Self] = &[$(Self::$proof),+];
            pub(crate) const OF_KEYS: &'static [Self] = &[$(Self::$key),+];
        }
    };
}

rules! {
    of tokens:
    /// `alg` is the key's.
    Algorithm,
    /// `alg` is one the issuer's kind of key can have: decided before a key is looked for.
    AlgorithmKind,
    /// A token was exchanged for a bounded number of others.
    Ancestors,
    /// `aud` has the service.
    Audience,
    /// No `cnf` whose proof could not be checked.
    Bound,
    /// One spelling of base64url per value.
    CanonicalEncoding,
    /// No `crit`, no `b64` but `true`.
    Critical,
    /// A moment is one before the year 10000.
    DateRange,
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
    /// An organisation is one that its issuer may name.
    OrganisationOfIssuer,
    /// Not revoked.
    Revocation,
    /// The signature holds.
    Signature,
    /// At most so many bytes.
    Size,
    /// No `status`, a pointer into a list that is not looked at.
    StatusUnchecked,
    /// Nothing after the third segment.
    ThreeSegments,
    /// `typ` is an access token's.
    Type;
    of proofs:
    /// Made not too long ago.
    ProofAge,
    /// `alg` is one that is accepted.
    ProofAlgorithm,
    /// A token that is bound comes with a proof.
    ProofDemanded,
    /// Its own `exp` has not passed.
    ProofExpiry,
    /// Not made in the future.
    ProofFuture,
    /// `jti` is neither empty nor absurdly long.
    ProofIdLength,
    /// Its key is the token's.
    ProofKey,
    /// `htm` is the request's method.
    ProofMethod,
    /// `nonce` is one of ours, and a new one.
    ProofNonce,
    /// Its own `nbf` has come.
    ProofNotBefore,
    /// Only one `DPoP` header.
    ProofOnlyOne,
    /// Not seen before.
    ProofReplay,
    /// `ath` is the token's hash.
    ProofToken,
    /// `typ` is a proof's.
    ProofType,
    /// `htu` is the request's address.
    ProofUri,
    /// A token that is sent as bound is bound.
    TokenBound,
    /// A token is bound where no others are taken.
    TokenBoundOnly;
    of keys:
    /// An RSA exponent is odd, at least 3 and at most four bytes.
    KeyExponent,
    /// An RSA modulus has 2048 to 8192 bits.
    KeyLength,
    /// An RSA modulus is odd.
    KeyModulus,
    /// `kid` names one key of a set.
    KeyNamesDistinct,
    /// `key_ops` is to verify.
    KeyOperations,
    /// No private member is published.
    KeyPrivate,
    /// An RSA modulus is not of the ROCA generator.
    KeyRoca,
    /// An Ed25519 key is no point of small order.
    KeySmallOrder,
    /// `use` is for signatures.
    KeyUse,
    /// A shared secret is no published text, nor one repeated byte.
    SecretIsSecret,
    /// A shared secret is as long as its hash.
    SecretLength;
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
