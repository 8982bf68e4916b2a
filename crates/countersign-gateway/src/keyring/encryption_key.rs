//! The key-encryption key: where it comes from, and when a new one may be made.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::Secret;
use zeroize::Zeroizing;

use super::seal::KEY_BYTES;
use crate::{
    config::resolved::{Config, EncryptionKey},
    entropy::{Entropy, NoEntropy},
    store::{StateDirectory, StoreError},
};

/// Name of the generated key in `state_dir`.
pub const FILE: &str = "kek";

/// Where the key-encryption key is kept.
///
/// The generated one lies beside the store. It protects a copy of the database (a backup, a replica's store), not
/// against someone who can read all of `state_dir`; for that it must come from elsewhere.
#[derive(Debug, Clone, Default)]
pub enum EncryptionKeySource {
    /// The operator's, from a file, a variable or a systemd credential: 32 random bytes in Base64, as
    /// `openssl rand -base64 32` writes them. Never written by the gateway.
    Given(EncryptionKey),
    /// `state_dir/kek`, made at the first start. The default.
    #[default]
    Generated,
}

/// Why there is no key-encryption key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionKeyError {
    /// No new key can be made.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// There is something else in its place.
    #[error(
        "`{0}` does not hold 32 bytes in Base64, as `openssl rand -base64 32` writes them; keys that are sealed already need the one they were sealed under"
    )]
    Malformed(String),
    /// The file is gone although there is a ring sealed under it.
    #[error(
        "`{}` is missing, and the stored keys are sealed under it; restore it, or begin anew with an empty `state_dir`",
        .0.display()
    )]
    Missing(PathBuf),
    /// The file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EncryptionKeySource {
    /// Reads the key. The generated one is made if it is missing and `anything_sealed` is false.
    ///
    /// # Errors
    /// [`EncryptionKeyError`].
    pub fn load(
        &self,
        directory: &StateDirectory,
        anything_sealed: bool,
        entropy: &dyn Entropy,
    ) -> Result<Secret<[u8; KEY_BYTES]>, EncryptionKeyError> {
        let path = match self {
            Self::Given(EncryptionKey { place, content }) => {
                return parse(content.expose()).ok_or_else(|| EncryptionKeyError::Malformed(place.clone()));
            }
            Self::Generated => directory.file(FILE),
        };
        match directory.read(FILE)? {
            Some(content) => {
                let content = Zeroizing::new(content);
                parse(&content).ok_or_else(|| EncryptionKeyError::Malformed(path.display().to_string()))
            }
            None if anything_sealed => Err(EncryptionKeyError::Missing(path)),
            None => generate(directory, entropy),
        }
    }
}

impl From<&Config> for EncryptionKeySource {
    fn from(config: &Config) -> Self {
        config.encryption_key.clone().map_or(Self::Generated, Self::Given)
    }
}

fn parse(content: &[u8]) -> Option<Secret<[u8; KEY_BYTES]>> {
    let bytes = Zeroizing::new(STANDARD.decode(content.trim_ascii()).ok()?);
    Some(Secret::new(<[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok()?))
}

fn generate(
    directory: &StateDirectory,
    entropy: &dyn Entropy,
) -> Result<Secret<[u8; KEY_BYTES]>, EncryptionKeyError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(&mut *key)?;
    let mut content = Zeroizing::new(STANDARD.encode(*key));
    content.push('\n');
    directory.write(FILE, content.as_bytes())?;
    Ok(Secret::new(*key))
}
