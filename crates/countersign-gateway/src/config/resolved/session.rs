//! `[session]`: whose sessions are accepted, and who is asked.

use std::{num::NonZeroUsize, time::Duration};

use countersign::{ClientId, Issuer, Secret};
use http::{Method, StatusCode, Uri};

use super::token::ClaimPath;

/// `[session]`: whose sessions are accepted, and how the authorization server is asked.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The cookie that holds the session token.
    pub cookie: Option<String>,
    /// Accept `Authorization: Bearer` with an opaque token too.
    pub bearer: bool,
    /// What is asked.
    pub source: SourceConfig,
    /// A page of the old application that is asked for with the cookie while a user works. `None`: none.
    pub keep_alive: Option<Uri>,
    /// How long an answer is taken as fresh. Default 30 s.
    pub recheck: Duration,
    /// In an outage the last good answer is served until it is so old. `None`, the default: 503 from `recheck` on.
    pub stale_if_error: Option<Duration>,
    /// Life of a session whose end the server does not tell, from first sight; again so long if it lives then. Default 8 h.
    pub max_age: Duration,
    /// Longest wait for one look-up. Default 2 s.
    pub timeout: Duration,
    /// Sessions kept in memory, together for all workers. Default 100,000.
    pub cache_entries: NonZeroUsize,
    /// Look-ups at once. Default 256.
    pub max_lookups: NonZeroUsize,
    /// Look-ups at once for one client address. Default 32.
    pub max_lookups_per_client: NonZeroUsize,
    /// Requests waiting for one look-up. Default 16,384: more than there are connections.
    pub max_waiters: NonZeroUsize,
    /// Clients whose sessions are accepted. Empty: any (only with `insecure_any_client` or without bearer).
    pub accept_clients: Vec<ClientId>,
}

/// What the authorization server is asked.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    /// Nobody is asked: there is no `[session]`.
    Nobody,
    /// Introspection (RFC 7662).
    Introspection(IntrospectionConfig),
    /// Introspection, then OpenID Connect userinfo with the same token; both must agree on `sub`.
    IntrospectionAndUserinfo(IntrospectionConfig, UserinfoConfig),
    /// OpenID Connect userinfo alone.
    Userinfo(UserinfoConfig),
    /// Any endpoint that understands the credential and answers JSON.
    Whoami(WhoamiConfig),
}

/// A URL of the authorization server, given or found by discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Found in the metadata of this issuer (RFC 8414, OpenID Connect Discovery) when it is first needed.
    /// The issuer is kept as it was written: the metadata must repeat it byte for byte.
    Discovered(Issuer),
    /// Given.
    Given(Uri),
}

/// Introspection (RFC 7662).
#[derive(Debug, Clone)]
pub struct IntrospectionConfig {
    /// Where.
    pub endpoint: Endpoint,
    /// How we prove who we are.
    pub client_auth: ClientAuth,
    /// A live token whose kind the answer does not tell is refused. Default false.
    pub require_token_type: bool,
}

/// How the gateway authenticates at the authorization server (RFC 6749 §2.3, RFC 7523).
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// HTTP basic.
    Basic(ClientId, Secret<String>),
    /// An access token of its own.
    Bearer(Secret<String>),
    /// No authentication: only to loopback, or named insecure.
    None,
    /// `client_id` and `client_secret` in the body.
    Post(ClientId, Secret<String>),
    /// A signed assertion; the key is PKCS#8 PEM.
    PrivateKeyJwt(ClientId, Secret<String>),
}

/// OpenID Connect userinfo.
#[derive(Debug, Clone)]
pub struct UserinfoConfig {
    /// Where.
    pub endpoint: Endpoint,
}

/// Any endpoint that understands the credential.
#[derive(Debug, Clone)]
pub struct WhoamiConfig {
    /// Where.
    pub endpoint: Uri,
    /// GET or POST. Default GET.
    pub method: Method,
    /// What "no session" looks like besides an empty or `null` answer.
    pub no: SaysNo,
}

/// What "no session" looks like in a `whoami` answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaysNo {
    /// These statuses. Default 401.
    pub status: Vec<StatusCode>,
    /// A redirect to this path, or to one below it. Every other redirect is nonsense (503).
    pub redirect_to: Option<String>,
    /// An answer in which nothing stands there, or `false`.
    pub unless: Option<ClaimPath>,
}
