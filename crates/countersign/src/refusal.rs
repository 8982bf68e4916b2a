//! Why a request was turned away by a service, and the one table that puts each reason on the wire.

use std::{fmt, time::Duration};

use http::{HeaderValue, StatusCode};

use crate::jws::JwsError;

/// Why a token, or a caller with a good token, was refused.
///
/// Closed on purpose: whoever matches on it looks at a new reason when there is one. A released code never changes
/// its meaning. The client is told the [code](Self::code) and a fixed [text](Self::text); which claim it was goes to
/// the log only (`Display`). No value of a token is in any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenRefusal {
    /// The header names an algorithm that is not the key's, or none of ours (RFC 8725 §3.1).
    AlgorithmMismatch,
    /// The token is for another service (RFC 7519 §4.1.3).
    AudienceMismatch,
    /// A claim has the wrong type or an impossible value: never taken as absent.
    ClaimMalformed(ClaimName),
    /// A claim that every access token has is not there (RFC 9068 §2.2).
    ClaimMissing(ClaimName),
    /// What was asked for needs a claim that this token, good as it is, does not have. Another token of the same
    /// caller would not have it either, so it is a 403.
    ClaimRequired(ClaimName),
    /// The header demands an extension that is not implemented (RFC 7515 §4.1.11).
    CriticalHeader,
    /// The header is not one JSON object without doubled members, or a member has the wrong type.
    HeaderMalformed,
    /// The token says it is from an issuer that is not trusted (RFC 7519 §4.1.1).
    IssuerUnknown,
    /// The issuer has no key of that name, or the token names none and there is more than one.
    KeyUnknown,
    /// No key of the issuer is at hand: the service cannot decide. Never the caller's fault.
    KeysUnavailable,
    /// `organisation` is not the name of exactly one: an array, empty, `*`.
    OrganisationInvalid,
    /// What was asked for needs an organisation, and the token has none.
    OrganisationMissing,
    /// The token names an organisation that its issuer may not name here ([`Organisations`](crate::Organisations)).
    OrganisationNotOfIssuer,
    /// The payload is not one JSON object without doubled members.
    PayloadMalformed,
    /// The proof names no signature algorithm that is accepted here, or one with a shared secret (RFC 9449 §4.3, 5).
    ProofAlgorithmUnsupported,
    /// More than one `DPoP` header (RFC 9449 §4.3, 1).
    ProofAmbiguous,
    /// A claim of the proof is not there, has the wrong type or an impossible value (RFC 9449 §4.3, 3).
    ProofClaimMalformed(ClaimName),
    /// The proof was made too long ago, or its own end has passed (RFC 9449 §4.3, 11).
    ProofExpired,
    /// The proof is for another method (RFC 9449 §4.3, 8).
    ProofForOtherMethod,
    /// The proof is for another access token (RFC 9449 §4.3, 12).
    ProofForOtherToken,
    /// The proof is for another URI, or for one that cannot be read (RFC 9449 §4.3, 9).
    ProofForOtherUri,
    /// The proof was made later than now (RFC 9449 §4.3, 11).
    ProofIssuedInFuture,
    /// The proof brings no public key that can be used: none, a private or a weak one (RFC 9449 §4.3, 7).
    ProofKeyInvalid,
    /// The proof is not one compact JWS with two JSON objects (RFC 9449 §4.3, 2).
    ProofMalformed,
    /// No further proof can be remembered: the service cannot decide. Never the caller's fault.
    ProofMemoryFull,
    /// The token was sent with the scheme `DPoP`, and no proof came with it (RFC 9449 §7.1).
    ProofMissing,
    /// The proof lacks the nonce that the service gives out, or has an old one (RFC 9449 §9).
    ProofNonceRequired,
    /// The proof is not of the key that the token is bound to (RFC 9449 §4.3, 12).
    ProofOfOtherKey,
    /// Signed, but no proof: `typ` is another (RFC 9449 §4.3, 4).
    ProofOfOtherType,
    /// The same proof has come before (RFC 9449 §11.1).
    ProofReplayed,
    /// The proof's signature is not valid (RFC 9449 §4.3, 6).
    ProofSignatureInvalid,
    /// The proof is longer than the service looks at.
    ProofTooLarge,
    /// Whether the token is revoked cannot be known, and the service was told not to guess.
    RevocationsUnavailable,
    /// The caller has none of the roles that are needed.
    RoleMissing,
    /// The token's scope does not allow it (RFC 6750 §3.1).
    ScopeMissing,
    /// The signature is not valid.
    SignatureInvalid,
    /// More than one token, or `Authorization` more than once (RFC 6750 §2).
    TokenAmbiguous,
    /// The token is bound to a key (`cnf`), and its proof cannot be checked here (RFC 7800).
    TokenBound,
    /// Its end has passed (RFC 7519 §4.1.4).
    TokenExpired,
    /// Issued later than now (RFC 7519 §4.1.6).
    TokenIssuedInFuture,
    /// From `iat` to `exp` is longer than the service accepts.
    TokenLivesTooLong,
    /// Not three segments of base64url (RFC 7515 §7.1).
    TokenMalformed,
    /// The request carries no token.
    TokenMissing,
    /// The token is bound to a key (`cnf`) and was sent as a bearer token (RFC 9449 §7.2).
    TokenNeedsProof,
    /// The token is bound to no key, and was sent as one that is, or the service takes no other.
    TokenNotBound,
    /// Not valid yet (RFC 7519 §4.1.5).
    TokenNotYetValid,
    /// Signed, but no access token: an ID token, a log-out token (RFC 9068 §4, RFC 8725 §3.11).
    TokenOfOtherType,
    /// The token, its session, subject or organisation is revoked.
    TokenRevoked,
    /// The token says that whether it is revoked stands in a list of its issuer's (`status`, Token Status List), which
    /// is not looked at here.
    TokenStatusUnchecked,
    /// Longer than the service looks at.
    TokenTooLarge,
}

/// A claim a refusal can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimName {
    /// `act` (RFC 8693 §4.1).
    Actor,
    /// `aud`.
    Audience,
    /// `client_id`.
    ClientId,
    /// One of the issuer's own, by its name.
    Custom(&'static str),
    /// `derived_from`.
    DerivedFrom,
    /// `email`.
    Email,
    /// `exp`.
    Expires,
    /// `iat`.
    IssuedAt,
    /// `iss`.
    Issuer,
    /// `htm`, of a proof (RFC 9449 §4.2).
    Method,
    /// `nonce`, of a proof (RFC 9449 §9).
    Nonce,
    /// `nbf`.
    NotBefore,
    /// `roles`.
    Roles,
    /// `scope`.
    Scope,
    /// `sid`.
    SessionId,
    /// `sub`.
    Subject,
    /// `ath`, of a proof (RFC 9449 §4.2).
    TokenHash,
    /// `jti`.
    TokenId,
    /// `htu`, of a proof (RFC 9449 §4.2).
    Uri,
    /// `preferred_username`.
    Username,
}

/// What `WWW-Authenticate` says (RFC 6750 §3, RFC 9449 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// The scheme alone: the request carried no token.
    Bare,
    /// With `error="…"`.
    Error(&'static str),
    /// No challenge: another token would not help.
    None,
    /// Of the scheme `DPoP`, with `error="…"` (RFC 9449 §7.1).
    Proof(&'static str),
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct RefusalRow {
    /// Stable name, the same in answers, logs and metrics.
    pub code: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// Challenge sent with it.
    pub challenge: Challenge,
    /// `Retry-After`, if trying again can help.
    pub retry_after: Option<Duration>,
    /// What the client is told: never a value of the token.
    pub text: &'static str,
}

/// One text for everything about key and signature: which of them it was helps only a forger.
const UNVERIFIABLE: &str = "the token's signature cannot be verified";

impl TokenRefusal {
    /// Every refusal, in the order of the codes; one of each claim.
    pub const ALL: &'static [Self] = &[
        Self::AlgorithmMismatch,
        Self::AudienceMismatch,
        Self::ClaimMalformed(ClaimName::Actor),
        Self::ClaimMissing(ClaimName::Audience),
        Self::ClaimRequired(ClaimName::Custom("")),
        Self::CriticalHeader,
        Self::HeaderMalformed,
        Self::IssuerUnknown,
        Self::KeyUnknown,
        Self::KeysUnavailable,
        Self::OrganisationInvalid,
        Self::OrganisationMissing,
        Self::OrganisationNotOfIssuer,
        Self::PayloadMalformed,
        Self::ProofAlgorithmUnsupported,
        Self::ProofAmbiguous,
        Self::ProofClaimMalformed(ClaimName::Method),
        Self::ProofExpired,
        Self::ProofForOtherMethod,
        Self::ProofForOtherToken,
        Self::ProofForOtherUri,
        Self::ProofIssuedInFuture,
        Self::ProofKeyInvalid,
        Self::ProofMalformed,
        Self::ProofMemoryFull,
        Self::ProofMissing,
        Self::ProofNonceRequired,
        Self::ProofOfOtherKey,
        Self::ProofOfOtherType,
        Self::ProofReplayed,
        Self::ProofSignatureInvalid,
        Self::ProofTooLarge,
        Self::RevocationsUnavailable,
        Self::RoleMissing,
        Self::ScopeMissing,
        Self::SignatureInvalid,
        Self::TokenAmbiguous,
        Self::TokenBound,
        Self::TokenExpired,
        Self::TokenIssuedInFuture,
        Self::TokenLivesTooLong,
        Self::TokenMalformed,
        Self::TokenMissing,
        Self::TokenNeedsProof,
        Self::TokenNotBound,
        Self::TokenNotYetValid,
        Self::TokenOfOtherType,
        Self::TokenRevoked,
        Self::TokenStatusUnchecked,
        Self::TokenTooLarge,
    ];

    /// This refusal's row.
    #[must_use]
    pub const fn row(self) -> RefusalRow {
        const SOON: Option<Duration> = Some(Duration::from_secs(5));
        let (code, status, challenge, retry_after, text) = match self {
            Self::AlgorithmMismatch => invalid("algorithm_mismatch", UNVERIFIABLE),
            Self::AudienceMismatch => invalid("audience_mismatch", "the token is for another service"),
            Self::ClaimMalformed(_) => invalid("claim_malformed", "a claim of the token is malformed"),
            Self::ClaimMissing(_) => invalid("claim_missing", "the token lacks a claim that is required"),
            Self::ClaimRequired(_) => {
                forbidden("claim_required", "the token lacks a claim that is needed here")
            }
            Self::CriticalHeader => invalid("critical_header", "the token demands an unknown extension"),
            Self::HeaderMalformed => invalid("header_malformed", "the token's header is malformed"),
            Self::IssuerUnknown => invalid("issuer_unknown", "the token's issuer is not trusted here"),
            Self::KeyUnknown => invalid("key_unknown", UNVERIFIABLE),
            Self::KeysUnavailable => (
                "keys_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                Challenge::None,
                SOON,
                "the service has no keys to verify tokens with; try again",
            ),
            Self::OrganisationInvalid => {
                invalid("organisation_invalid", "the token does not name exactly one organisation")
            }
            Self::OrganisationMissing => forbidden("organisation_missing", "the token names no organisation"),
            Self::OrganisationNotOfIssuer => {
                invalid("organisation_not_of_issuer", "the token's issuer may not name that organisation")
            }
            Self::PayloadMalformed => invalid("payload_malformed", "the token's payload is malformed"),
            Self::ProofAlgorithmUnsupported
            | Self::ProofAmbiguous
            | Self::ProofClaimMalformed(_)
            | Self::ProofExpired
            | Self::ProofForOtherMethod
            | Self::ProofForOtherToken
            | Self::ProofForOtherUri
            | Self::ProofIssuedInFuture
            | Self::ProofKeyInvalid
            | Self::ProofMalformed
            | Self::ProofMemoryFull
            | Self::ProofMissing
            | Self::ProofNonceRequired
            | Self::ProofOfOtherKey
            | Self::ProofOfOtherType
            | Self::ProofReplayed
            | Self::ProofSignatureInvalid
            | Self::ProofTooLarge => self.of_proof(),
            Self::RevocationsUnavailable => (
                "revocations_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                Challenge::None,
                SOON,
                "the service cannot tell which tokens are revoked; try again",
            ),
            Self::RoleMissing => forbidden("role_missing", "the caller lacks a role that is needed"),
            Self::ScopeMissing => forbidden("scope_missing", "the token's scope does not allow this"),
            Self::SignatureInvalid => invalid("signature_invalid", UNVERIFIABLE),
            Self::TokenAmbiguous => (
                "token_ambiguous",
                StatusCode::BAD_REQUEST,
                Challenge::Error("invalid_request"),
                None,
                "the request carries more than one token",
            ),
            Self::TokenBound => invalid(
                "token_bound",
                "the token is bound to a key, and proof of that key is not supported here",
            ),
            Self::TokenExpired => invalid("token_expired", "the token has expired"),
            Self::TokenIssuedInFuture => {
                invalid("token_issued_in_future", "the token was issued in the future")
            }
            Self::TokenLivesTooLong => {
                invalid("token_lives_too_long", "the token lives longer than is accepted")
            }
            Self::TokenMalformed => {
                invalid("token_malformed", "the token is not three segments of base64url")
            }
            Self::TokenMissing => (
                "token_missing",
                StatusCode::UNAUTHORIZED,
                Challenge::Bare,
                None,
                "the request carries no token",
            ),
            Self::TokenNeedsProof => {
                invalid("token_needs_proof", "the token is bound to a key: send it as DPoP, with a proof")
            }
            Self::TokenNotBound => invalid("token_not_bound", "the token is bound to no key, and has to be"),
            Self::TokenNotYetValid => invalid("token_not_yet_valid", "the token is not valid yet"),
            Self::TokenOfOtherType => invalid("token_of_other_type", "the token is not an access token"),
            Self::TokenRevoked => invalid("token_revoked", "the token has been revoked"),
            Self::TokenStatusUnchecked => invalid(
                "token_status_unchecked",
                "the token's status is kept in a list that is not looked at here",
            ),
            Self::TokenTooLarge => invalid("token_too_large", "the token is too long"),
        };
        RefusalRow { code, status, challenge, retry_after, text }
    }

    /// The columns of what is wrong with a proof (RFC 9449 §4.3).
    const fn of_proof(self) -> Columns {
        match self {
            Self::ProofAlgorithmUnsupported => {
                unproved("proof_algorithm_unsupported", "the proof's algorithm is not accepted here")
            }
            Self::ProofAmbiguous => unproved("proof_ambiguous", "the request carries more than one proof"),
            Self::ProofClaimMalformed(_) => {
                unproved("proof_claim_malformed", "a claim of the proof is missing or malformed")
            }
            Self::ProofExpired => unproved("proof_expired", "the proof is too old"),
            Self::ProofForOtherMethod => {
                unproved("proof_for_other_method", "the proof is for another method")
            }
            Self::ProofForOtherToken => unproved("proof_for_other_token", "the proof is for another token"),
            Self::ProofForOtherUri => unproved("proof_for_other_uri", "the proof is for another URI"),
            Self::ProofIssuedInFuture => {
                unproved("proof_issued_in_future", "the proof was made in the future")
            }
            Self::ProofKeyInvalid => unproved("proof_key_invalid", "the proof's key cannot be used"),
            Self::ProofMemoryFull => (
                "proof_memory_full",
                StatusCode::SERVICE_UNAVAILABLE,
                Challenge::None,
                Some(Duration::from_secs(5)),
                "the service cannot take more proofs at present; try again",
            ),
            Self::ProofMissing => unproved("proof_missing", "the request carries no proof"),
            Self::ProofNonceRequired => (
                "proof_nonce_required",
                StatusCode::UNAUTHORIZED,
                Challenge::Proof("use_dpop_nonce"),
                None,
                "the proof needs the nonce that this answer carries",
            ),
            Self::ProofOfOtherKey => (
                "proof_of_other_key",
                StatusCode::UNAUTHORIZED,
                Challenge::Proof("invalid_token"),
                None,
                "the proof is not of the key that the token is bound to",
            ),
            Self::ProofOfOtherType => unproved("proof_of_other_type", "the proof is no DPoP proof"),
            Self::ProofReplayed => unproved("proof_replayed", "the proof has been used before"),
            Self::ProofSignatureInvalid => {
                unproved("proof_signature_invalid", "the proof's signature cannot be verified")
            }
            Self::ProofTooLarge => unproved("proof_too_large", "the proof is too long"),
            _ => unproved("proof_malformed", "the proof is not one signed JSON object"),
        }
    }

    /// Its stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().code
    }

    /// Its HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().status
    }

    /// What the client is told.
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.row().text
    }

    /// The claim it is about, for the log.
    #[must_use]
    pub const fn claim(self) -> Option<ClaimName> {
        match self {
            Self::ClaimMalformed(claim)
            | Self::ClaimMissing(claim)
            | Self::ClaimRequired(claim)
            | Self::ProofClaimMalformed(claim) => Some(claim),
            _ => None,
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750 §3), if there is one. What a verifier that checks proofs says is
    /// [`Verifier::challenge`](crate::Verifier) (feature `dpop`), which names the algorithms too. `scope` says what would have been needed; it
    /// is left out unless it is made of scope tokens (RFC 6749 §3.3).
    #[must_use]
    pub fn www_authenticate(self, scope: Option<&str>) -> Option<HeaderValue> {
        let value = match self.row().challenge {
            Challenge::Bare => return Some(HeaderValue::from_static("Bearer")),
            Challenge::Error(error) => challenge("Bearer", error, scope),
            Challenge::None => return None,
            Challenge::Proof(error) => challenge("DPoP", error, scope),
        };
        HeaderValue::try_from(value).ok()
    }

    /// The body of the answer, `application/problem+json` (RFC 9457), as the gateway's refusals have it: `type`,
    /// `title`, `status`, and the extension member `code`.
    #[must_use]
    pub fn problem(self) -> String {
        let row = self.row();
        serde_json::json!({
            "type": format!("urn:countersign:refusal:{}", row.code),
            "title": row.text,
            "status": row.status.as_u16(),
            "code": row.code,
        })
        .to_string()
    }
}

type Columns = (&'static str, StatusCode, Challenge, Option<Duration>, &'static str);

/// One challenge. A scope that is none is left out.
pub(crate) fn challenge(scheme: &str, error: &str, scope: Option<&str>) -> String {
    match scope.filter(|scope| !scope.is_empty() && scope.bytes().all(is_scope_byte)) {
        Some(scope) => format!(r#"{scheme} error="{error}", scope="{scope}""#),
        None => format!(r#"{scheme} error="{error}""#),
    }
}

const fn unproved(code: &'static str, text: &'static str) -> Columns {
    (code, StatusCode::UNAUTHORIZED, Challenge::Proof("invalid_dpop_proof"), None, text)
}

const fn invalid(code: &'static str, text: &'static str) -> Columns {
    (code, StatusCode::UNAUTHORIZED, Challenge::Error("invalid_token"), None, text)
}

const fn forbidden(code: &'static str, text: &'static str) -> Columns {
    (code, StatusCode::FORBIDDEN, Challenge::Error("insufficient_scope"), None, text)
}

/// RFC 6749 §3.3, and the space between tokens.
const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

impl ClaimName {
    /// The claim as it stands in a token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actor => "act",
            Self::Audience => "aud",
            Self::ClientId => "client_id",
            Self::Custom(name) => name,
            Self::DerivedFrom => "derived_from",
            Self::Email => "email",
            Self::Expires => "exp",
            Self::IssuedAt => "iat",
            Self::Issuer => "iss",
            Self::Method => "htm",
            Self::Nonce => "nonce",
            Self::NotBefore => "nbf",
            Self::Roles => "roles",
            Self::Scope => "scope",
            Self::SessionId => "sid",
            Self::Subject => "sub",
            Self::TokenHash => "ath",
            Self::TokenId => "jti",
            Self::Uri => "htu",
            Self::Username => "preferred_username",
        }
    }
}

impl From<JwsError> for TokenRefusal {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::AlgorithmMismatch => Self::AlgorithmMismatch,
            JwsError::CriticalHeader => Self::CriticalHeader,
            JwsError::Encoding | JwsError::Segments => Self::TokenMalformed,
            JwsError::HeaderMalformed => Self::HeaderMalformed,
            JwsError::SignatureInvalid => Self::SignatureInvalid,
            JwsError::TooLarge => Self::TokenTooLarge,
        }
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        self.claim().map_or(Ok(()), |claim| write!(f, " ({})", claim.name()))
    }
}

impl std::error::Error for TokenRefusal {}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{Challenge, ClaimName, TokenRefusal, UNVERIFIABLE};

    #[test]
    fn codes_are_sorted_and_distinct() {
        assert!(TokenRefusal::ALL.is_sorted_by(|left, right| left.code() < right.code()));
        for refusal in TokenRefusal::ALL {
            assert!(
                refusal.code().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_status_has_its_challenge() {
        for &refusal in TokenRefusal::ALL {
            let row = refusal.row();
            let expected = match row.status {
                StatusCode::UNAUTHORIZED if refusal == TokenRefusal::TokenMissing => Challenge::Bare,
                StatusCode::UNAUTHORIZED if refusal == TokenRefusal::ProofNonceRequired => {
                    Challenge::Proof("use_dpop_nonce")
                }
                StatusCode::UNAUTHORIZED if refusal == TokenRefusal::ProofOfOtherKey => {
                    Challenge::Proof("invalid_token")
                }
                StatusCode::UNAUTHORIZED if refusal.code().starts_with("proof_") => {
                    Challenge::Proof("invalid_dpop_proof")
                }
                StatusCode::UNAUTHORIZED => Challenge::Error("invalid_token"),
                StatusCode::FORBIDDEN => Challenge::Error("insufficient_scope"),
                StatusCode::BAD_REQUEST => Challenge::Error("invalid_request"),
                StatusCode::SERVICE_UNAVAILABLE => Challenge::None,
                other => panic!("{other}"),
            };
            assert_eq!(row.challenge, expected, "{refusal}");
            assert_eq!(row.retry_after.is_some(), row.status == StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
        }
    }

    #[test]
    fn a_forger_learns_nothing_from_the_text() {
        for refusal in
            [TokenRefusal::AlgorithmMismatch, TokenRefusal::KeyUnknown, TokenRefusal::SignatureInvalid]
        {
            assert_eq!(refusal.text(), UNVERIFIABLE);
        }
    }

    #[test]
    fn the_wire_has_the_code_and_the_log_has_the_claim() {
        let refusal = TokenRefusal::ClaimMissing(ClaimName::Expires);
        assert_eq!(refusal.to_string(), "claim_missing (exp)");
        let problem: serde_json::Value = serde_json::from_str(&refusal.problem()).unwrap();
        assert_eq!(problem["code"], "claim_missing");
        assert_eq!(problem["status"], 401);
        assert_eq!(problem["type"], "urn:countersign:refusal:claim_missing");
        assert_eq!(problem["title"], refusal.text());
        assert!(!refusal.problem().contains("exp\""));
        assert_eq!(refusal.www_authenticate(None).unwrap(), r#"Bearer error="invalid_token""#);
        assert_eq!(TokenRefusal::TokenMissing.www_authenticate(None).unwrap(), "Bearer");
        assert_eq!(TokenRefusal::KeysUnavailable.www_authenticate(None), None);
        let scope = TokenRefusal::ScopeMissing;
        assert_eq!(
            scope.www_authenticate(Some("orders:write")).unwrap(),
            r#"Bearer error="insufficient_scope", scope="orders:write""#
        );
        assert_eq!(scope.www_authenticate(Some("a\", x=\"")), scope.www_authenticate(None));
    }
}
