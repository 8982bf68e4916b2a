//! A service that verifies tokens and follows the feed, behind gateways of which one is cut off from the store and one is
//! killed while it logs people out, and an authorization server that dies and comes back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use countersign::{
    Secret, TokenRefusal, Verifier,
    remote::{ClientAuthentication, RemoteKeys, RevocationFeed},
};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    client::Call,
    gateway::Gateway,
    job::ISSUER,
    local_server::{Reply, Seen},
    relay::State,
    replicas::{
        CALLERS, Count, House, LOGGED_OUT, PATIENCE, SERVICE_SECRET, call_for_ever, let_in, session_of,
        status,
    },
};

/// Who are logged out while their gateway is killed.
const LEAVING: std::ops::Range<usize> = 100..160;

/// The service: what it verifies with, as soon as there is a gateway to ask, and the last token of each user.
#[derive(Default)]
struct Service {
    verifier: OnceLock<Verifier>,
    tokens: Mutex<BTreeMap<String, String>>,
}

impl Service {
    fn answer(&self, seen: &Seen) -> Reply {
        let token = seen.header("authorization").unwrap_or_default();
        let token = token.trim_start_matches("Bearer ").to_owned();
        match self.verifier.get().map(|verifier| verifier.verify(&token)) {
            Some(Ok(claims)) => {
                let (sub, organisation) =
                    (claims.subject().as_str(), claims.organisation().map(ToString::to_string));
                self.tokens.lock().unwrap().insert(sub.to_owned(), token.clone());
                Reply::json(&json!({ "sub": sub, "organisation": organisation }))
            }
            Some(Err(refusal)) => {
                let mut reply = Reply::json(&json!({ "refused": refusal.code() }));
                reply.status = 401;
                reply
            }
            None => Reply::json(&json!({})),
        }
    }

    /// As a service starts: with the keys and the feed of one gateway.
    async fn follow(&self, gateway: &Gateway, feed: &str) {
        let keys = RemoteKeys::builder().key_set(gateway.url("/.well-known/jwks.json")).start().unwrap();
        assert!(keys.ready(PATIENCE).await);
        let client = ClientAuthentication::basic("orders", Secret::new(SERVICE_SECRET.to_owned())).unwrap();
        let feed = RevocationFeed::builder(ISSUER, feed, client).keys(keys.clone());
        let feed = feed.start().unwrap();
        assert!(feed.ready(PATIENCE).await, "{:?}", feed.counters());
        let verifier = Verifier::builder().issuer(ISSUER).audience("orders").keys(keys).revocations(feed);
        assert!(self.verifier.set(verifier.build().unwrap()).is_ok());
    }

    fn refusal(&self, token: &str) -> Option<TokenRefusal> {
        self.verifier.get().unwrap().verify(token).err()
    }
}

/// Waits until a gateway tells the user to log in.
async fn refuses(gateway: &Gateway, user: usize) {
    let began = Instant::now();
    while status(gateway, user).await != 401 {
        assert!(began.elapsed() < PATIENCE, "user {user} is let in");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn whatever_dies_or_is_cut_off_what_was_revoked_is_refused_and_nothing_else() {
    let service = Arc::new(Service::default());
    let mut house = House::with(&[], {
        let service = Arc::clone(&service);
        move |seen| service.answer(seen)
    })
    .await;
    service.follow(&house.gateways[1], &house.feeds[1]).await;
    let (count, over) = (Arc::new(Count::default()), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let front = house.front.origin();
        callers.spawn(call_for_ever(front, caller * 5, Arc::clone(&count), Arc::clone(&over)));
    }
    let phase = async |name: &str, time: u64| count.phase(name, time).await;
    phase("calm", 3_000).await;

    house.to_server.set(State::Dead);
    phase("the authorization server dies", 4_000).await;
    house.to_server.set(State::Well);
    phase("it comes back", 6_000).await;
    assert_eq!(
        (count.refused.load(SeqCst), count.lost.load(SeqCst)),
        (0, 0),
        "everybody was known: {count:?}"
    );

    // A token that somebody copied is refused, whoever is cut off.
    let_in(&house.gateways[1], LOGGED_OUT).await;
    let copied = service.tokens.lock().unwrap()[&format!("user-{LOGGED_OUT}")].clone();
    house.to_store.set(State::Cut);
    phase("one gateway is cut off from the store", 3_000).await;
    assert_eq!(service.refusal(&copied), None);
    house.log_out_everywhere(1, LOGGED_OUT).await;
    // Within a second, but for the time in which a busy machine lets nobody run.
    for _ in 0..100 {
        if service.refusal(&copied).is_some() {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(service.refusal(&copied), Some(TokenRefusal::TokenRevoked));
    refuses(&house.gateways[2], LOGGED_OUT).await;
    phase("it is cut off still", 1_000).await;
    house.to_store.set(State::Well);
    refuses(&house.gateways[0], LOGGED_OUT).await;
    phase("it reaches the store again", 3_000).await;

    kill_one_that_logs_people_out(&mut house).await;
    phase("a gateway was killed", 3_000).await;
    over.store(true, SeqCst);
    while callers.join_next().await.is_some() {}
    count.nothing_wrong("all of it");
    for gateway in house.gateways {
        gateway.stop().await;
    }
}

/// What was acknowledged holds at the others, however far the rest had come.
async fn kill_one_that_logs_people_out(house: &mut House) {
    let last = house.gateways.pop().unwrap();
    for user in LEAVING {
        let_in(&last, user).await;
    }
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut leaving = JoinSet::new();
    for user in LEAVING {
        let (call, acknowledged) =
            (Call::new("POST", last.url("/.countersign/logout")), Arc::clone(&acknowledged));
        leaving.spawn(async move {
            let call = call
                .header("cookie", format!("SESSION={}", session_of(user)))
                .header("host", "shop.example")
                .header("sec-fetch-site", "same-origin")
                .header("countersign", "1");
            if call.try_send().await.is_ok_and(|answer| answer.status == 200) {
                acknowledged.lock().unwrap().push(user);
            }
        });
    }
    while acknowledged.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    last.kill();
    while leaving.join_next().await.is_some() {}
    let acknowledged = acknowledged.lock().unwrap().clone();
    for gateway in &house.gateways {
        for user in &acknowledged {
            refuses(gateway, *user).await;
        }
    }
}
