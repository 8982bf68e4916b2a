//! The configuration after it was read, checked and completed: what the rest of the gateway sees.
//!
//! Nothing here is optional for lack of a default, no path is unread, and no value is unchecked.

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use countersign::{Audience, ClientId, Issuer, Role, Secret, jws::VerifyingKey};
use http::{HeaderName, Method, StatusCode, Uri};
use ipnet::IpNet;

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who signs, and the origin of our pages.
    pub issuer: Issuer,
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Read-only: metrics, health, the key set.
    pub admin_listen: SocketAddr,
    /// For clients that prove who they are. `None`: there is none.
    pub internal_listen: Option<SocketAddr>,
    /// Who may use `internal_listen`.
    pub clients: Vec<ClientConfig>,
    /// Whose log-out tokens are believed. `None`: nobody's.
    pub backchannel_logout: Option<BackchannelLogout>,
    /// Keys, audit log, socket.
    pub state_dir: PathBuf,
    /// The operator's key-encryption key. `None`: one made in `state_dir`.
    pub encryption_key: Option<EncryptionKey>,
    /// Data worker threads.
    pub workers: NonZeroUsize,
    /// Peers whose `X-Forwarded-*` is believed. Empty: nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// Certificate and key; without them the listener speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Where several gateways keep what they share. `None`: each has a store of its own in `state_dir`.
    pub store: Option<Arc<StoreConfig>>,
    /// Whose sessions are accepted.
    pub session: SessionConfig,
    /// Whose tokens guarded routes let through. `None`: there are no such routes.
    pub guard: Option<GuardConfig>,
    /// What a token says.
    pub claims: ClaimsConfig,
    /// How a token is signed.
    pub token: TokenConfig,
    /// Who gets it.
    pub routes: Vec<RouteConfig>,
    /// The session endpoints. `None`: there are none.
    pub browser: Option<BrowserConfig>,
    /// Bounds of the HTTP side.
    pub limits: Limits,
    /// What is written to the log.
    pub log: LogConfig,
    /// The `insecure_…` keys that are on, as `session.insecure_http`, `route[2].insecure_path`.
    pub insecure: Vec<String>,
}

/// `[[client]]`: who may use `internal_listen`, and for what.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Its name.
    pub id: ClientId,
    /// How it proves that it is this client.
    pub known_by: ClientKnownBy,
    /// The service that it is: whose tokens it gets.
    pub audience: Option<Audience>,
    /// Audiences that it may ask tokens for.
    pub exchange: Vec<Audience>,
}

/// What a client of `internal_listen` proves itself with.
#[derive(Debug, Clone)]
pub enum ClientKnownBy {
    /// `private_key_jwt` (RFC 7523 §2.2): an assertion that this key verifies.
    Key(Arc<VerifyingKey>),
    /// HTTP basic (RFC 6749 §2.3.1).
    Secret(Secret<String>),
}

/// `[backchannel_logout]`: whose log-out tokens are believed (OpenID Connect Back-Channel Logout 1.0).
#[derive(Debug, Clone)]
pub struct BackchannelLogout {
    /// `iss` of the tokens.
    pub issuer: Issuer,
    /// The issuer's key set.
    pub keys: Endpoint,
    /// `aud` of the tokens: our client at the authorization server.
    pub client: ClientId,
    /// Tokens without `typ` are believed too. Default false.
    pub any_type: bool,
    /// The key set may be fetched over plain HTTP beyond loopback. Default false.
    pub insecure_http: bool,
}

/// Certificate chain and private key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Chain, leaf first.
    pub certificate_file: PathBuf,
    /// Private key.
    pub key_file: PathBuf,
}

/// `[store]`: a Valkey or Redis that several gateways share.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The server; or the sentinels that know it, asked in turn.
    pub servers: Vec<StoreServer>,
    /// TLS to all of them.
    pub tls: bool,
    /// Number of the database.
    pub database: u8,
    /// The name under which sentinels know the primary.
    pub sentinel: Option<String>,
    /// Who the gateway is there (ACL). `None`: the default user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret<String>>,
    /// Roots in PEM that the server's certificate is checked with. `None`: the machine's.
    pub ca: Option<Vec<u8>>,
    /// Begins every key. Default `countersign`.
    pub name: String,
    /// For one command, or for a new connection. Default 250 ms.
    pub timeout: Duration,
    /// Keep the authorization server's answers there too, sealed. Default true.
    pub cache: bool,
}

/// Host and port of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreServer {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

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

/// `[guard]`: the issuer whose tokens guarded routes let through.
#[derive(Debug, Clone)]
pub struct GuardConfig {
    /// `iss` of the tokens.
    pub issuer: Issuer,
    /// The issuer's key set.
    pub keys: Endpoint,
    /// The issuer's revocation feed. `None`: a token is good until its end.
    pub feed: Option<GuardFeed>,
    /// Keys and feed may be fetched over plain HTTP beyond loopback. Default false.
    pub insecure_http: bool,
}

/// Where revocations of the trusted issuer are learned of.
#[derive(Debug, Clone)]
pub struct GuardFeed {
    /// Its `internal_listen`.
    pub location: Uri,
    /// Which of its clients we are.
    pub client: ClientId,
    /// That client's secret.
    pub secret: Secret<String>,
    /// Tokens are refused while it cannot be known what is revoked. Default false.
    pub refuse_on_loss: bool,
}

/// What a guarded route demands.
#[derive(Debug, Clone)]
pub struct GuardedConfig {
    /// `aud` of its tokens.
    pub audience: Audience,
    /// One of these roles is needed. Empty: any token.
    pub require_roles: Vec<Role>,
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
    /// A redirect whose path starts with this. Every other redirect is nonsense (503).
    pub redirect_to: Option<String>,
}

/// Where a claim is found: `session.org.id`, `userinfo.groups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath {
    /// Which answer.
    pub root: ClaimRoot,
    /// Member names and array indexes, outermost first. Never empty.
    pub steps: Vec<String>,
}

/// The two answers a claim can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimRoot {
    /// The answer of introspection or whoami.
    Session,
    /// The answer of userinfo.
    Userinfo,
}

/// `[claims]`: paths into the answer. `None`: the standard member of that name, if any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsConfig {
    /// Default `sub`. Required.
    pub subject: Option<ClaimPath>,
    /// Default `username`, then `preferred_username`.
    pub username: Option<ClaimPath>,
    /// Default `email`.
    pub email: Option<ClaimPath>,
    /// Default `roles`.
    pub roles: Option<ClaimPath>,
    /// No default. When given, a session without it is refused.
    pub organisation: Option<ClaimPath>,
    /// Roles that are left out of a session whose scope does not hold their own. Default none.
    pub bounded_roles: Vec<BoundedRole>,
}

/// A key-encryption key that the gateway did not make itself.
#[derive(Debug, Clone)]
pub struct EncryptionKey {
    /// Where it is, for people.
    pub place: String,
    /// What was there when the configuration was read.
    pub content: Secret<Vec<u8>>,
}

/// A role that a session has only with a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedRole {
    /// The role.
    pub role: Role,
    /// One scope (RFC 6749 §3.3).
    pub scope: Box<str>,
}

/// `[token]`: how a token is signed.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// Asymmetric algorithm of the key ring. Default ES256.
    pub algorithm: RingAlgorithm,
    /// Life of a token. Default 5 min.
    pub lifetime: Duration,
    /// How long a key is published before it signs. Default 24 h.
    pub key_lead: Duration,
    /// How long a key signs. Default 30 days.
    pub rotation: Duration,
    /// Longest `Authorization` value in bytes. Default 4,096.
    pub header_budget: usize,
    /// Audiences that asked for HS256 by name, each with its own secret of at least 32 bytes.
    pub shared_secrets: Vec<(Audience, Secret<Vec<u8>>)>,
}

/// The algorithms a key ring can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RingAlgorithm {
    /// Ed25519, written as `EdDSA` (RFC 8037 §3.1).
    Ed25519,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

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

/// What a translate route demands and gives.
#[derive(Debug, Clone)]
pub struct TranslateConfig {
    /// Whom the token is for.
    pub audience: Audience,
    /// One of these roles is needed. Empty: any caller with a session.
    pub require_roles: Vec<Role>,
    /// Put `preferred_username` in the token.
    pub with_username: bool,
    /// Put `email` in the token.
    pub with_email: bool,
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

/// Bounds of the HTTP side, each with its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Header section in bytes. Default 32 KiB.
    pub header_bytes: usize,
    /// Header fields. Default 100, and not more.
    pub header_count: usize,
    /// Request body in bytes. Default 16 MiB; 0 is no limit.
    pub body_bytes: u64,
    /// Open connections, together for all workers. Default 10,000.
    pub connections: usize,
    /// Open connections of one client address, trusted proxies apart. Default 1,024.
    pub connections_per_client: usize,
    /// For the whole header section. Default 10 s.
    pub header_timeout: Duration,
    /// Between two requests on one connection. Default 60 s.
    pub idle_timeout: Duration,
    /// Between two pieces of a body, either way. Default 30 s.
    pub body_timeout: Duration,
    /// TCP and TLS to an upstream. Default 2 s.
    pub connect_timeout: Duration,
    /// From the sent request to the first byte of the answer. Default 60 s.
    pub first_byte_timeout: Duration,
    /// Longest life of an answer's stream or an upgraded connection. Default 1 h.
    pub max_stream: Duration,
    /// For open requests after SIGTERM. Default 30 s.
    pub drain: Duration,
    /// Idle connections kept to one upstream, for each worker. Default 64.
    pub upstream_idle: usize,
    /// HTTP/2 streams at once on one connection. Default 128.
    pub http2_streams: u32,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        header_bytes: 32 * 1024,
        header_count: 100,
        body_bytes: 16 * 1024 * 1024,
        connections: 10_000,
        connections_per_client: 1_024,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        body_timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(2),
        first_byte_timeout: Duration::from_secs(60),
        max_stream: Duration::from_secs(3600),
        drain: Duration::from_secs(30),
        upstream_idle: 64,
        http2_streams: 128,
    };
}

/// `[log]`: what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// JSON lines instead of text. Default true.
    pub json: bool,
    /// A line for each forwarded request. Default false.
    pub requests: bool,
}
