//! Revocation from outside: what an operator or a log-out does, and how far it reaches.

mod exchange;
mod retired_key;

use std::{sync::Arc, time::Duration};

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
    time::{Instant, sleep, timeout},
};

use crate::{
    proxy::house::{House, claims_in, who},
    server::recorder::{OK, Recorder},
};

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
        assert!(feed.ready(Duration::from_secs(5)).await, "{:?}", feed.counters());
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
        let begin = Instant::now();
        while self.refusal(token).is_none() {
            assert!(begin.elapsed() < Duration::from_secs(5), "never: {:?}", self.feed.counters());
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.refusal(token), Some(TokenRefusal::TokenRevoked));
        begin.elapsed()
    }
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
    let begin = Instant::now();
    while service.refusal(&token).is_some() {
        assert!(begin.elapsed() < Duration::from_secs(5));
        sleep(Duration::from_millis(5)).await;
    }
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

/// A service that begins to answer and never ends.
pub(crate) async fn endless(head: &'static str) -> Recorder {
    Recorder::start(move |mut socket, _, record| async move {
        while record.take(&mut socket).await.is_some() {
            socket.write_all(head.as_bytes()).await.unwrap();
        }
    })
    .await
}

pub(crate) const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";

#[tokio::test]
async fn open_streams_end_when_their_session_is_revoked() {
    let get = "GET /orders/ HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION=WHO\r\n\r\n";
    let upgrade = "GET /socket/ HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION=WHO\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-Fetch-Site: same-origin\r\n\r\n";
    for (head, request, last) in [(EVENTS, get, "data: 1\n\n\r\n"), (SWITCHED, upgrade, "hello")] {
        let house = house(endless(head).await).await;
        let mut open = Vec::new();
        for person in ["alice-session", "bob-session"] {
            let mut socket = TcpStream::connect(house.address).await.unwrap();
            socket.write_all(request.replace("WHO", person).as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(last.as_bytes()) {
                let read = socket.read_buf(&mut answer).await.unwrap();
                assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            }
            open.push(socket);
        }
        let (status, _) = command(&house, json!({ "subject": "alice" })).await;
        assert_eq!(status, 200);
        let begin = Instant::now();
        let mut rest = Vec::new();
        // An event stream is broken off, not ended as if it were whole.
        let _ = timeout(Duration::from_secs(5), open[0].read_to_end(&mut rest)).await.expect("it stays open");
        assert!(!rest.ends_with(b"0\r\n\r\n"));
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
        let others = timeout(Duration::from_millis(700), open[1].read(&mut [0; 16])).await;
        assert!(others.is_err(), "another's stream goes on: {others:?}");
    }
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
async fn l01_a_log_out_at_the_authorization_server_ends_its_session_and_no_other_token_does() {
    let key = countersign::SigningKey::generate(countersign::jws::Algorithm::Es256).unwrap();
    let set = KeySet::new(key.verifying_key()).unwrap();
    let set = serde_json::to_string(&set).unwrap();
    let keys = crate::sources::fake::Fake::start(move |_| crate::sources::fake::json(200, &set)).await;
    let more = format!(
        "{}[backchannel_logout]\nissuer = \"https://sso.example\"\nkeys = \"{}\"\n",
        CLIENTS.replace("SERVICE", "127.0.0.1:9"),
        keys.url("/jwks.json"),
    );
    let with_sid = |arrived: &crate::sources::fake::Arrived| {
        let token = arrived.form().into_iter().find(|(name, _)| name == "token").unwrap().1;
        let person = r#"{"active":true,"sub":"NAME","sid":"SID","roles":["editor"],"org":{"id":"acme"}}"#;
        let name = token.split('-').next().unwrap();
        crate::sources::fake::json(
            200,
            &person.replace("NAME", name).replace("SID", &format!("server-{name}")),
        )
    };
    let house = House::with(INTERNAL, &more, Recorder::answering(OK).await, with_sid).await;
    let send = async |cookie: &str| house.send("GET /orders/", &[&format!("Cookie: SESSION={cookie}")]).await;
    for cookie in ["alice-1", "bob-1"] {
        assert!(send(cookie).await.starts_with("HTTP/1.1 200 "));
    }
    let now = countersign::Clock::now(&countersign::SystemClock).as_secs();
    let token = |typ: &str, change: &dyn Fn(&mut Value)| {
        let mut claims = json!({
            "iss": "https://sso.example", "aud": "gateway", "iat": now, "exp": now + 120, "jti": "1",
            "sub": "alice", "sid": "server-alice",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        change(&mut claims);
        key.sign(typ, &claims).unwrap()
    };
    let post = async |token: &str| {
        ask(&house, "POST /backchannel-logout", FORM, &format!("logout_token={token}")).await
    };
    let bad = [
        token("JWT", &|_| {}),
        token("logout+jwt", &|claims| claims["aud"] = json!("another")),
        token("logout+jwt", &|claims| claims["nonce"] = json!("n")),
        "x.y.z".to_owned(),
        String::new(),
    ];
    for token in &bad {
        let answer = post(token).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let by_get = ask(&house, "GET /backchannel-logout?logout_token=x", "", "").await;
    assert!(by_get.starts_with("HTTP/1.1 405 "), "{by_get}");
    assert!(send("alice-1").await.starts_with("HTTP/1.1 200 "), "nothing has ended");

    let good = token("logout+jwt", &|_| {});
    let answer = post(&good).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("cache-control: no-store"), "{answer}");
    assert!(post(&good).await.starts_with("HTTP/1.1 400 "), "it was used");
    for cookie in ["alice-1", "alice-2"] {
        let answer = send(cookie).await;
        assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{cookie}: {answer}");
    }
    assert!(send("bob-1").await.starts_with("HTTP/1.1 200 "));

    // By the server's name alone: of one that is known here, and of one that is seen later.
    let names_of_bob = claims_in(house.received().last().unwrap());
    for (jti, sid) in [("4", "server-bob"), ("5", "server-later")] {
        let by_name = token("logout+jwt", &|claims| {
            claims["jti"] = json!(jti);
            claims["sid"] = json!(sid);
            drop(claims.as_object_mut().unwrap().remove("sub"));
        });
        assert!(post(&by_name).await.starts_with("HTTP/1.1 200 "));
    }
    let (_, known) = command(&house, json!({ "session": names_of_bob["sid"], "dry_run": true })).await;
    assert_eq!(known["was_revoked"], true, "services know it by the name in its tokens");
    for cookie in ["bob-1", "bob-2", "later-1"] {
        let answer = send(cookie).await;
        assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{cookie}: {answer}");
    }

    // Of a session that this gateway does not know, and of all of a user's.
    let unknown = token("logout+jwt", &|claims| {
        claims["jti"] = json!("2");
        claims["sub"] = json!("nobody");
        claims["sid"] = json!("unknown");
    });
    assert!(post(&unknown).await.starts_with("HTTP/1.1 200 "));
    let of_user = token("logout+jwt", &|claims| {
        claims["jti"] = json!("3");
        claims["sub"] = json!("dora");
        drop(claims.as_object_mut().unwrap().remove("sid"));
    });
    assert!(post(&of_user).await.starts_with("HTTP/1.1 200 "));
    assert!(send("dora-1").await.contains("\r\ncountersign-refused: revoked\r\n"));
    assert!(send("emil-1").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_lift_takes_back_every_name_of_a_session_whose_cookie_moved() {
    let replacing = |asked: &crate::sources::fake::Arrived| {
        let json = "content-type: application/json\r\n";
        let alice = r#"{"sub":"alice","org":{"id":"acme"},"roles":[]}"#;
        match asked.header("cookie").unwrap_or_default() {
            "SESSION=first" => {
                let fields = format!("{json}set-cookie: SESSION=second; Path=/\r\n");
                crate::sources::fake::answer(200, &fields, alice)
            }
            _ => crate::sources::fake::answer(200, json, alice),
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
        assert!(begin.elapsed() < Duration::from_secs(5), "it is refused still");
        sleep(Duration::from_millis(100)).await;
    }
}
