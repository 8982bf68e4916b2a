//! Three gateways behind nginx, without sticky sessions, on one store that is killed, frozen and emptied, and one
//! authorization server that fails, hangs, lies and comes back: nobody gets another's answer, and nobody is logged out.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    client::Call,
    counterpart::{nginx::Nginx, redis::Redis},
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply, Seen},
    port::Port,
    relay::Relay,
};

pub(crate) const USERS: usize = 40;
pub(crate) const CALLERS: usize = 6;
/// Logs out before the others begin; no caller is this one.
pub(crate) const LOGGED_OUT: usize = USERS;
/// What the service proves itself with to the gateways.
pub(crate) const SERVICE_SECRET: &str = "secret-of-the-orders-service";
/// So long a busy machine may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const KEK: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How the authorization server answers.
const WELL: u8 = 0;
const FAILING: u8 = 1;
const HANGING: u8 = 2;
const LYING: u8 = 3;

pub(crate) fn session_of(user: usize) -> String {
    format!("session-of-user-{user:04}-which-is-secret")
}

/// Knows every user but those that logged out.
fn authorization_server(mode: u8, asked: &Seen, gone: &Mutex<Vec<usize>>) -> Reply {
    let body = String::from_utf8_lossy(&asked.body).into_owned();
    let user = body.split("session-of-user-").nth(1).and_then(|rest| rest.get(..4)).map(str::parse::<usize>);
    let answer = match (mode, user) {
        (LYING, _) => {
            let mut page = Reply::json(&Value::Null);
            page.headers = vec![("content-type".to_owned(), "text/html".to_owned())];
            page.body = "<html>Log in</html>".to_owned();
            return page;
        }
        (_, Some(Ok(user))) if !gone.lock().unwrap().contains(&user) => json!({
            "active": true, "sub": format!("user-{user}"), "org": { "id": format!("org-{}", user % 3) },
            "client_id": "shop", "roles": ["viewer"],
        }),
        _ => json!({ "active": false }),
    };
    let mut reply = Reply::json(&answer);
    match mode {
        FAILING => reply.status = 500,
        HANGING => reply.after = Duration::from_secs(30),
        _ => {}
    }
    reply
}

/// Says whose token arrived.
fn service(seen: &Seen) -> Reply {
    let token = seen.header("authorization").unwrap_or_default();
    let payload = token.split('.').nth(1).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    Reply::json(&json!({ "sub": claims["sub"], "organisation": claims["organisation"] }))
}

/// What became of all requests.
#[derive(Debug, Default)]
pub(crate) struct Count {
    served: AtomicUsize,
    wrong: AtomicUsize,
    logged_out: AtomicUsize,
    touched: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) lost: AtomicUsize,
}

impl Count {
    /// Nobody got another's answer, nobody was logged out, no cookie was touched.
    pub(crate) fn nothing_wrong(&self, phase: &str) {
        let zero = [&self.wrong, &self.logged_out, &self.touched].map(|count| count.load(SeqCst));
        assert_eq!(zero, [0, 0, 0], "{phase}: {self:?}");
    }

    /// Everybody goes on for so long, and until some were served: on a busy machine that takes longer.
    pub(crate) async fn phase(&self, name: &str, milliseconds: u64) {
        self.served.store(0, SeqCst);
        sleep(Duration::from_millis(milliseconds)).await;
        let begin = Instant::now();
        while self.served.load(SeqCst) <= 20 {
            assert!(begin.elapsed() < PATIENCE, "{name}: {self:?}");
            sleep(Duration::from_millis(20)).await;
        }
        self.nothing_wrong(name);
    }
}

/// Requests of all users, one after the other, until told to end.
pub(crate) async fn call_for_ever(front: String, first: usize, count: Arc<Count>, over: Arc<AtomicBool>) {
    let mut user = first;
    while !over.load(SeqCst) {
        user = (user + 7) % USERS;
        let call =
            Call::get(format!("{front}/orders/")).header("cookie", format!("SESSION={}", session_of(user)));
        let Ok(answer) = call.try_send().await else {
            count.lost.fetch_add(1, SeqCst);
            continue;
        };
        if answer.headers.contains_key("set-cookie") {
            count.touched.fetch_add(1, SeqCst);
        }
        let place = match answer.status.as_u16() {
            200 => {
                let expected =
                    json!({ "sub": format!("user-{user}"), "organisation": format!("org-{}", user % 3) });
                if answer.json() == expected { &count.served } else { &count.wrong }
            }
            401 => &count.logged_out,
            _ => &count.refused,
        };
        place.fetch_add(1, SeqCst);
    }
}

pub(crate) async fn status(gateway: &Gateway, user: usize) -> u16 {
    let call = Call::get(gateway.url("/orders/"));
    call.header("cookie", format!("SESSION={}", session_of(user))).send().await.status.as_u16()
}

/// Asks until a user is served: on a busy machine a look-up may be late.
pub(crate) async fn let_in(gateway: &Gateway, user: usize) {
    let begin = Instant::now();
    loop {
        match status(gateway, user).await {
            200 => return,
            503 if begin.elapsed() < PATIENCE => sleep(Duration::from_millis(100)).await,
            other => panic!("user {user}: {other}"),
        }
    }
}

pub(crate) struct House {
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) front: Nginx,
    redis: Redis,
    server: LocalServer,
    /// Where each gateway has its feed.
    pub(crate) feeds: Vec<String>,
    /// From all gateways to the authorization server.
    pub(crate) to_server: Relay,
    /// From the first gateway to the store.
    pub(crate) to_store: Relay,
    _service: LocalServer,
    _ports: Vec<Port>,
    mode: Arc<AtomicU8>,
    gone: Arc<Mutex<Vec<usize>>>,
}

impl House {
    async fn new() -> Self {
        Self::with(&[], service).await
    }

    /// With more in the environment of the first gateway, and another service.
    pub(crate) async fn with(
        environment: &[(&str, &str)],
        service: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (mode, gone) = (Arc::new(AtomicU8::new(WELL)), Arc::new(Mutex::new(Vec::new())));
        let server = LocalServer::start({
            let (mode, gone) = (Arc::clone(&mode), Arc::clone(&gone));
            move |asked| authorization_server(mode.load(SeqCst), asked, &gone)
        })
        .await;
        let service = LocalServer::start(service).await;
        let redis = Redis::start();
        let (to_server, to_store) = (Relay::to(server.address), Relay::to(redis.address()));
        let (mut gateways, mut feeds, mut ports) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..3 {
            let mut setting = Setting::new();
            let (kek, secret) =
                (setting.secret_file("kek", KEK), setting.secret_file("secret", "secret-of-the-gateway"));
            let port = Port::reserved();
            let internal = port.address;
            ports.push(port);
            feeds.push(format!("http://{internal}"));
            let of_service = setting.secret_file("service", SERVICE_SECRET);
            let store = if number == 0 { format!("valkey://{}", to_store.address) } else { redis.url() };
            let config = format!(
                r#"
issuer = "{ISSUER}"
encryption_key_file = "{kek}"
internal_listen = "{internal}"
[store]
url = "{store}"
[session]
cookie = "SESSION"
introspect = "http://{}/introspect"
client_id = "gateway"
client_secret_file = "{secret}"
recheck = "1s"
timeout = "2s"
stale_if_error = "10m"
[claims]
organisation = "session.org.id"
[browser]
login_url = "https://sso.example/login?return={{return}}"
[[route]]
path = "/orders/"
upstream = "{}"
audience = "orders"
[[client]]
id = "orders"
secret_file = "{of_service}"
audience = "orders"
"#,
                to_server.address,
                service.origin()
            );
            let environment = if number == 0 { environment } else { &[] };
            gateways.push(Gateway::start_with(setting, &config, environment));
        }
        for gateway in &mut gateways {
            (0..USERS).for_each(|user| gateway.keep_secret(&session_of(user)));
        }
        let addresses: Vec<&str> = gateways.iter().map(Gateway::address).collect();
        let front = Nginx::in_front_of(&addresses).await;
        let house = Self {
            gateways,
            front,
            redis,
            server,
            to_server,
            to_store,
            feeds,
            _service: service,
            _ports: ports,
            mode,
            gone,
        };
        for gateway in &house.gateways {
            for user in 0..USERS {
                let_in(gateway, user).await;
            }
        }
        house
    }

    /// A page logs its user out.
    pub(crate) async fn log_out(&self, gateway: usize, user: usize) -> crate::client::Answer {
        let call = Call::new("POST", self.gateways[gateway].url("/.countersign/logout"));
        call.header("cookie", format!("SESSION={}", session_of(user)))
            .header("host", "shop.example")
            .header("sec-fetch-site", "same-origin")
            .header("countersign", "1")
            .send()
            .await
    }

    /// The same until it is recorded for all gateways: a busy store may be late.
    pub(crate) async fn log_out_everywhere(&self, gateway: usize, user: usize) {
        let begin = Instant::now();
        loop {
            let answer = self.log_out(gateway, user).await;
            match answer.status.as_u16() {
                202 | 503 if begin.elapsed() < PATIENCE => sleep(Duration::from_millis(100)).await,
                200 | 401 => return,
                _ => panic!("{answer:?}"),
            }
        }
    }

    async fn key_set(gateway: &Gateway) -> Value {
        Call::get(gateway.url("/.well-known/jwks.json")).send().await.expect(200).json()
    }
}

#[tokio::test]
async fn nothing_that_happens_to_the_store_or_the_server_logs_anybody_out_or_mixes_anybody_up() {
    let mut house = House::new().await;
    let keys = House::key_set(&house.gateways[0]).await;
    for gateway in &house.gateways {
        assert_eq!(House::key_set(gateway).await, keys, "one ring");
    }
    let (count, over) = (Arc::new(Count::default()), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let front = house.front.origin();
        callers.spawn(call_for_ever(front, caller * 5, Arc::clone(&count), Arc::clone(&over)));
    }
    let phase = async |name: &str, time: u64| count.phase(name, time).await;
    phase("calm", 3_000).await;
    assert!(house.redis.command(&["DBSIZE"]).trim().parse::<u32>().unwrap() > 3, "answers are shared");

    house.redis.kill();
    phase("the store is killed", 3_000).await;
    house.redis.restart();
    phase("the store comes back with nothing in it", 3_000).await;
    house.redis.signal("STOP");
    phase("the store is frozen", 3_000).await;
    house.redis.signal("CONT");
    phase("the store goes on", 2_000).await;
    house.redis.command(&["FLUSHALL"]);
    phase("the store is emptied", 3_000).await;
    assert_eq!(count.refused.load(SeqCst), 0, "a store's outage refuses nobody: {count:?}");

    for (mode, name) in [(FAILING, "fails"), (LYING, "lies"), (HANGING, "hangs")] {
        house.mode.store(mode, SeqCst);
        phase(&format!("the authorization server {name}"), 4_000).await;
    }
    house.redis.signal("STOP");
    phase("the server hangs and the store is frozen", 3_000).await;
    house.redis.signal("CONT");
    house.mode.store(WELL, SeqCst);
    phase("everything is well again", 7_000).await;
    assert_eq!(count.refused.load(SeqCst), 0, "everybody was known: {count:?}");

    let calls = house.server.count();
    let ran = house.gateways.pop().unwrap();
    ran.kill();
    phase("a replica is killed", 3_000).await;
    assert!(house.server.count() > calls, "rechecks go on");
    assert_eq!(count.lost.load(SeqCst), 0, "{count:?}");
    for gateway in &house.gateways {
        assert_eq!(House::key_set(gateway).await, keys, "the keys are the same as before");
    }

    // And who does log out is out, at every gateway.
    over.store(true, SeqCst);
    while callers.join_next().await.is_some() {}
    house.gone.lock().unwrap().push(3);
    let asked = |gateway: &Gateway| {
        Call::get(gateway.url("/orders/")).header("cookie", format!("SESSION={}", session_of(3))).send()
    };
    sleep(Duration::from_millis(1_500)).await;
    for gateway in &house.gateways {
        let mut last = asked(gateway).await;
        for _ in 0..300 {
            if last.status == 401 {
                break;
            }
            sleep(Duration::from_millis(200)).await;
            last = asked(gateway).await;
        }
        last.expect(401);
    }
    for gateway in house.gateways {
        gateway.stop().await;
    }
}

/// The file that tells libfaketime how far off the clock is.
fn set_clock(file: &std::path::Path, off: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, off).unwrap();
    std::fs::rename(next, file).unwrap();
}

/// Debian's `faketime`, for whatever machine this is.
fn libfaketime() -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    let found = libraries.find(|library| library.exists());
    found.expect("libfaketime is installed (apt-get install faketime)").to_str().unwrap().to_owned()
}

/// One gateway of three has a clock that is an hour, a day, forty days off, and comes back: nobody gets another's answer,
/// nobody is logged out, no key is lost, and what was revoked stays so.
#[tokio::test]
async fn a_clock_that_jumps_logs_nobody_out_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clock");
    set_clock(&file, "+0");
    let environment = [
        ("LD_PRELOAD", &*libfaketime()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let house = House::with(&environment, service).await;
    let keys = House::key_set(&house.gateways[0]).await;
    let ask_for_the_one_who_leaves = |gateway: &Gateway| {
        let cookie = format!("SESSION={}", session_of(LOGGED_OUT));
        Call::get(gateway.url("/orders/")).header("cookie", cookie).send()
    };
    ask_for_the_one_who_leaves(&house.gateways[0]).await.expect(200);
    house.log_out_everywhere(0, LOGGED_OUT).await;
    let (count, over) = (Arc::new(Count::default()), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let front = house.front.origin();
        callers.spawn(call_for_ever(front, caller * 5, Arc::clone(&count), Arc::clone(&over)));
    }
    for off in ["+1h", "-1h", "+1d", "+40d", "-40d", "+0"] {
        set_clock(&file, off);
        // What is over is forgotten each half minute.
        let time = if off == "+40d" { 35 } else { 4 };
        count.phase(off, time * 1_000).await;
    }
    over.store(true, SeqCst);
    while callers.join_next().await.is_some() {}
    assert_eq!((count.lost.load(SeqCst), count.refused.load(SeqCst)), (0, 0), "{count:?}");
    let published = |set: &Value| -> Vec<String> {
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    for gateway in &house.gateways {
        let now = published(&House::key_set(gateway).await);
        assert!(published(&keys).iter().all(|kid| now.contains(kid)), "a key is lost: {now:?}");
        ask_for_the_one_who_leaves(gateway).await.expect(401);
    }
    for gateway in house.gateways {
        gateway.stop().await;
    }
}

/// A log-out while the store is away: it is said that only one gateway knows; the others learn of it later.
#[tokio::test]
async fn a_log_out_that_reached_one_gateway_is_pending_and_reaches_the_others_when_the_store_is_back() {
    let mut house = House::new().await;
    let ask = |gateway: usize| {
        let call = Call::get(house.gateways[gateway].url("/orders/"));
        call.header("cookie", format!("SESSION={}", session_of(5))).send()
    };
    for gateway in 0..3 {
        ask(gateway).await.expect(200);
    }
    house.redis.signal("STOP");
    let answer = house.log_out(1, 5).await.expect(202);
    assert_eq!(answer.json()["pending"], true, "{answer:?}");
    ask(1).await.expect(401);
    ask(0).await.expect(200);
    house.redis.signal("CONT");
    for gateway in [0, 1, 2] {
        let mut status = 0;
        for _ in 0..600 {
            status = ask(gateway).await.status.as_u16();
            if status == 401 {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(status, 401, "gateway {gateway} never learns of the log-out");
    }
    let again = house.log_out(1, 5).await;
    assert_ne!(again.status, 202, "nothing is pending any more");
    for gateway in std::mem::take(&mut house.gateways) {
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_gateway_starts_while_the_authorization_server_is_away() {
    let mode = Arc::new(AtomicU8::new(HANGING));
    let gone = Arc::new(Mutex::new(Vec::new()));
    let server = LocalServer::start({
        let mode = Arc::clone(&mode);
        move |asked| authorization_server(mode.load(SeqCst), asked, &gone)
    })
    .await;
    let service = LocalServer::start(service).await;
    let mut setting = Setting::new();
    let secret = setting.secret_file("secret", "secret-of-the-gateway");
    let config = format!(
        "issuer = \"{ISSUER}\"\n[session]\ncookie = \"SESSION\"\nintrospect = \"{}/introspect\"\n\
         client_id = \"gateway\"\nclient_secret_file = \"{secret}\"\ntimeout = \"2s\"\n\
         [claims]\norganisation = \"session.org.id\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        server.origin(),
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    gateway.get("/orders/", "SESSION", &session_of(1)).await.expect_refusal(503, "source_unavailable");
    mode.store(WELL, SeqCst);
    gateway.get("/orders/", "SESSION", &session_of(1)).await.expect(200);
    gateway.stop().await;
}
