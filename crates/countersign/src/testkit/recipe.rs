//! How a token is made, step by step away from a good one.

use super::{TestIssuer, TestKey, raw_rsa::RawRsa};
use crate::{Clock as _, KeyId, jws, jws::Algorithm, sign::SigningKey};

/// One step away from a good token.
///
/// JSON values are raw text, in which `{iss}`, `{aud}` and `{kid}` stand for those of the good token, `{jwk}` for the
/// public half of the key that signs and `{attacker}` for the address of the attacker's key set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// Sets a claim.
    Claim(&'static str, &'static str),
    /// Adds a claim after all others, its name as it stands between the quotes, although it may be there already.
    ClaimAgain(&'static str, &'static str),
    /// Works on the encoded header and payload before they are signed.
    Encoded(fn(&mut String, &mut String)),
    /// Sets a header parameter.
    Header(&'static str, &'static str),
    /// Adds a header parameter after all others, although it may be there already.
    HeaderAgain(&'static str, &'static str),
    /// Works on the header's text.
    HeaderText(fn(String) -> Vec<u8>),
    /// Signs with another key, and names it and its algorithm.
    Key(TestKey),
    /// Names another key than the one that signs.
    KeyIdOf(TestKey),
    /// Leaves a claim out.
    NoClaim(&'static str),
    /// Leaves a header parameter out.
    NoHeader(&'static str),
    /// Works on the payload's text.
    Payload(fn(String) -> Vec<u8>),
    /// Changes the payload after it was signed.
    PayloadAfterSigning(fn(String) -> Vec<u8>),
    /// Signs in another way.
    Sign(Signing),
    /// Works on the signature.
    Signature(fn(&mut Vec<u8>)),
    /// Sets a claim to so many seconds after now.
    Time(&'static str, i64),
    /// Works on the finished token.
    Token(fn(String) -> String),
    /// Works on the finished token, told the name of another key.
    TokenWithKeyId(TestKey, fn(&str, String) -> String),
}

/// Another way to sign.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signing {
    /// With the key of that name, but as another algorithm of its kind, whatever the header says.
    As(TestKey, Algorithm),
    /// With HMAC, under these bytes.
    Hmac(fn() -> Vec<u8>),
    /// With HMAC, under something that everybody knows of that key.
    HmacOf(TestKey, fn(&SigningKey) -> Vec<u8>),
    /// Not at all.
    Nothing,
    /// With RSA, over an encoded message made of what is signed.
    Padded(TestKey, fn(&[u8]) -> Vec<u8>),
}

/// Makes the token of a recipe: a good one, changed step by step.
pub(super) fn make(issuer: &TestIssuer, changes: &[Change]) -> String {
    Draft::good(issuer).changed(changes).finish()
}

/// What stands for what in the raw text of a recipe, beside the words that every recipe knows.
#[cfg(feature = "dpop")]
pub(super) type Words = Vec<(String, String)>;

/// The same, with more words.
#[cfg(feature = "dpop")]
pub(super) fn make_with(issuer: &TestIssuer, words: &Words, changes: &[Change]) -> String {
    let mut token = Draft::good(issuer);
    token.words.clone_from(words);
    token.changed(changes).finish()
}

/// Makes a proof: a good one of [`TestKey::CLIENT`], changed step by step.
#[cfg(feature = "dpop")]
pub(super) fn make_proof(issuer: &TestIssuer, words: &Words, changes: &[Change]) -> String {
    Draft::good_proof(issuer, words).changed(changes).finish()
}

/// A token on its way.
struct Draft<'a> {
    issuer: &'a TestIssuer,
    key: TestKey,
    header: Vec<(String, String)>,
    claims: Vec<(String, String)>,
    header_text: Vec<fn(String) -> Vec<u8>>,
    payload_text: Vec<fn(String) -> Vec<u8>>,
    payload_after: Option<fn(String) -> Vec<u8>>,
    encoded: Vec<fn(&mut String, &mut String)>,
    signing: Option<Signing>,
    signature: Vec<fn(&mut Vec<u8>)>,
    token: Vec<Change>,
    words: Vec<(String, String)>,
    /// A proof brings its key, a token names it.
    brings_key: bool,
}

impl<'a> Draft<'a> {
    fn empty(issuer: &'a TestIssuer) -> Self {
        Self {
            issuer,
            key: TestKey::Ed25519,
            header: Vec::new(),
            claims: Vec::new(),
            header_text: Vec::new(),
            payload_text: Vec::new(),
            payload_after: None,
            encoded: Vec::new(),
            signing: None,
            signature: Vec::new(),
            token: Vec::new(),
            words: Vec::new(),
            brings_key: false,
        }
    }

    #[cfg(feature = "dpop")]
    fn good_proof(issuer: &'a TestIssuer, words: &[(String, String)]) -> Self {
        let mut draft = Self { words: words.to_vec(), brings_key: true, ..Self::empty(issuer) };
        draft.apply(Change::Header("typ", "\"dpop+jwt\""));
        draft.apply(Change::Key(TestKey::CLIENT));
        for (name, value) in [
            ("jti", "\"proof-1\""),
            ("htm", "\"GET\""),
            ("htu", "\"https://orders.test/orders/7\""),
            ("ath", "\"{ath}\""),
        ] {
            draft.apply(Change::Claim(name, value));
        }
        draft.apply(Change::Time("iat", 0));
        draft
    }

    fn changed(mut self, changes: &[Change]) -> Self {
        for change in changes {
            self.apply(*change);
        }
        self
    }

    fn good(issuer: &'a TestIssuer) -> Self {
        let mut draft = Self::empty(issuer);
        draft.apply(Change::Header("alg", "\"\""));
        draft.apply(Change::Header("typ", "\"at+jwt\""));
        draft.apply(Change::Key(issuer.good_key()));
        for (name, value) in
            [("iss", "\"{iss}\""), ("aud", "\"{aud}\""), ("sub", "\"ada\""), ("client_id", "\"web\"")]
        {
            draft.apply(Change::Claim(name, value));
        }
        draft.apply(Change::Time("iat", 0));
        draft.apply(Change::Time("exp", 300));
        for (name, value) in [
            ("jti", "\"token-1\""),
            ("sid", "\"session-1\""),
            ("roles", "[\"editor\"]"),
            ("organisation", "\"acme\""),
            ("scope", "\"orders:read orders:write\""),
        ] {
            draft.apply(Change::Claim(name, value));
        }
        for (name, value) in issuer.good_claims() {
            match value {
                Some(value) => put(&mut draft.claims, name, value.clone()),
                None => draft.claims.retain(|(claim, _)| claim != name),
            }
        }
        draft
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Claim(name, value) => {
                let value = self.fill(value);
                put(&mut self.claims, name, value);
            }
            Change::ClaimAgain(name, value) => {
                let value = self.fill(value);
                self.claims.push((name.to_owned(), value));
            }
            Change::Encoded(work) => self.encoded.push(work),
            Change::Header(name, value) => {
                let value = self.fill(value);
                put(&mut self.header, name, value);
            }
            Change::HeaderAgain(name, value) => {
                let value = self.fill(value);
                self.header.push((name.to_owned(), value));
            }
            Change::HeaderText(work) => self.header_text.push(work),
            Change::Key(key) => {
                self.key = key;
                put(&mut self.header, "alg", format!("\"{}\"", key.algorithm()));
                if self.brings_key {
                    let jwk = self.issuer.signing_key(key).public_jwk();
                    put(&mut self.header, "jwk", jwk.map_or_else(String::new, |jwk| jwk.required_members()));
                } else {
                    self.apply(Change::KeyIdOf(key));
                }
            }
            Change::KeyIdOf(key) => match self.key_id(key) {
                Some(id) => put(&mut self.header, "kid", format!("\"{id}\"")),
                None => self.header.retain(|(name, _)| name != "kid"),
            },
            Change::NoClaim(name) => self.claims.retain(|(claim, _)| claim != name),
            Change::NoHeader(name) => self.header.retain(|(parameter, _)| parameter != name),
            Change::Payload(work) => self.payload_text.push(work),
            Change::PayloadAfterSigning(work) => self.payload_after = Some(work),
            Change::Sign(signing) => self.signing = Some(signing),
            Change::Signature(work) => self.signature.push(work),
            Change::Time(name, after) => {
                let now = self.issuer.clock().now().as_secs();
                put(&mut self.claims, name, now.saturating_add_signed(after).to_string());
            }
            Change::Token(_) | Change::TokenWithKeyId(..) => self.token.push(change),
        }
    }

    fn finish(self) -> String {
        let header = worked(object(&self.header), &self.header_text);
        let payload = worked(object(&self.claims), &self.payload_text);
        let (mut header, mut encoded) = (jws::encode(&header), jws::encode(&payload));
        for work in &self.encoded {
            work(&mut header, &mut encoded);
        }
        let mut signature = self.sign(&format!("{header}.{encoded}"));
        for work in &self.signature {
            work(&mut signature);
        }
        if let Some(work) = self.payload_after {
            encoded = jws::encode(&work(String::from_utf8_lossy(&payload).into_owned()));
        }
        let token = format!("{header}.{encoded}.{}", jws::encode(&signature));
        self.token.iter().fold(token, |token, change| match change {
            Change::Token(work) => work(token),
            Change::TokenWithKeyId(key, work) => work(self.key_id(*key).map_or("", |id| id.as_str()), token),
            _ => token,
        })
    }

    #[expect(clippy::expect_used, reason = "a token that cannot be signed must stop the test")]
    fn sign(&self, message: &str) -> Vec<u8> {
        let (key, algorithm) = match self.signing {
            None => (self.key, self.key.algorithm()),
            Some(Signing::As(key, algorithm)) => (key, algorithm),
            Some(Signing::Hmac(secret)) => return hmac(&secret(), message),
            Some(Signing::HmacOf(key, secret)) => {
                return hmac(&secret(self.issuer.signing_key(key)), message);
            }
            Some(Signing::Nothing) => return Vec::new(),
            Some(Signing::Padded(key, encode)) => {
                let key = RawRsa::new(self.issuer.signing_key(key)).expect("an RSA key pads");
                return key.sign(&encode(message.as_bytes()));
            }
        };
        self.issuer.signing_key(key).sign_as(algorithm, message.as_bytes()).expect("a test key signs")
    }

    /// The name of that key, as this issuer has it.
    fn key_id(&self, key: TestKey) -> Option<&'a KeyId> {
        self.issuer.signing_key(key).key_id()
    }

    fn fill(&self, value: &str) -> String {
        let jwk = self.issuer.signing_key(self.key).public_jwk();
        let value =
            self.words.iter().fold(value.to_owned(), |value, (word, for_it)| value.replace(word, for_it));
        value
            .replace("{jwk}", &serde_json::to_string(&jwk).unwrap_or_default())
            .replace("{attacker}", self.issuer.attacker())
            .replace("{iss}", self.issuer.issuer().as_str())
            .replace("{aud}", self.issuer.audience().as_str())
            .replace("{kid}", self.key_id(self.key).map_or("", |id| id.as_str()))
    }
}

fn put(members: &mut Vec<(String, String)>, name: &str, value: String) {
    match members.iter_mut().find(|(member, _)| member == name) {
        Some((_, place)) => *place = value,
        None => members.push((name.to_owned(), value)),
    }
}

/// Every member as it is, escaped or doubled.
fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn worked(text: String, works: &[fn(String) -> Vec<u8>]) -> Vec<u8> {
    works.iter().fold(text.into_bytes(), |bytes, work| work(String::from_utf8_lossy(&bytes).into_owned()))
}

fn hmac(secret: &[u8], message: &str) -> Vec<u8> {
    use aws_lc_rs::hmac;
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes()).as_ref().to_vec()
}
