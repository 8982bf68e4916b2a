//! Session endpoints for pages, under `/.countersign/`: everything a browser needs to keep a session and its work.
//!
//! 1. `session`, `renew` and `logout` are for scripts: they need the header `Countersign: 1` and pass the page check
//!    of [`csrf`], reading ones included. `login` and `done` are navigations, `client.js` and `banner.js` are scripts.
//! 2. The credential is the session cookie and nothing else. That it was no session a moment ago is not believed: it
//!    may have become one. Look-ups stay bounded, by client address and in all, and one at a time for a cookie.
//! 3. No answer but a script is kept by anyone (`no-store`), and each says what it depends on (`Vary`).
//! 4. Pages of `allowed_origins` may use them from elsewhere; refusals can be read by them as well.

mod draft_key;
mod explain;
mod log_out;
mod login;
mod query;
mod script;
mod session;

pub use self::script::Script;

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};

use crate::{
    config::resolved::BrowserConfig,
    error::Refusal,
    http::{Fields, Parts, cors, csrf, host},
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
    Done,
    LogOut,
    Login,
    Renew,
    Script(Script),
    Session,
}

impl Endpoint {
    fn at(path: &str) -> Option<Self> {
        Some(match path.strip_prefix(PREFIX)? {
            "done" => Self::Done,
            "login" => Self::Login,
            "logout" => Self::LogOut,
            "renew" => Self::Renew,
            "session" => Self::Session,
            name => Self::Script(Script::ALL.into_iter().find(|script| script.name() == name)?),
        })
    }

    /// What `Allow` says.
    const fn methods(self) -> &'static str {
        match self {
            Self::Done | Self::Login | Self::Script(_) | Self::Session => "GET, HEAD",
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
            Self::Done | Self::Login | Self::Script(_) => false,
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
        parts: &Parts,
        client: IpAddr,
    ) -> Result<Response<Bytes>, Refusal> {
        let endpoint = endpoint_of(parts)?;
        if endpoint.is_for_scripts() && cors::is_preflight(&parts.method, &parts.fields) {
            return self.preflight(endpoint, &parts.fields);
        }
        check_request(endpoint, parts)?;
        if endpoint.is_for_scripts() {
            self.check_page(parts)?;
        }
        let query = parts.uri.query();
        match endpoint {
            Endpoint::Done => login::done(query),
            Endpoint::LogOut => log_out::answer(self, translation, &parts.fields, client).await,
            Endpoint::Login => login::login(&self.config, &self.own_origin, query),
            Endpoint::Renew | Endpoint::Session => session::answer(self, translation, parts, client).await,
            Endpoint::Script(script) => script.answer(&parts.fields),
        }
    }

    /// Sets what every answer under [`PREFIX`] has, refusals included.
    pub fn dress(&self, parts: &Parts, answer: &mut Fields) {
        let endpoint = Endpoint::at(parts.uri.path());
        let is_preflight = cors::is_preflight(&parts.method, &parts.fields);
        // A script alone says something else, where it is answered with.
        if !answer.has(b"etag") {
            answer.set(&header::CACHE_CONTROL, &NO_STORE);
        }
        answer.set(&header::X_CONTENT_TYPE_OPTIONS, &NOSNIFF);
        if answer.has(b"allow") {
            let methods = endpoint.map_or("GET, HEAD, POST", Endpoint::methods);
            answer.set(&header::ALLOW, &HeaderValue::from_static(methods));
        }
        let is_for_scripts = endpoint.is_some_and(Endpoint::is_for_scripts);
        if is_preflight || !is_for_scripts && !matches!(endpoint, Some(Endpoint::Script(_))) {
            return;
        }
        if is_for_scripts {
            answer.set(&header::VARY, &VARY);
        }
        if let Some(origin) = cors::allowed_origin(&parts.fields, &self.config.allowed_origins) {
            cors::allow(answer, &origin);
        }
    }

    /// Where a request that was refused is sent instead, if the operator wants that: a navigation for lack of a
    /// session goes to the log-in, unless it comes straight from there. A request of a script never does.
    #[must_use]
    pub fn detour(&self, refusal: Refusal, parts: &Parts) -> Option<HeaderValue> {
        let may_help = matches!(refusal, Refusal::CredentialMissing | Refusal::SessionEnded);
        if !self.config.redirect || !may_help || !is_navigation(parts) {
            return None;
        }
        if login::comes_from_done(&parts.fields, &self.own_origin) {
            return None;
        }
        login::detour(parts.uri.path_and_query()?.as_str())
    }

    fn preflight(&self, endpoint: Endpoint, fields: &Fields) -> Result<Response<Bytes>, Refusal> {
        let origin = cors::allowed_origin(fields, &self.config.allowed_origins).ok_or(Refusal::Csrf)?;
        let methods = HeaderValue::from_static(endpoint.methods());
        Ok(cors::preflight(origin, methods, Some(REQUEST_HEADERS)))
    }

    /// A page of ours asks, and by a script.
    fn check_page(&self, parts: &Parts) -> Result<(), Refusal> {
        csrf::check_page(&parts.fields, &self.page_rules(), self.is_our_host(parts))?;
        csrf::check_countersign_header(&parts.fields)
    }

    fn page_rules(&self) -> csrf::CsrfRules<'_> {
        csrf::CsrfRules {
            own_origin: &self.own_origin,
            allowed_origins: &self.config.allowed_origins,
            require_countersign_header: true,
        }
    }

    /// A page of an allowed origin may be served by us as well, under that name.
    fn is_our_host(&self, parts: &Parts) -> bool {
        let is_of = |origin: &str| host::is_of_origin(&parts.uri, &parts.fields, parts.version, origin);
        is_of(&self.own_origin) || self.config.allowed_origins.iter().any(|origin| is_of(origin))
    }
}

fn endpoint_of(parts: &Parts) -> Result<Endpoint, Refusal> {
    host::check(&parts.uri, &parts.fields, parts.version)?;
    Endpoint::at(parts.uri.path()).ok_or(Refusal::NoRoute)
}

/// What holds for every endpoint, whoever asks.
fn check_request(endpoint: Endpoint, parts: &Parts) -> Result<(), Refusal> {
    if !endpoint.allows(&parts.method) {
        return Err(Refusal::MethodNotAllowed);
    }
    check_body(&parts.fields)
}

/// Whether a browser asks for a page to show (Fetch Metadata); of an older one, whether it wants HTML.
fn is_navigation(parts: &Parts) -> bool {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let is_page = match parts.fields.first(b"sec-fetch-mode") {
        Some(mode) => mode == b"navigate" && parts.fields.first(b"sec-fetch-dest") == Some(b"document"),
        None => parts.fields.all(b"accept").any(|accept| {
            let mut kinds = accept.split(|byte| matches!(byte, b',' | b';'));
            kinds.any(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/html"))
        }),
    };
    reads && is_page
}

/// No endpoint reads a body; a small one is left unread, so that a client that always sends one is not broken.
fn check_body(fields: &Fields) -> Result<(), Refusal> {
    match super::outgoing::content_length(fields)? {
        Some(length) if length > MAX_BODY_BYTES => Err(Refusal::BodyTooLarge),
        _ if fields.has(b"transfer-encoding") => Err(Refusal::BodyTooLarge),
        _ => Ok(()),
    }
}
