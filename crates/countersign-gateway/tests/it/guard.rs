//! A guard in front of a service in any language: tokens of another issuer in, the same tokens out.

mod headers;
mod operations;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign::{
    Clock as _, SystemClock,
    testkit::{TestIssuer, TestKey},
};
use countersign_gateway::admin::client::call;
use http::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    proxy::house::{House, claims_in, who},
    revocation::{EVENTS, endless},
    server::{
        harness::PATIENCE,
        recorder::{OK, Recorder},
    },
    sources::fake::{Fake, answer, json as json_answer},
    wire::ALICE,
};

/// An issuer with a key set endpoint, and the guard that trusts it.
struct Guarded {
    issuer: TestIssuer,
    /// From then on the endpoint has the other keys too.
    rotated: Arc<AtomicBool>,
    house: House,
    _keys: Fake,
}

fn set_of(keys: &[TestKey]) -> String {
    serde_json::to_string(&TestKey::set(keys)).unwrap()
}

async fn guarded(first: &[TestKey]) -> Guarded {
    guarded_with(first, "", "").await
}

/// With more lines in `[guard]`, and more routes to the same service, which is `UPSTREAM` in them.
async fn guarded_with(first: &[TestKey], lines: &str, routes: &str) -> Guarded {
    let rotated = Arc::new(AtomicBool::new(false));
    let (before, after) = (set_of(first), set_of(&TestKey::PUBLISHED));
    let is_after = Arc::clone(&rotated);
    let keys = Fake::start(move |_| {
        json_answer(200, if is_after.load(Ordering::SeqCst) { &after } else { &before })
    })
    .await;
    let service = Recorder::answering(OK).await;
    let routes = routes.replace("UPSTREAM", &format!("http://{}", service.address));
    let more = format!(
        "[guard]\nissuer = \"{}\"\nkeys = \"{}\"\n{lines}{routes}\
         [[route]]\npath = \"/guarded/\"\nupstream = \"http://{upstream}\"\naudience = \"orders\"\nguard = true\n\
         [[route]]\npath = \"/admins/\"\nupstream = \"http://{upstream}\"\naudience = \"orders\"\nguard = true\n\
         require = {{ roles = [\"admin\", \"root\"] }}\n",
        TestIssuer::ISSUER,
        keys.url("/keys"),
        upstream = service.address,
    );
    let house = House::with("", &more, service, who).await;
    let issuer = TestIssuer::new("orders");
    issuer.clock().set(SystemClock.now());
    let guarded = Guarded { issuer, rotated, house, _keys: keys };
    guarded.until_there_are_keys().await;
    guarded
}

impl Guarded {
    async fn until_there_are_keys(&self) {
        let begin = Instant::now();
        while refused(&self.get("/guarded/", &self.issuer.token().role("first").sign()).await)
            == Some("keys_unavailable")
        {
            assert!(begin.elapsed() < PATIENCE, "no keys");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn get(&self, path: &str, token: &str) -> String {
        self.house.send(&format!("GET {path}"), &[&format!("Authorization: Bearer {token}")]).await
    }
}

/// Asks until the token is refused. That is within a second, but for what the requests take on a busy machine.
async fn until_revoked(ask: &impl AsyncFn() -> String) {
    for _ in 0..100 {
        if refused(&ask().await) == Some("token_revoked") {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", ask().await);
}

fn refused(answer: &str) -> Option<&str> {
    answer.lines().find_map(|line| line.strip_prefix("countersign-refused: "))
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn a_good_token_goes_on_as_it_came_and_nothing_of_the_clients_own_with_it() {
    let guarded = guarded(&TestKey::PUBLISHED).await;
    let token = guarded.issuer.token().subject("ada").role("editor").organisation("acme").sign();
    let lines = [
        format!("authorization: bearer  {token}"),
        "X-User: root".to_owned(),
        "X_Roles: admin".to_owned(),
        "Countersign-Subject: root".to_owned(),
        "X-Forwarded-For: 192.0.2.1".to_owned(),
        "Cookie: SESSION=alice-session; theme=dark".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let answer = guarded.house.send("GET /guarded/7?x=1", &lines).await;
    assert_eq!((status(&answer), refused(&answer)), ("200", None), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nvary: cookie, authorization\r\n"), "{answer}");
    let head = guarded.house.received().remove(1);
    assert!(head.starts_with("GET /guarded/7?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("Bearer {token}")), "{head}");
    assert_eq!(
        (claims_in(&head)["sub"].clone(), claims_in(&head)["organisation"].clone()),
        (json!("ada"), json!("acme"))
    );
    let lower = head.to_ascii_lowercase();
    for gone in ["root", "x_roles", "192.0.2.1", "alice-session"] {
        assert!(!lower.contains(gone), "{gone}: {head}");
    }
    assert!(lower.contains("theme=dark"), "{head}");
    assert_eq!(lower.matches("authorization:").count(), 1, "{head}");
    assert!(guarded.house.server.arrived().is_empty(), "nobody is asked");
}

#[tokio::test]
async fn each_bad_token_of_the_catalogue_is_refused_with_its_code_and_reaches_no_service() {
    let guarded = guarded(&TestKey::PUBLISHED).await;
    let (mut sent, mut unsent, mut others) = (0, Vec::new(), Vec::new());
    for (row, token) in guarded.issuer.bad_tokens() {
        // A second later, by the machine's clock, they are good.
        if ["time/not-yet-valid-at-the-edge", "time/issued-in-future-at-the-edge"].contains(&row.name()) {
            continue;
        }
        // What no header field can hold, or what its spaces are no part of.
        let fits = token.bytes().all(|byte| (0x21..0x7f).contains(&byte)) && token.len() < 30_000;
        if !fits {
            unsent.push(row.name());
            continue;
        }
        let answer = guarded.get("/guarded/", &token).await;
        let found = (refused(&answer), status(&answer));
        if found != (Some(row.refusal().code()), row.refusal().status().as_str()) {
            others.push(format!("{}: {found:?}", row.name()));
        }
        sent += 1;
    }
    assert!(sent > 150 && unsent.len() < sent / 10, "{sent} sent, not {unsent:?}");
    // Its moment is written in it, and the gateway's clock is the machine's.
    assert_eq!(others, ["time/expired-by-a-fraction: (Some(\"token_lives_too_long\"), \"401\")"]);
    assert_eq!(guarded.house.received().len(), 1, "the one that showed that there are keys");
    assert_eq!(status(&guarded.get("/guarded/", &guarded.issuer.token().sign()).await), "200");
}

#[tokio::test]
async fn the_demands_of_the_route_are_enforced_and_a_token_is_found_in_one_place() {
    let guarded = guarded(&TestKey::PUBLISHED).await;
    let of = |role: &str| guarded.issuer.token().role(role).sign();
    let answer = guarded.get("/admins/", &of("editor")).await;
    assert_eq!((status(&answer), refused(&answer)), ("403", Some("role_missing")));
    assert_eq!(status(&guarded.get("/admins/", &of("admin")).await), "200");
    let other = guarded.issuer.token().audience("notes").sign();
    assert_eq!(refused(&guarded.get("/guarded/", &other).await), Some("audience_mismatch"));
    let good = format!("Authorization: Bearer {}", of("editor"));
    for (lines, expected) in [
        (&[][..], ("401", Some("token_missing"))),
        (&["Authorization: Basic YTpi"], ("401", Some("token_missing"))),
        (&["Authorization: Bearer"], ("401", Some("token_missing"))),
        (&[ALICE], ("401", Some("token_missing"))),
        (&[&good, &good], ("400", Some("token_ambiguous"))),
        (&[&good, "Authorization: Basic YTpi"], ("400", Some("token_ambiguous"))),
    ] {
        let answer = guarded.house.send("GET /guarded/", lines).await;
        assert_eq!((status(&answer), refused(&answer)), expected, "{lines:?}");
    }
    let query = guarded.house.send(&format!("GET /guarded/?access_token={}", of("editor")), &[]).await;
    assert_eq!(refused(&query), Some("token_missing"));
    let both = guarded.house.send(&format!("GET /guarded/?access_token={}", of("admin")), &[&good]).await;
    assert_eq!((status(&both), refused(&both)), ("400", Some("token_ambiguous")));
    let challenged = guarded.house.send("GET /guarded/", &[]).await;
    assert!(challenged.contains("\r\nwww-authenticate: Bearer realm="), "{challenged}");
}

#[tokio::test]
async fn a_key_that_was_rotated_in_is_looked_for_once_and_costs_no_refused_token() {
    let guarded = guarded(&[TestKey::Es256]).await;
    let newer = TestIssuer::new("orders").signing_with(TestKey::Ed25519);
    newer.clock().set(SystemClock.now());
    guarded.rotated.store(true, Ordering::SeqCst);
    for token in [newer.token().sign(), guarded.issuer.token().sign()] {
        let answer = guarded.get("/guarded/", &token).await;
        assert_eq!((status(&answer), refused(&answer)), ("200", None), "{answer}");
    }
}

#[tokio::test]
async fn without_the_issuers_keys_it_is_an_outage_and_never_the_tokens_fault() {
    let away = Fake::start(|_| answer(500, "", "")).await;
    let more = format!(
        "[guard]\nissuer = \"{}\"\nkeys = \"{}\"\n\
         [[route]]\npath = \"/guarded/\"\nupstream = \"http://127.0.0.1:9\"\naudience = \"orders\"\nguard = true\n",
        TestIssuer::ISSUER,
        away.url("/keys"),
    );
    let house = House::with("", &more, Recorder::answering(OK).await, who).await;
    let issuer = TestIssuer::new("orders");
    issuer.clock().set(SystemClock.now());
    let good = format!("Authorization: Bearer {}", issuer.token().sign());
    let answer = house.send("GET /guarded/", &[&good]).await;
    assert_eq!((status(&answer), refused(&answer)), ("503", Some("keys_unavailable")), "{answer}");
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
}

/// Two gateways: one signs, and tells its revocations; the other guards.
#[tokio::test]
async fn a_token_that_its_issuer_revoked_is_refused_within_a_second() {
    let clients = "[[client]]\nid = \"orders\"\nsecret_env = \"GATEWAY_SECRET\"\naudience = \"orders\"\n";
    let signer =
        House::with("internal_listen = \"127.0.0.1:0\"", clients, Recorder::answering(OK).await, who).await;
    let internal = signer.gateway.as_ref().unwrap().internal_address().unwrap();
    let (service, events) = (Recorder::answering(OK).await, endless(EVENTS).await);
    let more = format!(
        "[guard]\nissuer = \"https://shop.example\"\nkeys = \"http://{}/.well-known/jwks.json\"\n\
         revocations = \"http://{internal}\"\nclient_id = \"orders\"\nclient_secret_env = \"GATEWAY_SECRET\"\n\
         on_feed_loss = \"refuse\"\n\
         [[route]]\npath = \"/guarded/\"\nupstream = \"http://{}\"\naudience = \"orders\"\nguard = true\n\
         [[route]]\npath = \"/events/\"\nupstream = \"http://{}\"\naudience = \"orders\"\nguard = true\n",
        signer.admin, service.address, events.address,
    );
    let guard = House::named("https://guard.example", ("", "", &more), service, who).await;
    signer.send("GET /orders/", &[ALICE]).await;
    let head = signer.received().remove(0);
    let sid = claims_in(&head)["sid"].clone();
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:")).unwrap();
    let get = async || guard.send("GET /guarded/", &[line]).await;
    let begin = Instant::now();
    loop {
        let answer = get().await;
        if status(&answer) == "200" {
            break;
        }
        // `refuse`: until keys and feed are there.
        let code = refused(&answer);
        assert!(matches!(code, Some("keys_unavailable" | "revocations_unavailable")), "{answer}");
        assert!(begin.elapsed() < PATIENCE, "{answer}");
        sleep(Duration::from_millis(10)).await;
    }
    let mut stream = TcpStream::connect(guard.address).await.unwrap();
    let request = format!("GET /events/ HTTP/1.1\r\nHost: guard.example\r\n{line}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begun = Vec::new();
    while !begun.ends_with(b"data: 1\n\n\r\n") {
        assert!(stream.read_buf(&mut begun).await.unwrap() > 0, "{}", String::from_utf8_lossy(&begun));
    }
    let state = signer.state.path().join("state");
    let command = json!({ "session": sid }).to_string();
    assert_eq!(call(&state, Method::POST, "/revoke", command).await.unwrap().status, 200);
    until_revoked(&get).await;
    let ended = timeout(PATIENCE, stream.read_to_end(&mut begun)).await;
    assert!(ended.is_ok() && !begun.ends_with(b"0\r\n\r\n"), "the stream is broken off");
    // The session's own gateway takes no token of a service for a credential.
    assert_eq!(status(&signer.send("GET /orders/", &[line]).await), "401");
}
