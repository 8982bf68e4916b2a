//! What a run is told.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use countersign::{Audience, Clock, Secret, SystemClock};

use crate::{Baseline, Document, Keys, Settings};

/// Most requests of a run unless told otherwise: 200 operations × the whole catalogue, three times.
pub const DEFAULT_MAX_REQUESTS: usize = 300_000;
/// Requests at the same time unless told otherwise.
pub const DEFAULT_CONCURRENCY: usize = 16;
/// Seconds until a first good token must be accepted, unless told otherwise.
pub const DEFAULT_PATIENCE: u64 = 40;

/// Where tokens come from.
#[derive(Debug, Clone)]
pub enum Supply {
    /// Test users' sessions at a gateway: only the tokens that the gateway makes, no bad ones.
    Gateway,
    /// The audit's own keys, which the service under test trusts.
    OwnKey {
        /// Made anew when the run begins if left out; then they must be served.
        keys: Option<Keys>,
        /// Where the key set is served while the audit runs, as `/jwks.json`.
        listen: Option<SocketAddr>,
    },
    /// HS256 with the secret of the service under test, at least 32 bytes.
    SharedSecret(Secret<Vec<u8>>),
}

/// What may be done to the data of the service under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destructive {
    /// Unsafe methods are used as documented, on anything.
    Full,
    /// Unsafe methods are not used.
    Off,
    /// Unsafe methods are used on what the audit made itself; else only so that they cannot succeed.
    OwnOnly,
}

/// What a run is told. Fields are public so that a caller may change any of them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Scheme, host and port of the service under test, and a path prefix if it has one.
    pub target: String,
    /// Its operations.
    pub document: Document,
    /// `audit.toml`.
    pub settings: Settings,
    /// Where tokens come from. Default: own keys, made anew, which a run refuses to begin with: nobody could trust them.
    pub supply: Supply,
    /// The `aud` of good tokens.
    pub audience: Audience,
    /// Default: [`Destructive::OwnOnly`].
    pub destructive: Destructive,
    /// Default: [`DEFAULT_MAX_REQUESTS`]. What is left then is reported as skipped.
    pub max_requests: usize,
    /// Default: [`DEFAULT_CONCURRENCY`].
    pub concurrency: usize,
    /// Most requests each second; none by default.
    pub rate: Option<u32>,
    /// Hosts besides the loopback interface that may be asked.
    pub own_hosts: Vec<String>,
    /// Known findings.
    pub baseline: Option<Baseline>,
    /// How long the service may take until it accepts the first good token (it may fetch keys first), in seconds.
    /// Default 40: a library that has just looked for keys looks again after 30 seconds.
    pub patience: u64,
    /// The gateway's control socket, for log-out.
    pub control_socket: Option<PathBuf>,
    /// Environment variables that `audit.toml` names.
    pub environment: BTreeMap<String, String>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// Every default. The audience is `service` until told otherwise.
    #[must_use]
    pub fn for_target(target: &str) -> Self {
        Self {
            target: target.trim_end_matches('/').to_owned(),
            document: Document::default(),
            settings: Settings::default(),
            supply: Supply::OwnKey { keys: None, listen: None },
            audience: "service".into(),
            destructive: Destructive::OwnOnly,
            max_requests: DEFAULT_MAX_REQUESTS,
            concurrency: DEFAULT_CONCURRENCY,
            rate: None,
            own_hosts: Vec::new(),
            baseline: None,
            patience: DEFAULT_PATIENCE,
            control_socket: None,
            environment: BTreeMap::new(),
            clock: Arc::new(SystemClock),
        }
    }

    /// The operations.
    #[must_use]
    pub fn document(mut self, document: Document) -> Self {
        self.document = document;
        self
    }

    /// `audit.toml`. Its `audience` counts, if it has one.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        if let Some(audience) = &settings.audience {
            self.audience = audience.as_str().into();
        }
        self.settings = settings;
        self
    }

    /// The `aud` of good tokens.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<Audience>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Where tokens come from.
    #[must_use]
    pub fn supply(mut self, supply: Supply) -> Self {
        self.supply = supply;
        self
    }
}
