//! One proof, judged. Pure: bytes, expectations and the time go in (RFC 9449 §4.2, §4.3).

use std::time::Duration;

use aws_lc_rs::digest;
use http::Method;

use super::uri::Address;
use crate::{
    ClaimName, Jwk, KeyId, TokenRefusal, UnixTime,
    json::{self, Json, Object},
    jws::{self, Algorithm, JwsError, Unverified, VerifyingKey},
    rule::Rule,
    verifier::numeric_date,
};

/// The longest proof that is looked at, in bytes.
pub(super) const MAX_BYTES: usize = 8 * 1024;
/// The longest `jti`, in bytes.
pub(super) const MAX_ID_BYTES: usize = 256;

/// What a proof must say.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) algorithms: &'a [Algorithm],
    /// The thumbprint of the key that the token is bound to.
    pub(super) bound_to: &'a KeyId,
    pub(super) token: &'a [u8],
    pub(super) method: &'a Method,
    /// The address of the request, by each of the service's names.
    pub(super) addresses: &'a [Address],
    pub(super) max_age: Duration,
    pub(super) leeway: Duration,
    pub(super) now: UnixTime,
}

/// What a good proof says that only the service can judge.
#[derive(Debug)]
pub(super) struct Judged {
    /// Its name (`jti`).
    pub(super) id: String,
    /// The last moment at which it is not too old.
    pub(super) until: UnixTime,
    pub(super) nonce: Option<String>,
}

/// Checks everything about a proof but whether it has come before and whether its nonce is ours.
///
/// The key is compared with the token's before any signature is computed: whoever does not know the key costs us none.
pub(super) fn judge(proof: &[u8], expected: &Expected<'_>) -> Result<Judged, TokenRefusal> {
    let unverified = Unverified::parse(proof, MAX_BYTES).map_err(form)?;
    if Rule::ProofType.is_broken_by(!unverified.header().is_type("dpop+jwt")) {
        return Err(TokenRefusal::ProofOfOtherType);
    }
    let named = Algorithm::from_name(unverified.header().algorithm());
    let algorithm = named.ok_or(TokenRefusal::ProofAlgorithmUnsupported)?;
    if Rule::ProofAlgorithm.is_broken_by(!expected.algorithms.contains(&algorithm)) {
        return Err(TokenRefusal::ProofAlgorithmUnsupported);
    }
    let jwk = embedded_key(unverified.header_segment(), algorithm)?;
    if Rule::ProofKey.is_broken_by(jwk.thumbprint() != *expected.bound_to) {
        return Err(TokenRefusal::ProofOfOtherKey);
    }
    let key = VerifyingKey::from_jwk(jwk).map_err(|_| TokenRefusal::ProofKeyInvalid)?;
    let verified = unverified.verify(&key).map_err(|error| match error {
        // `alg` of the key is not `alg` of the header.
        JwsError::AlgorithmMismatch => TokenRefusal::ProofKeyInvalid,
        _ => TokenRefusal::ProofSignatureInvalid,
    })?;
    claims(verified.payload(), expected)
}

fn form(error: JwsError) -> TokenRefusal {
    match error {
        JwsError::TooLarge => TokenRefusal::ProofTooLarge,
        _ => TokenRefusal::ProofMalformed,
    }
}

/// The public key that a proof brings (`jwk`): of a proof the only thing that decides how it is checked, since it is
/// worth nothing unless it is the token's.
fn embedded_key(header_segment: &[u8], algorithm: Algorithm) -> Result<Jwk, TokenRefusal> {
    let header = jws::decode(header_segment).ok_or(TokenRefusal::ProofMalformed)?;
    let header = json::object(&header).map_err(|_| TokenRefusal::ProofMalformed)?;
    let Some(Json::Object(members)) = header.member("jwk") else { return Err(TokenRefusal::ProofKeyInvalid) };
    Jwk::from_members(members, Some(algorithm)).map_err(|_| TokenRefusal::ProofKeyInvalid)
}

fn claims(payload: &[u8], expected: &Expected<'_>) -> Result<Judged, TokenRefusal> {
    let claims = json::object(payload).map_err(|_| TokenRefusal::ProofMalformed)?;
    let id = required(text(&claims, ClaimName::TokenId)?, ClaimName::TokenId)?;
    if Rule::ProofIdLength.is_broken_by(!(1..=MAX_ID_BYTES).contains(&id.len())) {
        return Err(TokenRefusal::ProofClaimMalformed(ClaimName::TokenId));
    }
    let method = required(text(&claims, ClaimName::Method)?, ClaimName::Method)?;
    let address = required(text(&claims, ClaimName::Uri)?, ClaimName::Uri)?;
    let token_hash = required(text(&claims, ClaimName::TokenHash)?, ClaimName::TokenHash)?;
    let issued = required(date(&claims, ClaimName::IssuedAt)?, ClaimName::IssuedAt)?;

    if Rule::ProofMethod.is_broken_by(method != expected.method.as_str()) {
        return Err(TokenRefusal::ProofForOtherMethod);
    }
    let address = Address::read(address);
    if Rule::ProofUri.is_broken_by(!address.is_some_and(|address| expected.addresses.contains(&address))) {
        return Err(TokenRefusal::ProofForOtherUri);
    }
    if Rule::ProofToken.is_broken_by(token_hash != hash_of(expected.token)) {
        return Err(TokenRefusal::ProofForOtherToken);
    }
    let until = issued.saturating_add(expected.max_age);
    check_time(&claims, issued, until, expected)?;
    let nonce = text(&claims, ClaimName::Nonce)?.map(str::to_owned);
    Ok(Judged { id: id.to_owned(), until, nonce })
}

/// `iat`, and the two that no proof needs, but that mean what they mean in every JWT (RFC 7519 §4.1.4, §4.1.5).
fn check_time(
    claims: &Object<'_>,
    issued: UnixTime,
    until: UnixTime,
    expected: &Expected<'_>,
) -> Result<(), TokenRefusal> {
    let latest_start = expected.now.saturating_add(expected.leeway);
    if Rule::ProofAge.is_broken_by(expected.now > until) {
        return Err(TokenRefusal::ProofExpired);
    }
    if Rule::ProofFuture.is_broken_by(issued > latest_start) {
        return Err(TokenRefusal::ProofIssuedInFuture);
    }
    let ends = date(claims, ClaimName::Expires)?;
    if Rule::ProofExpiry
        .is_broken_by(ends.is_some_and(|end| expected.now >= end.saturating_add(expected.leeway)))
    {
        return Err(TokenRefusal::ProofExpired);
    }
    let starts = date(claims, ClaimName::NotBefore)?;
    if Rule::ProofNotBefore.is_broken_by(starts.is_some_and(|start| start > latest_start)) {
        return Err(TokenRefusal::ProofIssuedInFuture);
    }
    Ok(())
}

/// `ath`: the hash of a token (RFC 9449 §4.2).
pub(crate) fn hash_of(token: &[u8]) -> String {
    jws::encode(digest::digest(&digest::SHA256, token).as_ref())
}

fn required<T>(value: Option<T>, claim: ClaimName) -> Result<T, TokenRefusal> {
    value.ok_or(TokenRefusal::ProofClaimMalformed(claim))
}

/// A string; a value of another type is malformed, never absent.
fn text<'a>(claims: &'a Object<'_>, claim: ClaimName) -> Result<Option<&'a str>, TokenRefusal> {
    let text = |value: &'a Json<'_>| value.text().ok_or(TokenRefusal::ProofClaimMalformed(claim));
    claims.member(claim.name()).map(text).transpose()
}

fn date(claims: &Object<'_>, claim: ClaimName) -> Result<Option<UnixTime>, TokenRefusal> {
    numeric_date(claims.member(claim.name()), claim).map_err(|_| TokenRefusal::ProofClaimMalformed(claim))
}
