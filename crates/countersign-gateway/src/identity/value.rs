//! Coerces a JSON value to what a claim holds. Everything else is refused; nothing is guessed.

use std::borrow::Cow;

use countersign::{OrganisationId, Role};
use serde_json::Value;

use super::fault::Why;
use crate::session::source::text_or_integer;

/// Longest text in bytes (OpenID Connect Core §2 says 255 for `sub`); a scope may be 16 times as long.
pub const MAX_VALUE_BYTES: usize = 255;

/// Most roles of one session.
pub const MAX_ROLES: usize = 256;

const MAX_SCOPE_BYTES: usize = 16 * MAX_VALUE_BYTES;

/// A text; a number is none.
pub(super) fn text(value: &Value) -> Result<&str, Why> {
    let text = value.as_str().ok_or(Why::WrongKind)?;
    clean(text, MAX_VALUE_BYTES)?;
    Ok(text)
}

/// A text, or nothing for an empty one: how many servers say that a person has no e-mail address.
pub(super) fn text_if_any(value: &Value) -> Result<Option<&str>, Why> {
    if value.as_str() == Some("") { Ok(None) } else { text(value).map(Some) }
}

/// A text, or a whole number written out exactly. Fractions, and numbers that JSON readers round, are refused.
pub(super) fn name(value: &Value) -> Result<Cow<'_, str>, Why> {
    let name = text_or_integer(value).ok_or(Why::WrongKind)?;
    clean(&name, MAX_VALUE_BYTES)?;
    Ok(name)
}

/// Exactly one organisation: a text or a whole number, never an array.
pub(super) fn organisation(value: &Value) -> Result<OrganisationId, Why> {
    let name = text_or_integer(value).ok_or(Why::NotOne)?;
    OrganisationId::new(&name).map_err(|_| Why::NotOne)
}

/// Roles: a text with roles separated by spaces, or an array of texts or of objects that hold the role as
/// `authority` (Spring Security) or `name`. A member of an array is one role, spaces and all.
pub(super) fn roles(value: &Value) -> Result<Box<[Role]>, Why> {
    let mut roles = Vec::new();
    match value {
        Value::String(text) if text.contains(',') => return Err(Why::Comma),
        Value::String(text) => {
            for role in text.split(' ').filter(|role| !role.is_empty()) {
                add_role(&mut roles, role)?;
            }
        }
        Value::Array(values) => {
            for value in values {
                add_role(&mut roles, role_in(value)?)?;
            }
        }
        _ => return Err(Why::WrongKind),
    }
    Ok(roles.into())
}

fn role_in(value: &Value) -> Result<&str, Why> {
    let named = match value {
        Value::Object(members) => {
            members.get("authority").or_else(|| members.get("name")).ok_or(Why::WrongKind)?
        }
        other => other,
    };
    named.as_str().ok_or(Why::WrongKind)
}

fn add_role(roles: &mut Vec<Role>, role: &str) -> Result<(), Why> {
    clean(role, MAX_VALUE_BYTES)?;
    if roles.iter().any(|known| known == role) {
        return Ok(());
    }
    if roles.len() >= MAX_ROLES {
        return Err(Why::TooMany);
    }
    roles.push(Role::from(role));
    Ok(())
}

/// A scope (RFC 6749 §3.3): a text separated by spaces, or an array with one scope each. Nothing for an empty one.
pub(super) fn scope(value: &Value) -> Result<Option<Box<str>>, Why> {
    let mut scope = String::new();
    match value {
        Value::String(text) => {
            for one in text.split(' ').filter(|one| !one.is_empty()) {
                add_scope(&mut scope, one)?;
            }
        }
        Value::Array(values) => {
            for value in values {
                let one = value.as_str().ok_or(Why::WrongKind)?;
                if one.is_empty() {
                    return Err(Why::Empty);
                }
                add_scope(&mut scope, one)?;
            }
        }
        _ => return Err(Why::WrongKind),
    }
    Ok((!scope.is_empty()).then(|| scope.into()))
}

fn add_scope(scope: &mut String, one: &str) -> Result<(), Why> {
    // RFC 6749 §3.3: printable ASCII without space, quote and backslash.
    if !one.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~')) {
        return Err(Why::Characters);
    }
    if scope.len() + one.len() >= MAX_SCOPE_BYTES {
        return Err(Why::TooLong);
    }
    if !scope.is_empty() {
        scope.push(' ');
    }
    scope.push_str(one);
    Ok(())
}

/// Neither empty nor too long, no control character anywhere, no white space at either end.
fn clean(text: &str, max: usize) -> Result<(), Why> {
    if text.is_empty() {
        return Err(Why::Empty);
    }
    if text.len() > max {
        return Err(Why::TooLong);
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(Why::Characters);
    }
    Ok(())
}
