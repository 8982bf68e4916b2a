//! Session endpoints for pages, under `/.countersign/`: everything a browser needs to keep a session and its work.
//!
//! 1. `session`, `renew` and `logout` are for scripts: they need the header `Countersign: 1` and pass the page check
//!    of [`csrf`], reading ones included. `login` and `done` are navigations, `client.js` is a script.
//! 2. The credential is the session cookie and nothing else. That it was no session a moment ago is not believed: it
//!    may have become one. Look-ups stay bounded, by client address and in all, and one at a time for a cookie.
//! 3. No answer but `client.js` is kept by anyone (`no-store`), and each says what it depends on (`Vary`).
//! 4. Pages of `allowed_origins` may use them from elsewhere; refusals can be read by them as well.

mod client_script;
mod draft_key;
mod log_out;
mod login;
mod query;
mod session;

pub use self::client_script::client_script_integrity;

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header, request};

use crate::{
    config::resolved::BrowserConfig,
    error::Refusal,
    http::{cors, csrf, host},
    translate::Translation,
};

/// Every path under it is ours.
pub const PREFIX: &str = "/.countersign/";

/// The longest body that is let in, and left unread.
const MAX_BODY_BYTES: u64 = 4096;
/// What a page of an allowed origin may send besides what every form may.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, Countersign");
const VARY: HeaderValue = HeaderValue::from_static("Cookie, Origin, Sec-Fetch-Site");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// One endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    ClientScript,
    Done,
    LogOut,
    Login,
    Renew,
    Session,
}

impl Endpoint {
    fn at(path: &str) -> Option<Self> {
        Some(match path.strip_prefix(PREFIX)? {
            "client.js" => Self::ClientScript,
            "done" => Self::Done,
            "login" => Self::Login,
            "logout" => Self::LogOut,
            "renew" => Self::Renew,
            "session" => Self::Session,
            _ => return None,
        })
    }

    /// What `Allow` says.
    const fn methods(self) -> &'static str {
        match self {
            Self::ClientScript | Self::Done | Self::Login | Self::Session => "GET, HEAD",
            Self::LogOut | Self::Renew => "POST",
        }
    }

    fn allows(self, method: &Method) -> bool {
        self.methods().split(", ").any(|allowed| method == allowed)
    }

    /// Called by scripts, and answered with JSON.
    const fn is_for_scripts(self) -> bool {
        match self {
            Self::LogOut | Self::Renew | Self::Session => true,
            Self::ClientScript | Self::Done | Self::Login => false,
        }
    }
}

/// The session endpoints under one configuration.
#[derive(Debug)]
pub struct SessionEndpoints {
    /// `[browser]`.
    pub config: BrowserConfig,
    /// The origin of our own pages.
    pub own_origin: String,
    /// Life of a token: when a page renews.
    pub lifetime: std::time::Duration,
}

/// Whether a path is the gateway's own.
#[must_use]
pub fn is_own(path: &str) -> bool {
    path.starts_with(PREFIX)
}

impl SessionEndpoints {
    /// Answers a request under [`PREFIX`].
    ///
    /// # Errors
    /// Any refusal; [`Self::dress`] makes its answer readable.
    pub async fn answer(
        &self,
        translation: &Translation,
        parts: &request::Parts,
        client: IpAddr,
    ) -> Result<Response<Bytes>, Refusal> {
        host::check(&parts.uri, &parts.headers, parts.version)?;
        let endpoint = Endpoint::at(parts.uri.path()).ok_or(Refusal::NoRoute)?;
        if endpoint.is_for_scripts() && cors::is_preflight(&parts.method, &parts.headers) {
            return self.preflight(endpoint, &parts.headers);
        }
        if !endpoint.allows(&parts.method) {
            return Err(Refusal::MethodNotAllowed);
        }
        check_body(&parts.headers)?;
        if endpoint.is_for_scripts() {
            csrf::check_page(&parts.headers, &self.page_rules(), self.is_our_host(parts))?;
            csrf::check_countersign_header(&parts.headers)?;
        }
        let query = parts.uri.query();
        match endpoint {
            Endpoint::ClientScript => client_script::answer(&parts.headers),
            Endpoint::Done => login::done(query),
            Endpoint::LogOut => log_out::answer(self, translation, &parts.headers, client).await,
            Endpoint::Login => login::login(&self.config, &self.own_origin, query),
            Endpoint::Renew | Endpoint::Session => session::answer(self, translation, parts, client).await,
        }
    }

    /// Sets what every answer under [`PREFIX`] has, refusals included.
    pub fn dress(&self, parts: &request::Parts, response: &mut Response<impl Sized>) {
        let endpoint = Endpoint::at(parts.uri.path());
        let is_preflight = cors::is_preflight(&parts.method, &parts.headers);
        let headers = response.headers_mut();
        // The script alone says something else, where it is answered with.
        if !headers.contains_key(header::ETAG) {
            headers.insert(header::CACHE_CONTROL, NO_STORE);
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if let Some(allow) = headers.get_mut(header::ALLOW) {
            let methods = endpoint.map_or("GET, HEAD, POST", Endpoint::methods);
            *allow = HeaderValue::from_static(methods);
        }
        let is_for_scripts = endpoint.is_some_and(Endpoint::is_for_scripts);
        if is_preflight || !is_for_scripts && endpoint != Some(Endpoint::ClientScript) {
            return;
        }
        if is_for_scripts {
            headers.insert(header::VARY, VARY);
        }
        if let Some(origin) = cors::allowed_origin(&parts.headers, &self.config.allowed_origins) {
            cors::allow(headers, origin);
        }
    }

    /// Where a request that was refused is sent instead, if the operator wants that: a navigation for lack of a
    /// session goes to the log-in, unless it comes straight from there. A request of a script never does.
    #[must_use]
    pub fn detour(&self, refusal: Refusal, parts: &request::Parts) -> Option<HeaderValue> {
        let may_help = matches!(refusal, Refusal::CredentialMissing | Refusal::SessionEnded);
        if !self.config.redirect || !may_help || !is_navigation(parts) {
            return None;
        }
        if login::comes_from_done(&parts.headers, &self.own_origin) {
            return None;
        }
        login::detour(parts.uri.path_and_query()?.as_str())
    }

    fn preflight(&self, endpoint: Endpoint, headers: &HeaderMap) -> Result<Response<Bytes>, Refusal> {
        let origin = cors::allowed_origin(headers, &self.config.allowed_origins).ok_or(Refusal::Csrf)?;
        let methods = HeaderValue::from_static(endpoint.methods());
        Ok(cors::preflight(origin, methods, Some(REQUEST_HEADERS)))
    }

    fn page_rules(&self) -> csrf::CsrfRules<'_> {
        csrf::CsrfRules {
            own_origin: &self.own_origin,
            allowed_origins: &self.config.allowed_origins,
            require_countersign_header: true,
        }
    }

    /// A page of an allowed origin may be served by us as well, under that name.
    fn is_our_host(&self, parts: &request::Parts) -> bool {
        let is_of = |origin: &str| host::is_of_origin(&parts.uri, &parts.headers, parts.version, origin);
        is_of(&self.own_origin) || self.config.allowed_origins.iter().any(|origin| is_of(origin))
    }
}

/// Whether a browser asks for a page to show (Fetch Metadata); of an older one, whether it wants HTML.
fn is_navigation(parts: &request::Parts) -> bool {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let is = |name: &str, value: &str| parts.headers.get(name).is_some_and(|found| found == value);
    let is_page = match parts.headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate" && is("sec-fetch-dest", "document"),
        None => parts.headers.get_all(header::ACCEPT).iter().any(|accept| {
            let mut kinds = accept.as_bytes().split(|byte| matches!(byte, b',' | b';'));
            kinds.any(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/html"))
        }),
    };
    reads && is_page
}

/// No endpoint reads a body; a small one is left unread, so that a client that always sends one is not broken.
fn check_body(headers: &HeaderMap) -> Result<(), Refusal> {
    match super::outgoing::content_length(headers)? {
        Some(length) if length > MAX_BODY_BYTES => Err(Refusal::BodyTooLarge),
        _ if headers.contains_key(header::TRANSFER_ENCODING) => Err(Refusal::BodyTooLarge),
        _ => Ok(()),
    }
}
