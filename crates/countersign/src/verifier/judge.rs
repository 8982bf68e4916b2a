//! Judges the claims of a payload whose signature holds. Pure: bytes, expectations and the time go in.

use std::{borrow::Cow, time::Duration};

use serde_json::{Map, Value};

use super::{
    members::{Members, Roles},
    trust::{ClaimPaths, NoObject, Organisations},
    verified::Actor,
};
use crate::{
    Audience, ClaimName, Claims, ClientId, Issuer, KeyId, OrganisationId, Role, TokenId, TokenRefusal,
    UnixTime,
    json::{self, Json},
    jws,
    rule::Rule,
};

/// The most tokens one can have been exchanged for, one after the other.
const MAX_ANCESTORS: usize = 16;

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) audience: &'a Audience,
    pub(crate) max_lifetime: Duration,
    pub(crate) leeway: Duration,
    pub(crate) now: UnixTime,
    /// Whether a token may be bound to a key, because proofs of it are checked.
    pub(crate) takes_proofs: bool,
    /// Whether a token may point into a status list, which is not looked at.
    pub(crate) ignores_status: bool,
    /// Whether every token has to name its session.
    pub(crate) needs_session: bool,
    /// Whether every token has to name an organisation.
    pub(crate) needs_organisation: bool,
    /// Those the issuer may name.
    pub(crate) organisations: &'a Organisations,
    /// Where the issuer's tokens say what.
    pub(crate) paths: &'a ClaimPaths,
    /// Another good token's, which are kept once where they are the same. They decide nothing.
    pub(crate) usual: Option<&'a Names>,
}

/// Names that tokens mostly have in common; none that tells who anybody is.
#[derive(Debug)]
pub(crate) struct Names {
    client_id: ClientId,
    organisation: Option<OrganisationId>,
    roles: Vec<Role>,
}

impl Names {
    pub(super) fn of(claims: &Claims) -> Self {
        let Claims { client_id, organisation, roles, .. } = claims.clone();
        Self { client_id, organisation, roles }
    }
}

/// What a good token says.
pub(crate) struct Judged {
    pub(crate) claims: Claims,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) bound_to: Option<KeyId>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) derived_from: Vec<TokenId>,
    pub(crate) others: Map<String, Value>,
}

/// Reads the payload and checks each claim, in this order: issuer, audience, binding, time, names, power,
/// status.
pub(crate) fn judge(payload: &[u8], expected: &Expected<'_>) -> Result<Judged, TokenRefusal> {
    let usual = expected.usual;
    let known_roles = usual.map_or(&[][..], |usual| usual.roles.as_slice());
    let mut members = Members::knowing(known_roles, expected.paths.roles.is_some());
    members.fill(payload).map_err(|_| TokenRefusal::PayloadMalformed)?;

    let issuer = required(text(members.iss.take(), ClaimName::Issuer)?, ClaimName::Issuer)?;
    if Rule::Issuer.is_broken_by(expected.issuer != &*issuer) {
        return Err(TokenRefusal::IssuerUnknown);
    }
    check_audience(members.aud.take(), expected.audience)?;
    let bound_to = members.cnf.take().map(|cnf| bound_to(&cnf, expected.takes_proofs)).transpose()?;

    let exp = required(numeric_date(members.exp.as_ref(), ClaimName::Expires)?, ClaimName::Expires)?;
    let iat = required(numeric_date(members.iat.as_ref(), ClaimName::IssuedAt)?, ClaimName::IssuedAt)?;
    let not_before = numeric_date(members.nbf.as_ref(), ClaimName::NotBefore)?;
    check_time(exp, iat, not_before, expected.now, expected.leeway)?;
    if Rule::Lifetime.is_broken_by(exp.saturating_since(iat) > expected.max_lifetime) {
        return Err(TokenRefusal::TokenLivesTooLong);
    }

    let sub = required(name(members.sub.take(), ClaimName::Subject)?, ClaimName::Subject)?;
    let jti = required(name(members.jti.take(), ClaimName::TokenId)?, ClaimName::TokenId)?;
    let client_id = required(name(members.client_id.take(), ClaimName::ClientId)?, ClaimName::ClientId)?;
    let sid = name(members.sid.take(), ClaimName::SessionId)?;
    if expected.needs_session && sid.is_none() {
        return Err(TokenRefusal::ClaimMissing(ClaimName::SessionId));
    }
    let username = text(members.preferred_username.take(), ClaimName::Username)?;
    let email = text(members.email.take(), ClaimName::Email)?;

    let organisation = named_organisation(&mut members, expected)?;
    let roles = given_roles(&mut members, expected.paths)?;
    let scope = text(members.scope.take(), ClaimName::Scope)?;
    let actors = actors(members.act.as_ref())?;
    let derived_from = derived_from(members.derived_from.take())?;
    // After everything else (Token Status List §8.3). Whatever the claim says: it is not absent.
    let points_to_status = members.others.contains_key("status") && !expected.ignores_status;
    if Rule::StatusUnchecked.is_broken_by(points_to_status) {
        return Err(TokenRefusal::TokenStatusUnchecked);
    }

    let claims = Claims {
        iss: expected.issuer.clone(),
        aud: expected.audience.clone(),
        sub: (&*sub).into(),
        client_id: shared(&client_id, usual.map(|usual| &usual.client_id)),
        iat,
        exp,
        jti: (&*jti).into(),
        sid: sid.as_deref().map(Into::into),
        roles,
        organisation,
        scope: scope.map(Cow::into_owned),
        username: username.map(Cow::into_owned),
        email: email.map(Cow::into_owned),
    };
    Ok(Judged { claims, not_before, bound_to, actors, derived_from, others: members.others })
}

/// The issuer a payload names, for choosing among several. Nothing else of an unverified payload is looked at.
pub(crate) fn named_issuer(payload: &[u8]) -> Result<String, TokenRefusal> {
    let members = json::object(payload).map_err(|_| TokenRefusal::PayloadMalformed)?;
    match members.member("iss") {
        None => Err(TokenRefusal::ClaimMissing(ClaimName::Issuer)),
        Some(Json::Text(issuer)) => Ok(issuer.as_ref().to_owned()),
        Some(_) => Err(TokenRefusal::ClaimMalformed(ClaimName::Issuer)),
    }
}

/// The rules about time that a token can break by waiting: asked at first sight and on every use after it.
pub(crate) fn check_time(
    exp: UnixTime,
    iat: UnixTime,
    not_before: Option<UnixTime>,
    now: UnixTime,
    leeway: Duration,
) -> Result<(), TokenRefusal> {
    let latest_start = now.saturating_add(leeway);
    if Rule::Expiry.is_broken_by(now >= exp.saturating_add(leeway)) {
        return Err(TokenRefusal::TokenExpired);
    }
    if Rule::NotBefore.is_broken_by(not_before.is_some_and(|start| start > latest_start)) {
        return Err(TokenRefusal::TokenNotYetValid);
    }
    if Rule::IssuedAt.is_broken_by(iat > latest_start) {
        return Err(TokenRefusal::TokenIssuedInFuture);
    }
    Ok(())
}

fn required<T>(value: Option<T>, claim: ClaimName) -> Result<T, TokenRefusal> {
    value.ok_or(TokenRefusal::ClaimMissing(claim))
}

/// A string; a value of another type is malformed, never absent (CVE-2026-25537).
fn text(value: Option<Json<'_>>, claim: ClaimName) -> Result<Option<Cow<'_, str>>, TokenRefusal> {
    match value {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(TokenRefusal::ClaimMalformed(claim)),
    }
}

/// A string that names something: not empty.
fn name(value: Option<Json<'_>>, claim: ClaimName) -> Result<Option<Cow<'_, str>>, TokenRefusal> {
    let text = text(value, claim)?;
    if Rule::NotEmpty.is_broken_by(text.as_ref().is_some_and(|text| text.is_empty())) {
        return Err(TokenRefusal::ClaimMalformed(claim));
    }
    Ok(text)
}

/// A NumericDate: an integer or a finite float from the epoch to the end of the year 9999. A fraction of a second is
/// dropped.
pub(crate) fn numeric_date(
    value: Option<&Json<'_>>,
    claim: ClaimName,
) -> Result<Option<UnixTime>, TokenRefusal> {
    let latest = UnixTime::MAX.as_secs();
    match value {
        None => Ok(None),
        Some(&Json::Unsigned(seconds)) if !Rule::DateRange.is_broken_by(seconds > latest) => {
            Ok(Some(UnixTime::from_secs(seconds)))
        }
        // The range holds no value that the conversion could change but for its fraction.
        Some(&Json::Float(seconds)) if (0.0..=latest as f64).contains(&seconds) => {
            Ok(Some(UnixTime::from_secs(seconds as u64)))
        }
        Some(_) => Err(TokenRefusal::ClaimMalformed(claim)),
    }
}

/// `aud` is one string or an array of strings (RFC 7519 §4.1.3), and one of them is exactly ours.
fn check_audience(value: Option<Json<'_>>, ours: &Audience) -> Result<(), TokenRefusal> {
    let malformed = TokenRefusal::ClaimMalformed(ClaimName::Audience);
    let is_for_us = match required(value, ClaimName::Audience)? {
        Json::Text(audience) => ours == &*audience,
        Json::Array(audiences) => {
            let mut found = false;
            for audience in &audiences {
                found |= ours == audience.text().ok_or(malformed)?;
            }
            found
        }
        _ => return Err(malformed),
    };
    if Rule::Audience.is_broken_by(!is_for_us) { Err(TokenRefusal::AudienceMismatch) } else { Ok(()) }
}

/// The thumbprint of the key a token is bound to (RFC 9449 §6.1). Whatever else `cnf` says could not be proved.
fn bound_to(cnf: &Json<'_>, takes_proofs: bool) -> Result<KeyId, TokenRefusal> {
    if Rule::Bound.is_broken_by(!takes_proofs) {
        return Err(TokenRefusal::TokenBound);
    }
    let Json::Object(members) = cnf else { return Err(TokenRefusal::TokenBound) };
    match members.only() {
        Some(("jkt", Json::Text(thumbprint))) if is_sha256(thumbprint) => Ok((&**thumbprint).into()),
        _ => Err(TokenRefusal::TokenBound),
    }
}

fn is_sha256(text: &str) -> bool {
    jws::decode(text.as_bytes()).is_some_and(|hash| hash.len() == 32)
}

/// A name: the known one, where it is the same.
pub(super) fn shared<N>(text: &str, known: Option<&N>) -> N
where
    N: AsRef<str> + Clone + for<'a> From<&'a str>,
{
    known.filter(|known| (*known).as_ref() == text).cloned().unwrap_or_else(|| text.into())
}

/// Exactly one organisation, or none, from the place where the issuer writes it. What stands in the usual place of another
/// is a claim like any other.
fn named_organisation(
    members: &mut Members<'_>,
    expected: &Expected<'_>,
) -> Result<Option<OrganisationId>, TokenRefusal> {
    let invalid = TokenRefusal::OrganisationInvalid;
    let known = expected.usual.and_then(|usual| usual.organisation.as_ref());
    let named = |text: &str| match known.filter(|known| known.as_str() == text) {
        Some(known) => Ok(known.clone()),
        None => OrganisationId::new(text).map_err(|_| invalid),
    };
    let usual = members.organisation.take();
    let named = match (&expected.paths.organisation, usual) {
        (None, None) => None,
        (None, Some(usual)) => Some(named(usual.text().ok_or(invalid)?)?),
        (Some(path), usual) => {
            members.keep("organisation", usual);
            let found = path.find(&members.others).map_err(|NoObject| invalid)?;
            found.map(|found| named(found.as_str().ok_or(invalid)?)).transpose()?
        }
    };
    match named {
        None if expected.needs_organisation => Err(TokenRefusal::OrganisationMissing),
        Some(named) if Rule::OrganisationOfIssuer.is_broken_by(!expected.organisations.may_be(&named)) => {
            Err(TokenRefusal::OrganisationNotOfIssuer)
        }
        named => Ok(named),
    }
}

/// An array of strings, from the place where the issuer writes it; a single string could be one role or several, so it is
/// neither.
fn given_roles(members: &mut Members<'_>, paths: &ClaimPaths) -> Result<Vec<Role>, TokenRefusal> {
    let malformed = TokenRefusal::ClaimMalformed(ClaimName::Roles);
    let Some(path) = &paths.roles else {
        return match members.roles.take() {
            None => Ok(Vec::new()),
            Some(Roles::Names(roles)) => Ok(roles),
            Some(Roles::Other) => Err(malformed),
        };
    };
    match path.find(&members.others).map_err(|NoObject| malformed)? {
        None => Ok(Vec::new()),
        Some(Value::Array(roles)) => {
            roles.iter().map(|role| role.as_str().map(Role::from).ok_or(malformed)).collect()
        }
        Some(_) => Err(malformed),
    }
}

/// The chain of `act` (RFC 8693 §4.1), the present actor first.
fn actors(mut value: Option<&Json<'_>>) -> Result<Vec<Actor>, TokenRefusal> {
    let malformed = TokenRefusal::ClaimMalformed(ClaimName::Actor);
    let mut actors = Vec::new();
    while let Some(level) = value {
        let Json::Object(level) = level else { return Err(malformed) };
        let subject = level.member("sub").and_then(Json::text).filter(|subject| !subject.is_empty());
        let issuer = level.member("iss").map(|issuer| issuer.text().ok_or(malformed)).transpose()?;
        actors.push(Actor { subject: subject.ok_or(malformed)?.into(), issuer: issuer.map(Issuer::from) });
        value = level.member("act");
    }
    Ok(actors)
}

/// The tokens this one was exchanged for, the nearest first: an array of at most [`MAX_ANCESTORS`] names. A revocation of
/// any of them concerns it, so a value that cannot be read is never taken for none.
fn derived_from(value: Option<Json<'_>>) -> Result<Vec<TokenId>, TokenRefusal> {
    let malformed = TokenRefusal::ClaimMalformed(ClaimName::DerivedFrom);
    match value {
        None => Ok(Vec::new()),
        Some(Json::Array(names)) if !Rule::Ancestors.is_broken_by(names.len() > MAX_ANCESTORS) => {
            let name = |name: &Json<'_>| name.text().filter(|name| !name.is_empty()).map(TokenId::from);
            names.iter().map(|named| name(named).ok_or(malformed)).collect()
        }
        Some(_) => Err(malformed),
    }
}
