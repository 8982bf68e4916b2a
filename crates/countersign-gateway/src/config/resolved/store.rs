//! `[store]`: what several gateways share.

use std::time::Duration;

use countersign::Secret;

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
    /// How long a gateway goes on signing that cannot read it. `None`: for as long as it takes.
    pub max_alone: Option<Duration>,
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
