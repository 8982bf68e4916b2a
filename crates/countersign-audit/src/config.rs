//! `audit.toml`: what the document cannot say.

mod check;

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;

/// Why `audit.toml` cannot be used: `file:line: problem`, with the nearest right name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// The nearest name that would be right.
    pub nearest: Option<String>,
}

/// `audit.toml`. Every key may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The service under test, as `--target`.
    pub base: Option<String>,
    /// The document, relative to this file.
    pub spec: Option<String>,
    /// A plain list of routes, relative to this file.
    pub routes: Option<String>,
    /// The `aud` of good tokens.
    pub audience: Option<String>,
    #[serde(default)]
    pub(crate) token: TokenSettings,
    #[serde(default)]
    pub(crate) organisations: Organisations,
    #[serde(default)]
    pub(crate) objects: BTreeMap<String, ObjectSettings>,
    /// Path template → parameter → kind of object, `organisation`, or `{ value = "…" }`.
    #[serde(default)]
    pub(crate) paths: BTreeMap<String, BTreeMap<String, PathValue>>,
    /// Operation → query parameter → value.
    #[serde(default)]
    pub(crate) query: BTreeMap<String, BTreeMap<String, String>>,
    /// Operation → a good body.
    #[serde(default)]
    pub(crate) bodies: BTreeMap<String, Value>,
    /// Operation → the roles of which one is needed.
    #[serde(default)]
    pub(crate) expect: BTreeMap<String, Vec<String>>,
    /// Operation → `public`.
    #[serde(default)]
    pub(crate) allow: BTreeMap<String, Allowed>,
    /// Operations that are left alone.
    #[serde(default)]
    pub(crate) skip: Vec<String>,
    /// Operations that look across organisations, and are meant to.
    #[serde(default)]
    pub(crate) across: Vec<String>,
    #[serde(default)]
    pub(crate) gateway: GatewaySettings,
    #[serde(default)]
    pub(crate) logout: LogOutSettings,
}

/// How good tokens look.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TokenSettings {
    pub(crate) supply: SupplyName,
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// The file that keeps the audit's own keys; made if it is not there.
    pub(crate) key_file: Option<String>,
    pub(crate) secret_file: Option<String>,
    pub(crate) secret_env: Option<String>,
    /// `es256`, `rs256`, `ed25519`, …; the first that the service accepts if left out.
    pub(crate) key: Option<String>,
    /// Where the service reads roles: a claim, or a path as `realm_access.roles`.
    pub(crate) roles: String,
    pub(crate) scope: String,
    pub(crate) organisation: String,
    /// Further claims of every token.
    pub(crate) claims: BTreeMap<String, Value>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            supply: SupplyName::default(),
            listen: None,
            key_file: None,
            secret_file: None,
            secret_env: None,
            key: None,
            roles: "roles".to_owned(),
            scope: "scope".to_owned(),
            organisation: "organisation".to_owned(),
            claims: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SupplyName {
    Gateway,
    #[default]
    OwnKey,
    SharedSecret,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Organisations {
    pub(crate) a: Option<OrganisationSettings>,
    pub(crate) b: Option<OrganisationSettings>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganisationSettings {
    /// The claim's value.
    pub(crate) id: String,
    /// Who calls for it.
    pub(crate) subject: Option<String>,
    /// Kind → the id of an object that is there already.
    #[serde(default)]
    pub(crate) objects: BTreeMap<String, String>,
    /// Texts that only this organisation's data hold.
    #[serde(default)]
    pub(crate) canaries: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectSettings {
    /// The operation that makes one.
    pub(crate) create: String,
    /// Its body; `{canary}` becomes a text that no other object holds.
    #[serde(default)]
    pub(crate) body: Option<Value>,
    /// Where the answer has the id: `$.id`, `$.data.id`, or `header:location` for its last segment.
    #[serde(default = "default_id")]
    pub(crate) id: String,
}

fn default_id() -> String {
    "$.id".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum PathValue {
    Kind(String),
    Value { value: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Allowed {
    Public,
}

/// The gateway in front of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GatewaySettings {
    /// The session cookie's name.
    pub(crate) cookie: Option<String>,
    pub(crate) users: BTreeMap<String, UserSettings>,
    /// The origin of its pages, where that is not the target's: `https://shop.example`.
    pub(crate) origin: Option<String>,
    /// How users with a password log in.
    pub(crate) login: Option<LoginSettings>,
    /// An operation that answers with the names and values of the header fields it received.
    pub(crate) echo: Option<String>,
    /// Addresses of the services past the gateway.
    pub(crate) direct: Vec<String>,
}

/// How a test user logs in: what the log-in form sends. The answer sets the session cookie.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginSettings {
    /// Where the form is posted to: a URL, or a path of the target's origin.
    pub(crate) url: String,
    /// Its fields; `{username}` and `{password}` are replaced. Default: `username` and `password`.
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, String>,
    /// As JSON, not as a form.
    #[serde(default)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserSettings {
    /// `a` or `b`; somebody of neither is asked only where no user of theirs may call.
    pub(crate) organisation: Option<String>,
    /// What the gateway calls the user in `sub`, for log-out; the name if left out.
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// A file that holds the cookie's value.
    pub(crate) cookie_file: Option<String>,
    pub(crate) cookie_env: Option<String>,
    /// Whom the user logs in as; the name if left out.
    pub(crate) username: Option<String>,
    /// A file that holds the password.
    pub(crate) password_file: Option<String>,
    pub(crate) password_env: Option<String>,
}

/// How a token is revoked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogOutSettings {
    /// A command and its arguments; `{subject}`, `{session}` and `{organisation}` are replaced.
    pub(crate) command: Vec<String>,
    /// A URL that is posted to, with the same names replaced.
    pub(crate) url: Option<String>,
    /// Seconds until every service must refuse. Default 1.
    pub(crate) within: Option<f64>,
    /// Seconds until the audit stops waiting. Default 30.
    pub(crate) give_up: Option<f64>,
    /// The operations that are asked; the first safe one if left out.
    pub(crate) operations: Vec<String>,
    /// Further services, by name.
    pub(crate) services: BTreeMap<String, ServiceSettings>,
}

/// A service that must refuse what is revoked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceSettings {
    /// What is asked, with GET: a good token gets a success.
    pub(crate) url: String,
    /// Whose tokens it takes; its name if left out.
    pub(crate) audience: Option<String>,
}

impl Settings {
    /// Reads a file. What it names is beside it.
    ///
    /// # Errors
    /// [`ConfigError`] with file and line.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| ConfigError {
            file: name.clone(),
            line: 1,
            problem: format!("cannot be read: {error}"),
            nearest: None,
        })?;
        let mut settings = Self::parse(&name, &text)?;
        settings.be_beside(file.parent().unwrap_or_else(|| Path::new("")));
        Ok(settings)
    }

    /// Files with secrets are where `audit.toml` is, as the document is.
    fn be_beside(&mut self, folder: &Path) {
        let users = self.gateway.users.values_mut();
        let of_users = users.flat_map(|user| [&mut user.cookie_file, &mut user.password_file]);
        let of_token = [&mut self.token.secret_file, &mut self.token.key_file];
        for file in of_users.chain(of_token).flatten() {
            *file = folder.join(&*file).display().to_string();
        }
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// [`ConfigError`] with file and line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let settings: Self = toml::from_str(text).map_err(|error| check::from_toml(file, text, &error))?;
        check::within(&settings, file, text)?;
        Ok(settings)
    }

    /// `gateway`, `own-key` or `shared-secret`.
    #[must_use]
    pub const fn supply_name(&self) -> &'static str {
        match self.token.supply {
            SupplyName::Gateway => "gateway",
            SupplyName::OwnKey => "own-key",
            SupplyName::SharedSecret => "shared-secret",
        }
    }

    /// Where the key set is served.
    #[must_use]
    pub const fn listen(&self) -> Option<std::net::SocketAddr> {
        self.token.listen
    }

    /// The file with the audit's own keys.
    #[must_use]
    pub fn key_file(&self) -> Option<&str> {
        self.token.key_file.as_deref()
    }

    /// The file with the shared secret.
    #[must_use]
    pub fn secret_file(&self) -> Option<&str> {
        self.token.secret_file.as_deref()
    }

    /// The environment variable with the shared secret.
    #[must_use]
    pub fn secret_env(&self) -> Option<&str> {
        self.token.secret_env.as_deref()
    }

    /// The environment variables with cookies and passwords of test users.
    pub fn variables(&self) -> Vec<String> {
        let users = self.gateway.users.values();
        users.flat_map(|user| [&user.cookie_env, &user.password_env]).flatten().cloned().collect()
    }

    /// One more service that must refuse what is revoked.
    pub fn add_service(&mut self, name: &str, url: &str) {
        let service = ServiceSettings { url: url.to_owned(), audience: None };
        self.logout.services.insert(name.to_owned(), service);
    }

    /// Checks that every operation and path that is named exists.
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and the nearest name.
    pub fn check_against(
        &self,
        document: &crate::Document,
        file: &str,
        text: &str,
    ) -> Result<(), ConfigError> {
        check::against(self, document, file, text)
    }
}

#[cfg(test)]
mod tests;
