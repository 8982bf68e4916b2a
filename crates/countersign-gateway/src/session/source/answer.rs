//! What all answers have in common: statuses that are no verdict, and the JSON object of a good one.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Map, Value};

use super::{client::Reply, json};
use crate::error::SourceError;

/// Statuses that say nothing about the credential, whoever answers them.
///
/// 408, 425, 429 and 5xx: ask again later. A redirect leads to a login page or another host, and a credential is
/// never sent there.
pub(super) fn outage(reply: &Reply) -> Result<(), SourceError> {
    let status = reply.status;
    let later =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    if later || status.is_server_error() {
        return Err(SourceError::Unavailable(format!("status {}", status.as_u16())));
    }
    if status.is_redirection() {
        return Err(redirect(reply, ", which is not followed"));
    }
    Ok(())
}

/// A redirect and what is to be said of it. Where it leads to is the server's to say, and may hold a session.
pub(super) fn redirect(reply: &Reply, remark: &str) -> SourceError {
    SourceError::Nonsense(format!(
        "a redirect (status {}) at `{}`{remark}",
        reply.status.as_u16(),
        reply.path
    ))
}

/// The one JSON value of an answer, whatever its label: many old servers send JSON as `text/html`.
///
/// Signed answers (RFC 9701, `application/jwt` of OpenID Connect Core §5.3.2) are refused by name: nothing here
/// checks their signature.
pub(super) fn value(reply: &Reply) -> Result<Value, SourceError> {
    if reply.content_type.as_deref().is_some_and(|kind| kind == "application/jwt" || kind.ends_with("+jwt")) {
        return Err(SourceError::Nonsense(
            "a signed answer (JWT); let the server answer this client in plain JSON".into(),
        ));
    }
    json::parse(&reply.body).map_err(|fault| {
        let html = reply.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
        SourceError::Nonsense(if html { "a page instead of JSON".into() } else { fault.to_string() })
    })
}

/// The JSON object of an answer.
pub(super) fn object(reply: &Reply) -> Result<Map<String, Value>, SourceError> {
    match value(reply)? {
        Value::Object(members) => Ok(members),
        _ => Err(SourceError::Nonsense("JSON, but not an object".into())),
    }
}

/// The `error` of an OAuth answer: from the body (RFC 6749 §5.2) or the challenge (RFC 6750 §3).
///
/// Only a short plain word is taken: it ends up in log lines.
pub(super) fn oauth_error(reply: &Reply) -> Option<String> {
    let plain = |word: &str| {
        let fits = !word.is_empty() && word.len() <= 40;
        (fits && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).then(|| word.to_owned())
    };
    let in_body = json::parse(&reply.body)
        .ok()
        .and_then(|value| value.get("error").and_then(Value::as_str).and_then(plain));
    in_body.or_else(|| {
        let (_, after) = reply.challenge.as_deref()?.split_once("error=\"")?;
        let (word, _) = after.split_once('"')?;
        plain(word)
    })
}

/// An answer with a status that this endpoint never gives.
pub(super) fn unexpected(reply: &Reply) -> SourceError {
    let status = reply.status.as_u16();
    SourceError::Nonsense(match oauth_error(reply) {
        Some(error) => format!("status {status} with `{error}`"),
        None => format!("status {status}"),
    })
}

/// The same, where the server turns *us* away.
pub(super) fn refused(reply: &Reply) -> SourceError {
    let status = reply.status.as_u16();
    SourceError::RefusesUs(match oauth_error(reply) {
        Some(error) => format!("status {status} with `{error}`"),
        None => format!("status {status}"),
    })
}

/// A text, or a whole number written out: `42` and `"42"` are one subject. Anything else is neither.
pub(crate) fn text_or_integer(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) if !number.is_f64() => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// Both are texts or whole numbers, and the same.
pub(super) fn same_text(one: &Value, other: &Value) -> bool {
    text_or_integer(one).is_some_and(|one| text_or_integer(other).is_some_and(|other| one == other))
}
