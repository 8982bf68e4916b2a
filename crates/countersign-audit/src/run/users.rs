//! The test users at a gateway: their sessions are given, or they log in. No token is made for them.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign::Secret;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde_json::{Map, Value};

use super::{engine::allowed_uri, resolve::escaped};
use crate::{
    AuditError, Options,
    client::{Answer, Client, Sent},
    config::{LoginSettings, UserSettings},
    plan::Which,
};

/// The session cookie's name unless told otherwise.
const COOKIE: &str = "SESSION";

/// A test user at a gateway.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) subject: Option<String>,
    /// None: neither of the two.
    pub(super) organisation: Option<Which>,
    pub(super) roles: Vec<String>,
    pub(super) cookie: Secret<String>,
}

/// The session cookie's name.
pub(super) fn cookie_name(options: &Options) -> &str {
    options.settings.gateway.cookie.as_deref().unwrap_or(COOKIE)
}

/// The origin that the gateway's pages have.
pub(super) fn page_origin(options: &Options) -> String {
    let told = options.settings.gateway.origin.clone();
    told.unwrap_or_else(|| options.target.split('/').take(3).collect::<Vec<_>>().join("/"))
}

/// The users of `audit.toml`, each with a session.
pub(super) async fn log_in(
    options: &Options,
    client: &Client,
    target: &Uri,
) -> Result<Vec<User>, AuditError> {
    let mut users = Vec::new();
    for (name, settings) in &options.settings.gateway.users {
        let cookie = match (&settings.password_file, &settings.password_env) {
            (None, None) => {
                given(options, name, "cookie", settings.cookie_file.as_ref(), settings.cookie_env.as_ref())?
            }
            (file, variable) => {
                let password = given(options, name, "password", file.as_ref(), variable.as_ref())?;
                session(options, client, target, name, settings, &password).await?
            }
        };
        let organisation = match settings.organisation.as_deref() {
            Some("a") => Some(Which::A),
            Some("b") => Some(Which::B),
            _ => None,
        };
        let (subject, roles) = (settings.subject.clone(), settings.roles.clone());
        users.push(User { name: name.clone(), subject, organisation, roles, cookie });
    }
    Ok(users)
}

/// What a file or variable holds.
fn given(
    options: &Options,
    name: &str,
    what: &str,
    file: Option<&String>,
    variable: Option<&String>,
) -> Result<Secret<String>, AuditError> {
    let text =
        match (file, variable) {
            (Some(file), _) => std::fs::read_to_string(file).map_err(|source| AuditError::Io {
                what: format!("the {what} of `{name}` cannot be read"),
                source,
            })?,
            (None, Some(variable)) => options.environment.get(variable).cloned().ok_or_else(|| {
                AuditError::Usage(format!("the {what} of `{name}`: `{variable}` is not set"))
            })?,
            (None, None) => return Err(AuditError::Usage(format!("user `{name}` has no {what}"))),
        };
    Ok(Secret::new(text.trim().to_owned()))
}

/// Logs in as a person does, and keeps the session's cookie.
async fn session(
    options: &Options,
    client: &Client,
    target: &Uri,
    name: &str,
    settings: &UserSettings,
    password: &Secret<String>,
) -> Result<Secret<String>, AuditError> {
    let login = options.settings.gateway.login.as_ref().ok_or_else(|| {
        AuditError::Usage(format!("user `{name}` has a password, and [gateway.login] is missing"))
    })?;
    let uri = login_uri(login, target)?;
    allowed_uri(&uri, &options.own_hosts)?;
    let username = settings.username.as_deref().unwrap_or(name);
    let (body, content_type) = filled(login, username, password.expose());
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    if let Ok(origin) = HeaderValue::from_str(&page_origin(options)) {
        headers.insert(header::ORIGIN, origin);
    }
    let request = Sent { method: Method::POST, uri: uri.clone(), headers, body };
    let failed = |reason: String| AuditError::Unreachable(format!("`{name}` cannot log in: {uri} {reason}"));
    let answer = client.send(&request).await.map_err(|error| failed(format!("does not answer: {error}")))?;
    let cookie = cookie_name(options);
    set_cookie(&answer, cookie)
        .map(Secret::new)
        .ok_or_else(|| failed(format!("answers {} and sets no cookie `{cookie}`", answer.status)))
}

/// A path is one of the target's.
fn login_uri(login: &LoginSettings, target: &Uri) -> Result<Uri, AuditError> {
    let text = match (login.url.starts_with('/'), target.scheme_str(), target.authority()) {
        (true, Some(scheme), Some(authority)) => format!("{scheme}://{authority}{}", login.url),
        _ => login.url.clone(),
    };
    text.parse().map_err(|_| AuditError::Usage(format!("[gateway.login]: `{}` is no URL", login.url)))
}

/// The body, and its type.
fn filled(login: &LoginSettings, username: &str, password: &str) -> (Bytes, &'static str) {
    let put = |text: &str| match text {
        "{username}" => username.to_owned(),
        "{password}" => password.to_owned(),
        other => other.to_owned(),
    };
    let default = || {
        let pairs = [("username", "{username}"), ("password", "{password}")];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect::<BTreeMap<_, _>>()
    };
    let fields = if login.fields.is_empty() { default() } else { login.fields.clone() };
    if login.json {
        let members: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name, Value::String(put(&value)))).collect();
        return (Value::Object(members).to_string().into(), "application/json");
    }
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(&put(value)))).collect();
    (pairs.join("&").into(), "application/x-www-form-urlencoded")
}

/// The value of that cookie, if the answer sets one.
fn set_cookie(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.get_all(header::SET_COOKIE).iter().find_map(|field| {
        let pair = field.to_str().ok()?.split(';').next()?;
        let (set, value) = pair.split_once('=')?;
        let value = value.trim();
        (set.trim() == name && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{filled, login_uri};
    use crate::config::LoginSettings;

    fn login(url: &str, json: bool) -> LoginSettings {
        LoginSettings { url: url.to_owned(), fields: std::collections::BTreeMap::new(), json }
    }

    #[test]
    fn a_body_has_what_the_form_asks_for() {
        let (body, kind) = filled(&login("/login", false), "ann", "p&w=ö");
        assert_eq!(
            (&*body, kind),
            (&b"password=p%26w%3D%C3%B6&username=ann"[..], "application/x-www-form-urlencoded")
        );
        let mut with = login("/login", true);
        with.fields.insert("mail".to_owned(), "{username}".to_owned());
        with.fields.insert("remember".to_owned(), "no".to_owned());
        let (body, kind) = filled(&with, "ann", "x");
        assert_eq!((&*body, kind), (&br#"{"mail":"ann","remember":"no"}"#[..], "application/json"));
    }

    #[test]
    fn a_path_is_the_targets() {
        let target = "http://127.0.0.1:8080/api".parse().unwrap();
        assert_eq!(login_uri(&login("/login", false), &target).unwrap(), "http://127.0.0.1:8080/login");
        let other = login_uri(&login("http://127.0.0.1:9/l", false), &target).unwrap();
        assert_eq!(other, "http://127.0.0.1:9/l");
        assert!(login_uri(&login("a b", false), &target).is_err());
    }
}
