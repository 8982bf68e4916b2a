//! `[browser]`: the session endpoints.

use countersign::{Audience, Issuer};

/// `[browser]`: the session endpoints for pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserConfig {
    /// The log-in page, with [`RETURN_PLACE`](Self::RETURN_PLACE) once: a URL, or a path of our own origin.
    pub login_url: String,
    /// The log-out page: a URL, or a path of our own origin.
    pub logout_url: Option<String>,
    /// What a page holds. Default: nothing.
    pub mode: BrowserMode,
    /// Audiences whose tokens a page may ask for.
    pub audiences: Vec<Audience>,
    /// Origins of other sites whose pages may use the session endpoints.
    pub allowed_origins: Vec<String>,
    /// Navigations without a session go to the log-in. Default false.
    pub redirect: bool,
}

impl BrowserConfig {
    /// What of `login_url` the return URL takes the place of.
    pub const RETURN_PLACE: &'static str = "{return}";

    /// The audience of the tokens that pages present to the gateway: no service accepts them.
    #[must_use]
    pub fn audience_of(issuer: &Issuer) -> Audience {
        format!("{issuer}/browser").into()
    }
}

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowserMode {
    /// A short token for the gateway, in memory (RFC 10017 §6.2).
    Bearer,
    /// Nothing: its cookie is the session (RFC 10017 §6.1).
    Cookie,
}
