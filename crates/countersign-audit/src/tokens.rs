//! Makes the tokens of a run: good ones for any caller, and the catalogue's bad ones for the same caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use countersign::{
    Audience, KeyId, KeySet, Secret, SignError, UnixTime, Verifier,
    testkit::{BadToken, OddToken, OwnKeys, Setup, TestIssuer, TestKey, bad_tokens, odd_tokens},
};
use serde_json::{Map, Value, json};

use crate::{ISSUER, config::TokenSettings};

/// Names of keys in `audit.toml`.
pub(crate) const KEY_NAMES: &[&str] = &["es256", "rs256", "ed25519", "ps256", "es384", "es512"];
/// The order in which keys are tried: the most common first.
pub(crate) const KEYS: &[TestKey] =
    &[TestKey::Es256, TestKey::Rs256, TestKey::Ed25519, TestKey::Ps256, TestKey::Es384, TestKey::Es512];
/// How old a token may be when it is sent, in seconds.
const FRESH: u64 = 60;
/// In the names of rows about Ed25519.
const EDWARDS: &str = "ed25519";
/// Most tokens kept.
const MAX_KEPT: usize = 20_000;

pub(crate) fn key_named(name: &str) -> Option<TestKey> {
    KEY_NAMES.iter().position(|known| *known == name).and_then(|index| KEYS.get(index)).copied()
}

/// Whose token it is and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bearer {
    pub(crate) subject: String,
    pub(crate) session: String,
    pub(crate) organisation: Option<String>,
    pub(crate) roles: Roles,
    pub(crate) scopes: Vec<String>,
}

/// The roles of a token, as they stand in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Roles {
    List(Vec<String>),
    Text(String),
}

/// Which token of that caller.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Make {
    Good,
    Bad(&'static BadToken),
    Odd(&'static OddToken),
    Twin(&'static BadToken),
}

/// Which token it is: of whom, by which key, of which row.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Place {
    bearer: Bearer,
    key: TestKey,
    name: &'static str,
    twin: bool,
}

pub(crate) struct Mint {
    audience: Audience,
    settings: TokenSettings,
    /// Those that the service trusts; the kit's where it trusts none.
    keys: Option<Arc<OwnKeys>>,
    secret: Option<Secret<Vec<u8>>>,
    /// Where the attacker's key set is.
    attacker: Option<String>,
    kept: Mutex<HashMap<Place, (UnixTime, String)>>,
}

impl Mint {
    pub(crate) fn new(
        audience: Audience,
        settings: TokenSettings,
        keys: Option<Arc<OwnKeys>>,
        secret: Option<Secret<Vec<u8>>>,
        attacker: Option<String>,
    ) -> Result<Self, SignError> {
        if let Some(secret) = &secret {
            TestIssuer::new(audience.clone()).sharing(secret.clone())?;
        }
        Ok(Self { audience, settings, keys, secret, attacker, kept: Mutex::default() })
    }

    /// What that key is called, in tokens and key set.
    pub(crate) fn key_id(&self, key: TestKey) -> Option<&KeyId> {
        match &self.keys {
            Some(keys) => keys.signing_key(key).key_id(),
            None => key.key_id(),
        }
    }

    /// A good token for another service.
    pub(crate) fn token_for(&self, audience: &str, bearer: &Bearer, key: TestKey, now: UnixTime) -> String {
        plain(&self.issuer_for(audience.into(), bearer, key, now))
    }

    /// The keys that may sign good tokens, the preferred one first.
    pub(crate) fn keys(&self) -> Vec<TestKey> {
        if self.secret.is_some() {
            return vec![TestKey::Hs256];
        }
        match self.settings.key.as_deref().and_then(key_named) {
            Some(key) => vec![key],
            None => KEYS.to_vec(),
        }
    }

    pub(crate) fn token(&self, bearer: &Bearer, key: TestKey, make: Make, now: UnixTime) -> String {
        let (name, twin) = match make {
            Make::Good => ("", false),
            Make::Bad(row) => (row.name(), false),
            Make::Odd(row) => (row.name(), false),
            Make::Twin(row) => (row.name(), true),
        };
        let key = self.key_of(name, key);
        let place = Place { bearer: bearer.clone(), key, name, twin };
        if let Some((made, token)) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&place)
            && now.as_secs().abs_diff(made.as_secs()) < FRESH
        {
            return token.clone();
        }
        let issuer = self.issuer(bearer, key, now);
        let token = match make {
            Make::Good => plain(&issuer),
            Make::Bad(row) => row.token(&issuer),
            Make::Odd(row) => row.token(&issuer),
            Make::Twin(row) => row.twin(&issuer),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(place, (now, token.clone()));
        token
    }

    /// The rows that are bad for this caller and key now: our own verifier refuses them, those about time for the very
    /// reason they were made for.
    pub(crate) fn bad_rows(&self, bearer: &Bearer, key: TestKey, now: UnixTime) -> Vec<&'static BadToken> {
        let issuer = self.issuer(bearer, key, now);
        let edwards = self.issuer(bearer, self.key_of(EDWARDS, key), now);
        let Some(verifier) = self.verifier(&issuer) else { return Vec::new() };
        let setups: &[Setup] =
            if self.secret.is_some() { &[Setup::Keys, Setup::SharedSecret] } else { &[Setup::Keys] };
        bad_tokens()
            .filter(|row| setups.contains(&row.setup()) && self.says_something(row.name()))
            .filter(|row| {
                let token = row.token(if row.name().contains(EDWARDS) { &edwards } else { &issuer });
                match verifier.verify(&token) {
                    Ok(_) => false,
                    // White space at the ends of a field is not part of it (RFC 9110 §5.5).
                    Err(_) if token.trim() != token => false,
                    Err(refusal) => !row.name().starts_with("time/") || refusal == row.refusal(),
                }
            })
            .collect()
    }

    /// The good tokens that look odd, as far as our own verifier accepts them now.
    pub(crate) fn odd_rows(&self, bearer: &Bearer, key: TestKey, now: UnixTime) -> Vec<&'static OddToken> {
        let issuer = self.issuer(bearer, key, now);
        let Some(verifier) = self.verifier(&issuer) else { return Vec::new() };
        odd_tokens()
            .filter(|row| self.says_something(row.name()) && verifier.verify(row.token(&issuer)).is_ok())
            .collect()
    }

    /// Whether the row's twin is good for this key and will be for the next minute.
    pub(crate) fn has_twin(
        &self,
        row: &'static BadToken,
        bearer: &Bearer,
        key: TestKey,
        now: UnixTime,
    ) -> bool {
        if row.name().ends_with("edge") || row.name().ends_with("fraction") {
            return false;
        }
        let issuer = self.issuer(bearer, self.key_of(row.name(), key), now);
        self.verifier(&issuer).is_some_and(|verifier| verifier.verify(row.twin(&issuer)).is_ok())
    }

    /// Rows that work on the bytes of an Ed25519 signature need one.
    fn key_of(&self, row: &str, key: TestKey) -> TestKey {
        if row.contains(EDWARDS) && self.secret.is_none() { TestKey::Ed25519 } else { key }
    }

    /// A row about a claim that the service does not read, or need not know since it is Countersign's own, or that is good
    /// again a second later, says nothing.
    fn says_something(&self, row: &str) -> bool {
        let about = |prefix: &str| row.starts_with(prefix);
        !(about("claims/roles-") && self.settings.roles != "roles"
            || about("claims/organisation-") && self.settings.organisation != "organisation"
            || about("claims/scope-") && self.settings.scope != "scope"
            || about("claims/derived-from-")
            || about("good/no-")
            || about("good/roles-")
            || about("good/organisation-")
            || about("good/scope-")
            || row == "time/not-yet-valid-at-the-edge"
            || row == "time/issued-in-future-at-the-edge")
    }

    fn issuer(&self, bearer: &Bearer, key: TestKey, now: UnixTime) -> TestIssuer {
        self.issuer_for(self.audience.clone(), bearer, key, now)
    }

    fn issuer_for(&self, audience: Audience, bearer: &Bearer, key: TestKey, now: UnixTime) -> TestIssuer {
        let roles = match &bearer.roles {
            Roles::List(roles) => json!(roles),
            Roles::Text(text) => json!(text),
        };
        let mut claims: Map<String, Value> = self.settings.claims.clone().into_iter().collect();
        claims.insert("sub".to_owned(), json!(bearer.subject));
        claims.insert("sid".to_owned(), json!(bearer.session));
        put(&mut claims, &self.settings.roles, roles);
        if !bearer.scopes.is_empty() {
            put(&mut claims, &self.settings.scope, json!(bearer.scopes.join(" ")));
        }
        if let Some(organisation) = &bearer.organisation {
            put(&mut claims, &self.settings.organisation, json!(organisation));
        }
        let mut issuer = TestIssuer::new(audience).named(ISSUER).catalogue_signed_with(key);
        if let Some(keys) = &self.keys {
            issuer = issuer.with_keys(keys);
        }
        for unused in ["roles", "organisation", "scope"] {
            if !claims.contains_key(unused) {
                issuer = issuer.catalogue_claim(unused, None);
            }
        }
        for (name, value) in &claims {
            issuer = issuer.catalogue_claim(name, Some(value));
        }
        if let Some(url) = &self.attacker {
            issuer = issuer.catalogue_attacker(url);
        }
        issuer.clock().set(now);
        match &self.secret {
            // The length was checked when the mint was made.
            Some(secret) => {
                issuer.sharing(secret.clone()).unwrap_or_else(|_| TestIssuer::new(self.audience.clone()))
            }
            None => issuer,
        }
    }

    fn verifier(&self, issuer: &TestIssuer) -> Option<Verifier> {
        let start = Verifier::builder().issuer(issuer.issuer().clone()).audience(issuer.audience().clone());
        let complete = match &self.secret {
            Some(secret) => start.shared_secret(
                countersign::jws::SharedSecret::new(countersign::jws::Algorithm::Hs256, secret.clone())
                    .ok()?,
            ),
            None => start.key_set(issuer.key_set()),
        };
        complete.clock(issuer.clock().clone()).build().ok()
    }
}

/// The key set that no service may trust, whatever a token's header says.
pub(crate) fn of_attacker() -> KeySet {
    TestKey::set(&TestKey::OF_OTHER)
}

/// The good token that every recipe begins with.
fn plain(issuer: &TestIssuer) -> String {
    let row = odd_tokens().find(|row| row.name() == "good/plain");
    row.map(|row| row.token(issuer)).unwrap_or_default()
}

/// `realm_access.roles` becomes a member of a member.
fn put(claims: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            claims.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = claims.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign::{
        Clock as _, SystemClock,
        testkit::{OwnKeys, TestKey},
    };

    use super::{Bearer, KEYS, Mint, Roles};
    use crate::config::TokenSettings;

    fn ada() -> Bearer {
        Bearer {
            subject: "ada".to_owned(),
            session: "s".to_owned(),
            organisation: Some("acme".to_owned()),
            roles: Roles::List(vec!["editor".to_owned()]),
            scopes: Vec::new(),
        }
    }

    #[test]
    fn nearly_the_whole_catalogue_is_bad_for_every_key_at_the_present_moment() {
        let keys = Some(Arc::new(OwnKeys::generate().unwrap()));
        let mint = Mint::new("orders".into(), TokenSettings::default(), keys, None, None).unwrap();
        let now = SystemClock.now();
        for key in KEYS {
            let rows = mint.bad_rows(&ada(), *key, now);
            assert!(rows.len() > 330, "{key:?}: {}", rows.len());
            assert!(rows.iter().any(|row| row.name() == "time/expired"));
            assert!(mint.odd_rows(&ada(), *key, now).len() > 20);
        }
    }

    #[test]
    fn a_shared_secret_has_its_own_rows() {
        let secret = countersign::Secret::new((0..32).map(|byte| byte * 7 + 3).collect());
        let mint = Mint::new("orders".into(), TokenSettings::default(), None, Some(secret), None).unwrap();
        let rows = mint.bad_rows(&ada(), TestKey::Hs256, SystemClock.now());
        assert!(rows.iter().any(|row| row.name() == "algorithm/dictionary-secret"));
        assert!(rows.iter().any(|row| row.name() == "claims/audience-of-another"));
    }
}
