//! Tokens, keys and contenders of the verification benchmark.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{hmac, signature};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    KeySet, SigningKey, UnixTime, Verifier,
    jws::{Algorithm, SharedSecret},
    revocation::{Revocation, Revoked, Target},
    testkit::TestKey,
};
use jsonwebtoken as jwt;
use jwt_simple::prelude as simple;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub const ISSUER: &str = "https://shop.example";
pub const AUDIENCE: &str = "orders";

/// The algorithms that are measured, each with its key. `EdDSA` is the name that all contenders know.
pub const ALGORITHMS: [(Algorithm, TestKey); 6] = [
    (Algorithm::Hs256, TestKey::Hs256),
    (Algorithm::Rs256, TestKey::Rs256),
    (Algorithm::Ps256, TestKey::Ps256),
    (Algorithm::Es256, TestKey::Es256),
    (Algorithm::Es384, TestKey::Es384),
    (Algorithm::EdDsa, TestKey::Ed25519),
];

/// What the other crates are asked to read: the claims that ours always reads.
#[derive(Debug, Deserialize, Serialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub client_id: String,
    pub iat: u64,
    pub exp: u64,
    pub jti: String,
    pub sid: Option<String>,
    pub roles: Vec<String>,
    pub organisation: Option<String>,
    pub scope: Option<String>,
}

/// The same for jwt-simple, which reads the registered claims itself.
#[derive(Debug, Deserialize, Serialize)]
pub struct OwnClaims {
    pub client_id: String,
    pub sid: Option<String>,
    pub roles: Vec<String>,
    pub organisation: Option<String>,
    pub scope: Option<String>,
}

/// One algorithm's key and tokens that are good for an hour.
pub struct Case {
    pub algorithm: Algorithm,
    signing: SigningKey,
    pub tokens: Vec<String>,
}

impl Case {
    pub fn new(algorithm: Algorithm, key: TestKey, count: usize) -> Self {
        let signing = match key.pem() {
            Some(pem) => SigningKey::from_pem(algorithm, pem),
            None => SigningKey::shared_secret(algorithm, TestKey::secret()),
        }
        .unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let tokens = (0..count)
            .map(|number| {
                let claims = json!({
                    "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{number}"), "client_id": "web", "iat": now,
                    "exp": now + 3600, "jti": format!("Zk3v9hQ2Tq6x{number:04}"),
                    "sid": format!("s7Jd0a4Lw8Rk2Pz1{number:04}"), "roles": ["editor", "viewer"],
                    "organisation": "acme", "scope": "orders:read orders:write",
                });
                signing.sign("at+jwt", &claims).unwrap()
            })
            .collect();
        Self { algorithm, signing, tokens }
    }

    /// Our verifier with every default: the machine's clock, 10,000 tokens remembered.
    pub fn verifier(&self) -> Verifier {
        let start = Verifier::builder().issuer(ISSUER).audience(AUDIENCE);
        match self.signing.verifying_key() {
            Some(key) => start.key_set(KeySet::new([key]).unwrap()).build(),
            None => start.shared_secret(SharedSecret::new(self.algorithm, TestKey::secret()).unwrap()).build(),
        }
        .unwrap()
    }

    /// The same, with a table in which 1,000 other sessions and subjects are revoked.
    pub fn verifier_with_revocations(&self) -> Verifier {
        let table = Revoked::new(ISSUER);
        for number in 0..500 {
            for kind in ["session", "subject"] {
                let target = Target::from_parts(kind, &format!("other-{number}")).unwrap();
                let (at, expires) = (UnixTime::from_secs(1_700_000_000), UnixTime::MAX);
                table.revoke(&Revocation { target, at, expires }).unwrap();
            }
        }
        let start = Verifier::builder().issuer(ISSUER).audience(AUDIENCE);
        let keys = KeySet::new(self.signing.verifying_key()).unwrap();
        start.key_set(keys).revocations(table).build().unwrap()
    }

    /// The signature check alone, with a key that has been parsed and a signature that has been decoded.
    pub fn bare(&self) -> Box<dyn FnMut(usize)> {
        let parts: Vec<(Vec<u8>, Vec<u8>)> = self
            .tokens
            .iter()
            .map(|token| {
                let (signed, signature) = token.rsplit_once('.').unwrap();
                (signed.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(signature).unwrap())
            })
            .collect();
        if self.algorithm.is_symmetric() {
            let key = hmac::Key::new(hmac::HMAC_SHA256, TestKey::secret().expose());
            return Box::new(move |at| hmac::verify(&key, &parts[at].0, &parts[at].1).unwrap());
        }
        let key = self.parsed_key();
        Box::new(move |at| key.verify_sig(&parts[at].0, &parts[at].1).unwrap())
    }

    fn parsed_key(&self) -> signature::ParsedPublicKey {
        let jwk = serde_json::to_value(self.signing.public_jwk().unwrap()).unwrap();
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).unwrap();
        let point = || [vec![4], number("x"), number("y")].concat();
        let rsa = |parameters| {
            let components = aws_lc_rs::rsa::PublicKeyComponents { n: number("n"), e: number("e") };
            components.to_parsed_public_key(parameters).unwrap()
        };
        match self.algorithm {
            Algorithm::Es256 => signature::ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point()).unwrap(),
            Algorithm::Es384 => signature::ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point()).unwrap(),
            Algorithm::EdDsa => signature::ParsedPublicKey::new(&signature::ED25519, number("x")).unwrap(),
            Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
            other => panic!("{other}"),
        }
    }

    /// `jsonwebtoken`, told to check what it can.
    pub fn jsonwebtoken(&self) -> Box<dyn FnMut(usize)> {
        let key = match self.signing.public_jwk() {
            Some(jwk) => {
                let jwk = serde_json::from_value(serde_json::to_value(jwk).unwrap()).unwrap();
                jwt::DecodingKey::from_jwk(&jwk).unwrap()
            }
            None => jwt::DecodingKey::from_secret(TestKey::secret().expose()),
        };
        let mut validation = jwt::Validation::new(self.algorithm.name().parse().unwrap());
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let tokens = self.tokens.clone();
        Box::new(move |at| {
            black_box(jwt::decode::<Claims>(&tokens[at], &key, &validation).unwrap());
        })
    }

    /// `jwt-simple` on pure Rust, the build that needs neither cmake nor libclang.
    pub fn jwt_simple(&self) -> Box<dyn FnMut(usize)> {
        use simple::{ECDSAP256PublicKeyLike as _, ECDSAP384PublicKeyLike as _, EdDSAPublicKeyLike as _};
        use simple::{MACLike as _, RSAPublicKeyLike as _};
        let options = simple::VerificationOptions {
            allowed_issuers: Some([ISSUER.to_owned()].into()),
            allowed_audiences: Some([AUDIENCE.to_owned()].into()),
            ..Default::default()
        };
        let tokens = self.tokens.clone();
        macro_rules! verify {
            ($key:expr) => {{
                let key = $key;
                Box::new(move |at: usize| {
                    black_box(key.verify_token::<OwnClaims>(&tokens[at], Some(options.clone())).unwrap());
                })
            }};
        }
        let jwk = self.signing.public_jwk().map(|jwk| serde_json::to_value(jwk).unwrap()).unwrap_or_default();
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).unwrap();
        let point = || [vec![4], number("x"), number("y")].concat();
        match self.algorithm {
            Algorithm::Hs256 => verify!(simple::HS256Key::from_bytes(TestKey::secret().expose())),
            Algorithm::Rs256 => verify!(simple::RS256PublicKey::from_components(&number("n"), &number("e")).unwrap()),
            Algorithm::Ps256 => verify!(simple::PS256PublicKey::from_components(&number("n"), &number("e")).unwrap()),
            Algorithm::Es256 => verify!(simple::ES256PublicKey::from_bytes(&point()).unwrap()),
            Algorithm::Es384 => verify!(simple::ES384PublicKey::from_bytes(&point()).unwrap()),
            Algorithm::EdDsa => verify!(simple::Ed25519PublicKey::from_bytes(&number("x")).unwrap()),
            other => panic!("{other}"),
        }
    }

    /// Our verifier without a memory: every token is seen for the first time.
    pub fn verifier_that_forgets(&self) -> Verifier {
        let start = Verifier::builder().issuer(ISSUER).audience(AUDIENCE);
        match self.signing.verifying_key() {
            Some(key) => start.key_set(KeySet::new([key]).unwrap()).seen_before(0).build(),
            None => {
                let secret = SharedSecret::new(self.algorithm, TestKey::secret()).unwrap();
                start.shared_secret(secret).seen_before(0).build()
            }
        }
        .unwrap()
    }

    /// Makes new verifiers.
    pub fn fresh(&self) -> impl Fn() -> Verifier + 'static + use<> {
        let (algorithm, key) = (self.algorithm, self.signing.public_jwk());
        move || {
            let start = Verifier::builder().issuer(ISSUER).audience(AUDIENCE);
            match &key {
                Some(jwk) => {
                    let key = countersign::jws::VerifyingKey::from_jwk(jwk.clone()).unwrap();
                    start.key_set(KeySet::new([key]).unwrap()).build()
                }
                None => start.shared_secret(SharedSecret::new(algorithm, TestKey::secret()).unwrap()).build(),
            }
            .unwrap()
        }
    }
}

/// The middle of the values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The names and values of one table, for the report.
pub type Table = BTreeMap<String, BTreeMap<String, f64>>;
