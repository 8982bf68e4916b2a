//! A single gateway that is killed: the next process asks for nobody anew, and misses nothing that happened meanwhile.

use std::{
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
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    client::Call,
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply},
    port::Port,
};

const SESSION: &str = "a-cookie-that-is-planted-here";
const SERVER_SID: &str = "a-server-sid-that-is-planted";
const EMAIL: &str = "planted.address@acme.example";
const SECRET: &str = "a-client-secret-of-the-test";

/// So long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_role_that_was_removed_while_the_gateway_was_killed_is_gone_at_the_services_too() {
    let is_admin = Arc::new(AtomicBool::new(true));
    let server = LocalServer::start({
        let is_admin = Arc::clone(&is_admin);
        move |_| {
            let roles = if is_admin.load(Ordering::SeqCst) { json!(["admin", "x"]) } else { json!(["x"]) };
            Reply::json(
                &json!({ "active": true, "sub": "ada", "roles": roles, "sid": SERVER_SID, "email": EMAIL }),
            )
        }
    })
    .await;
    let service = LocalServer::recording().await;
    let port = Port::reserved();
    let internal = port.address.to_string();
    let mut setting = Setting::new();
    let secret = setting.secret_file("secret", SECRET);
    for planted in [SERVER_SID, EMAIL] {
        setting.secret_file(&format!("planted-{}", planted.len()), planted);
    }
    let config = format!(
        "issuer = \"{ISSUER}\"\ninternal_listen = \"{internal}\"\n[session]\ncookie = \"SESSION\"\n\
         introspect = \"{}/introspect\"\nclient_id = \"gateway\"\nclient_secret_file = \"{secret}\"\nrecheck = \"20s\"\n\
         [[client]]\nid = \"orders\"\nsecret_file = \"{secret}\"\naudience = \"orders\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        server.origin(),
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let keys = Call::get(gateway.url("/.well-known/jwks.json")).send().await.expect(200);
    let keys = Arc::new(StaticKeys::new(KeySet::parse(&keys.body).unwrap()));
    let client = ClientAuthentication::basic("orders", Secret::new(SECRET.to_owned())).unwrap();
    let feed = RevocationFeed::builder(ISSUER, format!("http://{internal}"), client);
    let feed = feed.keys(Arc::clone(&keys)).start().unwrap();
    let verifier = Verifier::builder().issuer(ISSUER).audience("orders").keys(Arc::clone(&keys));
    let verifier = verifier.revocations(feed.clone()).build().unwrap();
    let refusal = |token: &str| verifier.verify(token).err();

    // What is kept for the next start is written beside the request.
    let log = gateway.control_socket().with_file_name("answers.db-wal");
    let written = || std::fs::metadata(&log).map_or(0, |log| log.len());
    let before = written();
    gateway.get("/orders/", "SESSION", SESSION).await.expect(200);
    let token = |service: &LocalServer| {
        let seen = service.last();
        seen.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned()
    };
    let copied = token(&service);
    gateway.keep_secret(&copied);
    assert!(feed.ready(PATIENCE).await && refusal(&copied).is_none());
    until("the answer is kept", || written() > before).await;
    sleep(Duration::from_millis(200)).await;
    let setting = gateway.kill_and_keep();
    is_admin.store(false, Ordering::SeqCst);

    let mut gateway = Gateway::start(setting, &config);
    gateway.get("/orders/", "SESSION", SESSION).await.expect(200);
    assert_eq!(server.count(), 1, "the next process does not ask anew");
    assert!(feed.ready(PATIENCE).await && refusal(&copied).is_none(), "nobody knows it yet");

    let begin = Instant::now();
    while server.count() == 1 {
        assert!(begin.elapsed() < PATIENCE, "there is no recheck");
        gateway.get("/orders/", "SESSION", SESSION).await.expect(200);
        sleep(Duration::from_millis(100)).await;
    }
    until("the copied token is refused", || refusal(&copied) == Some(TokenRefusal::TokenRevoked)).await;
    gateway.get("/orders/", "SESSION", SESSION).await.expect(200);
    let next = token(&service);
    gateway.keep_secret(&next);
    assert_eq!(refusal(&next), None, "what replaces it is good");
    gateway.stop().await;
}
