//! An issuer for tests, with fixed keys and a clock that can be moved.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use super::{OwnKeys, TestClock, TestKey};
use crate::{
    Audience, Clock, Complete, Issuer, KeySet, PublishedKeys, Role, Secret, SignError, SigningKey, UnixTime,
    Verifier, VerifierBuilder, jws::Algorithm,
};

/// Signs good tokens for one service, and makes the verifier that accepts them.
///
/// Tokens go through the real verifier: real signatures, real time, real refusals.
///
/// ```
/// # use countersign::testkit::TestIssuer;
/// let issuer = TestIssuer::new("orders");
/// let token = issuer.token().subject("ada").organisation("acme").role("editor").sign();
/// let claims = issuer.verifier().verify(&token)?;
/// assert_eq!(claims.organisation().unwrap().as_str(), "acme");
/// # Ok::<(), countersign::TokenRefusal>(())
/// ```
#[derive(Debug)]
pub struct TestIssuer {
    issuer: Issuer,
    audience: Audience,
    key: TestKey,
    published: Arc<PublishedKeys>,
    clock: TestClock,
    signed: AtomicU64,
    /// What the catalogue's good token says otherwise: raw JSON, or nothing for a claim that is left out.
    good_claims: Vec<(String, Option<String>)>,
    good_key: TestKey,
    secret: Option<SigningKey>,
    own: Option<Arc<OwnKeys>>,
    attacker: String,
}

impl TestIssuer {
    /// The `iss` of its tokens.
    pub const ISSUER: &'static str = "https://issuer.test";
    /// How long its tokens live unless told otherwise: 5 minutes, as the gateway's.
    pub const LIFETIME: Duration = Duration::from_secs(300);

    /// An issuer for the service of that audience. Signs with [`TestKey::Es256`]; its set has
    /// [`TestKey::PUBLISHED`].
    #[must_use]
    pub fn new(audience: impl Into<Audience>) -> Self {
        let published = PublishedKeys::empty();
        published.publish(TestKey::set(&TestKey::PUBLISHED), None);
        Self {
            issuer: Self::ISSUER.into(),
            audience: audience.into(),
            key: TestKey::Es256,
            published: Arc::new(published),
            clock: TestClock::new(),
            signed: AtomicU64::new(0),
            good_claims: Vec::new(),
            good_key: TestKey::Ed25519,
            secret: None,
            own: None,
            attacker: "https://evil.test/jwks.json".to_owned(),
        }
    }

    /// Another `iss`.
    #[must_use]
    pub fn named(mut self, issuer: impl Into<Issuer>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// The key of the good token that every recipe of the catalogue begins with: [`TestKey::Ed25519`] unless told
    /// otherwise. With another key a few rows are good tokens; ask a verifier.
    #[must_use]
    pub const fn catalogue_signed_with(mut self, key: TestKey) -> Self {
        self.good_key = key;
        self
    }

    /// A claim of the good token that every recipe of the catalogue begins with; `None` leaves it out.
    #[must_use]
    pub fn catalogue_claim(mut self, name: &str, value: Option<&Value>) -> Self {
        self.good_claims.push((name.to_owned(), value.map(ToString::to_string)));
        self
    }

    /// Where tokens of the catalogue say that the attacker's key set is, [`TestKey::OF_OTHER`]: nowhere, unless told
    /// otherwise.
    #[must_use]
    pub fn catalogue_attacker(mut self, url: &str) -> Self {
        url.clone_into(&mut self.attacker);
        self
    }

    /// Shares another secret than [`TestKey::secret`], at least 32 bytes, where [`TestKey::Hs256`] signs.
    ///
    /// # Errors
    /// As [`SigningKey::shared_secret`].
    pub fn sharing(mut self, secret: Secret<Vec<u8>>) -> Result<Self, SignError> {
        self.secret = Some(SigningKey::shared_secret(Algorithm::Hs256, secret)?);
        Ok(self)
    }

    /// Signs and publishes with these keys in the place of [`TestKey::PUBLISHED`].
    #[must_use]
    pub fn with_keys(mut self, keys: &Arc<OwnKeys>) -> Self {
        self.published.publish(keys.key_set(), None);
        self.own = Some(Arc::clone(keys));
        self
    }

    /// That key, ready to sign.
    pub(super) fn signing_key(&self, key: TestKey) -> &SigningKey {
        match (&self.secret, &self.own, key) {
            (Some(secret), _, TestKey::Hs256) => secret,
            (_, Some(own), key) => own.signing_key(key),
            (_, None, key) => key.signing_key(),
        }
    }

    #[cfg(feature = "axum")]
    pub(super) const fn has_own_keys(&self) -> bool {
        self.own.is_some()
    }

    pub(super) fn attacker(&self) -> &str {
        &self.attacker
    }

    pub(super) const fn good_key(&self) -> TestKey {
        self.good_key
    }

    pub(super) fn good_claims(&self) -> &[(String, Option<String>)] {
        &self.good_claims
    }

    /// Signs with another key.
    #[must_use]
    pub fn signing_with(mut self, key: TestKey) -> Self {
        self.key = key;
        self
    }

    /// Who signs.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The service its tokens are for.
    #[must_use]
    pub const fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The clock that its verifiers go by.
    #[must_use]
    pub const fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// The keys that its verifiers go by: publish another set to see them change.
    #[must_use]
    pub const fn published(&self) -> &Arc<PublishedKeys> {
        &self.published
    }

    /// The key set as it would be served.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        match &self.own {
            Some(own) => own.key_set(),
            None => TestKey::set(&TestKey::PUBLISHED),
        }
    }

    /// A verifier with every default, on this issuer's clock.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a verifier that cannot be built must stop the test")]
    pub fn verifier(&self) -> Verifier {
        self.verifier_builder().build().expect("issuer, audience and keys are given")
    }

    /// The same, to be changed before it is built.
    #[must_use]
    pub fn verifier_builder(&self) -> VerifierBuilder<Complete> {
        Verifier::builder()
            .issuer(self.issuer.clone())
            .audience(self.audience.clone())
            .keys(Arc::clone(&self.published))
            .clock(self.clock.clone())
    }

    /// Another one each time.
    pub(super) fn next_number(&self) -> u64 {
        self.signed.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A good token of `user` without roles or organisation, to be changed before it is signed.
    pub fn token(&self) -> TestToken<'_> {
        let number = self.next_number();
        let now = self.clock.now();
        let claims = vec![
            ("iss", self.issuer.as_str().into()),
            ("aud", self.audience.as_str().into()),
            ("sub", "user".into()),
            ("client_id", "web".into()),
            ("iat", now.as_secs().into()),
            ("exp", now.saturating_add(Self::LIFETIME).as_secs().into()),
            ("jti", format!("token-{number}").into()),
            ("sid", format!("session-{number}").into()),
        ];
        let claims = claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        TestToken { issuer: self, key: self.key, typ: "at+jwt".to_owned(), roles: Vec::new(), claims }
    }
}

/// A token about to be signed.
#[derive(Debug, Clone)]
#[must_use = "a token is made by `sign`"]
pub struct TestToken<'a> {
    issuer: &'a TestIssuer,
    key: TestKey,
    typ: String,
    roles: Vec<Role>,
    claims: Vec<(String, Value)>,
}

impl TestToken<'_> {
    /// Who the caller is.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// The caller's organisation: any text, good or not.
    pub fn organisation(self, organisation: &str) -> Self {
        self.claim("organisation", organisation)
    }

    /// One more role.
    pub fn role(mut self, role: impl Into<Role>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Several more roles.
    pub fn roles<R: Into<Role>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles.extend(roles.into_iter().map(Into::into));
        self
    }

    /// What the client was allowed, space separated.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// The session it is made for.
    pub fn session(self, session: &str) -> Self {
        self.claim("sid", session)
    }

    /// The service it is for.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// When it was signed. Its end is not moved.
    pub fn issued_at(self, moment: UnixTime) -> Self {
        self.claim("iat", moment.as_secs())
    }

    /// When it ends.
    pub fn expires(self, moment: UnixTime) -> Self {
        self.claim("exp", moment.as_secs())
    }

    /// Any claim with any value, in the place of the one there is.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        match self.claims.iter_mut().find(|(claim, _)| claim == name) {
            Some((_, place)) => *place = value,
            None => self.claims.push((name.to_owned(), value)),
        }
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.retain(|(claim, _)| claim != name);
        self
    }

    /// Signed with another key than the issuer's tokens are as a rule.
    pub const fn key(mut self, key: TestKey) -> Self {
        self.key = key;
        self
    }

    /// Another `typ`.
    pub fn typ(mut self, typ: &str) -> Self {
        typ.clone_into(&mut self.typ);
        self
    }

    /// The compact token.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a token that cannot be signed must stop the test")]
    pub fn sign(mut self) -> String {
        if !self.roles.is_empty() {
            let roles: Vec<Value> = self.roles.iter().map(|role| role.as_str().into()).collect();
            self = self.claim("roles", roles);
        }
        let Self { issuer, key, typ, claims, .. } = self;
        let payload: serde_json::Map<String, Value> = claims.into_iter().collect();
        issuer.signing_key(key).sign(&typ, &payload).expect("a test key signs")
    }
}
