//! What is wrong in `audit.toml`, and the nearest name that would be right.

use super::{ConfigError, PathValue, Settings};
use crate::{Document, document::placeholders};

/// An error of the parser, with its line and, for an unknown name, the nearest known one.
pub(super) fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let offset = error.span().map_or(0, |span| span.start);
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let message = error.message().to_owned();
    // serde: unknown field `x`, expected one of `a`, `b`
    let mut quoted = message.split('`').skip(1).step_by(2);
    let nearest = match quoted.next() {
        Some(found) if message.starts_with("unknown") => nearest(found, quoted),
        _ => None,
    };
    let problem = message.split(", expected").next().unwrap_or(&message).to_owned();
    ConfigError { file: file.to_owned(), line, problem, nearest }
}

/// What can be seen without the document.
pub(super) fn within(settings: &Settings, file: &str, text: &str) -> Result<(), ConfigError> {
    let wrong = |key: &str, problem: String, nearest: Option<String>| {
        Err(ConfigError { file: file.to_owned(), line: line_of(text, key), problem, nearest })
    };
    for (path, parameters) in &settings.paths {
        for (name, value) in parameters {
            if !placeholders(path).contains(name) {
                let near = nearest(name, placeholders(path).iter().map(String::as_str));
                return wrong(path, format!("`{path}` has no parameter `{name}`"), near);
            }
            let PathValue::Kind(kind) = value else { continue };
            let known = kind == "organisation"
                || settings.objects.contains_key(kind)
                || [&settings.organisations.a, &settings.organisations.b]
                    .into_iter()
                    .flatten()
                    .any(|organisation| organisation.objects.contains_key(kind));
            if !known {
                let near = nearest(kind, settings.objects.keys().map(String::as_str));
                return wrong(
                    path,
                    format!("there is no [objects.{kind}]; a value is `{{ value = \"…\" }}`"),
                    near,
                );
            }
        }
    }
    for (name, user) in &settings.gateway.users {
        let ways = [&user.cookie_file, &user.cookie_env, &user.password_file, &user.password_env];
        if ways.into_iter().flatten().count() != 1 {
            let problem = format!(
                "user `{name}` needs one of `cookie_file`, `cookie_env`, `password_file` and `password_env`"
            );
            return wrong(name, problem, None);
        }
        let logs_in = user.password_file.is_some() || user.password_env.is_some();
        if logs_in && settings.gateway.login.is_none() {
            return wrong(
                name,
                format!("user `{name}` has a password, and [gateway.login] is missing"),
                None,
            );
        }
        if let Some(organisation) = user.organisation.as_deref()
            && !matches!(organisation, "a" | "b")
        {
            return wrong(name, format!("user `{name}` is of organisation `a` or `b`"), None);
        }
    }
    if let (Some(a), Some(b)) = (&settings.organisations.a, &settings.organisations.b)
        && a.id == b.id
    {
        return wrong("organisations.b", "both organisations have the same id".to_owned(), None);
    }
    if let Some(key) = &settings.token.key
        && crate::tokens::key_named(key).is_none()
    {
        let near = nearest(key, crate::tokens::KEY_NAMES.iter().copied());
        return wrong("key", format!("there is no key `{key}`"), near);
    }
    Ok(())
}

/// What the document must have.
pub(super) fn against(
    settings: &Settings,
    document: &Document,
    file: &str,
    text: &str,
) -> Result<(), ConfigError> {
    let names: Vec<String> = document.operations.iter().map(crate::Operation::name).collect();
    let operations = settings
        .expect
        .keys()
        .chain(settings.allow.keys())
        .chain(settings.query.keys())
        .chain(settings.bodies.keys())
        .chain(&settings.skip)
        .chain(&settings.across)
        .chain(&settings.logout.operations)
        .chain(settings.gateway.echo.as_ref())
        .chain(settings.objects.values().map(|object| &object.create));
    for name in operations {
        if !names.contains(name) {
            return Err(ConfigError {
                file: file.to_owned(),
                line: line_of(text, name),
                problem: format!("{} has no operation `{name}`", document.file),
                nearest: nearest(name, names.iter().map(String::as_str)),
            });
        }
    }
    for path in settings.paths.keys() {
        if !document.operations.iter().any(|operation| &operation.path == path) {
            return Err(ConfigError {
                file: file.to_owned(),
                line: line_of(text, path),
                problem: format!("{} has no path `{path}`", document.file),
                nearest: nearest(path, document.operations.iter().map(|operation| operation.path.as_str())),
            });
        }
    }
    Ok(())
}

fn line_of(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.contains(key)).map_or(1, |index| index + 1)
}

/// The most similar name, if any is similar.
fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|name| (strsim::jaro_winkler(found, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name.to_owned())
}
