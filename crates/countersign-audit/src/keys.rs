//! The keys that sign a run's tokens: made anew, or kept in a file so that a key set that was written stays valid.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use countersign::testkit::OwnKeys;

use crate::AuditError;

/// One private key of each algorithm that tokens are made with. Nobody else has them, so a service may trust their
/// public halves for as long as it is tested.
#[derive(Debug, Clone)]
pub struct Keys(Arc<OwnKeys>);

impl Keys {
    /// Makes new ones, which takes some tenths of a second.
    ///
    /// # Errors
    /// [`AuditError::Usage`] if the cryptographic library fails.
    pub fn generate() -> Result<Self, AuditError> {
        let keys = OwnKeys::generate();
        let keys = keys.map_err(|error| AuditError::Usage(format!("no keys can be made: {error}")))?;
        Ok(Self(Arc::new(keys)))
    }

    /// Those of a file; if there is no such file, it is made, readable by its owner alone, with new ones.
    ///
    /// # Errors
    /// [`AuditError::Io`], or [`AuditError::Usage`] if the file holds something else.
    pub fn of_file(file: &Path) -> Result<Self, AuditError> {
        let unusable =
            |what, source| AuditError::Io { what: format!("cannot {what} {}", file.display()), source };
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let keys = OwnKeys::from_pem(&text).map_err(|error| {
                    let file = file.display();
                    AuditError::Usage(format!(
                        "{file} does not hold the keys of an audit ({error}): give another file, which is made then"
                    ))
                })?;
                Ok(Self(Arc::new(keys)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let keys = Self::generate()?;
                let text = keys.0.to_pem();
                let text =
                    text.map_err(|error| AuditError::Usage(format!("keys cannot be kept: {error}")))?;
                let mut opened = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(file)
                    .map_err(|source| unusable("make", source))?;
                opened.write_all(text.expose().as_bytes()).map_err(|source| unusable("write", source))?;
                Ok(keys)
            }
            Err(source) => Err(unusable("read", source)),
        }
    }

    /// The public halves, as the service under test must have them.
    #[must_use]
    #[expect(clippy::expect_used, reason = "an empty key set would be trusted as if it were one")]
    pub fn key_set_json(&self) -> String {
        // INVARIANT: a key set is texts and lists of them, which can always be written.
        serde_json::to_string_pretty(&self.0.key_set()).expect("a key set is JSON")
    }

    pub(crate) const fn own(&self) -> &Arc<OwnKeys> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Keys;

    #[test]
    fn a_file_keeps_them_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.key");
        let made = Keys::of_file(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Keys::of_file(&file).unwrap().key_set_json(), made.key_set_json());
        assert_ne!(Keys::generate().unwrap().key_set_json(), made.key_set_json());
        assert!(!made.key_set_json().contains("\"d\""));
    }

    #[test]
    fn what_is_no_key_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.txt");
        std::fs::write(&file, "shopping list").unwrap();
        let error = Keys::of_file(&file).unwrap_err().to_string();
        assert!(error.contains("does not hold the keys of an audit"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "shopping list");
        let nowhere = Keys::of_file(&folder.path().join("a/b")).unwrap_err().to_string();
        assert!(nowhere.starts_with("cannot make "), "{nowhere}");
    }
}
