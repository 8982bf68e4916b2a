//! How long it takes until everybody refuses a revoked session: three gateways on one Redis, and three services that
//! follow the feed, each that of another gateway. Needs `redis-server`. Prints one JSON object.
//!
//! Each revocation is made at one gateway in turn, as `countersign revoke` makes it. The clock starts when it is
//! acknowledged, and stops when the last gateway refuses the cookie (401) and the last service the copied token.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up ends")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    KeySet, Secret, StaticKeys, Verifier,
    remote::{ClientAuthentication, RevocationFeed},
};
use countersign_gateway::{
    admin::client::call,
    clock::SystemClock,
    config::{Environment, FileContent, resolved::Config},
    entropy::SystemEntropy,
    gateway::{Gateway, Surroundings},
};
use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

const ISSUER: &str = "https://shop.example";
const SECRET: &str = "secret-of-every-client";
const KEK: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const REPLICAS: usize = 3;

#[derive(Debug)]
struct Given;

impl Environment for Given {
    fn variable(&self, name: &str) -> Option<String> {
        Some(if name == "KEK" { KEK } else { SECRET }.to_owned())
    }

    fn read_file(&self, path: &Path) -> std::io::Result<FileContent> {
        Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.display().to_string()))
    }
}

/// A store of the benchmark's own, without persistence.
struct Redis(Child, u16);

impl Redis {
    async fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let port_text = port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
        Self(child, port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers as authorization server (the cookie is the user) and as service (the token it was sent).
async fn counterpart() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Some((head, body)) = message(&mut socket).await {
                    let answer = if head.starts_with("POST /introspect") {
                        let user = body.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap();
                        json!({ "active": true, "sub": user, "client_id": "shop" }).to_string()
                    } else {
                        let line = head
                            .lines()
                            .find(|line| line.to_ascii_lowercase().starts_with("authorization: "));
                        line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
                    };
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                        answer.len()
                    );
                    if socket.write_all(format!("{head}{answer}").as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The next head and body of a connection.
async fn message(socket: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ").map(|text| text.parse::<usize>())
            });
            if body.len() >= length.map_or(0, Result::unwrap) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// One gateway, a connection to it, and the service that follows its feed.
struct Replica {
    state: PathBuf,
    socket: TcpStream,
    feed: RevocationFeed,
    verifier: Verifier,
    _gateway: Gateway,
}

impl Replica {
    async fn start(folder: &Path, redis: u16, counterpart: SocketAddr) -> Self {
        let state = folder.join("state");
        let text = format!(
            "issuer = \"{ISSUER}\"\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             internal_listen = \"127.0.0.1:0\"\nstate_dir = \"{}\"\nworkers = 1\nencryption_key_env = \"KEK\"\n\
             [store]\nurl = \"valkey://127.0.0.1:{redis}\"\n[session]\ncookie = \"SESSION\"\n\
             introspect = \"http://{counterpart}/introspect\"\nclient_id = \"gateway\"\n\
             client_secret_env = \"SECRET\"\n[[client]]\nid = \"orders\"\nsecret_env = \"SECRET\"\n\
             audience = \"orders\"\n[[route]]\npath = \"/orders/\"\nupstream = \"http://{counterpart}\"\n\
             audience = \"orders\"\n",
            state.display(),
        );
        let config = Config::from_toml("bench.toml", &text, &Given, NonZeroUsize::MIN).unwrap();
        let gateway = Gateway::start(
            &config,
            Surroundings {
                clock: Arc::new(SystemClock::start()),
                entropy: Arc::new(SystemEntropy),
                listeners: Vec::new(),
                reload: None,
                signals: false,
                log_losses: None,
            },
        )
        .unwrap();
        let mut socket = TcpStream::connect(*gateway.addresses().first().unwrap()).await.unwrap();
        let (_, keys) = get(&mut socket, "/.well-known/jwks.json", "").await;
        let keys = Arc::new(StaticKeys::new(KeySet::parse(keys.as_bytes()).unwrap()));
        let client = ClientAuthentication::basic("orders", Secret::new(SECRET.to_owned())).unwrap();
        let internal = format!("http://{}", gateway.internal_address().unwrap());
        let feed = RevocationFeed::builder(ISSUER, internal, client).keys(Arc::clone(&keys)).start().unwrap();
        assert!(feed.ready(Duration::from_secs(10)).await, "{:?}", feed.counters());
        let verifier = Verifier::builder().issuer(ISSUER).audience("orders").keys(keys);
        let verifier = verifier.revocations(feed.clone()).build().unwrap();
        Self { state, socket, feed, verifier, _gateway: gateway }
    }
}

/// Asks for a page; the status and the body.
async fn get(socket: &mut TcpStream, path: &str, user: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION={user}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let (head, body) = message(socket).await.unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

fn session_of(token: &str) -> String {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims.get("sid").and_then(Value::as_str).unwrap().to_owned()
}

async fn refused_by_gateway(replica: &mut Replica, user: &str, since: Instant) -> Duration {
    while get(&mut replica.socket, "/orders/", user).await.0 == 200 {
        assert!(since.elapsed() < Duration::from_secs(10), "the gateway goes on");
        sleep(Duration::from_millis(1)).await;
    }
    since.elapsed()
}

async fn refused_by_service(
    verifier: &Verifier,
    feed: &RevocationFeed,
    token: &str,
    since: Instant,
) -> Duration {
    while verifier.verify(token).is_ok() {
        assert!(since.elapsed() < Duration::from_secs(10), "the service goes on: {:?}", feed.counters());
        sleep(Duration::from_millis(1)).await;
    }
    since.elapsed()
}

/// Revokes one session at one gateway: how long until the last gateway and the last service refuse it.
async fn measure(replicas: &mut [Replica], user: &str, at: usize) -> (Duration, Duration) {
    let mut token = String::new();
    for replica in &mut *replicas {
        let (status, body) = get(&mut replica.socket, "/orders/", user).await;
        assert_eq!(status, 200);
        token = body;
    }
    assert!(replicas.iter().all(|replica| replica.verifier.verify(&token).is_ok()));
    let body = json!({ "session": session_of(&token) }).to_string();
    let reply = call(&replicas.get(at).unwrap().state, Method::POST, "/revoke", body).await.unwrap();
    assert_eq!(reply.status, 200);
    let since = Instant::now();
    let services: Vec<_> = replicas
        .iter()
        .map(|replica| {
            let (verifier, feed, token) = (replica.verifier.clone(), replica.feed.clone(), token.clone());
            tokio::spawn(async move { refused_by_service(&verifier, &feed, &token, since).await })
        })
        .collect();
    let mut gateways = Duration::ZERO;
    for replica in replicas {
        gateways = gateways.max(refused_by_gateway(replica, user, since).await);
    }
    let mut last = Duration::ZERO;
    for service in services {
        last = last.max(service.await.unwrap());
    }
    (gateways, last)
}

fn figures(mut took: Vec<Duration>) -> Value {
    took.sort_unstable();
    let at =
        |share: usize| took.get((took.len() * share / 100).min(took.len() - 1)).unwrap().as_secs_f64() * 1e3;
    json!({ "p50_milliseconds": at(50), "p99_milliseconds": at(99), "most_milliseconds": at(100) })
}

fn main() {
    let wanted = std::env::args().filter_map(|word| word.parse::<usize>().ok()).next();
    // `cargo test --benches` sees that it runs.
    let few = !std::env::args().any(|word| word == "--bench");
    let wanted = wanted.unwrap_or(if few { 3 } else { 1000 });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let redis = Redis::start(folder.path()).await;
        let counterpart = counterpart().await;
        let mut replicas = Vec::new();
        for number in 0..REPLICAS {
            let folder = folder.path().join(number.to_string());
            std::fs::create_dir(&folder).unwrap();
            replicas.push(Replica::start(&folder, redis.1, counterpart).await);
        }
        let (mut gateways, mut services) = (Vec::new(), Vec::new());
        for number in 0..wanted {
            let user = format!("session-number-{number:06}");
            let (gateway, service) = measure(&mut replicas, &user, number % REPLICAS).await;
            gateways.push(gateway);
            services.push(service);
        }
        println!(
            "{}",
            json!({ "revocations": wanted, "gateways": figures(gateways), "services": figures(services) })
        );
    });
}
