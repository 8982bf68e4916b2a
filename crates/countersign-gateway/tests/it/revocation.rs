//! Revocation from outside: what an operator or a log-out does, and how far it reaches.

mod exchange;
mod faults;
mod log_out_tokens;
#[cfg(feature = "valkey")]
mod replicas;
mod retired_key;
mod streams;
mod unread;
mod unwritten;
mod used_tokens;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign::{
    KeySet, Secret, StaticKeys, TokenRefusal, Verifier,
    remote::{ClientAuthentication, RevocationFeed},
};
use countersign_gateway::admin::client::call;
use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

pub(crate) use self::streams::{EVENTS, endless};
use crate::{
    proxy::house::{House, claims_in, who},
    server::{
        harness::PATIENCE,
        recorder::{OK, Recorder},
    },
    sources::fake::{self, Arrived},
};
#[cfg(feature = "valkey")]
use crate::{sources::fake::Fake, store::valkey::server::Server};

const ALICE: &str = "Cookie: SESSION=alice-session";
const SECRET: &str = "planted-client-secret";
const INTERNAL: &str = "internal_listen = \"127.0.0.1:0\"";
const CLIENTS: &str = r#"
[[client]]
id = "orders"
secret_env = "GATEWAY_SECRET"
audience = "orders"
[[client]]
id = "notes"
secret_env = "GATEWAY_SECRET"
audience = "notes"
[[route]]
path = "/socket/"
upstream = "http://SERVICE"
audience = "orders"
upgrade = true
"#;

async fn house(service: Recorder) -> House {
    let more = CLIENTS.replace("SERVICE", &service.address.to_string());
    House::with(INTERNAL, &more, service, who).await
}

/// Two gateways before one authorization server and on one store, each with lines of its own in `[session]`.
#[cfg(feature = "valkey")]
async fn on_one_store(
    server: Fake,
    store: &Server,
    sessions: [&str; 2],
    more: &str,
    services_answer: &'static str,
) -> [House; 2] {
    let key = tempfile::tempdir().unwrap();
    let file = key.path().join("kek");
    fs::write(&file, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let server = Arc::new(server);
    let top = format!("encryption_key_file = \"{}\"\n{INTERNAL}", file.display());
    let more = format!(
        "{}{more}[store]\nurl = \"valkey://127.0.0.1:{}\"\ntimeout = \"{}ms\"\n",
        CLIENTS.replace("SERVICE", "127.0.0.1:9"),
        store.port,
        store.timeout.as_millis(),
    );
    let mut gateways = Vec::new();
    for session in sessions {
        let service = Recorder::answering(services_answer).await;
        gateways.push(House::before(
            Arc::clone(&server),
            "https://shop.example",
            (session, &top, &more),
            service,
        ));
    }
    gateways.try_into().unwrap_or_else(|_| unreachable!())
}

/// Asks over the control socket.
async fn command(house: &House, body: Value) -> (u16, Value) {
    let state = house.state.path().join("state");
    let reply = call(&state, Method::POST, "/revoke", body.to_string()).await.unwrap();
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
}

fn token_in(head: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization: bearer "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

fn internal(house: &House) -> String {
    house.gateway.as_ref().unwrap().internal_address().unwrap().to_string()
}

/// Sends one request to the internal listener; the whole answer.
async fn ask(house: &House, line: &str, headers: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(internal(house)).await.unwrap();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn basic(client: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{client}:{SECRET}")))
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A service that was sent a token, as the library makes one.
struct Service {
    verifier: Verifier,
    feed: RevocationFeed,
}

impl Service {
    async fn start(house: &House) -> Self {
        Self::start_as(house, "orders").await
    }

    /// The service of that audience, which is a client of that name.
    async fn start_as(house: &House, audience: &str) -> Self {
        let keys = house.send("GET /.well-known/jwks.json", &[]).await;
        let keys = KeySet::parse(keys.split("\r\n\r\n").nth(1).unwrap().as_bytes()).unwrap();
        let keys = Arc::new(StaticKeys::new(keys));
        let client = ClientAuthentication::basic(audience, Secret::new(SECRET.to_owned())).unwrap();
        let feed =
            RevocationFeed::builder("https://shop.example", format!("http://{}", internal(house)), client)
                .keys(keys.clone())
                .start()
                .unwrap();
        assert!(feed.ready(PATIENCE).await, "{:?}", feed.counters());
        let verifier = Verifier::builder()
            .issuer("https://shop.example")
            .audience(audience)
            .keys(keys)
            .revocations(feed.clone())
            .build()
            .unwrap();
        Self { verifier, feed }
    }

    fn refusal(&self, token: &str) -> Option<TokenRefusal> {
        self.verifier.verify(token).err()
    }

    /// How long it takes until the token is refused.
    async fn refuses(&self, token: &str) -> Duration {
        let took = until(|| self.refusal(token).is_some()).await;
        assert_eq!(self.refusal(token), Some(TokenRefusal::TokenRevoked));
        took
    }
}

/// Waits until it is so. How long that took, by a clock that stands still while the machine does not let this process run.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) -> Duration {
    const STEP: Duration = Duration::from_millis(5);
    let (begin, mut took) = (Instant::now(), Duration::ZERO);
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "never");
        sleep(STEP).await;
        took += STEP;
    }
    took
}

#[tokio::test]
async fn a_copied_token_is_refused_by_the_service_within_a_second_of_the_revocation() {
    let house = house(Recorder::answering(OK).await).await;
    let service = Service::start(&house).await;
    house.send("GET /orders/", &[ALICE]).await;
    let head = house.received().remove(0);
    let (token, sid) = (token_in(&head), claims_in(&head)["sid"].as_str().unwrap().to_owned());
    assert_eq!(service.refusal(&token), None);

    let (status, counted) = command(&house, json!({ "session": sid, "dry_run": true })).await;
    assert_eq!((status, &counted["sessions"], &counted["cursor"]), (200, &json!(1), &Value::Null));
    assert_eq!(service.refusal(&token), None);

    let (status, revoked) = command(&house, json!({ "session": sid })).await;
    assert_eq!(status, 200, "{revoked}");
    assert!(revoked["cursor"].as_str().unwrap().ends_with(".1"), "{revoked}");
    let took = service.refuses(&token).await;
    assert!(took < Duration::from_secs(1), "{took:?}");

    // The same cookie is not translated again, at once and after it was asked about anew.
    for _ in 0..2 {
        let answer = house.send("GET /orders/", &[ALICE]).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{answer}");
    }
    assert_eq!(house.received().len(), 1);

    let (_, lifted) = command(&house, json!({ "session": sid, "lift": true })).await;
    assert!(lifted["cursor"].as_str().unwrap().ends_with(".2"), "{lifted}");
    until(|| service.refusal(&token).is_none()).await;
}

#[tokio::test]
async fn whoever_begins_to_follow_later_learns_of_everything_by_the_snapshot() {
    let house = house(Recorder::answering(OK).await).await;
    house.send("GET /orders/", &[ALICE]).await;
    let token = token_in(&house.received().remove(0));
    command(&house, json!({ "subject": "alice" })).await;
    let service = Service::start(&house).await;
    assert_eq!(service.refusal(&token), Some(TokenRefusal::TokenRevoked));
}

#[tokio::test]
async fn a_subject_without_proof_of_its_beginning_stays_refused_until_the_lift() {
    let house = house(Recorder::answering(OK).await).await;
    house.send("GET /orders/", &[ALICE]).await;
    let (_, counted) = command(&house, json!({ "subject": "alice" })).await;
    assert_eq!((&counted["sessions"], &counted["unproven"]), (&json!(1), &json!(1)));
    let answer = house.send("GET /orders/", &[ALICE]).await;
    assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{answer}");
    let bob = house.send("GET /orders/", &["Cookie: SESSION=bob-session"]).await;
    assert!(bob.starts_with("HTTP/1.1 200 "), "{bob}");
}

#[tokio::test]
async fn a_command_names_exactly_one_target() {
    let house = house(Recorder::answering(OK).await).await;
    for bad in [
        json!({}),
        json!({ "session": "a", "subject": "b" }),
        json!({ "session": "a", "all": true }),
        json!({ "session": "" }),
        json!({ "organisation": "*" }),
        json!({ "everybody": true }),
        json!({ "all": "yes" }),
    ] {
        let (status, answer) = command(&house, bad.clone()).await;
        assert_eq!(status, 400, "{bad}: {answer}");
        assert!(answer["error"].is_string());
    }
    let (status, answer) = command(&house, json!({ "token": "t", "lift": true })).await;
    assert_eq!((status, &answer["was_revoked"], &answer["cursor"]), (200, &json!(false), &Value::Null));
}

#[tokio::test]
async fn what_was_revoked_stays_revoked_under_another_configuration() {
    let mut house = house(Recorder::answering(OK).await).await;
    house.send("GET /orders/", &[ALICE]).await;
    let sid = claims_in(&house.received()[0])["sid"].clone();
    let (_, revoked) = command(&house, json!({ "session": sid })).await;
    assert_eq!(revoked["was_revoked"], false);
    // Answers are read in another way, so that what is known of every session is asked for anew.
    house.rewrite("[claims]\n", "[claims]\nemail = \"session.mail\"\n").await;
    let answer = house.send("GET /orders/", &[ALICE]).await;
    assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{answer}");
    house.restart().await;
    let answer = house.send("GET /orders/", &[ALICE]).await;
    assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_of_the_old_application_that_deletes_the_cookie_ends_the_session() {
    let answers = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: SESSION=; Path=/; Max-Age=0\r\n\r\nok";
    let house = house(Recorder::answering(answers).await).await;
    let first = house.send("GET /orders/", &[ALICE]).await;
    assert!(first.starts_with("HTTP/1.1 200 ") && !first.contains("set-cookie"), "{first}");
    let out = house.send("GET /legacy/logout", &[ALICE]).await;
    assert!(out.contains("set-cookie: SESSION=; Path=/; Max-Age=0"), "{out}");
    let answer = house.send("GET /orders/", &[ALICE]).await;
    assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{answer}");
    let sid = claims_in(&house.received()[0])["sid"].clone();
    let (_, known) = command(&house, json!({ "session": sid, "dry_run": true })).await;
    assert_eq!(known["was_revoked"], true);
}

/// What became of the old cookie only the server knows: it is asked at once, before anybody sends it again.
#[tokio::test]
async fn an_answer_of_the_old_application_that_replaces_the_cookie_has_the_server_asked_about_it() {
    let answers = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: SESSION=another; Path=/\r\n\r\nok";
    let lives = Arc::new(AtomicBool::new(true));
    let of_server = Arc::clone(&lives);
    let respond = move |arrived: &Arrived| match of_server.load(Ordering::SeqCst) {
        true => who(arrived),
        false => fake::json(200, r#"{"active":false}"#),
    };
    let more = CLIENTS.replace("SERVICE", "127.0.0.1:9");
    let house = House::with(INTERNAL, &more, Recorder::answering(answers).await, respond).await;
    let service = Service::start(&house).await;
    house.send("GET /orders/", &[ALICE]).await;
    let token = token_in(&house.received()[0]);
    assert_eq!((service.refusal(&token), house.server.arrived().len()), (None, 1));
    lives.store(false, Ordering::SeqCst);
    let login = house.send("GET /legacy/login", &[ALICE]).await;
    assert!(login.contains("set-cookie: SESSION=another"), "{login}");
    service.refuses(&token).await;
    assert_eq!(house.server.arrived().len(), 2, "once, and nobody sent the cookie");
    let answer = house.send("GET /orders/", &[ALICE]).await;
    assert!(answer.contains("\r\ncountersign-refused: session_ended\r\n"), "{answer}");
}

/// Whoever reaches the listener can send log-out tokens that nobody signed. They cost the others nothing.
#[tokio::test]
async fn l02_a_flood_of_log_out_tokens_keeps_no_service_from_the_feed() {
    let issuer = log_out_tokens::LogoutIssuer::start().await;
    let more = format!("{}{}", CLIENTS.replace("SERVICE", "127.0.0.1:9"), issuer.lines());
    let house = House::with(INTERNAL, &more, Recorder::answering(OK).await, who).await;
    let service = Service::start(&house).await;
    house.send("GET /orders/", &[ALICE]).await;
    let head = house.received().remove(0);
    let good = issuer.token("logout+jwt", &|_| {});
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    let flood = async || {
        for n in 0..100 {
            let forged = format!("logout_token={unsigned}.{n:0>86}");
            let answer = ask(&house, "POST /backchannel-logout", FORM, &forged).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            assert!(service.feed.is_current(), "{:?}", service.feed.counters());
        }
    };
    let revoking = async {
        let (status, _) = command(&house, json!({ "token": claims_in(&head)["jti"] })).await;
        assert_eq!(status, 200);
        service.refuses(&token_in(&head)).await
    };
    let (_, _, _, _, took) = tokio::join!(flood(), flood(), flood(), flood(), revoking);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(house.send("GET /orders/", &[ALICE]).await.starts_with("HTTP/1.1 200 "), "nothing has ended");
}

#[tokio::test]
async fn a_service_gives_back_its_own_tokens_alone() {
    let house = house(Recorder::answering(OK).await).await;
    house.send("GET /orders/", &[ALICE]).await;
    let head = house.received().remove(0);
    let (token, jti) = (token_in(&head), claims_in(&head)["jti"].clone());
    let form = format!("token={token}");
    let give_back = async |client: &str, form: &str| {
        ask(&house, "POST /revoke", &format!("{}{FORM}", basic(client)), form).await
    };
    let others = give_back("notes", &form).await;
    assert!(others.starts_with("HTTP/1.1 400 ") && others.contains("unauthorized_client"), "{others}");
    let nobody = ask(&house, "POST /revoke", FORM, &form).await;
    assert!(nobody.starts_with("HTTP/1.1 401 ") && nobody.contains("invalid_client"), "{nobody}");
    for (form, status) in
        [("", "400"), ("token=a&token=b", "400"), ("token=unknown", "200"), ("token=a.b.c", "200")]
    {
        let answer = give_back("orders", form).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{form}: {answer}");
    }
    let mine = give_back("orders", &form).await;
    assert!(mine.starts_with("HTTP/1.1 200 "), "{mine}");
    let (_, known) = command(&house, json!({ "token": jti, "dry_run": true })).await;
    assert_eq!(known["was_revoked"], true);
    // The session goes on, with another token.
    let answer = house.send("GET /orders/", &[ALICE]).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_ne!(claims_in(&house.received()[1])["jti"], jti);
}

#[tokio::test]
async fn the_feed_is_for_proven_clients_and_says_when_it_cannot_go_on() {
    let house = house(Recorder::answering(OK).await).await;
    for path in ["/revocations/snapshot?page=0", "/revocations/stream?after=a.1"] {
        for headers in ["", "Authorization: Basic b3JkZXJzOng=\r\n", "Authorization: Bearer x\r\n"] {
            let answer = ask(&house, &format!("GET {path}"), headers, "").await;
            assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("invalid_client"), "{answer}");
        }
    }
    let reset = ask(&house, "GET /revocations/stream?after=other.1", &basic("orders"), "").await;
    assert!(reset.contains("event: reset\n") && !reset.contains("event: heartbeat"), "{reset}");
    for bad in ["", "?after=", "?after=x", "?after=x.01"] {
        let answer = ask(&house, &format!("GET /revocations/stream{bad}"), &basic("orders"), "").await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bad}: {answer}");
    }
    let page = ask(&house, "GET /revocations/snapshot", &basic("orders"), "").await;
    assert!(page.contains("application/secevent+jwt"), "{page}");
    let none = ask(&house, "GET /revocations/snapshot?page=1", &basic("orders"), "").await;
    assert!(none.starts_with("HTTP/1.1 404 "), "{none}");
    let metrics = ask_admin(&house).await;
    assert!(metrics.contains("countersign_feed_streams 0\n"), "{metrics}");
}

async fn ask_admin(house: &House) -> String {
    let mut socket = TcpStream::connect(house.admin).await.unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_lift_takes_back_every_name_of_a_session_whose_cookie_moved() {
    let replacing = |asked: &Arrived| {
        let json = "content-type: application/json\r\n";
        let alice = r#"{"sub":"alice","org":{"id":"acme"},"roles":[]}"#;
        match asked.header("cookie").unwrap_or_default() {
            "SESSION=first" => {
                let fields = format!("{json}set-cookie: SESSION=second; Path=/\r\n");
                fake::answer(200, &fields, alice)
            }
            _ => fake::answer(200, json, alice),
        }
    };
    let house = House::asking("whoami = \"WHOAMI\"", "", "", Recorder::answering(OK).await, replacing).await;
    house.send("GET /orders/", &["Cookie: SESSION=first"]).await;
    let sid = claims_in(&house.received()[0])["sid"].clone();
    let (_, revoked) = command(&house, json!({ "session": sid })).await;
    assert_eq!(revoked["was_revoked"], false);
    let second = async || house.send("GET /orders/", &["Cookie: SESSION=second"]).await;
    assert!(second().await.contains("\r\ncountersign-refused: revoked\r\n"));
    let (status, _) = command(&house, json!({ "session": sid, "lift": true })).await;
    assert_eq!(status, 200);
    // "Revoked" is remembered for two seconds.
    let begin = Instant::now();
    while !second().await.starts_with("HTTP/1.1 200 ") {
        assert!(begin.elapsed() < PATIENCE, "it is refused still");
        sleep(Duration::from_millis(100)).await;
    }
}
