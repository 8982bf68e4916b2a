//! The demo: an old server, two services and a page, each on its own listener, with the gateway in front.
//!
//! [`Demo::start`] starts everything but the gateway and says how to configure that. Whoever starts the gateway then
//! waits for [`RunningDemo::ready`], and shows [`RunningDemo::introduction`] or tells the story with [`script()`].

pub mod audited;
mod forge;
mod gateway_config;
mod http_client;
mod introduction;
pub mod legacy;
mod old_server;
mod people;
mod script;
mod services;

use std::{
    fs::OpenOptions,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use countersign::{
    SystemClock, VerifierError,
    axum::OpenRoutes,
    remote::{ClientAuthentication, FeedStartError, ProofError, RemoteKeys, RevocationFeed, StartError},
    scope::SchemaFault,
};
use countersign_gateway::entropy::{Entropy, NoEntropy, SystemEntropy};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    forge::Wiretap,
    old_server::{OldServer, Sessions, Stage},
    services::Parts,
};

pub use crate::{
    old_server::{CLIENT_ID, COOKIE},
    people::{PASSWORD, PEOPLE, Person},
    script::{Report, Step, browser_script, script},
};

/// What the demo can be told.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Where the gateway will listen: loopback, with a port. Default `127.0.0.1:8080`.
    pub gateway: SocketAddr,
    /// Where its metrics will be. Default `127.0.0.1:8081`.
    pub admin: SocketAddr,
    /// Where the services follow its revocations: loopback, with a port. Default `127.0.0.1:8082`.
    pub internal: SocketAddr,
    /// How long the gateway takes an answer of the old server as fresh. Default 1 s, so that log-out shows quickly.
    pub recheck: Duration,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            gateway: (Ipv4Addr::LOCALHOST, 8080).into(),
            admin: (Ipv4Addr::LOCALHOST, 8081).into(),
            internal: (Ipv4Addr::LOCALHOST, 8082).into(),
            recheck: Duration::from_secs(1),
        }
    }
}

/// Starts the demo.
#[derive(Debug)]
pub struct Demo;

/// The parts that run, and their files. Dropped, everything stops and the files are gone.
#[derive(Debug)]
pub struct RunningDemo {
    folder: TempDir,
    config: String,
    gateway_url: String,
    old_server_url: String,
    orders_url: String,
    notes_url: String,
    keys: [RemoteKeys; 2],
    feeds: [RevocationFeed; 2],
    sessions: Arc<Sessions>,
    stage: Arc<Stage>,
    recheck: Duration,
    _servers: JoinSet<io::Result<()>>,
}

/// Why the demo does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A service's database.
    #[error("a service's database cannot be made")]
    Database(#[from] sqlx::Error),
    /// A service cannot follow revocations.
    #[error("a service cannot follow revocations")]
    Feed(#[from] FeedStartError),
    /// A file or listener.
    #[error("a file or listener of the demo cannot be made")]
    Io(#[from] io::Error),
    /// A service cannot get keys.
    #[error("a service cannot get keys")]
    Keys(#[from] StartError),
    /// No randomness for the gateway's client secret.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// A service cannot prove itself at the feed.
    #[error("a service cannot prove itself")]
    Proof(#[from] ProofError),
    /// A service has an open route.
    #[error("a service has an open route")]
    OpenRoutes(#[from] OpenRoutes),
    /// A service's table.
    #[error("a service's table is not sound")]
    Schema(#[from] SchemaFault),
    /// A service's verifier.
    #[error("a service cannot verify")]
    Verifier(#[from] VerifierError),
}

impl Demo {
    /// Starts the old server and the two services, each on a port of its own on the loopback interface. Must be called
    /// in a tokio runtime, which they run in.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn start(options: DemoOptions) -> Result<RunningDemo, DemoError> {
        let folder = tempfile::Builder::new().prefix("countersign-demo-").tempdir()?;
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let secret = old_server::random_text(&*entropy).ok_or(NoEntropy)?;
        write_secret(&folder.path().join(gateway_config::SECRET_FILE), secret.expose())?;

        let gateway_url = format!("http://{}", options.gateway);
        let key_set = format!("{gateway_url}/.well-known/jwks.json");
        let keys = [
            RemoteKeys::builder().key_set(&key_set).start()?,
            RemoteKeys::builder().key_set(&key_set).start()?,
        ];
        let [orders_keys, notes_keys] = &keys;
        let follow = |service: &str, keys: &RemoteKeys| {
            let secret = old_server::random_text(&*entropy).ok_or(NoEntropy)?;
            write_secret(&gateway_config::service_secret(folder.path(), service), secret.expose())?;
            let client = ClientAuthentication::basic(service, secret)?;
            let feed = RevocationFeed::builder(&*gateway_url, format!("http://{}", options.internal), client);
            Ok::<_, DemoError>(feed.keys(keys.clone()).start()?)
        };
        let feeds = [follow("orders", orders_keys)?, follow("notes", notes_keys)?];
        let [orders_feed, notes_feed] = &feeds;
        let parts = |keys, feed| Parts { issuer: &gateway_url, keys, feed, folder: folder.path() };
        let (orders_tap, notes_tap) = (Wiretap::default(), Wiretap::default());
        let orders = orders_tap.on(services::orders(&parts(orders_keys, Some(orders_feed))).await?);
        let notes = notes_tap.on(services::notes(&parts(notes_keys, Some(notes_feed))).await?);

        let mut servers = JoinSet::new();
        let orders_url = serve(&mut servers, orders).await?;
        let notes_url = serve(&mut servers, notes).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let old_server_url = format!("http://{}", listener.local_addr()?);
        let places = gateway_config::Places {
            options: &options,
            folder: folder.path(),
            old_server: &old_server_url,
            orders: &orders_url,
            notes: &notes_url,
        };
        let stage = Arc::new(Stage::new(&places, [orders_tap, notes_tap]));
        let old_server =
            OldServer::new(Arc::new(SystemClock), entropy, secret.expose().clone(), Arc::clone(&stage));
        let sessions = Arc::clone(&old_server.sessions);
        serve_at(&mut servers, listener, old_server.router());
        let config = places.to_string();
        std::fs::write(folder.path().join(gateway_config::CONFIG_FILE), &config)?;
        Ok(RunningDemo {
            folder,
            config,
            gateway_url,
            old_server_url,
            orders_url,
            notes_url,
            keys,
            feeds,
            sessions,
            stage,
            recheck: options.recheck,
            _servers: servers,
        })
    }
}

impl RunningDemo {
    /// The gateway's configuration. It is also in the file `gateway.toml` of [`folder`](Self::folder).
    #[must_use]
    pub fn config(&self) -> &str {
        &self.config
    }

    /// The folder with everything the demo writes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the gateway is to be: what people open.
    #[must_use]
    pub fn gateway_url(&self) -> &str {
        &self.gateway_url
    }

    /// The old server itself.
    #[must_use]
    pub fn old_server_url(&self) -> &str {
        &self.old_server_url
    }

    /// The service `orders` itself.
    #[must_use]
    pub fn orders_url(&self) -> &str {
        &self.orders_url
    }

    /// The service `notes` itself.
    #[must_use]
    pub fn notes_url(&self) -> &str {
        &self.notes_url
    }

    /// How often the old server was asked about a session.
    #[must_use]
    pub fn times_asked(&self) -> u64 {
        self.sessions.times_asked()
    }

    /// Waits until both services have the gateway's keys and follow its revocations; false if that takes longer.
    pub async fn ready(&self, at_most: Duration) -> bool {
        let [orders, notes] = &self.feeds;
        tokio::join!(self.has_keys(at_most), orders.ready(at_most), notes.ready(at_most))
            == (true, true, true)
    }

    /// Waits until both services have the gateway's keys; false if that takes longer.
    pub async fn has_keys(&self, at_most: Duration) -> bool {
        let [orders, notes] = &self.keys;
        tokio::join!(orders.ready(at_most), notes.ready(at_most)) == (true, true)
    }

    /// Whether the service `orders` follows what the gateway revokes.
    pub(crate) fn follows(&self) -> bool {
        let [orders, _] = &self.feeds;
        orders.is_current()
    }

    /// What to open, and three curl lines that show the job.
    #[must_use]
    pub fn introduction(&self) -> String {
        introduction::text(self)
    }
}

async fn serve(servers: &mut JoinSet<io::Result<()>>, router: Router) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    serve_at(servers, listener, router);
    Ok(url)
}

fn serve_at(servers: &mut JoinSet<io::Result<()>>, listener: TcpListener, router: Router) {
    servers.spawn(async move { axum::serve(listener, router).await });
}

/// Only the user who runs the demo may read it.
fn write_secret(file: &Path, secret: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(secret.as_bytes())
}
