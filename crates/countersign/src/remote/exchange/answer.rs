//! The answer to an exchange, read strictly (RFC 8693 §2.2). Pure.

use std::time::Duration;

use http::StatusCode;

use super::ExchangeError;
use crate::json::{self, Json, Object};

/// Names an access token (RFC 8693 §3).
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A token was issued.
#[derive(PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) token: String,
    pub(super) expires_in: Duration,
}

/// # Errors
/// [`ExchangeError::Refused`] where the gateway said no by name, [`ExchangeError::Unavailable`] for anything else
/// that is no token.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Granted, ExchangeError> {
    let members = json::object(body).map_err(|_| ExchangeError::Unavailable)?;
    match status {
        StatusCode::OK => granted(&members).ok_or(ExchangeError::Unavailable),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let code = text(&members, "error").filter(|code| is_code(code));
            Err(code.map_or(ExchangeError::Unavailable, |code| ExchangeError::Refused(code.into())))
        }
        _ => Err(ExchangeError::Unavailable),
    }
}

fn granted(members: &Object<'_>) -> Option<Granted> {
    let token = text(members, "access_token")?;
    // A token in compact form, which cannot leave the header it is put into.
    let is_token =
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_access_token = text(members, "issued_token_type") == Some(ACCESS_TOKEN);
    let is_bearer = text(members, "token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"));
    let Some(&Json::Unsigned(expires_in)) = members.member("expires_in") else { return None };
    (is_token && is_access_token && is_bearer && expires_in > 0)
        .then(|| Granted { token: token.to_owned(), expires_in: Duration::from_secs(expires_in) })
}

fn text<'a>(members: &'a Object<'_>, name: &str) -> Option<&'a str> {
    members.member(name).and_then(Json::text)
}

/// What is written to a log: no more than a name.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::{ACCESS_TOKEN, read};
    use crate::remote::ExchangeError;

    fn good() -> Value {
        json!({ "access_token": "a.b.c", "issued_token_type": ACCESS_TOKEN, "token_type": "bearer", "expires_in": 300 })
    }

    fn verdict(status: u16, body: &str) -> Result<u64, ExchangeError> {
        let granted = read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        granted.map(|granted| granted.expires_in.as_secs())
    }

    #[test]
    fn only_a_whole_access_token_is_one() {
        assert_eq!(verdict(200, &good().to_string()), Ok(300));
        for (member, value) in [
            ("access_token", json!("")),
            ("access_token", json!("a b")),
            ("access_token", json!("a\r\nX: y")),
            ("access_token", json!(7)),
            ("issued_token_type", json!("urn:ietf:params:oauth:token-type:refresh_token")),
            ("token_type", json!("N_A")),
            ("expires_in", json!("300")),
            ("expires_in", json!(0)),
            ("expires_in", json!(-1)),
        ] {
            let mut spoiled = good();
            spoiled[member] = value.clone();
            assert_eq!(
                verdict(200, &spoiled.to_string()),
                Err(ExchangeError::Unavailable),
                "{member} {value}"
            );
            spoiled.as_object_mut().unwrap().remove(member);
            assert_eq!(verdict(200, &spoiled.to_string()), Err(ExchangeError::Unavailable), "{member}");
        }
        for body in ["", "[]", "<html>", r#"{"access_token":"a","access_token":"b"}"#] {
            assert_eq!(verdict(200, body), Err(ExchangeError::Unavailable), "{body}");
        }
        assert_eq!(verdict(201, &good().to_string()), Err(ExchangeError::Unavailable));
        assert_eq!(verdict(302, &good().to_string()), Err(ExchangeError::Unavailable));
    }

    #[test]
    fn a_refusal_has_a_name() {
        let refused = |code: &str| Err(ExchangeError::Refused(code.into()));
        assert_eq!(verdict(400, r#"{"error":"invalid_target"}"#), refused("invalid_target"));
        assert_eq!(verdict(401, r#"{"error":"invalid_client"}"#), refused("invalid_client"));
        for body in ["{}", r#"{"error":7}"#, r#"{"error":"bad\nline"}"#, r#"{"error":""}"#] {
            assert_eq!(verdict(400, body), Err(ExchangeError::Unavailable), "{body}");
        }
        assert_eq!(verdict(500, r#"{"error":"server_error"}"#), Err(ExchangeError::Unavailable));
    }
}
