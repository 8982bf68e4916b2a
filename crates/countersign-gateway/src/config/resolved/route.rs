//! `[[route]]`: who gets it.

use std::{fmt, sync::Arc, time::Duration};

use countersign::{Audience, Role};
use http::{HeaderName, Method};

/// `[[route]]`: one host and path prefix.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    /// Only for this host, lower case, without port. `None`: every host.
    pub host: Option<String>,
    /// Path prefix: begins and ends with `/`.
    pub path: String,
    /// One or several `http://host:port`, `https://…` or `h2c://…` origins.
    pub upstreams: Vec<UpstreamOrigin>,
    /// What kind of route.
    pub kind: RouteKind,
    /// The prefix is removed before the request is forwarded.
    pub strip_prefix: bool,
    /// Upgrades (`WebSocket` and others) are allowed.
    pub upgrade: bool,
    /// Methods that are let through. Empty: all but CONNECT and TRACE.
    pub methods: Vec<Method>,
    /// Between two pieces of a body, in place of the limit of all routes.
    pub body_timeout: Option<Duration>,
    /// The header `Countersign: 1` is required with cookie and unsafe method.
    pub require_countersign_header: bool,
    /// The service's own `Cache-Control: public` may pass.
    pub allow_public_cache: bool,
    /// Paths that are not canonical are forwarded as they are.
    pub insecure_path: bool,
    /// Header names with `_` or `.` that pass.
    pub allow_headers: Vec<HeaderName>,
    /// Further header and trailer names of the client that are removed.
    pub remove_headers: Arc<[HeaderName]>,
    /// Origins of other sites whose pages may send requests with the cookie.
    pub allowed_origins: Vec<String>,
}

/// What kind of route.
#[derive(Debug, Clone)]
pub enum RouteKind {
    /// A token of the trusted issuer in, the same out.
    Guard(GuardedConfig),
    /// The old application: cookie and `Authorization` pass untouched, no token.
    Legacy,
    /// No look-up, credential removed, no token.
    Public,
    /// Session in, access token out.
    Translate(TranslateConfig),
}

/// What a guarded route demands.
#[derive(Debug, Clone)]
pub struct GuardedConfig {
    /// `aud` of its tokens.
    pub audience: Audience,
    /// What a token must say besides.
    pub require: Requirements,
    /// The service gets the token itself. Default true.
    pub forward_token: bool,
}

/// What is demanded of a caller. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// One of these roles is needed. Empty: none.
    pub roles: Vec<Role>,
    /// All of these scopes are needed (RFC 6749 §3.3). Empty: none.
    pub scope: Vec<Box<str>>,
    /// The caller must be of an organisation.
    pub organisation: bool,
}

impl Requirements {
    /// Nothing is demanded.
    pub const NOTHING: Self = Self { roles: Vec::new(), scope: Vec::new(), organisation: false };
}

/// What a translate route demands and gives.
#[derive(Debug, Clone)]
pub struct TranslateConfig {
    /// Whom the token is for.
    pub audience: Audience,
    /// What is demanded of a caller with a session.
    pub require: Requirements,
    /// Put `preferred_username` in the token.
    pub with_username: bool,
    /// Put `email` in the token.
    pub with_email: bool,
}

/// As a person says it: "one of the roles `editor`, `viewer` and scope `orders:read` and an organisation".
impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |names: &mut dyn Iterator<Item = &str>| -> String {
            names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let mut parts = Vec::new();
        match self.roles.as_slice() {
            [] => {}
            [role] => parts.push(format!("role `{role}`")),
            roles => parts.push(format!("one of the roles {}", quoted(&mut roles.iter().map(Role::as_str)))),
        }
        if !self.scope.is_empty() {
            parts.push(format!("scope {}", quoted(&mut self.scope.iter().map(AsRef::as_ref))));
        }
        if self.organisation {
            parts.push("an organisation".to_owned());
        }
        f.write_str(&parts.join(" and "))
    }
}

/// Scheme and authority of one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamOrigin {
    /// How it is spoken to.
    pub protocol: UpstreamProtocol,
    /// Host name or address, without brackets.
    pub host: Arc<str>,
    /// TCP port.
    pub port: u16,
}

/// As in the configuration: scheme, host and port.
impl fmt::Display for UpstreamOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            UpstreamProtocol::Http1 => "http",
            UpstreamProtocol::Http2PriorKnowledge => "h2c",
            UpstreamProtocol::Tls => "https",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// `http://`: HTTP/1.1 in clear.
    Http1,
    /// `h2c://`: HTTP/2 in clear with prior knowledge.
    Http2PriorKnowledge,
    /// `https://`: TLS, HTTP/2 or HTTP/1.1 by ALPN.
    Tls,
}
