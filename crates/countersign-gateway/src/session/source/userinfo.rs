//! OpenID Connect userinfo (Core §5.3), asked with the session token as bearer.
//!
//! | the server answers | it means |
//! |---|---|
//! | 200 with a JSON object | live |
//! | its `exp` is past | no |
//! | 401; 400 `invalid_token` | no |
//! | 403 | it refuses us: the token lacks the scope `openid` |
//! | 408, 425, 429, 5xx | it cannot be asked |
//! | `application/jwt`, a page, `null`, a redirect, everything else | nonsense |

use bytes::Bytes;
use countersign::{Secret, UnixTime};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value};

use super::{
    Answer, Lookup, Verdict, answer,
    client::{HttpClient, Reply},
    discovery::{Located, Wanted},
    moment, new_cookie,
};
use crate::error::SourceError;

/// Asks the userinfo endpoint.
#[derive(Debug)]
pub(super) struct Userinfo {
    pub(super) http: HttpClient,
    pub(super) endpoint: Located,
    /// The session cookie's name, if sessions come in a cookie.
    pub(super) cookie: Option<String>,
}

impl Userinfo {
    pub(super) async fn look_up(&self, lookup: &mut Lookup<'_>) -> Result<Verdict, SourceError> {
        let endpoint = self.endpoint.resolve(Wanted::Userinfo, &self.http, lookup.deadline).await?;
        // What cannot stand in a header cannot be a token.
        let Some(authorization) = bearer(lookup.credential.value.expose()) else {
            return Ok(Verdict::No(None));
        };
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = endpoint;
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
        let reply = self.http.send(request, lookup.deadline).await?;
        lookup.note(&reply);
        let mut verdict = process_userinfo(&reply, lookup.now)?;
        if let (Verdict::Live(answer), Some(name)) = (&mut verdict, &self.cookie) {
            answer.new_cookie = new_cookie(&reply.cookies, name, lookup.now);
        }
        Ok(verdict)
    }
}

/// `Bearer` and the token, marked so that it is not kept in a header table.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let value = Secret::new(format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(value.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Judges a userinfo answer by the table of this module. The answer's `session` is empty.
///
/// # Errors
/// [`SourceError`] for every answer that is no verdict.
pub fn process_userinfo(reply: &Reply, now: UnixTime) -> Result<Verdict, SourceError> {
    answer::outage(reply)?;
    match reply.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Ok(Verdict::No(None)),
        StatusCode::FORBIDDEN => return Err(answer::refused(reply)),
        StatusCode::BAD_REQUEST if answer::oauth_error(reply).as_deref() == Some("invalid_token") => {
            return Ok(Verdict::No(None));
        }
        _ => return Err(answer::unexpected(reply)),
    }
    let userinfo = answer::object(reply)?;
    // `expires_at` may well be the end of a subscription here: only the registered claim counts.
    let exp: Map<String, Value> =
        userinfo.get_key_value("exp").map(|(k, v)| (k.clone(), v.clone())).into_iter().collect();
    let ends = moment::session_end(&exp, now)?;
    if ends.is_some_and(|end| end <= now) {
        return Ok(Verdict::No(None));
    }
    Ok(Verdict::Live(Box::new(Answer {
        session: Map::new(),
        userinfo: Some(userinfo),
        ends,
        new_cookie: None,
    })))
}
