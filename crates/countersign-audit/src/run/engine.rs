//! What every part of a run shares.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
};

use countersign::testkit::TestKey;
use http::Uri;

use super::users::{self, User};
use crate::{
    AuditError, Keys, Operation, Options, Supply,
    client::{Answer, Client},
    plan::{Ground, Which},
    tokens::Mint,
};

/// Most objects that a run keeps in mind to remove them.
pub(super) const MAX_MADE: usize = 5_000;

pub(crate) struct Engine {
    pub(crate) options: Options,
    pub(crate) client: Arc<Client>,
    pub(super) mint: Mint,
    pub(super) key: TestKey,
    /// Scheme and authority.
    pub(super) origin: String,
    /// What stands before every path.
    pub(super) prefix: String,
    pub(super) objects: Mutex<HashMap<(String, Which), String>>,
    pub(super) made: Mutex<Vec<Made>>,
    pub(super) counter: AtomicUsize,
    pub(super) run: String,
    pub(super) roles: Arc<[String]>,
    /// The answer to a path that cannot exist, without a token.
    pub(super) nonsense: Option<Answer>,
    pub(super) users: Vec<User>,
}

/// An object that the audit made.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) kind: String,
    pub(super) which: Which,
    pub(super) id: String,
}

impl Engine {
    pub(super) async fn new(
        options: Options,
        keys: Option<&Keys>,
        attacker: Option<String>,
    ) -> Result<Self, AuditError> {
        let target: Uri = options.target.parse().map_err(|_| {
            AuditError::Usage(format!("`{}` is no URL: give scheme, host and port", options.target))
        })?;
        let (Some(scheme), Some(authority)) = (target.scheme_str(), target.authority()) else {
            return Err(AuditError::Usage(format!("`{}` has no scheme or host", options.target)));
        };
        allowed_host(authority.host(), &options.own_hosts)?;
        let services = options.settings.logout.services.values().map(|service| &service.url);
        for url in options.settings.gateway.direct.iter().chain(services) {
            let uri = url.parse::<Uri>().map_err(|_| AuditError::Usage(format!("`{url}` is no URL")))?;
            allowed_uri(&uri, &options.own_hosts)?;
        }
        let secret = match &options.supply {
            Supply::SharedSecret(secret) => Some(secret.clone()),
            _ => None,
        };
        let keys = keys.map(|keys| Arc::clone(keys.own()));
        let (audience, token) = (options.audience.clone(), options.settings.token.clone());
        let mint = Mint::new(audience, token, keys, secret, attacker)
            .map_err(|error| AuditError::Usage(format!("the shared secret cannot be used: {error}")))?;
        let run = format!("{:x}", options.clock.now().as_secs());
        let with_tls = std::iter::once(&options.target)
            .chain(options.settings.gateway.login.as_ref().map(|login| &login.url))
            .chain(options.settings.logout.services.values().map(|service| &service.url))
            .chain(&options.settings.logout.url)
            .chain(&options.settings.gateway.direct)
            .any(|url| url.starts_with("https:"));
        let client = Client::new(with_tls, options.max_requests, options.rate, &run)?;
        let users = users::log_in(&options, &client, &target).await?;
        let ground = Ground::new(&options.document, &options.settings, options.destructive);
        let roles = Arc::clone(&ground.roles);
        Ok(Self {
            client,
            mint,
            key: TestKey::Es256,
            origin: format!("{scheme}://{authority}"),
            prefix: target.path().trim_end_matches('/').to_owned(),
            objects: Mutex::default(),
            made: Mutex::default(),
            counter: AtomicUsize::new(0),
            run,
            roles,
            nonsense: None,
            users,
            options,
        })
    }

    pub(crate) fn ground(&self) -> Ground<'_> {
        let settings = &self.options.settings;
        Ground {
            document: &self.options.document,
            settings,
            destructive: self.options.destructive,
            roles: Arc::clone(&self.roles),
            organisations: settings.organisations.a.is_some() && settings.organisations.b.is_some(),
        }
    }

    pub(super) fn operation(&self, index: usize) -> Option<Operation> {
        self.options.document.operations.get(index).cloned()
    }

    pub(super) fn object(&self, kind: &str, which: Which) -> Option<String> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.get(&(kind.to_owned(), which)).cloned()
    }

    pub(super) fn is_gateway(&self) -> bool {
        matches!(self.options.supply, Supply::Gateway)
    }

    /// Texts that only this organisation's data hold.
    pub(super) fn canaries(&self, which: Which) -> Vec<String> {
        let mut canaries = vec![self.canary(which)];
        if let Some(organisation) = self.ground().organisation(which) {
            canaries.extend(organisation.canaries.iter().cloned());
        }
        canaries
    }

    pub(super) fn canary(&self, which: Which) -> String {
        let letter = match which {
            Which::A => 'a',
            Which::B => 'b',
        };
        format!("canary-{letter}-{}", self.run)
    }
}

/// The same of a URL.
pub(super) fn allowed_uri(uri: &Uri, own: &[String]) -> Result<(), AuditError> {
    match uri.host() {
        Some(host) => allowed_host(host, own),
        None => Err(AuditError::Usage(format!("`{uri}` has no host"))),
    }
}

/// Only the loopback interface, and what was named.
fn allowed_host(host: &str, own: &[String]) -> Result<(), AuditError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback =
        bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if loopback || own.iter().any(|own| own == bare) {
        return Ok(());
    }
    Err(AuditError::HostNotAllowed { host: bare.to_owned() })
}
