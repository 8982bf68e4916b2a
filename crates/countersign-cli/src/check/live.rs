//! The live credential that an operator gives to be asked about.

use std::{fs::File, io::Read as _, path::Path};

use countersign::Secret;
use countersign_gateway::{
    config::{Config, unreadable},
    credential::{CredentialKind, MAX_CREDENTIAL_BYTES, OwnedCredential},
};

use crate::arguments::LiveCredential;

/// Reads the credential, if one is given.
///
/// # Errors
/// The file cannot be read, or what is in it cannot be a credential of this configuration.
pub(crate) fn credential(
    arguments: &LiveCredential,
    config: &Config,
) -> Result<Option<OwnedCredential>, String> {
    let (file, kind) = match (&arguments.cookie_file, &arguments.token_file) {
        (Some(file), _) => (file, CredentialKind::Cookie),
        (None, Some(file)) => (file, CredentialKind::Bearer),
        (None, None) => return Ok(None),
    };
    let text = read(file)?;
    of_text(kind, text.expose(), &format!("`{}`", file.display()), config).map(Some)
}

/// A credential from a text; `place` names where it stands.
///
/// # Errors
/// It cannot be a credential of this configuration.
pub(crate) fn of_text(
    kind: CredentialKind,
    text: &str,
    place: &str,
    config: &Config,
) -> Result<OwnedCredential, String> {
    let mut value = text.trim();
    match kind {
        CredentialKind::Cookie => {
            let Some(cookie) = &config.session.cookie else {
                return Err("a cookie is of no use: the configuration names none".to_owned());
            };
            let named = value.strip_prefix(cookie.as_str()).and_then(|rest| rest.strip_prefix('='));
            value = named.unwrap_or(value);
        }
        CredentialKind::Bearer if !config.session.bearer => {
            return Err("a token is of no use: the configuration accepts no bearer tokens".to_owned());
        }
        CredentialKind::Bearer => value = value.strip_prefix("Bearer ").unwrap_or(value).trim(),
    }
    bounded(kind, value, place)
}

fn bounded(kind: CredentialKind, value: &str, place: &str) -> Result<OwnedCredential, String> {
    if value.is_empty()
        || value.len() > MAX_CREDENTIAL_BYTES
        || !value.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(format!(
            "{place} holds no credential: 1 to 8,192 printable ASCII characters without spaces"
        ));
    }
    Ok(OwnedCredential { kind, value: Secret::new(value.to_owned()) })
}

/// The bearer token in a file, for whoever takes tokens.
///
/// # Errors
/// The file cannot be read, or what is in it cannot be a token.
pub(crate) fn token(file: &Path) -> Result<OwnedCredential, String> {
    let text = read(file)?;
    let value = text.expose().trim();
    bounded(
        CredentialKind::Bearer,
        value.strip_prefix("Bearer ").unwrap_or(value).trim(),
        &format!("`{}`", file.display()),
    )
}

/// A text file of at most 64 KiB.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(file: &Path) -> Result<Secret<String>, String> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(64 * 1024).read_to_string(&mut text));
    let text = Secret::new(text);
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("`{}`: {}", file.display(), unreadable(&error))),
    }
}
