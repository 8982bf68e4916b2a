//! The one table that puts each refusal on the wire.

use std::time::Duration;

use countersign::{Challenge, RefusalRow};
use http::StatusCode;

use super::Refusal;

impl Refusal {
    /// This refusal's row.
    #[must_use]
    pub const fn row(self) -> RefusalRow {
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
                "neither `Origin` nor `Sec-Fetch-Site` shows that this request comes from one of our pages",
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
            Self::IdentityTooLarge => (
                "identity_too_large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                NoChallenge,
                None,
                "what the service is to be told of the caller does not fit in its headers",
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
            Self::RevocationsUnread => (
                "revocations_unread",
                StatusCode::SERVICE_UNAVAILABLE,
                NoChallenge,
                SOON,
                "what was revoked elsewhere has not been known here for too long; try again",
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
            Self::ScopeMissing => (
                "scope_missing",
                StatusCode::FORBIDDEN,
                Error("insufficient_scope"),
                None,
                "the scope does not allow this",
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
            Self::Token(refusal) => return refusal.row(),
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
        RefusalRow { code, status, challenge, retry_after, text }
    }
}
