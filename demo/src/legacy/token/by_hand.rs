//! The check of tokens that the team once wrote itself. Each rule is there; a fault takes away one.

use std::{
    fs::File,
    io::Read,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::http::Uri;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use countersign::{
    ClaimName, KeySet, OrganisationId,
    TokenRefusal::{
        self, AlgorithmMismatch, AudienceMismatch, ClaimMalformed, ClaimMissing, CriticalHeader,
        IssuerUnknown, KeyUnknown, OrganisationInvalid, PayloadMalformed, SignatureInvalid, TokenBound,
        TokenExpired, TokenIssuedInFuture, TokenLivesTooLong, TokenMalformed, TokenNotYetValid,
        TokenOfOtherType,
    },
    UnixTime,
};
use serde_json::Value;

use super::super::{Fault, Faults, Trust, keys::Keys, people::Caller, signature};

/// How far two clocks may differ, in seconds.
const LEEWAY: u64 = 5;
/// The longest life of a token, in seconds.
const LONGEST_LIFE: u64 = 24 * 60 * 60;
/// The longest file that is read as a key.
const LONGEST_KEY: u64 = 64 * 1024;

/// Padding and loose bits do not matter to it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Debug)]
pub(super) struct ByHand {
    faults: Faults,
    trust: Trust,
    keys: Arc<Keys>,
    folder: PathBuf,
}

/// A token taken apart.
struct Parts<'a> {
    header: Value,
    payload: Value,
    message: &'a str,
    signature: Vec<u8>,
}

impl ByHand {
    pub(super) fn new(faults: Faults, trust: Trust, keys: Arc<Keys>, folder: &Path) -> Self {
        Self { faults, trust, keys, folder: folder.join("keys") }
    }

    /// The caller of a token that the library refused for that reason, if a fault lets it in.
    pub(super) async fn caller(&self, token: &str, refusal: TokenRefusal) -> Option<Caller> {
        if !self.faults.iter().any(|fault| overlooks(fault, refusal)) {
            return None;
        }
        let parts = Parts::of(token)?;
        if !self.signature_holds(&parts).await || !self.claims_hold(&parts) {
            return None;
        }
        self.read(&parts.payload)
    }

    fn unless(&self, fault: Fault, rule: bool) -> bool {
        rule || self.faults.has(fault)
    }

    async fn signature_holds(&self, parts: &Parts<'_>) -> bool {
        let algorithm = parts.header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let named = parts.header.get("kid").and_then(Value::as_str);
        let holds =
            |jwk: &Value| signature::holds(jwk, algorithm, parts.message.as_bytes(), &parts.signature);
        let has_tag = |secret: &[u8]| signature::is_hmac(secret, parts.message.as_bytes(), &parts.signature);
        let key = named.and_then(|name| self.published_key(name));
        if key.as_ref().is_some_and(&holds) {
            return true;
        }
        self.faults.has(Fault::SignatureNotChecked)
            || (self.faults.has(Fault::AlgorithmNone) && algorithm.eq_ignore_ascii_case("none"))
            || (self.faults.has(Fault::AlgorithmFromHeader)
                && algorithm == "HS256"
                && key.as_ref().and_then(signature::pem).is_some_and(|pem| has_tag(pem.as_bytes())))
            || (self.faults.has(Fault::KeyIdAsPath)
                && algorithm == "HS256"
                && named.and_then(|name| self.key_file(name)).is_some_and(|secret| has_tag(&secret)))
            || (self.faults.has(Fault::EmbeddedKeyTrusted) && parts.header.get("jwk").is_some_and(&holds))
            || (self.faults.has(Fault::KeyUrlTrusted)
                && self.keys_of_url(parts).await.is_some_and(|keys| keys.iter().any(&holds)))
    }

    fn published_key(&self, name: &str) -> Option<Value> {
        let keys = self.keys.published.current(self.trust.clock.now())?;
        serde_json::to_value(keys.find(name)?.jwk()).ok()
    }

    fn key_file(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::create_dir_all(&self.folder).ok()?;
        let mut key = Vec::new();
        File::open(self.folder.join(name)).ok()?.take(LONGEST_KEY).read_to_end(&mut key).ok()?;
        Some(key)
    }

    async fn keys_of_url(&self, parts: &Parts<'_>) -> Option<Vec<Value>> {
        let url: Uri = parts.header.get("jku")?.as_str()?.parse().ok()?;
        // It shows the fault; it never asks another machine.
        let host: IpAddr = url.host()?.parse().ok()?;
        if !host.is_loopback() {
            return None;
        }
        let keys = KeySet::parse(&self.keys.fetch(&url.to_string()).await?).ok()?;
        Some(keys.iter().filter_map(|key| serde_json::to_value(key.jwk()).ok()).collect())
    }

    fn claims_hold(&self, parts: &Parts<'_>) -> bool {
        let Parts { header, payload, .. } = parts;
        let now = self.trust.clock.now().as_secs();
        let text = |name| payload.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let time = |name| payload.get(name).and_then(Value::as_f64).map(|seconds| seconds as u64);
        let issued = time("iat");
        let for_us = |aud: &Value| match aud {
            Value::Array(several) => several.iter().any(|one| one == self.trust.audience.as_str()),
            one => one == self.trust.audience.as_str(),
        };
        let lives_on = match time("exp") {
            Some(end) => {
                let lives = end.saturating_sub(issued.unwrap_or(now));
                end <= UnixTime::MAX.as_secs()
                    && self.unless(Fault::ExpiryNotChecked, now < end.saturating_add(LEEWAY))
                    && self.unless(Fault::LifetimeNotLimited, lives <= LONGEST_LIFE)
            }
            None => self.unless(Fault::ExpiryMissingAccepted, false),
        };
        let not_critical = header.get("crit").is_none() && header.get("b64").is_none_or(|b64| b64 == true);
        lives_on
            && self.unless(Fault::CriticalHeaderIgnored, not_critical)
            && self.unless(Fault::TypeNotChecked, header.get("typ").is_some_and(|typ| typ == "at+jwt"))
            && self.unless(Fault::IssuerNotChecked, text("iss") == Some(self.trust.issuer.as_str()))
            && self.unless(Fault::AudienceNotChecked, payload.get("aud").is_some_and(for_us))
            && self.unless(Fault::IssuedAtNotChecked, issued.is_some_and(|issued| issued <= now + LEEWAY))
            && self.unless(Fault::NotBeforeNotChecked, time("nbf").is_none_or(|start| start <= now + LEEWAY))
            && self.unless(Fault::SubjectMissingAccepted, text("sub").is_some())
            && self.unless(Fault::BoundTokenAccepted, payload.get("cnf").is_none())
            && text("jti").is_some()
            // An ID token has no client; who takes any type takes that too.
            && self.unless(Fault::TypeNotChecked, text("client_id").is_some())
    }

    /// The caller, if roles and organisation are what they should be.
    fn read(&self, payload: &Value) -> Option<Caller> {
        let texts = |list: &Vec<Value>| -> Option<Vec<String>> {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let one = |name: &str| OrganisationId::new(name).ok().map(|name| name.as_str().to_owned());
        let roles = match payload.get("roles") {
            None => Vec::new(),
            Some(Value::Array(roles)) => texts(roles)?,
            Some(Value::String(role)) if self.faults.has(Fault::RoleTextAccepted) => vec![role.clone()],
            Some(_) => return None,
        };
        let organisation = match payload.get("organisation") {
            None => None,
            Some(Value::String(name)) => Some(one(name)?),
            Some(Value::Array(several)) if self.faults.has(Fault::FirstOrganisationTaken) => {
                Some(one(texts(several)?.first()?)?)
            }
            Some(_) => return None,
        };
        let subject = payload.get("sub").and_then(Value::as_str).unwrap_or_default();
        Some(Caller::member(subject, organisation, roles))
    }
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let decode = |text: &str| LENIENT.decode(text.trim_end_matches('=')).ok();
        Some(Self {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            payload: serde_json::from_slice(&decode(payload)?).ok()?,
            message,
            signature: decode(signature)?,
        })
    }
}

/// Whether a token that must be refused for that reason could get in by that fault: with any other it is refused.
fn overlooks(fault: Fault, refusal: TokenRefusal) -> bool {
    match fault {
        Fault::AlgorithmFromHeader | Fault::AlgorithmNone => refusal == AlgorithmMismatch,
        Fault::AudienceNotChecked => matches!(
            refusal,
            AudienceMismatch | ClaimMalformed(ClaimName::Audience) | ClaimMissing(ClaimName::Audience)
        ),
        Fault::BoundTokenAccepted => refusal == TokenBound,
        Fault::CriticalHeaderIgnored => refusal == CriticalHeader,
        Fault::DuplicateMembersAccepted => refusal == PayloadMalformed,
        Fault::EmbeddedKeyTrusted | Fault::KeyUrlTrusted => matches!(refusal, KeyUnknown | SignatureInvalid),
        Fault::ExpiryMissingAccepted => refusal == ClaimMissing(ClaimName::Expires),
        Fault::ExpiryNotChecked => refusal == TokenExpired,
        Fault::FirstOrganisationTaken => refusal == OrganisationInvalid,
        Fault::IssuedAtNotChecked => refusal == TokenIssuedInFuture,
        Fault::IssuerNotChecked => matches!(
            refusal,
            IssuerUnknown | ClaimMalformed(ClaimName::Issuer) | ClaimMissing(ClaimName::Issuer)
        ),
        Fault::KeyIdAsPath => matches!(refusal, AlgorithmMismatch | KeyUnknown),
        Fault::LifetimeNotLimited => refusal == TokenLivesTooLong,
        Fault::NotBeforeNotChecked => refusal == TokenNotYetValid,
        Fault::OtherSpellingsAccepted => refusal == TokenMalformed,
        Fault::RoleTextAccepted => refusal == ClaimMalformed(ClaimName::Roles),
        Fault::SignatureNotChecked => refusal == SignatureInvalid,
        Fault::SubjectMissingAccepted => refusal == ClaimMissing(ClaimName::Subject),
        Fault::TypeNotChecked => refusal == TokenOfOtherType,
        _ => false,
    }
}
