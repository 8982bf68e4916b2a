//! Short ways to values that unit tests need.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use countersign::{
    Role, Secret, UnixTime,
    revocation::{Cursor, Epoch},
};

use crate::{
    config::resolved::{
        Requirements, RingAlgorithm, RouteConfig, RouteKind, TranslateConfig, UpstreamOrigin,
        UpstreamProtocol,
    },
    entropy::SystemEntropy,
    http::{Fields, Lines},
    http1::{place_of, split},
    identity::Identity,
    issue::{PolicyId, TokenPolicy},
    keyring::{KeyRingHandle, RingKeeper, RingSettings, Witness, schedule::Policy, seal::Sealer},
    route::Demands,
    store::{
        Change, LogoutName, LogoutOutcome, LogoutStanding, RingVersion, SealedRecord, SealedRing, Store,
        StoreError, StoredRevocations, memory::MemoryStore,
    },
};

/// The fields of a head that was read over HTTP/1.1.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Fields {
    let text: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut head = BytesMut::from(&*text);
    let mut lines = Lines::default();
    for line in text.split_terminator("\r\n") {
        let at = line.as_ptr().addr() - text.as_ptr().addr();
        let (name, value) = split(&head[at..at + line.len()]).unwrap();
        let (name, value) = (place_of(name, &head), place_of(value, &head));
        lines.push(&mut head, name, value);
    }
    lines.within(head)
}

pub(crate) fn route(path: &str) -> RouteConfig {
    RouteConfig {
        host: None,
        path: path.to_owned(),
        upstreams: vec![UpstreamOrigin {
            protocol: UpstreamProtocol::Http1,
            host: "127.0.0.1".into(),
            port: 9,
        }],
        kind: RouteKind::Translate(TranslateConfig {
            audience: "orders".into(),
            require: Requirements::default(),
            with_username: false,
            with_email: false,
        }),
        strip_prefix: false,
        upgrade: false,
        methods: Vec::new(),
        body_timeout: None,
        require_countersign_header: false,
        allow_public_cache: false,
        insecure_path: false,
        allow_headers: Vec::new(),
        remove_headers: Arc::default(),
        allowed_origins: Vec::new(),
    }
}

pub(crate) fn policy(translate: &TranslateConfig) -> TokenPolicy {
    token_policy(translate.audience.as_str())
}

pub(crate) fn token_policy(audience: &str) -> TokenPolicy {
    TokenPolicy {
        id: PolicyId([7; 16]),
        issuer: "https://shop.example".into(),
        audience: audience.into(),
        default_client: "gateway".into(),
        lifetime: Duration::from_secs(300),
        with_username: false,
        with_email: false,
        header_budget: 4096,
    }
}

pub(crate) fn identity(subject: &str, roles: &[&str]) -> Identity {
    Identity {
        subject: subject.into(),
        username: Some(format!("{subject}.name").into()),
        email: Some(format!("{subject}@example.com").into()),
        roles: roles.iter().map(|role| Role::from(*role)).collect(),
        organisation: Some(countersign::OrganisationId::new("acme").unwrap()),
        scope: None,
        client: None,
        server_sid: None,
    }
}

pub(crate) fn demands(roles: &[&str]) -> Demands {
    Demands {
        require: Requirements {
            roles: roles.iter().map(|role| Role::from(*role)).collect(),
            ..Requirements::default()
        },
        policy: Arc::new(token_policy("orders")),
    }
}

/// A ring of its own, with Ed25519 keys because they are made quickly.
pub(crate) fn keyring(now: UnixTime) -> Arc<KeyRingHandle> {
    let (keeper, settings) = ring_keeper();
    Arc::new(KeyRingHandle::new(keeper.open(&settings, now).unwrap()))
}

/// Who keeps such a ring.
pub(crate) fn ring_keeper() -> (RingKeeper, RingSettings) {
    let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
    let store = Arc::new(MemoryStore::default());
    let keeper = RingKeeper::new(store, sealer, Witness::memory(), Arc::new(SystemEntropy));
    let settings = RingSettings {
        algorithm: RingAlgorithm::Ed25519,
        policy: Policy::new(
            Duration::from_secs(86_400),
            Duration::from_secs(300),
            Duration::from_secs(30 * 86_400),
        ),
        shared_secrets: Vec::new(),
    };
    (keeper, settings)
}

/// A store that can be broken.
#[derive(Debug, Default)]
pub(crate) struct Breakable {
    pub(crate) inner: MemoryStore,
    pub(crate) broken: AtomicBool,
    /// Other gateways use it too.
    pub(crate) shared: bool,
    /// Nothing of what they write can be read.
    pub(crate) away: AtomicBool,
}

impl Breakable {
    pub(crate) fn shared() -> Self {
        Self { inner: MemoryStore::of_several(), shared: true, ..Self::default() }
    }
}

impl Store for Breakable {
    fn is_shared(&self) -> bool {
        self.shared
    }
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        self.inner.ring()
    }
    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        self.inner.create_ring(records)
    }
    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError> {
        self.inner.replace_ring(expected, records)
    }
    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.inner.begin_epoch(fresh)
    }
    fn renumber(&self, seen: &Cursor, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.inner.renumber(seen, fresh)
    }
    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        self.inner.revocations(after)
    }
    fn append(&self, changes: &[Change]) -> Result<Cursor, StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            Err(StoreError::Damaged(1))
        } else {
            self.inner.append(changes)
        }
    }
    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.inner.forget_expired(now)
    }
    fn hold_logouts(&self, names: &[LogoutName], now: UnixTime) -> Result<Vec<LogoutStanding>, StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Damaged(1));
        }
        self.inner.hold_logouts(names, now)
    }
    fn end_logouts(&self, ended: &[(LogoutName, LogoutOutcome)], now: UnixTime) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Damaged(1));
        }
        self.inner.end_logouts(ended, now)
    }
}
