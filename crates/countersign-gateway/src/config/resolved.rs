//! The configuration after it was read, checked and completed: what the rest of the gateway sees.
//!
//! Nothing here is optional for lack of a default, no path is unread, and no value is unchecked.

mod browser;
mod clients;
mod guard;
mod limits;
mod route;
mod session;
mod store;
mod token;

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc};

use countersign::{Issuer, Secret};
use ipnet::IpNet;

pub use self::{
    browser::{BrowserConfig, BrowserMode},
    clients::{BackchannelLogout, ClientConfig, ClientKnownBy},
    guard::{FeedProof, GuardConfig, GuardFeed, IdentityFact, IdentityHeader},
    limits::{Limits, LogConfig},
    route::{
        GuardedConfig, Requirements, RouteConfig, RouteKind, TranslateConfig, UpstreamOrigin,
        UpstreamProtocol,
    },
    session::{
        ClientAuth, Endpoint, IntrospectionConfig, SaysNo, SessionConfig, SourceConfig, UserinfoConfig,
        WhoamiConfig,
    },
    store::{StoreConfig, StoreServer},
    token::{BoundedRole, ClaimPath, ClaimRoot, ClaimsConfig, RingAlgorithm, TokenConfig},
};

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

/// Certificate chain and private key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Chain, leaf first.
    pub certificate_file: PathBuf,
    /// Private key.
    pub key_file: PathBuf,
}

/// A key-encryption key that the gateway did not make itself.
#[derive(Debug, Clone)]
pub struct EncryptionKey {
    /// Where it is, for people.
    pub place: String,
    /// What was there when the configuration was read.
    pub content: Secret<Vec<u8>>,
}
