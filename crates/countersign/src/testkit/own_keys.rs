//! Keys that nobody else has, in the place of the published ones.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::TestKey;
use crate::{KeySet, Secret, SignError, jws::KeyError, sign::SigningKey};

/// One key for each of [`TestKey::PUBLISHED`], made anew: for a service under test that others reach as well, or that is
/// started by hand and may be forgotten.
///
/// ```
/// use std::sync::Arc;
/// use countersign::testkit::{OwnKeys, TestIssuer};
///
/// let keys = Arc::new(OwnKeys::generate()?);
/// let issuer = TestIssuer::new("orders").with_keys(&keys);
/// let token = issuer.token().sign();
/// assert!(issuer.verifier().verify(&token).is_ok());
/// assert!(TestIssuer::new("orders").verifier().verify(&token).is_err());
/// # Ok::<(), countersign::SignError>(())
/// ```
#[derive(Debug)]
pub struct OwnKeys {
    /// In the order of [`TestKey::PUBLISHED`].
    keys: [SigningKey; TestKey::PUBLISHED.len()],
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

impl OwnKeys {
    /// Makes them. The two RSA keys take some tenths of a second.
    ///
    /// # Errors
    /// [`SignError::Crypto`].
    pub fn generate() -> Result<Self, SignError> {
        Self::each(|key| SigningKey::generate(key.algorithm()))
    }

    /// Reads what [`to_pem`](Self::to_pem) wrote.
    ///
    /// # Errors
    /// [`SignError::Key`] if a key is missing or of another kind than its place says.
    pub fn from_pem(text: &str) -> Result<Self, SignError> {
        let mut blocks = text.split_inclusive(END).filter(|block| block.contains(BEGIN));
        let keys = Self::each(|key| {
            let block = blocks.next().ok_or(KeyError::Malformed)?;
            SigningKey::from_pem(key.algorithm(), block)
        })?;
        if blocks.next().is_some() { Err(KeyError::Malformed.into()) } else { Ok(keys) }
    }

    /// The private keys in PKCS #8 (RFC 7468 §10), each below its algorithm, in the order of [`TestKey::PUBLISHED`].
    ///
    /// # Errors
    /// [`SignError::Crypto`].
    pub fn to_pem(&self) -> Result<Secret<String>, SignError> {
        let mut text = String::new();
        for key in &self.keys {
            let der = key.to_pkcs8_der()?;
            text.push_str(&format!("{}\n{BEGIN}\n", key.algorithm()));
            for line in STANDARD.encode(der.expose()).as_bytes().chunks(64) {
                text.push_str(&String::from_utf8_lossy(line));
                text.push('\n');
            }
            text.push_str(&format!("{END}\n"));
        }
        Ok(Secret::new(text))
    }

    /// The public halves, as a service must have them.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a key set that cannot be made must stop the test")]
    pub fn key_set(&self) -> KeySet {
        KeySet::new(self.keys.iter().filter_map(SigningKey::verifying_key)).expect("each key once")
    }

    /// The key in that place; that of the kit where it is none of [`TestKey::PUBLISHED`].
    #[must_use]
    pub fn signing_key(&self, key: TestKey) -> &SigningKey {
        let place = TestKey::PUBLISHED.iter().position(|published| *published == key);
        place.and_then(|place| self.keys.get(place)).unwrap_or_else(|| key.signing_key())
    }

    fn each(mut make: impl FnMut(TestKey) -> Result<SigningKey, SignError>) -> Result<Self, SignError> {
        let [one, two, three, four, five, six] = TestKey::PUBLISHED;
        Ok(Self { keys: [make(one)?, make(two)?, make(three)?, make(four)?, make(five)?, make(six)?] })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::OwnKeys;
    use crate::testkit::{Setup, TestIssuer, TestKey, bad_tokens, odd_tokens};

    #[test]
    fn they_are_new_each_time_and_survive_a_file() {
        let (one, other) = (OwnKeys::generate().unwrap(), OwnKeys::generate().unwrap());
        let again = OwnKeys::from_pem(one.to_pem().unwrap().expose()).unwrap();
        for key in TestKey::PUBLISHED {
            let id = one.signing_key(key).key_id();
            assert!(id.is_some() && id != other.signing_key(key).key_id() && id != key.key_id(), "{key:?}");
            assert_eq!(id, again.signing_key(key).key_id());
            assert_eq!(one.signing_key(key).algorithm(), key.algorithm());
        }
        assert_eq!(one.signing_key(TestKey::Es256OfOther).key_id(), TestKey::Es256OfOther.key_id());
        assert!(!format!("{one:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_file_that_lacks_a_key_or_has_one_too_many_is_refused() {
        let text = OwnKeys::generate().unwrap().to_pem().unwrap().expose().clone();
        let last = text.rfind("-----BEGIN").unwrap();
        for wrong in [
            "",
            "x",
            text.get(..last).unwrap(),
            &format!("{text}{text}"),
            &text.replace("ES256", "").replace('M', "N"),
        ] {
            assert!(OwnKeys::from_pem(wrong).is_err());
        }
    }

    /// The whole catalogue, asked of a verifier that trusts those keys and no other.
    #[test]
    fn the_catalogue_says_the_same_of_them() {
        let keys = Arc::new(OwnKeys::generate().unwrap());
        let issuer = TestIssuer::new("orders").with_keys(&keys);
        let verifier = issuer.verifier();
        for row in bad_tokens().filter(|row| row.setup() == Setup::Keys) {
            assert_eq!(verifier.verify(row.token(&issuer)).err(), Some(row.refusal()), "{}", row.name());
            assert!(verifier.verify(row.twin(&issuer)).is_ok(), "{}", row.name());
        }
        for row in odd_tokens().filter(|row| row.setup() == Setup::Keys) {
            assert!(verifier.verify(row.token(&issuer)).is_ok(), "{}", row.name());
        }
    }
}
