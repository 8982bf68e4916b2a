//! Why a request was turned away, and the one table that puts each reason on the wire.

use std::time::Duration;

use countersign::TokenRefusal;
use http::StatusCode;

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
    /// The gateway is shutting down.
    Draining,
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
    /// The session was revoked.
    Revoked,
    /// The caller has none of the roles the route demands.
    RoleMissing,
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

/// What `WWW-Authenticate` says (RFC 6750 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// The scheme alone: the request carried no credential.
    Bare,
    /// With `error="…"`.
    Error(&'static str),
    /// No challenge: a credential would not help.
    None,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Stable name, the same in answers, logs and metrics.
    pub code: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// Challenge sent with it.
    pub challenge: Challenge,
    /// `Retry-After`, if trying again can help.
    pub retry_after: Option<Duration>,
    /// What the client is told: never a value of the request or the session.
    pub text: &'static str,
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
        Self::Draining,
        Self::Framing,
        Self::HeaderMalformed,
        Self::HeaderTimeout,
        Self::HeaderTooLarge,
        Self::HostInvalid,
        Self::KeysUnavailable,
        Self::MethodNotAllowed,
        Self::NoRoute,
        Self::OrganisationInvalid,
        Self::OrganisationMissing,
        Self::ParameterInvalid,
        Self::PathNotCanonical,
        Self::RequestLineMalformed,
        Self::RevocationUnsettled,
        Self::Revoked,
        Self::RoleMissing,
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

    /// Its place in [`Self::ALL`]. What the library refuses is counted where a refusal of that code is, else as
    /// `token_invalid`.
    #[must_use]
    pub(crate) fn place(self) -> usize {
        let find = |wanted: Self| match wanted {
            Self::Token(_) => Self::ALL.iter().position(|refusal| refusal.code() == wanted.code()),
            _ => Self::ALL.iter().position(|refusal| *refusal == wanted),
        };
        find(self).or_else(|| find(Self::TokenInvalid)).unwrap_or_default()
    }

    /// This refusal's row.
    #[must_use]
    pub const fn row(self) -> Row {
        use Challenge::{Bare, Error, None as NoChallenge};
        const SOON: Option<Duration> = Some(Duration::from_secs(1));
        const LATER: Option<Duration> = Some(Duration::from_secs(5));
        let (code, status, challenge, retry_after, text) = match self {
            Self::AmbiguousCredential => (
                "ambiguous_credential",
                StatusCode::BAD_REQUEST,
                Error("invalid_request"),
                None,
                "the request carries two different credentials",
            ),
            Self::AudienceNotAllowed => (
                "audience_not_allowed",
                StatusCode::FORBIDDEN,
                NoChallenge,
                None,
                "pages get no token for this audience",
            ),
            Self::BodyTimeout => (
                "body_timeout",
                StatusCode::REQUEST_TIMEOUT,
                NoChallenge,
                None,
                "the request body did not arrive in time",
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                NoChallenge,
                None,
                "the request body is longer than this gateway forwards",
            ),
            Self::Bug => (
                "bug",
                StatusCode::INTERNAL_SERVER_ERROR,
                NoChallenge,
                None,
                "the gateway failed; the decision id names the case in its log",
            ),
            Self::ClaimInvalid => (
                "claim_invalid",
                StatusCode::FORBIDDEN,
                NoChallenge,
                None,
                "the session holds a value that cannot be made into a claim",
            ),
            Self::CountersignHeaderMissing => (
                "countersign_header_missing",
                StatusCode::FORBIDDEN,
                NoChallenge,
                None,
                "the header `Countersign: 1` is required here",
            ),
            Self::CredentialMalformed => (
                "credential_malformed",
                StatusCode::BAD_REQUEST,
                Error("invalid_request"),
                None,
                "the credential has a form no session token has",
            ),
            Self::CredentialMissing => (
                "credential_missing",
                StatusCode::UNAUTHORIZED,
                Bare,
                None,
                "the request carries no credential",
            ),
            Self::CredentialTooLarge => (
                "credential_too_large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                NoChallenge,
                None,
                "the credential is longer than 8 KiB",
            ),
            Self::Csrf => (
                "csrf",
                StatusCode::FORBIDDEN,
                NoChallenge,
                None,
                "nothing shows that this request comes from one of our pages",
            ),
            Self::Draining => (
                "draining",
                StatusCode::SERVICE_UNAVAILABLE,
                NoChallenge,
                SOON,
                "the gateway is shutting down; try again",
            ),
            Self::Framing => (
                "framing",
                StatusCode::BAD_REQUEST,
                NoChallenge,
                None,
                "the length of the request can be read in two ways",
            ),
            Self::HeaderMalformed => (
                "header_malformed",
                StatusCode::BAD_REQUEST,
                NoChallenge,
                None,
                "a header field is malformed",
            ),
            Self::HeaderTimeout => (
                "header_timeout",
                StatusCode::REQUEST_TIMEOUT,
                NoChallenge,
                None,
                "the header section did not arrive in time",
            ),
            Self::HeaderTooLarge => (
                "header_too_large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                NoChallenge,
                None,
                "the header section is too long or has too many fields",
            ),
            Self::HostInvalid => (
                "host_invalid",
                StatusCode::BAD_REQUEST,
                NoChallenge,
                None,
                "the host is missing, doubled, malformed or contradicted by the request target",
            ),
            Self::KeysUnavailable => (
                "keys_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                NoChallenge,
                LATER,
                "the gateway has no key to sign with",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                NoChallenge,
                None,
                "this method is not forwarded",
            ),
            Self::NoRoute => {
                ("no_route", StatusCode::NOT_FOUND, NoChallenge, None, "nothing is served at this address")
            }
            Self::OrganisationInvalid => (
                "organisation_invalid",
                StatusCode::FORBIDDEN,
                NoChallenge,
                None,
                "the session does not name exactly one organisation",
            ),
            Self::OrganisationMissing => (
                "organisation_missing",
                StatusCode::FORBIDDEN,
                NoChallenge,
                None,
                "the session belongs to no organisation",
            ),
            Self::ParameterInvalid => (
                "parameter_invalid",
                StatusCode::BAD_REQUEST,
                NoChallenge,
                None,
                "a parameter is missing, doubled or not what it may be",
            ),
            Self::PathNotCanonical => (
                "path_not_canonical",
                StatusCode::BAD_REQUEST,
                NoChallenge,
                None,
                "the path could be understood in two ways; write it in its plain form",
            ),
            Self::RequestLineMalformed => (
                "request_line_malformed",
                StatusCode::BAD_REQUEST,
                NoChallenge,
                None,
                "the request line is malformed",
            ),
            Self::RevocationUnsettled => (
                "revocation_unsettled",
                StatusCode::SERVICE_UNAVAILABLE,
                NoChallenge,
                SOON,
                "a revocation is being recorded; try again",
            ),
            Self::Revoked => (
                "revoked",
                StatusCode::UNAUTHORIZED,
                Error("invalid_token"),
                None,
                "the session was revoked; log in again",
            ),
            Self::RoleMissing => (
                "role_missing",
                StatusCode::FORBIDDEN,
                Error("insufficient_scope"),
                None,
                "the caller has none of the roles that are needed here",
            ),
            Self::SessionBoundToKey => (
                "session_bound_to_key",
                StatusCode::UNAUTHORIZED,
                Error("invalid_token"),
                None,
                "the credential is bound to a key and cannot be used as a plain bearer token",
            ),
            Self::SessionEnded => (
                "session_ended",
                StatusCode::UNAUTHORIZED,
                Error("invalid_token"),
                None,
                "the session has ended; log in again",
            ),
            Self::SessionOfOtherClient => (
                "session_of_other_client",
                StatusCode::UNAUTHORIZED,
                Error("invalid_token"),
                None,
                "the session belongs to a client that is not accepted here",
            ),
            Self::SessionOfOtherKind => (
                "session_of_other_kind",
                StatusCode::UNAUTHORIZED,
                Error("invalid_token"),
                None,
                "the credential is a refresh token or an ID token, not an access token",
            ),
            Self::SourceNonsense => (
                "source_nonsense",
                StatusCode::SERVICE_UNAVAILABLE,
                NoChallenge,
                LATER,
                "the authorization server gave no usable answer; the session is untouched",
            ),
            Self::SourceRefusesUs => (
                "source_refuses_us",
                StatusCode::SERVICE_UNAVAILABLE,
                NoChallenge,
                LATER,
                "the authorization server refuses to answer the gateway; the session is untouched",
            ),
            Self::SourceUnavailable => (
                "source_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                NoChallenge,
                LATER,
                "the authorization server cannot be asked; the session is untouched",
            ),
            Self::SubjectMissing => (
                "subject_missing",
                StatusCode::FORBIDDEN,
                NoChallenge,
                None,
                "the session does not say whose it is",
            ),
            Self::Token(refusal) => return of_token(refusal),
            Self::TokenExpired => (
                "token_expired",
                StatusCode::UNAUTHORIZED,
                Error("invalid_token"),
                None,
                "the token has come to its end: renew it with the session's cookie",
            ),
            Self::TokenInvalid => (
                "token_invalid",
                StatusCode::UNAUTHORIZED,
                Error("invalid_token"),
                None,
                "this is no token that the gateway signed for pages",
            ),
            Self::TokenTooLarge => (
                "token_too_large",
                StatusCode::INTERNAL_SERVER_ERROR,
                NoChallenge,
                None,
                "the access token would be longer than the header budget",
            ),
            Self::TooManyLookups => (
                "too_many_lookups",
                StatusCode::SERVICE_UNAVAILABLE,
                NoChallenge,
                SOON,
                "too many sessions are being looked up; try again",
            ),
            Self::UpgradeNotAllowed => (
                "upgrade_not_allowed",
                StatusCode::FORBIDDEN,
                NoChallenge,
                None,
                "this route does not allow an upgrade of the connection",
            ),
            Self::UpstreamClosed => (
                "upstream_closed",
                StatusCode::BAD_GATEWAY,
                NoChallenge,
                None,
                "the service closed the connection without an answer",
            ),
            Self::UpstreamMalformed => (
                "upstream_malformed",
                StatusCode::BAD_GATEWAY,
                NoChallenge,
                None,
                "the service gave an answer that is not HTTP",
            ),
            Self::UpstreamTimeout => (
                "upstream_timeout",
                StatusCode::GATEWAY_TIMEOUT,
                NoChallenge,
                None,
                "the service did not answer in time",
            ),
            Self::UpstreamUnreachable => (
                "upstream_unreachable",
                StatusCode::BAD_GATEWAY,
                NoChallenge,
                SOON,
                "the service cannot be reached",
            ),
            Self::UriTooLong => (
                "uri_too_long",
                StatusCode::URI_TOO_LONG,
                NoChallenge,
                None,
                "the request target is longer than 8 KiB",
            ),
            Self::VersionNotSupported => (
                "version_not_supported",
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                NoChallenge,
                None,
                "this version of HTTP is not spoken here",
            ),
        };
        Row { code, status, challenge, retry_after, text }
    }

    /// Stable name, the same in answers, logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().code
    }
}

impl From<TokenRefusal> for Refusal {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Token(refusal)
    }
}

/// What the library's table says.
const fn of_token(refusal: TokenRefusal) -> Row {
    let row = refusal.row();
    let challenge = match row.challenge {
        countersign::Challenge::Bare => Challenge::Bare,
        countersign::Challenge::Error(error) => Challenge::Error(error),
        countersign::Challenge::None => Challenge::None,
    };
    Row { code: row.code, status: row.status, challenge, retry_after: row.retry_after, text: row.text }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Refusal;

    #[test]
    fn codes_are_unique_and_sorted() {
        let codes: Vec<_> = Refusal::ALL.iter().map(|r| r.code()).collect();
        let set: BTreeSet<_> = codes.iter().collect();
        assert_eq!(set.len(), codes.len());
        assert!(codes.is_sorted());
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
