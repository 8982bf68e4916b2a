//! Gateways that share a store: what one of them finds holds at the others, and at the services of all.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::TokenRefusal;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::{
    ALICE, Service, on_one_store,
    streams::{EVENTS, endless, opened},
    token_in,
};
use crate::{
    proxy::house::{House, claims_in},
    server::{
        harness::PATIENCE,
        recorder::{OK, Recorder},
    },
    sources::fake::{Arrived, Fake, json as answer},
    store::valkey::server::Server,
};

const EDITOR: &str = r#"{"active":true,"sub":"alice","roles":["editor"],"org":{"id":"acme"}}"#;
const VIEWER: &str = r#"{"active":true,"sub":"alice","roles":["viewer"],"org":{"id":"acme"}}"#;

/// Two gateways before one authorization server and on one store. The first asks about a session each second, the
/// other learns of nothing by itself.
struct Replicas {
    gateways: [House; 2],
    store: Server,
    alice: Arc<Mutex<&'static str>>,
    events: Recorder,
}

impl Replicas {
    async fn start() -> Self {
        Self::before(OK).await
    }

    /// With services that answer so.
    async fn before(services_answer: &'static str) -> Self {
        let (store, events) = (Server::start(), endless(EVENTS).await);
        let alice = Arc::new(Mutex::new(EDITOR));
        let of_alice = Arc::clone(&alice);
        let server = Fake::start(move |_: &Arrived| answer(200, *of_alice.lock().unwrap())).await;
        let more = format!(
            "[[route]]\npath = \"/events/\"\nupstream = \"http://{}\"\naudience = \"orders\"\n",
            events.address
        );
        let sessions = ["1s", "1h"].map(|recheck| format!("recheck = \"{recheck}\"\nmax_age = \"8h\""));
        let sessions = sessions.each_ref().map(String::as_str);
        let gateways = on_one_store(server, &store, sessions, &more, services_answer).await;
        Self { gateways, store, alice, events }
    }
}

async fn edit(house: &House) -> String {
    house.send("GET /edit/", &[ALICE]).await
}

#[tokio::test]
async fn a_role_that_one_gateway_finds_gone_is_gone_at_the_others_and_at_their_services_within_a_second() {
    let replicas = Replicas::start().await;
    let [first, second] = &replicas.gateways;
    let service = Service::start(second).await;
    for house in [first, second] {
        let answer = edit(house).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let old = token_in(&second.received()[0]);
    let tokens = [old.clone(), token_in(&first.received()[0])];
    assert_eq!(tokens.each_ref().map(|token| service.refusal(token)), [None, None]);
    let lines = "GET /events/ HTTP/1.1\r\n";
    let stream = opened(second, lines, "alice", "data: 1\n\n\r\n").await;
    assert_eq!(replicas.events.record.requests().len(), 1);

    *replicas.alice.lock().unwrap() = VIEWER;
    let begin = Instant::now();
    while !edit(first).await.starts_with("HTTP/1.1 403 ") {
        assert!(begin.elapsed() < PATIENCE, "the first gateway does not notice");
        sleep(Duration::from_millis(20)).await;
    }
    let mut took = Duration::ZERO;
    for token in &tokens {
        took += service.refuses(token).await;
    }
    // Not by the clock: a request takes its time on a busy machine.
    const STEP: Duration = Duration::from_millis(20);
    while !edit(second).await.starts_with("HTTP/1.1 403 ") {
        sleep(STEP).await;
        took += STEP;
        assert!(took < Duration::from_secs(1), "the second gateway goes on");
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
    // It looks twice a second; a busy machine looks later.
    timeout(PATIENCE, stream).await.expect("the stream goes on").unwrap();
    second.send("GET /orders/", &[ALICE]).await;
    let head = second.received().pop().unwrap();
    assert_eq!(claims_in(&head)["roles"], json!(["viewer"]));
    assert_eq!(service.refusal(&token_in(&head)), None, "what it gets instead is good");

    // The store forgets everything: a new numbering, and a snapshot that must not be the one of the beginning.
    replicas.store.command(&["FLUSHALL"]);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(1500) {
        assert_eq!(service.refusal(&old), Some(TokenRefusal::TokenRevoked), "after {:?}", begin.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    assert!(service.feed.ready(PATIENCE).await, "{:?}", service.feed.counters());
}

/// Its cookie is deleted in an answer that goes through the gateway which has never seen it.
#[tokio::test]
async fn a_log_out_at_the_old_application_holds_at_the_gateway_that_knows_the_session() {
    let deletes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: SESSION=; Path=/; Max-Age=0\r\n\r\nok";
    let replicas = Replicas::before(deletes).await;
    let [first, second] = &replicas.gateways;
    let service = Service::start(first).await;
    let answer = second.send("GET /orders/", &[ALICE]).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let token = token_in(&second.received()[0]);
    assert_eq!(service.refusal(&token), None);
    let out = first.send("GET /legacy/logout", &[ALICE]).await;
    assert!(out.contains("set-cookie: SESSION=; Path=/; Max-Age=0"), "{out}");
    let gone = Instant::now();
    service.refuses(&token).await;
    for house in [second, first] {
        while !house.send("GET /orders/", &[ALICE]).await.contains("\r\ncountersign-refused: revoked\r\n") {
            assert!(gone.elapsed() < Duration::from_secs(5), "it is served on");
            sleep(Duration::from_millis(20)).await;
        }
    }
}
