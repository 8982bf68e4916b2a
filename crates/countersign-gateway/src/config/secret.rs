//! Secrets of a configuration: never in the file itself, always in a file or variable that it names.

use std::path::{Path, PathBuf};

use countersign::Secret;

use crate::config::{
    environment::unreadable,
    error::ConfigErrorCode,
    reader::{Fault, Field, Reader, Section},
    value,
};

/// Whether two secrets are one, found out in the same time for all of the same length.
pub(crate) fn is_same(left: &Secret<String>, right: &Secret<String>) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left.expose().as_bytes(), right.expose().as_bytes())
        .is_ok()
}

impl<'a> Reader<'a> {
    /// A path; a relative one starts at the folder of the configuration file.
    pub(super) fn file(&mut self, section: &Section<'a>, name: &str) -> Field<PathBuf> {
        let folder = self.folder;
        self.text(section, name, |text| path(folder, text))
    }

    /// The bytes of the file that a key names, without line ends behind them, and its path.
    pub(super) fn secret_file(
        &mut self,
        section: &Section<'a>,
        name: &str,
    ) -> Field<(PathBuf, Secret<Vec<u8>>)> {
        let folder = self.folder;
        let mut shown = false;
        let path = match self.text(section, name, |text| {
            shown = text.contains('/');
            path(folder, text)
        }) {
            Field::Given(path) => path,
            Field::Absent => return Field::Absent,
            Field::Bad => return Field::Bad,
        };
        match self.read_secret(&path) {
            Ok(secret) => Field::Given((path, secret)),
            // A word without `/` is perhaps the secret itself, written in the wrong place.
            Err(fault) if shown => {
                self.fault(section, name, fault);
                Field::Bad
            }
            Err(fault) => {
                self.fault_hidden(section, name, fault);
                Field::Bad
            }
        }
    }

    /// The bytes of the systemd credential that a key names, without line ends behind them, and its path.
    pub(super) fn credential(
        &mut self,
        section: &Section<'a>,
        name: &str,
    ) -> Field<(PathBuf, Secret<Vec<u8>>)> {
        let credential =
            match self.text(section, name, |text| value::credential_name(text).map(str::to_owned)) {
                Field::Given(credential) => credential,
                Field::Absent => return Field::Absent,
                Field::Bad => return Field::Bad,
            };
        let read = match self.environment.variable("CREDENTIALS_DIRECTORY") {
            Some(folder) => {
                let path = Path::new(&folder).join(credential);
                self.read_secret(&path).map(|secret| (path, secret))
            }
            None => Err(Fault::new(
                ConfigErrorCode::Unreadable,
                "cannot be read: `$CREDENTIALS_DIRECTORY` is not set, as systemd sets it for units with credentials",
            )),
        };
        match read {
            Ok(read) => Field::Given(read),
            Err(fault) => {
                self.fault(section, name, fault);
                Field::Bad
            }
        }
    }

    fn read_secret(&self, path: &Path) -> Result<Secret<Vec<u8>>, Fault> {
        let content = self
            .environment
            .read_file(path)
            .map_err(|error| Fault::new(ConfigErrorCode::Unreadable, unreadable(&error)))?;
        if let Some(mode) = content.mode {
            if mode & 0o022 != 0 {
                let problem = format!("can be written by others than its owner (mode {mode:04o})");
                return Err(Fault::new(ConfigErrorCode::Unreadable, problem));
            }
            if mode & 0o004 != 0 && !self.any_secret_file {
                let problem = format!(
                    "can be read by every user of this machine (mode {mode:04o}): take that right away, or set \
                     `insecure_secret_files = true`"
                );
                return Err(Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
            }
        }
        let secret = without_line_ends(content.bytes.expose());
        if secret.expose().is_empty() {
            return Err(Fault::new(ConfigErrorCode::InvalidValue, "names an empty file"));
        }
        Ok(secret)
    }

    /// The value of the variable that a key names.
    pub(super) fn secret_variable(&mut self, section: &Section<'a>, name: &str) -> Field<Secret<Vec<u8>>> {
        let mut given = None;
        let variable = match self.text(section, name, |text| {
            given = value::variable_name(text).err();
            Ok(text.to_owned())
        }) {
            Field::Given(variable) => variable,
            Field::Absent => return Field::Absent,
            Field::Bad => return Field::Bad,
        };
        let fault = match (given, self.environment.variable(&variable).map(Secret::new)) {
            (Some(problem), _) => Fault::new(ConfigErrorCode::InvalidValue, problem),
            (None, None) => Fault::new(ConfigErrorCode::Unreadable, "names a variable that is not set"),
            (None, Some(value)) if value.expose().is_empty() => {
                Fault::new(ConfigErrorCode::InvalidValue, "names an empty variable")
            }
            (None, Some(value)) => return Field::Given(without_line_ends(value.expose().as_bytes())),
        };
        // The value is perhaps the secret itself, written in the wrong place.
        self.fault_hidden(section, name, fault);
        Field::Bad
    }

    /// A secret that is text: UTF-8 without control characters but line ends.
    pub(super) fn secret_text(
        &mut self,
        section: &Section<'a>,
        name: &str,
        secret: &Secret<Vec<u8>>,
    ) -> Option<Secret<String>> {
        let text = std::str::from_utf8(secret.expose()).ok();
        let text = text.filter(|text| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\r'));
        if text.is_none() {
            let problem = "names a secret that is not text";
            self.fault(section, name, Fault::new(ConfigErrorCode::InvalidValue, problem));
        }
        text.map(|text| Secret::new(text.to_owned()))
    }
}

fn path(folder: &Path, text: &str) -> Result<PathBuf, value::Problem> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.contains('\0') {
        return Err("holds a NUL");
    }
    Ok(folder.join(text))
}

fn without_line_ends(bytes: &[u8]) -> Secret<Vec<u8>> {
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, b'\n' | b'\r'))
        .map_or(0, |last| last.saturating_add(1));
    Secret::new(bytes.get(..end).unwrap_or_default().to_vec())
}
