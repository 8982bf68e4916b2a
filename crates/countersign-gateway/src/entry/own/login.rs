//! To the old server's log-in page, and back.
//!
//! The gateway takes no part in a log-in: it sends the browser to the page that the operator named, and gets it back
//! at `done`, which tells the other tabs that the cookie may be a session now.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::query;
use crate::{
    config::resolved::BrowserConfig,
    error::Refusal,
    http::{Fields, form::percent_encoded},
};

/// The longest path to come back to, in bytes, decoded.
const MAX_RETURN_BYTES: usize = 2048;

/// How the log-in is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Display {
    /// In a tab or window of its own, which closes itself.
    Popup,
    /// In place of the page, which comes back by its path.
    Redirect,
}

impl Display {
    const fn name(self) -> &'static str {
        match self {
            Self::Popup => "popup",
            Self::Redirect => "redirect",
        }
    }

    fn of(query: Option<&str>, default: Self) -> Result<Self, Refusal> {
        match query::parameter(query, "display")?.as_deref() {
            None => Ok(default),
            Some("popup") => Ok(Self::Popup),
            Some("redirect") => Ok(Self::Redirect),
            Some(_) => Err(Refusal::ParameterInvalid),
        }
    }
}

/// Whether a browser that is sent there stays on our origin, on a page that is not the gateway's own: begins with
/// one `/`, and holds neither `\`, which browsers read as `/`, nor control characters, which they leave out, nor dot
/// segments, which they resolve.
pub(super) fn is_return_path(path: &str) -> bool {
    let is_path = path.starts_with('/') && !path.starts_with("//");
    let is_plain = !path.contains(|c: char| c == '\\' || c.is_control());
    let is_short = path.len() <= MAX_RETURN_BYTES;
    is_path && is_plain && is_short && !path.starts_with(super::PREFIX) && !has_dot_segments(path)
}

/// In the path alone; `%2e` is a dot as well (WHATWG URL, "single-dot path segment").
fn has_dot_segments(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/')
        .any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

fn return_path(query: Option<&str>) -> Result<String, Refusal> {
    let path = query::parameter(query, "return")?.unwrap_or_else(|| "/".to_owned());
    if is_return_path(&path) { Ok(path) } else { Err(Refusal::ParameterInvalid) }
}

/// `GET login`: 303 to the log-in page. `display` is `redirect` where it is left out, `return` is `/`.
pub(super) fn login(
    config: &BrowserConfig,
    own_origin: &str,
    query: Option<&str>,
) -> Result<Response<Bytes>, Refusal> {
    let (display, path) = (Display::of(query, Display::Redirect)?, return_path(query)?);
    let back = format!(
        "{own_origin}{}done?display={}&return={}",
        super::PREFIX,
        display.name(),
        percent_encoded(&path)
    );
    let location = config.login_url.replace(BrowserConfig::RETURN_PLACE, &percent_encoded(&back));
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(location).map_err(|_| Refusal::Bug)?;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The target of a navigation without a session: `login`, and back to where it wanted to go.
#[must_use]
pub(super) fn detour(path_and_query: &str) -> Option<HeaderValue> {
    let target =
        format!("{}login?display=redirect&return={}", super::PREFIX, percent_encoded(path_and_query));
    is_return_path(path_and_query).then(|| HeaderValue::try_from(target).ok()).flatten()
}

/// `GET done`: a page that tells the other tabs, and closes or goes on. Where they are left out, `display` is `popup`,
/// as of a log-in server that forgot its way back, and `return` is `/`.
pub(super) fn done(query: Option<&str>) -> Result<Response<Bytes>, Refusal> {
    let (display, path) = (Display::of(query, Display::Popup)?, return_path(query)?);
    let path = escape(&path);
    let says = match display {
        Display::Popup => "You can close this tab.".to_owned(),
        Display::Redirect => format!("<a href=\"{path}\">Continue</a>"),
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Logged in</title>\
         <body data-display=\"{}\" data-return=\"{path}\"><p>{says}</p><script>{SCRIPT}</script>",
        display.name()
    );
    let mut response = Response::new(Bytes::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // What comes from here was just at the log-in: see `comes_from_done`.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    Ok(response)
}

/// Whether a navigation comes straight from a log-in. Sending it there again would go round for ever when the old
/// server thinks that the user is logged in and we do not.
pub(super) fn comes_from_done(fields: &Fields, own_origin: &str) -> bool {
    let path = fields.first(b"referer").and_then(|referrer| referrer.strip_prefix(own_origin.as_bytes()));
    path.is_some_and(|path| path.starts_with(super::PREFIX.as_bytes()))
}

/// For text and quoted attributes of HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The same for every log-in, so that its hash can be in the policy; where to go stands in the page, checked and
/// escaped, and is not read from the URL a second time.
const SCRIPT: &str = "const d=document.body.dataset;\
    new BroadcastChannel('countersign').postMessage({t:'login'});\
    if(d.display==='redirect')location.replace(d.return);else close();";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

#[cfg(test)]
mod tests;
