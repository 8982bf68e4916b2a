//! Nobody is taken for another: many users at once through the built binary, while keys are retired, sessions revoked
//! and ended, and cookies replaced. Every answer says whose token arrived, and is compared with who asked.
//!
//! `SOAK_REQUESTS=1000000` sends so many instead of the usual 20,000, as `bench/soak` does.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::JoinSet,
    time::sleep,
};

use crate::{
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply, Seen},
};

const CALLERS: usize = 48;
const USERS: usize = 10_000;
/// Of the usual run, so that each is seen often.
const FEWER_USERS: usize = 500;
/// What no log may hold.
const SECRET: &str = "soak-session-of-user";
const ORGANISATIONS: usize = 7;

#[expect(clippy::disallowed_methods, reason = "how many requests is asked for on the command line")]
fn requests() -> usize {
    std::env::var("SOAK_REQUESTS").ok().map_or(20_000, |number| number.parse().expect("a number"))
}

#[expect(clippy::disallowed_methods, reason = "what the built binary lives by")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What the authorization server knows of a user: one session at a time.
struct User {
    /// Which log-in this is; the cookies of earlier ones are worth nothing.
    generation: AtomicUsize,
    ends: AtomicU64,
    /// Somebody asks the gateway to revoke the session of this log-in.
    revoking: AtomicUsize,
    /// The gateway has acknowledged that the session of this log-in is revoked.
    revoked: AtomicUsize,
    /// The name of its session, as the last answer told it, and of which log-in that is.
    session: Mutex<Option<(usize, String)>>,
}

impl User {
    fn log_in(&self, number: usize) {
        self.ends.store(now() + 20 + (number as u64 * 7) % 100, SeqCst);
        self.generation.fetch_add(1, SeqCst);
    }
}

#[derive(Debug, Default)]
struct Count {
    sent: AtomicUsize,
    right: AtomicUsize,
    /// Another's subject, organisation or session.
    wrong: AtomicUsize,
    /// Let in with a cookie whose revocation was acknowledged before the request began.
    after_revocation: AtomicUsize,
    /// 401 for a session that lives.
    logged_out: AtomicUsize,
    /// 401 for one that was ended, revoked or replaced.
    ended: AtomicUsize,
    /// 503 and the like.
    refused: AtomicUsize,
    lost: AtomicUsize,
    revocations: AtomicUsize,
    log_ins: AtomicUsize,
    keys_retired: AtomicUsize,
}

struct Soak {
    users: Vec<User>,
    count: Count,
    /// Whose each session is that was ever named in a token.
    owners: Mutex<HashMap<String, usize>>,
    total: usize,
    over: AtomicBool,
}

fn cookie_of(user: usize, generation: usize) -> String {
    format!("{SECRET}-{user:05}-{generation}")
}

fn organisation_of(user: usize) -> String {
    format!("org-{}", user % ORGANISATIONS)
}

impl Soak {
    /// The authorization server.
    fn introspect(&self, asked: &Seen) -> Reply {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let named = body.split(SECRET).nth(1).and_then(|rest| {
            let mut parts = rest.trim_start_matches('-').split(['-', '&']);
            Some((parts.next()?.parse::<usize>().ok()?, parts.next()?.parse::<usize>().ok()?))
        });
        let (number, generation) = named.expect("only cookies of users are asked about");
        let user = &self.users[number];
        let ends = user.ends.load(SeqCst);
        if user.generation.load(SeqCst) != generation || ends <= now() {
            return Reply::json(&json!({ "active": false }));
        }
        Reply::json(&json!({
            "active": true, "sub": format!("user-{number}"), "org": { "id": organisation_of(number) },
            "client_id": "shop", "roles": ["viewer"], "exp": ends,
        }))
    }

    /// One caller: users at random, over one connection.
    async fn call(self: Arc<Self>, address: String, caller: usize) {
        let mut chance = caller as u64 + 1;
        let mut stream = None;
        while self.count.sent.fetch_add(1, SeqCst) < self.total {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = usize::try_from(chance >> 33).unwrap() % self.users.len();
            let user = &self.users[number];
            let generation = user.generation.load(SeqCst);
            let was_revoked = user.revoked.load(SeqCst) == generation;
            let cookie = cookie_of(number, generation);
            let head =
                format!("GET /orders/ HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION={cookie}\r\n\r\n");
            let answer = match stream.take() {
                Some(open) => exchange(open, &head).await,
                None => exchange(TcpStream::connect(&address).await.unwrap(), &head).await,
            };
            let Ok((status, body, open)) = answer else {
                self.count.lost.fetch_add(1, SeqCst);
                continue;
            };
            stream = Some(open);
            self.judge(number, generation, was_revoked, (status, &body));
            // Now and then somebody gets another cookie for no reason.
            if chance.is_multiple_of(997) {
                self.count.log_ins.fetch_add(1, SeqCst);
                user.log_in(number);
            }
        }
    }

    fn judge(&self, number: usize, generation: usize, was_revoked: bool, (status, body): (u16, &[u8])) {
        let user = &self.users[number];
        let place = match status {
            200 => {
                let said: Value = serde_json::from_slice(body).unwrap();
                let session = said["sid"].as_str().unwrap().to_owned();
                let owner = *self.owners.lock().unwrap().entry(session.clone()).or_insert(number);
                *user.session.lock().unwrap() = Some((generation, session));
                let is_theirs = said["sub"] == *format!("user-{number}")
                    && said["organisation"] == *organisation_of(number)
                    && owner == number;
                if !is_theirs {
                    println!("user {number} got {said}, which is the session of {owner}");
                }
                match (is_theirs, was_revoked) {
                    (false, _) => &self.count.wrong,
                    (true, true) => &self.count.after_revocation,
                    (true, false) => &self.count.right,
                }
            }
            401 => {
                let is_current = user.generation.load(SeqCst) == generation;
                let lives = is_current
                    && user.ends.load(SeqCst) > now() + 1
                    && user.revoking.load(SeqCst) != generation;
                if is_current {
                    self.count.log_ins.fetch_add(1, SeqCst);
                    user.log_in(number);
                }
                if lives { &self.count.logged_out } else { &self.count.ended }
            }
            _ => {
                println!("user {number} is refused: {status} {}", String::from_utf8_lossy(body));
                &self.count.refused
            }
        };
        place.fetch_add(1, SeqCst);
    }

    /// Revokes sessions, one after the other.
    async fn revoke(self: Arc<Self>, control: std::path::PathBuf) {
        let mut number = 0;
        while !self.over.load(SeqCst) {
            number = (number + 7_919) % self.users.len();
            let user = &self.users[number];
            let named = user.session.lock().unwrap().take();
            if let Some((generation, session)) = named
                && generation == user.generation.load(SeqCst)
            {
                user.revoking.store(generation, SeqCst);
                let (status, _) = command(&control, "POST", "/revoke", &json!({ "session": session })).await;
                assert_eq!(status, 200);
                user.revoked.store(generation, SeqCst);
                self.count.revocations.fetch_add(1, SeqCst);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Retires the key that signs, again and again.
    async fn change_keys(self: Arc<Self>, control: std::path::PathBuf) {
        while !self.over.load(SeqCst) {
            sleep(Duration::from_secs(2)).await;
            let (_, keys) = command(&control, "GET", "/keys", &Value::Null).await;
            let keys: Value = serde_json::from_slice(&keys).unwrap();
            let signs =
                keys["keys"].as_array().unwrap().iter().find(|key| key["phase"] == "signing").unwrap();
            let (status, _) =
                command(&control, "POST", "/keys/retire", &json!({ "kid": signs["kid"] })).await;
            assert_eq!(status, 200);
            self.count.keys_retired.fetch_add(1, SeqCst);
        }
    }
}

/// One request and its answer: status, body, and the connection to go on with.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &str,
) -> std::io::Result<(u16, Vec<u8>, S)> {
    stream.write_all(request.as_bytes()).await?;
    let mut read = Vec::with_capacity(1024);
    let body_at = loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(place) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break place + 4;
        }
    };
    let head = String::from_utf8_lossy(&read[..body_at]).to_ascii_lowercase();
    let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while read.len() < body_at + length {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((status, read.split_off(body_at), stream))
}

/// Asks the control socket.
async fn command(control: &std::path::Path, method: &str, path: &str, body: &Value) -> (u16, Vec<u8>) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: control\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, answer, _) = exchange(UnixStream::connect(control).await.unwrap(), &request).await.unwrap();
    (status, answer)
}

/// Says whose token arrived.
fn service(seen: &Seen) -> Reply {
    let token = seen.header("authorization").unwrap_or_default();
    let payload = token.split('.').nth(1).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    Reply::json(
        &json!({ "sub": claims["sub"], "organisation": claims["organisation"], "sid": claims["sid"] }),
    )
}

#[tokio::test]
async fn nobody_is_taken_for_another() {
    let total = requests();
    let users = if total >= 1_000_000 { USERS } else { FEWER_USERS };
    let user = |number: usize| {
        let ends = AtomicU64::new(now() + 20 + number as u64 % 100);
        let (generation, revoking, revoked) = (AtomicUsize::new(1), AtomicUsize::new(0), AtomicUsize::new(0));
        User { generation, ends, revoking, revoked, session: Mutex::new(None) }
    };
    let soak = Arc::new(Soak {
        users: (0..users).map(user).collect(),
        count: Count::default(),
        owners: Mutex::default(),
        total,
        over: AtomicBool::new(false),
    });
    let server = LocalServer::forgetful({
        let soak = Arc::clone(&soak);
        move |asked| soak.introspect(asked)
    })
    .await;
    let orders = LocalServer::forgetful(service).await;
    let mut setting = Setting::new();
    let secret = setting.secret_file("secret", "secret-of-the-gateway");
    let config = format!(
        r#"
issuer = "{ISSUER}"
[session]
cookie = "SESSION"
introspect = "{}/introspect"
client_id = "gateway"
client_secret_file = "{secret}"
recheck = "15s"
timeout = "20s"
max_lookups_per_client = 256
[claims]
organisation = "session.org.id"
[[route]]
path = "/orders/"
upstream = "{}"
audience = "orders"
"#,
        server.origin(),
        orders.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    gateway.keep_secret(SECRET);
    let began = tokio::time::Instant::now();
    let mut beside = JoinSet::new();
    beside.spawn(Arc::clone(&soak).revoke(gateway.control_socket()));
    beside.spawn(Arc::clone(&soak).change_keys(gateway.control_socket()));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(Arc::clone(&soak).call(gateway.address().to_owned(), caller));
    }
    callers.join_all().await;
    soak.over.store(true, SeqCst);
    beside.join_all().await;
    let count = &soak.count;
    println!("{total} requests of {users} users in {} s: {count:?}", began.elapsed().as_secs());
    let zero = [&count.wrong, &count.after_revocation, &count.logged_out, &count.lost];
    assert_eq!(zero.map(|count| count.load(SeqCst)), [0; 4], "{count:?}");
    assert!(count.right.load(SeqCst) > total * 8 / 10, "{count:?}");
    for happened in [&count.revocations, &count.ended, &count.keys_retired] {
        assert!(happened.load(SeqCst) > 0, "{count:?}");
    }
    gateway.stop().await;
}
