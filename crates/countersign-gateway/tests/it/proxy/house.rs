//! A gateway between a scripted authorization server and a recording service.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign_gateway::{
    admin::client::{Reply, call},
    clock::SystemClock,
    config::{Environment, FileContent, SystemEnvironment, resolved::Config},
    entropy::{Entropy, NoEntropy, SystemEntropy},
    gateway::{Gateway, ReadConfig, Surroundings},
};
use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    server::{
        harness::soon,
        recorder::{OK, Recorder},
    },
    sources::fake::{Act, Arrived, Fake, json},
};

/// Files and variables that a test's configuration names.
#[derive(Debug)]
struct Given;

impl Environment for Given {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "GATEWAY_SECRET").then(|| "planted-client-secret".to_owned())
    }

    fn read_file(&self, path: &std::path::Path) -> std::io::Result<FileContent> {
        SystemEnvironment.read_file(path)
    }
}

/// The configuration file.
#[derive(Debug)]
struct Written(Mutex<String>);

impl ReadConfig for Written {
    fn read(&self) -> Result<Config, String> {
        let cores = NonZeroUsize::new(1).unwrap();
        let text = self.0.lock().unwrap();
        Config::from_toml("test.toml", &text, &Given, cores).map_err(|errors| format!("{errors:?}\n{text}"))
    }
}

/// The machine's randomness, and how often it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Draws(AtomicUsize);

impl Draws {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Entropy for Draws {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        self.0.fetch_add(1, Ordering::SeqCst);
        SystemEntropy.fill(buffer)
    }
}

/// Everything that a test of the whole gateway needs. Stops when dropped.
pub(crate) struct House {
    pub(crate) gateway: Option<Gateway>,
    pub(crate) server: Arc<Fake>,
    pub(crate) service: Recorder,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) state: tempfile::TempDir,
    pub(crate) draws: Arc<Draws>,
    written: Arc<Written>,
}

/// Alice is an editor of acme, Bob a viewer of globex; everybody else is nobody.
pub(crate) fn who(arrived: &Arrived) -> Act {
    let token = arrived.form().into_iter().find_map(|(name, value)| (name == "token").then_some(value));
    let person = match token.as_deref() {
        Some("alice-session") => {
            r#"{"active":true,"sub":"alice","username":"al","email":"al@acme.example","roles":["editor"],
                "org":{"id":"acme"},"client_id":"shop"}"#
        }
        Some("bob-session") => {
            r#"{"active":true,"sub":"bob","roles":["viewer"],"org":{"id":"globex"},"client_id":"shop"}"#
        }
        _ => r#"{"active":false}"#,
    };
    json(200, person)
}

impl House {
    /// With the service answering `200 ok` and routes for every kind.
    pub(crate) async fn new() -> Self {
        Self::with("", "", Recorder::answering(OK).await, who).await
    }

    /// With more lines at the top and more lines at the end of the configuration.
    pub(crate) async fn with(
        top: &str,
        more: &str,
        service: Recorder,
        respond: impl Fn(&Arrived) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::asking("", top, more, service, respond).await
    }

    /// With more lines in `[session]` too; where they name `whoami`, it is asked instead of introspection.
    pub(crate) async fn asking(
        session: &str,
        top: &str,
        more: &str,
        service: Recorder,
        respond: impl Fn(&Arrived) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::named("https://shop.example", (session, top, more), service, respond).await
    }

    /// The same under another name.
    pub(crate) async fn named(
        issuer: &str,
        texts: (&str, &str, &str),
        service: Recorder,
        respond: impl Fn(&Arrived) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::before(Arc::new(Fake::start(respond).await), issuer, texts, service)
    }

    /// The same before a server that other gateways may ask too.
    pub(crate) fn before(
        server: Arc<Fake>,
        issuer: &str,
        (session, top, more): (&str, &str, &str),
        service: Recorder,
    ) -> Self {
        let state = tempfile::tempdir().unwrap();
        let introspection = format!(
            "introspect = \"{}\"\nclient_id = \"gateway\"\nclient_secret_env = \"GATEWAY_SECRET\"",
            server.url("/introspect")
        );
        let asked = if session.contains("whoami") { "" } else { introspection.as_str() };
        // No test waits for it: a machine that is busy with others does.
        let patience = if session.contains("timeout") { "" } else { "timeout = \"30s\"\n" };
        let session = session.replace("WHOAMI", &server.url("/me"));
        let text = format!(
            r#"issuer = "{issuer}"
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
state_dir = "{state}"
workers = 1
{top}
[session]
cookie = "SESSION"
{asked}
{patience}{session}
[claims]
roles = "session.roles"
organisation = "session.org.id"
[token]
algorithm = "Ed25519"
[[route]]
path = "/orders/"
upstream = "http://{service}"
audience = "orders"
[[route]]
path = "/edit/"
upstream = "http://{service}"
audience = "orders"
require = {{ roles = ["editor"] }}
[[route]]
path = "/public/"
upstream = "http://{service}"
public = true
[[route]]
path = "/legacy/"
upstream = "http://{service}"
legacy = true
{more}"#,
            state = state.path().join("state").display(),
            service = service.address,
        );
        let written = Arc::new(Written(Mutex::new(text)));
        let draws = Arc::<Draws>::default();
        let gateway = started(&written, &draws);
        let (address, admin) = (gateway.addresses()[0], gateway.admin_address());
        Self { gateway: Some(gateway), server, service, address, admin, state, draws, written }
    }

    /// Writes something else in one place of the configuration, and has it read again.
    pub(crate) async fn rewrite(&self, from: &str, to: &str) {
        let reply = self.try_rewrite(from, to).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// The same, and what the gateway says to it.
    pub(crate) async fn try_rewrite(&self, from: &str, to: &str) -> Reply {
        {
            let mut text = self.written.0.lock().unwrap();
            assert_eq!(text.matches(from).count(), 1, "{from}\n{text}");
            *text = text.replace(from, to);
        }
        call(&self.state.path().join("state"), Method::POST, "/reload", "").await.unwrap()
    }

    /// Ends the gateway and starts it anew.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start();
    }

    /// Ends the gateway; its folder stays.
    pub(crate) async fn stop(&mut self) {
        let gateway = self.gateway.take().unwrap();
        gateway.drain();
        tokio::task::spawn_blocking(|| gateway.wait()).await.unwrap().unwrap();
    }

    /// Starts it on the same folder, at other addresses.
    pub(crate) fn start(&mut self) {
        let gateway = started(&self.written, &self.draws);
        (self.address, self.admin) = (gateway.addresses()[0], gateway.admin_address());
        self.gateway = Some(gateway);
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        let reply = call(&self.state.path().join("state"), Method::GET, "/metrics", "").await.unwrap();
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    /// Waits until the audit log holds this: it is written beside the requests. All that is in it.
    pub(crate) async fn audit_holds(&self, what: &str) -> String {
        let path = self.state.path().join("state/audit.jsonl");
        soon(async {
            loop {
                let written = std::fs::read_to_string(&path).unwrap_or_default();
                if written.contains(what) {
                    return written;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Sends raw bytes on a new connection and reads until the gateway closes it.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends one request with `Connection: close` and these header lines; the whole answer.
    pub(crate) async fn send(&self, line: &str, headers: &[&str]) -> String {
        let mut request = format!("{line} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.raw(request.as_bytes()).await
    }

    /// What the service got: heads, oldest first.
    pub(crate) fn received(&self) -> Vec<String> {
        self.service.record.requests().into_iter().map(|(head, _)| head).collect()
    }
}

fn started(written: &Arc<Written>, draws: &Arc<Draws>) -> Gateway {
    let config = written.read().unwrap_or_else(|report| panic!("{report}"));
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock::start()),
        entropy: Arc::clone(draws) as Arc<dyn Entropy>,
        listeners: Vec::new(),
        reload: Some(Arc::clone(written) as Arc<dyn ReadConfig>),
        signals: false,
        log_losses: None,
    };
    Gateway::start(&config, surroundings).unwrap()
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.drain();
        }
    }
}

/// The claims of the token that a request carried to the service.
pub(crate) fn claims_in(head: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization: bearer "));
    let token = line.unwrap_or_else(|| panic!("no token in {head}")).rsplit(' ').next().unwrap();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}
