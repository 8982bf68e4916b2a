//! Tokens, keys and contenders of the verification benchmark.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{hmac, signature};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    KeySet, Secret, SigningKey, UnixTime, Verifier, VerifierBuilder,
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

/// Measures one thing for one token: its place among the tokens.
pub type Work = Box<dyn FnMut(usize)>;

/// 64 bytes: enough for every hash.
const SECRET: &[u8; 64] = b"\x8f\x1d\x72\x0c\xe3\x59\xa4\x36\xbb\x07\x68\xd1\x2e\x95\x4f\xc0\x13\x7a\xe6\x5b\x94\x28\xfd\x41\xb6\x0e\xd3\x89\x5c\x67\x32\xaf\
\x21\xb4\x9a\x57\x0d\xee\x63\x18\xc5\x70\xf2\x4b\x86\x3d\xa9\x14\xdb\x02\x7e\x95\x41\xac\x38\xe7\x6a\xd0\x1b\xf4\x89\x25\xc3\x5e";

fn secret() -> Secret<Vec<u8>> {
    Secret::new(SECRET.to_vec())
}

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

/// The key of that algorithm.
pub fn signing_key(algorithm: Algorithm) -> SigningKey {
    let key = match algorithm {
        Algorithm::Es256 => TestKey::Es256,
        Algorithm::Es384 => TestKey::Es384,
        Algorithm::Es512 => TestKey::Es512,
        Algorithm::Ed25519 | Algorithm::EdDsa => TestKey::Ed25519,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => TestKey::Hs256,
        Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => TestKey::Ps256,
        Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => TestKey::Rs256,
    };
    match key.pem() {
        Some(pem) => SigningKey::from_pem(algorithm, pem),
        None => SigningKey::shared_secret(algorithm, secret()),
    }
    .unwrap()
}

impl Case {
    pub fn new(algorithm: Algorithm, count: usize) -> Self {
        let signing = signing_key(algorithm);
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
        Self::of(algorithm, signing, tokens)
    }

    /// Of anything that this key has signed.
    pub fn of(algorithm: Algorithm, signing: SigningKey, tokens: Vec<String>) -> Self {
        Self { algorithm, signing, tokens }
    }

    fn builder(&self) -> VerifierBuilder<countersign::Complete> {
        let start = Verifier::builder().issuer(ISSUER).audience(AUDIENCE);
        match self.signing.verifying_key() {
            Some(key) => start.key_set(KeySet::new([key]).unwrap()),
            None => start.shared_secret(SharedSecret::new(self.algorithm, secret()).unwrap()),
        }
    }

    /// Our verifier with every default: the machine's clock, 10,000 tokens remembered.
    pub fn verifier(&self) -> Verifier {
        self.builder().build().unwrap()
    }

    /// The same without a memory: every token is seen for the first time.
    pub fn verifier_that_forgets(&self) -> Verifier {
        self.builder().seen_before(0).build().unwrap()
    }

    /// With every default, and a table in which 1,000 other sessions and subjects are revoked.
    pub fn verifier_with_revocations(&self) -> Verifier {
        let table = Revoked::new(ISSUER);
        for number in 0..500 {
            for kind in ["session", "subject"] {
                let target = Target::from_parts(kind, &format!("other-{number}")).unwrap();
                let (at, expires) = (UnixTime::from_secs(1_700_000_000), UnixTime::MAX);
                table.revoke(&Revocation { target, at, expires }).unwrap();
            }
        }
        self.builder().revocations(table).build().unwrap()
    }

    /// The signature check alone, with a key that has been parsed and a signature that has been decoded.
    pub fn bare(&self) -> Work {
        let parts: Vec<(Vec<u8>, Vec<u8>)> = self
            .tokens
            .iter()
            .map(|token| {
                let (signed, signature) = token.rsplit_once('.').unwrap();
                (signed.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(signature).unwrap())
            })
            .collect();
        let hash = match self.algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => {
                let key = self.parsed_key();
                return Box::new(move |at| key.verify_sig(&parts[at].0, &parts[at].1).unwrap());
            }
        };
        let key = hmac::Key::new(hash, SECRET);
        Box::new(move |at| hmac::verify(&key, &parts[at].0, &parts[at].1).unwrap())
    }

    fn number(&self, name: &str) -> Vec<u8> {
        let jwk = serde_json::to_value(self.signing.public_jwk().unwrap()).unwrap();
        URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).unwrap()
    }

    fn point(&self) -> Vec<u8> {
        [vec![4], self.number("x"), self.number("y")].concat()
    }

    fn parsed_key(&self) -> signature::ParsedPublicKey {
        let new = |kind: &'static dyn signature::VerificationAlgorithm, bytes: Vec<u8>| {
            signature::ParsedPublicKey::new(kind, bytes).unwrap()
        };
        let rsa = |parameters| {
            let components = aws_lc_rs::rsa::PublicKeyComponents { n: self.number("n"), e: self.number("e") };
            components.to_parsed_public_key(parameters).unwrap()
        };
        match self.algorithm {
            Algorithm::Es256 => new(&signature::ECDSA_P256_SHA256_FIXED, self.point()),
            Algorithm::Es384 => new(&signature::ECDSA_P384_SHA384_FIXED, self.point()),
            Algorithm::Es512 => new(&signature::ECDSA_P521_SHA512_FIXED, self.point()),
            Algorithm::EdDsa | Algorithm::Ed25519 => new(&signature::ED25519, self.number("x")),
            Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                unreachable!("a secret is no public key")
            }
        }
    }

    /// `jsonwebtoken`, told to check what it can; none where it does not know the algorithm.
    pub fn jsonwebtoken(&self) -> Option<Work> {
        let known = self.algorithm.name().parse().ok()?;
        let key = match self.signing.public_jwk() {
            Some(jwk) => {
                let jwk = serde_json::from_value(serde_json::to_value(jwk).unwrap()).unwrap();
                jwt::DecodingKey::from_jwk(&jwk).unwrap()
            }
            None => jwt::DecodingKey::from_secret(SECRET),
        };
        let mut validation = jwt::Validation::new(known);
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let tokens = self.tokens.clone();
        Some(Box::new(move |at| {
            black_box(jwt::decode::<Claims>(&tokens[at], &key, &validation).unwrap());
        }))
    }

    /// `jwt-simple` on pure Rust, the build that needs neither cmake nor libclang; none where it does not know the
    /// algorithm.
    pub fn jwt_simple(&self) -> Option<Work> {
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
        macro_rules! rsa {
            ($kind:ident) => {
                verify!(simple::$kind::from_components(&self.number("n"), &self.number("e")).unwrap())
            };
        }
        Some(match self.algorithm {
            Algorithm::Hs256 => verify!(simple::HS256Key::from_bytes(SECRET)),
            Algorithm::Hs384 => verify!(simple::HS384Key::from_bytes(SECRET)),
            Algorithm::Hs512 => verify!(simple::HS512Key::from_bytes(SECRET)),
            Algorithm::Rs256 => rsa!(RS256PublicKey),
            Algorithm::Rs384 => rsa!(RS384PublicKey),
            Algorithm::Rs512 => rsa!(RS512PublicKey),
            Algorithm::Ps256 => rsa!(PS256PublicKey),
            Algorithm::Ps384 => rsa!(PS384PublicKey),
            Algorithm::Ps512 => rsa!(PS512PublicKey),
            Algorithm::Es256 => verify!(simple::ES256PublicKey::from_bytes(&self.point()).unwrap()),
            Algorithm::Es384 => verify!(simple::ES384PublicKey::from_bytes(&self.point()).unwrap()),
            Algorithm::Es512 => return None,
            Algorithm::EdDsa | Algorithm::Ed25519 => {
                verify!(simple::Ed25519PublicKey::from_bytes(&self.number("x")).unwrap())
            }
        })
    }
}

/// The middle of the values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The names and values of one table, for the report.
pub type Table = BTreeMap<String, BTreeMap<String, f64>>;
