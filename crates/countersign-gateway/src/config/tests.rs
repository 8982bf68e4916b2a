//! Files in, configurations or faults out.

mod accepted;
mod fixed_bounds;
mod hostile;
mod refused;
mod table;

use std::{collections::BTreeMap, io, num::NonZeroUsize, path::Path};

use countersign::Secret;

use super::{Config, ConfigErrors, Environment, FileContent};

/// The example of the manual, as it is printed there.
pub(super) const THIRTEEN_LINES: &str = include_str!("../../../../docs/examples/thirteen-lines.toml");

#[derive(Debug, Default)]
pub(super) struct FakeEnvironment {
    pub(super) files: BTreeMap<String, (Vec<u8>, u32)>,
    pub(super) variables: BTreeMap<String, String>,
}

impl FakeEnvironment {
    /// A machine with the files that the examples name.
    pub(super) fn usual() -> Self {
        let mut environment = Self::default();
        environment.add_file("/run/secrets/gateway", b"planted-client-secret\n", 0o400);
        environment.add_file("/run/secrets/orders", b"planted-orders-0123456789abcdefgh", 0o400);
        environment.add_file("/run/secrets/store", b"planted-store-password", 0o400);
        environment.add_file("/run/secrets/kek", b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0o400);
        environment.add_file("/run/secrets/notes", b"planted-notes-0123456789abcdefghi", 0o400);
        for file in ["key.pem", "gateway-key.pem"] {
            let key = b"-----BEGIN PRIVATE KEY-----\nplanted-private-key\n";
            environment.add_file(&format!("/run/secrets/{file}"), key, 0o400);
        }
        for file in ["shop.pem", "store-ca.pem"] {
            let certificate = b"-----BEGIN CERTIFICATE-----\nMIIB\n";
            environment.add_file(&format!("/etc/countersign/{file}"), certificate, 0o644);
        }
        let reports = b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEautnFnp9mtGA6cc/Mecvf4E93jfY\n7JLZX9xwkFTnb0Svy06QGdQbx3kRQw0jKL9555jBHTa6FYz9C7egQy7MXw==\n-----END PUBLIC KEY-----\n";
        environment.add_file("/etc/countersign/reports.pem", reports, 0o644);
        environment.variables.insert("NOTES_SECRET".to_owned(), "planted-notes-variable".to_owned());
        let key = "-----BEGIN PRIVATE KEY-----\nplanted-private-key\n";
        environment.variables.insert("GUARD_KEY".to_owned(), key.to_owned());
        let kek = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        environment.add_file("/run/credentials/countersign/kek", kek.as_bytes(), 0o400);
        environment
            .variables
            .insert("CREDENTIALS_DIRECTORY".to_owned(), "/run/credentials/countersign".to_owned());
        environment.variables.insert("KEK".to_owned(), kek.to_owned());
        environment.variables.insert("GATEWAY_SECRET".to_owned(), "planted-variable".to_owned());
        environment
    }

    pub(super) fn add_file(&mut self, path: &str, bytes: &[u8], mode: u32) {
        self.files.insert(path.to_owned(), (bytes.to_vec(), mode));
    }
}

impl Environment for FakeEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read_file(&self, path: &Path) -> io::Result<FileContent> {
        let (bytes, mode) = self.files.get(&path.display().to_string()).ok_or(io::ErrorKind::NotFound)?;
        Ok(FileContent { bytes: Secret::new(bytes.clone()), mode: Some(*mode) })
    }
}

pub(super) const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();

pub(super) fn read(text: &str) -> Result<Config, ConfigErrors> {
    Config::from_toml("/etc/countersign/gateway.toml", text, &FakeEnvironment::usual(), FOUR)
}
