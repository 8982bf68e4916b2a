//! Fixed keys that everybody has.

use std::sync::LazyLock;

use crate::{
    KeyId, KeySet, Secret,
    jws::{Algorithm, SharedSecret, VerifyingKey},
    sign::SigningKey,
};

/// A test key. All of them are published with this crate, private halves included: **never trust them** outside a
/// test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TestKey {
    /// ES256, in the test issuer's key set; signs its tokens unless told otherwise.
    Es256,
    /// ES256, of the other issuer.
    Es256OfOther,
    /// ES384, in the key set.
    Es384,
    /// ES512, in the key set.
    Es512,
    /// Ed25519, in the key set; its signatures are the same each time.
    Ed25519,
    /// Ed25519, of the other issuer.
    Ed25519OfOther,
    /// HS256, shared with the verifier of [`Setup::SharedSecret`](super::Setup).
    Hs256,
    /// PS256, in the key set.
    Ps256,
    /// RS256, in the key set.
    Rs256,
}

/// 32 bytes that look like the secret a careful person would make.
const SECRET: &[u8; 32] = b"\x8f\x1d\x72\x0c\xe3\x59\xa4\x36\xbb\x07\x68\xd1\x2e\x95\x4f\xc0\x13\x7a\xe6\x5b\x94\x28\xfd\x41\xb6\x0e\xd3\x89\x5c\x67\x32\xaf";

impl TestKey {
    /// The keys of the test issuer's set.
    pub const PUBLISHED: [Self; 6] =
        [Self::Es256, Self::Es384, Self::Es512, Self::Ed25519, Self::Ps256, Self::Rs256];
    /// The keys of the other issuer's set.
    pub const OF_OTHER: [Self; 2] = [Self::Es256OfOther, Self::Ed25519OfOther];

    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Es256 | Self::Es256OfOther => Algorithm::Es256,
            Self::Es384 => Algorithm::Es384,
            Self::Es512 => Algorithm::Es512,
            Self::Ed25519 | Self::Ed25519OfOther => Algorithm::Ed25519,
            Self::Hs256 => Algorithm::Hs256,
            Self::Ps256 => Algorithm::Ps256,
            Self::Rs256 => Algorithm::Rs256,
        }
    }

    /// The private key, PKCS #8 in PEM; none for the secret.
    #[must_use]
    pub const fn pem(self) -> Option<&'static str> {
        Some(match self {
            Self::Es256 => include_str!("keys/es256.pem"),
            Self::Es256OfOther => include_str!("keys/es256_other.pem"),
            Self::Es384 => include_str!("keys/es384.pem"),
            Self::Es512 => include_str!("keys/es512.pem"),
            Self::Ed25519 => include_str!("keys/ed25519.pem"),
            Self::Ed25519OfOther => include_str!("keys/ed25519_other.pem"),
            Self::Hs256 => return None,
            Self::Ps256 => include_str!("keys/rsa_other.pem"),
            Self::Rs256 => include_str!("keys/rsa.pem"),
        })
    }

    /// The key, ready to sign.
    #[must_use]
    pub fn signing_key(self) -> &'static SigningKey {
        static KEYS: LazyLock<[SigningKey; 9]> = LazyLock::new(|| {
            [
                TestKey::Es256.load(),
                TestKey::Es256OfOther.load(),
                TestKey::Es384.load(),
                TestKey::Es512.load(),
                TestKey::Ed25519.load(),
                TestKey::Ed25519OfOther.load(),
                TestKey::Hs256.load(),
                TestKey::Ps256.load(),
                TestKey::Rs256.load(),
            ]
        });
        let [es256, es256_other, es384, es512, ed25519, ed25519_other, hs256, ps256, rs256] = &*KEYS;
        match self {
            Self::Es256 => es256,
            Self::Es256OfOther => es256_other,
            Self::Es384 => es384,
            Self::Es512 => es512,
            Self::Ed25519 => ed25519,
            Self::Ed25519OfOther => ed25519_other,
            Self::Hs256 => hs256,
            Self::Ps256 => ps256,
            Self::Rs256 => rs256,
        }
    }

    /// Its name in the key set; none for the secret.
    #[must_use]
    pub fn key_id(self) -> Option<&'static KeyId> {
        self.signing_key().key_id()
    }

    /// The public half; none for the secret.
    #[must_use]
    pub fn verifying_key(self) -> Option<VerifyingKey> {
        self.signing_key().verifying_key()
    }

    /// The set of those keys, without the secret.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a key set that cannot be made must stop the test")]
    pub fn set(keys: &[Self]) -> KeySet {
        KeySet::new(keys.iter().filter_map(|key| key.verifying_key())).expect("each key once")
    }

    /// The secret, as a verifier holds it.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a secret that cannot be made must stop the test")]
    pub fn shared_secret() -> SharedSecret {
        SharedSecret::new(Algorithm::Hs256, Self::secret()).expect("the secret is long enough")
    }

    /// The bytes of the secret.
    #[must_use]
    pub fn secret() -> Secret<Vec<u8>> {
        Secret::new(SECRET.to_vec())
    }

    #[expect(clippy::expect_used, reason = "a fixed key that cannot be read must stop the test")]
    fn load(self) -> SigningKey {
        let algorithm = self.algorithm();
        match self.pem() {
            Some(pem) => SigningKey::from_pem(algorithm, pem),
            None => SigningKey::shared_secret(algorithm, Self::secret()),
        }
        .expect("the fixed keys are good")
    }
}
