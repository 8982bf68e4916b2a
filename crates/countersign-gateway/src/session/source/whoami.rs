//! `whoami`: any endpoint of the old application that understands the cookie (or a bearer token) and answers JSON.
//!
//! | the server answers | it means |
//! |---|---|
//! | 200 with an object that has members | live, unless `exp`, `expires_at` or `expires_in` says it is over |
//! | 200 with `null`, `{}`, `[]` or a body of stated length 0; 204 | no |
//! | 200 with an array that holds one object and nothing else | what that object means |
//! | 200 with an object without what `no.unless` names, or with `null` or `false` there | no |
//! | a status listed in `no.status` (401), but never 5xx | no |
//! | a redirect whose path is `no.redirect_to`, or lies below it | no |
//! | every other redirect | nonsense |
//! | 403 that is not listed | it refuses us |
//! | 408, 425, 429, 5xx | it cannot be asked |
//! | a page, another kind of JSON, everything else | nonsense |
//!
//! `null`, `{}` and `[]` are what frameworks answer for "nobody": a Spring controller that returns `null` gives an
//! empty body, PHP writes an empty session as `[]`, Node session endpoints answer `{}`. An empty body whose length
//! was not stated may be the rest of a crash, so it is nonsense. An array of several is nonsense, too: nobody can say whose
//! session it is.

use bytes::Bytes;
use countersign::{Secret, UnixTime};
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use serde_json::Value;

use super::{
    Answer, Lookup, Verdict, answer,
    client::{HttpClient, Reply},
    moment, new_cookie,
    userinfo::bearer,
};
use crate::{
    config::resolved::{ClaimPath, SaysNo},
    credential::{CredentialKind, OwnedCredential},
    error::SourceError,
};

/// Asks the endpoint.
#[derive(Debug)]
pub(super) struct Whoami {
    pub(super) http: HttpClient,
    pub(super) endpoint: Uri,
    pub(super) method: Method,
    pub(super) no: SaysNo,
    /// The session cookie's name, if sessions come in a cookie.
    pub(super) cookie: Option<String>,
}

impl Whoami {
    pub(super) async fn look_up(&self, lookup: &mut Lookup<'_>) -> Result<Verdict, SourceError> {
        // What cannot stand in its header cannot be a session.
        let Some((name, value)) = self.carry(lookup.credential) else { return Ok(Verdict::No(None)) };
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.endpoint.clone();
        request.headers_mut().insert(name, value);
        if self.method == Method::POST {
            // RFC 9110 §8.6; some servers answer 411 without it.
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let reply = self.http.send(request, lookup.deadline).await?;
        lookup.note(&reply);
        let mut verdict = process_whoami(&reply, &self.endpoint, &self.no, lookup.now)?;
        if let (Verdict::Live(answer), Some(name)) = (&mut verdict, &self.cookie) {
            answer.new_cookie = new_cookie(&reply.cookies, name, lookup.now);
        }
        Ok(verdict)
    }

    /// The one header that carries the credential. Nothing else of the client's request is sent.
    fn carry(&self, credential: &OwnedCredential) -> Option<(header::HeaderName, HeaderValue)> {
        let secret = credential.value.expose();
        match credential.kind {
            CredentialKind::Bearer => Some((header::AUTHORIZATION, bearer(secret)?)),
            CredentialKind::Cookie => {
                let name = self.cookie.as_deref()?;
                // A semicolon would begin a second cookie.
                let value = (!secret.contains(';')).then(|| Secret::new(format!("{name}={secret}")))?;
                let mut value = HeaderValue::from_str(value.expose()).ok()?;
                value.set_sensitive(true);
                Some((header::COOKIE, value))
            }
        }
    }
}

/// Judges a `whoami` answer by the table of this module. `endpoint` is where it came from: redirects may be relative.
///
/// # Errors
/// [`SourceError`] for every answer that is no verdict.
pub fn process_whoami(
    reply: &Reply,
    endpoint: &Uri,
    no: &SaysNo,
    now: UnixTime,
) -> Result<Verdict, SourceError> {
    let status = reply.status;
    let says_no = (no.status.contains(&status) && !status.is_server_error())
        || status == StatusCode::NO_CONTENT
        || (status.is_redirection() && leads_to_log_in(reply, endpoint, no));
    if says_no {
        return Ok(Verdict::No(None));
    }
    if status.is_redirection() {
        return Err(elsewhere(reply, no));
    }
    answer::outage(reply)?;
    match status {
        StatusCode::OK => {}
        StatusCode::FORBIDDEN => return Err(answer::refused(reply)),
        _ => return Err(answer::unexpected(reply)),
    }
    if reply.body.iter().all(u8::is_ascii_whitespace) {
        return if reply.body_is_framed {
            Ok(Verdict::No(None))
        } else {
            Err(SourceError::Nonsense("an empty body whose length was not stated".into()))
        };
    }
    let session = match alone(answer::value(reply)?) {
        Value::Null => return Ok(Verdict::No(None)),
        Value::Array(values) if values.is_empty() => return Ok(Verdict::No(None)),
        Value::Object(members) if members.is_empty() => return Ok(Verdict::No(None)),
        Value::Object(members) => members,
        _ => return Err(SourceError::Nonsense("JSON, but not an object".into())),
    };
    let ends = moment::session_end(&session, now)?;
    let answer = Answer { session, userinfo: None, ends, new_cookie: None };
    let is_over = ends.is_some_and(|end| end <= now);
    if is_over || no.unless.as_ref().is_some_and(|path| is_about_nobody(path, &answer)) {
        return Ok(Verdict::No(None));
    }
    Ok(Verdict::Live(Box::new(answer)))
}

/// The object of an array that holds one, which says something, and nothing else: so answer servers that list who is
/// logged in, such as Glewlwyd's `profile_list`.
fn alone(value: Value) -> Value {
    let is_one = |values: &[Value]| matches!(values, [Value::Object(members)] if !members.is_empty());
    match value {
        Value::Array(mut values) if is_one(&values) => values.pop().unwrap_or_default(),
        value => value,
    }
}

/// Nothing stands there, or `false`. Nothing is in what has no parts.
fn is_about_nobody(unless: &ClaimPath, answer: &Answer) -> bool {
    matches!(answer.at(unless), Ok(None | Some(Value::Bool(false))) | Err(_))
}

/// A redirect that is no "no": what has to be set where it should be one.
fn elsewhere(reply: &Reply, no: &SaysNo) -> SourceError {
    let remark = no.redirect_to.as_ref().map_or_else(
        || {
            "; if it leads to the log-in page, set `session.no.redirect_to` to that page's path, and it means \"no\""
                .to_owned()
        },
        |log_in| format!(", which does not lead to `session.no.redirect_to`, `{log_in}`, and is not followed"),
    );
    answer::redirect(reply, &remark)
}

fn leads_to_log_in(reply: &Reply, endpoint: &Uri, no: &SaysNo) -> bool {
    let (Some(log_in), Some(location)) = (no.redirect_to.as_deref(), reply.location.as_deref()) else {
        return false;
    };
    let path = path_of(location, endpoint);
    // `/login` matches `/login`, `/login?next=…`, `/login;jsessionid=…` and `/login/…`, never `/login-failed`.
    path.strip_prefix(log_in).is_some_and(|rest| {
        rest.is_empty() || log_in.ends_with('/') || rest.starts_with(['/', '?', '#', ';'])
    })
}

/// The path of a `Location`, which may be absolute, without scheme, without host or relative (RFC 9110 §10.2.2).
fn path_of(location: &str, endpoint: &Uri) -> String {
    let behind_scheme = match location.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Some(rest),
        _ => location.strip_prefix("//"),
    };
    if let Some(rest) = behind_scheme {
        return rest.find(['/', '?', '#']).map_or_else(
            || "/".to_owned(),
            |at| rest.split_at_checked(at).map_or_else(String::new, |(_, path)| path.to_owned()),
        );
    }
    if location.starts_with('/') {
        return location.to_owned();
    }
    let folder = endpoint.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{location}")
}
