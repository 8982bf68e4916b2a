//! Why a request was turned away.

use countersign::{ClaimName, TokenRefusal};

/// Why a request was turned away.
///
/// Closed on purpose: whoever matches on it looks at a new reason when there is one. A released code never
/// changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Two different credentials in one request.
    AmbiguousCredential,
    /// A page asked for a token of an audience that the configuration gives to no page.
    AudienceNotAllowed,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// A fault of ours.
    Bug,
    /// A value a claim needs is there, but is not of the claim's kind.
    ClaimInvalid,
    /// Cookie and unsafe method, and nothing shows that the request comes from one of our pages.
    Csrf,
    /// The header `Countersign: 1` is missing where it is required.
    CountersignHeaderMissing,
    /// The credential is longer than 8 KiB.
    CredentialTooLarge,
    /// The request carries no credential.
    CredentialMissing,
    /// The credential cannot be one: empty, or with bytes that no token has.
    CredentialMalformed,
    /// The request's framing could be read in two ways (RFC 9112 §6, §11.2).
    Framing,
    /// A header field is not one (RFC 9110 §5.5, RFC 9112 §5).
    HeaderMalformed,
    /// The header section is longer than the limit, or has too many fields.
    HeaderTooLarge,
    /// The header section did not arrive in time.
    HeaderTimeout,
    /// `Host` is missing, doubled, malformed, or disagrees with the request target (RFC 9112 §3.2).
    HostInvalid,
    /// What a service is to be told of the caller does not fit in its headers.
    IdentityTooLarge,
    /// There is no key to sign with.
    KeysUnavailable,
    /// The request line is not one (RFC 9112 §3).
    RequestLineMalformed,
    /// The method is never forwarded (CONNECT, TRACE) or not known here.
    MethodNotAllowed,
    /// No route matches.
    NoRoute,
    /// The organisation is an array, `*`, or otherwise not the name of one organisation.
    OrganisationInvalid,
    /// The route or configuration demands an organisation and the session has none.
    OrganisationMissing,
    /// A parameter of a session endpoint is missing, doubled or not what it may be.
    ParameterInvalid,
    /// The path could be understood in two ways.
    PathNotCanonical,
    /// A revocation is not recorded yet, or too fresh to sign after it.
    RevocationUnsettled,
    /// The shared store was not read for longer than `store.max_alone`: who knows what others have revoked.
    RevocationsUnread,
    /// The session was revoked.
    Revoked,
    /// The caller has none of the roles the route demands.
    RoleMissing,
    /// The session's scope does not hold what the route demands.
    ScopeMissing,
    /// The session's token is bound to a key (`cnf`), and no proof of that key is checked here.
    SessionBoundToKey,
    /// The authorization server says: not a session (any more).
    SessionEnded,
    /// The session belongs to a client that is not in `accept_clients`.
    SessionOfOtherClient,
    /// The credential is a refresh token or an ID token.
    SessionOfOtherKind,
    /// The authorization server answered with something that is no answer.
    SourceNonsense,
    /// The authorization server refuses to answer *us*.
    SourceRefusesUs,
    /// The authorization server could not be asked, or not in time.
    SourceUnavailable,
    /// The session has no subject.
    SubjectMissing,
    /// The token of a guarded route is refused by the library, by its code.
    Token(TokenRefusal),
    /// The token that a page presents has come to its end.
    TokenExpired,
    /// The token that a page presents is none that the gateway signed for pages.
    TokenInvalid,
    /// The signed token would not fit in the header budget.
    TokenTooLarge,
    /// Too many look-ups at once; sessions already known are not affected.
    TooManyLookups,
    /// The request target is longer than the limit.
    UriTooLong,
    /// An upgrade on a route that does not allow it.
    UpgradeNotAllowed,
    /// The service behind the gateway closed the connection without an answer. It may have acted on the request.
    UpstreamClosed,
    /// The service behind the gateway answered with something that is not HTTP.
    UpstreamMalformed,
    /// The service behind the gateway did not answer in time.
    UpstreamTimeout,
    /// No connection to the service behind the gateway.
    UpstreamUnreachable,
    /// HTTP version we do not speak.
    VersionNotSupported,
}

impl Refusal {
    /// Every refusal, in the order of the reference page.
    pub const ALL: &'static [Self] = &[
        Self::AmbiguousCredential,
        Self::AudienceNotAllowed,
        Self::BodyTimeout,
        Self::BodyTooLarge,
        Self::Bug,
        Self::ClaimInvalid,
        Self::CountersignHeaderMissing,
        Self::CredentialMalformed,
        Self::CredentialMissing,
        Self::CredentialTooLarge,
        Self::Csrf,
        Self::Framing,
        Self::HeaderMalformed,
        Self::HeaderTimeout,
        Self::HeaderTooLarge,
        Self::HostInvalid,
        Self::IdentityTooLarge,
        Self::KeysUnavailable,
        Self::MethodNotAllowed,
        Self::NoRoute,
        Self::OrganisationInvalid,
        Self::OrganisationMissing,
        Self::ParameterInvalid,
        Self::PathNotCanonical,
        Self::RequestLineMalformed,
        Self::RevocationUnsettled,
        Self::RevocationsUnread,
        Self::Revoked,
        Self::RoleMissing,
        Self::ScopeMissing,
        Self::SessionBoundToKey,
        Self::SessionEnded,
        Self::SessionOfOtherClient,
        Self::SessionOfOtherKind,
        Self::SourceNonsense,
        Self::SourceRefusesUs,
        Self::SourceUnavailable,
        Self::SubjectMissing,
        Self::TokenExpired,
        Self::TokenInvalid,
        Self::TokenTooLarge,
        Self::TooManyLookups,
        Self::UpgradeNotAllowed,
        Self::UpstreamClosed,
        Self::UpstreamMalformed,
        Self::UpstreamTimeout,
        Self::UpstreamUnreachable,
        Self::UriTooLong,
        Self::VersionNotSupported,
    ];

    /// One of each code, the library's included: [`Self::ALL`], and after it the codes that only the library has.
    pub(crate) const COUNTED: &'static [Self] = {
        const COUNT: usize = Refusal::ALL.len() + OF_THE_LIBRARY.len();
        const ALL_AND_THE_LIBRARY: [Refusal; COUNT] = {
            let mut counted = [Refusal::Bug; COUNT];
            let mut at = 0;
            while at < COUNT {
                #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
                {
                    counted[at] = if at < Refusal::ALL.len() {
                        Refusal::ALL[at]
                    } else {
                        Refusal::Token(OF_THE_LIBRARY[at - Refusal::ALL.len()])
                    };
                }
                at += 1;
            }
            counted
        };
        &ALL_AND_THE_LIBRARY
    };

    /// Its place in [`Self::COUNTED`]; in [`Self::ALL`] too, unless the library refused. What the library refuses is
    /// counted with the gateway's own refusal of that code, where there is one; what no guard says, as `token_invalid`.
    #[must_use]
    pub(crate) fn place(self) -> usize {
        let place = match self {
            Self::Token(_) => Self::COUNTED.iter().position(|refusal| refusal.code() == self.code()),
            _ => Self::ALL.iter().position(|refusal| *refusal == self),
        };
        place
            .or_else(|| Self::ALL.iter().position(|refusal| *refusal == Self::TokenInvalid))
            .unwrap_or_default()
    }

    /// Stable name, the same in answers, logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().code
    }
}

/// What the library refuses by codes that the gateway's own refusals do not have; one of each, in their order. Not what
/// is wrong with a proof of possession: no guard asks for one.
const OF_THE_LIBRARY: &[TokenRefusal] = &[
    TokenRefusal::AlgorithmMismatch,
    TokenRefusal::AudienceMismatch,
    TokenRefusal::ClaimMalformed(ClaimName::Actor),
    TokenRefusal::ClaimMissing(ClaimName::Audience),
    TokenRefusal::ClaimRequired(ClaimName::Custom("")),
    TokenRefusal::CriticalHeader,
    TokenRefusal::IssuerUnknown,
    TokenRefusal::KeyUnknown,
    TokenRefusal::OrganisationNotOfIssuer,
    TokenRefusal::PayloadMalformed,
    TokenRefusal::RevocationsUnavailable,
    TokenRefusal::SignatureInvalid,
    TokenRefusal::TokenAmbiguous,
    TokenRefusal::TokenBound,
    TokenRefusal::TokenIssuedInFuture,
    TokenRefusal::TokenLivesTooLong,
    TokenRefusal::TokenMalformed,
    TokenRefusal::TokenMissing,
    TokenRefusal::TokenNeedsProof,
    TokenRefusal::TokenNotBound,
    TokenRefusal::TokenNotYetValid,
    TokenRefusal::TokenOfOtherType,
    TokenRefusal::TokenRevoked,
    TokenRefusal::TokenStatusUnchecked,
];

impl From<TokenRefusal> for Refusal {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Token(refusal)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign::TokenRefusal;

    use super::Refusal;

    #[test]
    fn codes_are_unique_and_sorted() {
        let codes: Vec<_> = Refusal::ALL.iter().map(|r| r.code()).collect();
        let set: BTreeSet<_> = codes.iter().collect();
        assert_eq!(set.len(), codes.len());
        assert!(codes.is_sorted());
    }

    #[test]
    fn every_code_is_counted_in_a_place_of_its_own() {
        let codes: BTreeSet<_> = Refusal::COUNTED.iter().map(|refusal| refusal.code()).collect();
        assert_eq!(codes.len(), Refusal::COUNTED.len());
        let of_guards = TokenRefusal::ALL.iter().filter(|refusal| !refusal.code().starts_with("proof_"));
        let of_tokens = of_guards.map(|refusal| Refusal::Token(*refusal));
        for refusal in Refusal::ALL.iter().copied().chain(of_tokens) {
            assert_eq!(Refusal::COUNTED[refusal.place()].code(), refusal.code());
        }
    }

    #[test]
    fn an_outage_is_never_an_unauthorized() {
        for refusal in Refusal::ALL {
            let row = refusal.row();
            if row.code.starts_with("source_") || row.retry_after.is_some() {
                assert!(row.status.is_server_error(), "{}", row.code);
            }
        }
    }
}
