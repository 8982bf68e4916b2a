use std::{
    num::NonZeroU32,
    pin::pin,
    sync::{Arc, atomic::Ordering, mpsc},
    task::{Context, Waker},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::body::{Body, to_bytes};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign::{
    Secret, SigningKey, UnixTime,
    jws::Algorithm,
    revocation::{Epoch, Target},
};
use http::{Request, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{ACCESS_TOKEN, DerivedTokens, GRANT, JWT, MAX_ACTORS, pace::SLOW_AT_ONCE};
use crate::{
    clock::{Clock as _, ManualClock},
    config::resolved::{ClientConfig, ClientKnownBy, RingAlgorithm},
    entropy::SystemEntropy,
    internal::{Internal, OwnTokens, clients::ClientTable, feed::Feed},
    keyring::{KeyRingHandle, RingKeeper, RingSettings},
    observe::Observer,
    revocation::{Demand, Ledger, Lifetimes, RevocationReason},
    store::{Store, memory::MemoryStore},
    testing,
};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://shop.example";
const SECRET: &str = "0123456789abcdef";

#[derive(Debug)]
struct Fixed;

impl countersign::Clock for Fixed {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(NOW)
    }
}

/// The listener's pages; `orders` may ask for `notes`, `notes` for `archive`, `stray` is no service.
struct House {
    internal: Internal,
    keyring: Arc<KeyRingHandle>,
}

fn house() -> House {
    house_on(Arc::new(MemoryStore::default()), Arc::new(ManualClock::at(NOW)))
}

fn house_on(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> House {
    house_with(testing::keyring(UnixTime::from_secs(NOW)), store, clock)
}

fn house_with(keyring: Arc<KeyRingHandle>, store: Arc<dyn Store>, clock: Arc<ManualClock>) -> House {
    let lifetimes = Lifetimes {
        token: Duration::from_secs(300),
        session: Duration::from_secs(3600),
        spread: Duration::ZERO,
    };
    let (ledger, keeper) = Ledger::open(
        store,
        &Epoch::new("test").unwrap(),
        ISSUER.into(),
        lifetimes,
        clock,
        Observer::without_files(),
    )
    .unwrap();
    tokio::spawn(keeper.run());
    let client = |id: &str, audience: Option<&str>, exchange: &[&str]| ClientConfig {
        id: id.into(),
        known_by: ClientKnownBy::Secret(Secret::new(SECRET.to_owned())),
        audience: audience.map(Into::into),
        exchange: exchange.iter().map(|audience| (*audience).into()).collect(),
        exchanges_per_second: NonZeroU32::new(500).unwrap(),
    };
    let clients = [
        client("orders", Some("orders"), &["notes"]),
        client("notes", Some("notes"), &["archive", "orders"]),
        client("stray", None, &["notes"]),
    ];
    let derived = DerivedTokens { lifetime: Duration::from_secs(120), header_budget: 4096 };
    let entropy = Arc::new(SystemEntropy);
    let internal = Internal {
        clients: Arc::new(ClientTable::new(ISSUER.into(), &clients)),
        feed: Arc::new(Feed::new(
            Arc::clone(&ledger),
            Arc::clone(&keyring),
            Arc::new(Fixed),
            entropy.clone(),
        )),
        own: Arc::new(OwnTokens::new(Arc::clone(&keyring), Arc::clone(&ledger))),
        ledger,
        keyring: Arc::clone(&keyring),
        logout: Arc::default(),
        pace: Arc::default(),
        derived: Arc::new(ArcSwap::from_pointee(derived)),
        observer: Observer::without_files(),
        entropy,
        clock: Arc::new(Fixed),
    };
    House { internal, keyring }
}

impl House {
    /// A token as the gateway signs one for `orders`, changed.
    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        self.typed("at+jwt", change)
    }

    fn typed(&self, typ: &str, change: impl FnOnce(&mut Value)) -> String {
        let ring = self.keyring.load();
        ring.signer(UnixTime::from_secs(NOW)).unwrap().sign(typ, &claims(change)).unwrap()
    }

    async fn post(&self, path: &str, client: &str, form: &str) -> (u16, Value) {
        let proof = format!("Basic {}", STANDARD.encode(format!("{client}:{SECRET}")));
        let request = Request::post(path)
            .header(header::AUTHORIZATION, proof)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let response = self.internal.pages().oneshot(request).await.unwrap();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "{form}");
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn exchange(&self, client: &str, form: &str) -> Result<Value, String> {
        match self.post("/token", client, form).await {
            (200, granted) => Ok(granted),
            (status, denied) => Err(format!("{status} {}", denied["error"].as_str().unwrap())),
        }
    }

    async fn introspect(&self, client: &str, token: &str) -> Value {
        let (status, said) = self.post("/introspect", client, &format!("token={token}")).await;
        assert_eq!(status, 200);
        said
    }
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "orders", "sub": "alice", "client_id": "shop", "iat": NOW - 10, "exp": NOW + 100,
        "jti": "presented", "sid": "session", "roles": ["editor"], "organisation": "acme", "scope": "read write",
        "preferred_username": "al", "email": "al@acme.example",
    });
    change(&mut claims);
    claims
}

fn form(token: &str, audience: &str) -> String {
    format!("grant_type={GRANT}&subject_token={token}&subject_token_type={ACCESS_TOKEN}&audience={audience}")
}

fn said(granted: &Value) -> Value {
    part(granted, 1)
}

fn part(granted: &Value, number: usize) -> Value {
    let token = granted["access_token"].as_str().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap()).unwrap()
}

fn denied(code: &str) -> Result<Value, String> {
    Err(format!("400 {code}"))
}

#[tokio::test]
async fn a_derived_token_is_the_callers_and_names_who_acts() {
    let house = house();
    let granted = house.exchange("orders", &form(&house.token(|_| {}), "notes")).await.unwrap();
    let members: Vec<&str> = granted.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "issued_token_type", "scope", "token_type"]);
    assert_eq!(granted["issued_token_type"], ACCESS_TOKEN);
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(100)));
    let mut derived = said(&granted);
    let jti = derived.as_object_mut().unwrap().remove("jti").unwrap();
    assert!(jti.as_str().unwrap().len() > 20, "{jti}");
    assert_eq!(
        derived,
        json!({
            "iss": ISSUER, "aud": "notes", "sub": "alice", "client_id": "shop", "iat": NOW, "exp": NOW + 100,
            "sid": "session", "roles": ["editor"], "organisation": "acme", "scope": "read write",
            "act": { "sub": "orders" }, "derived_from": ["presented"],
        })
    );
    let jwt = format!("{}&requested_token_type={JWT}", form(&house.token(|_| {}), "notes"));
    assert_eq!(house.exchange("orders", &jwt).await.unwrap()["issued_token_type"], JWT);
}

#[tokio::test]
async fn x01_only_a_proven_client_and_only_for_its_own_audiences() {
    let house = house();
    let token = house.token(|_| {});
    let good = form(&token, "notes");
    assert!(house.exchange("orders", &good).await.is_ok());
    assert_eq!(house.exchange("nobody", &good).await, Err("401 invalid_client".to_owned()));
    let request = Request::post("/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(good.clone()))
        .unwrap();
    let response = house.internal.pages().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    // A client named beside another's proof.
    let other = format!("{good}&client_id=notes");
    assert_eq!(house.exchange("orders", &other).await, Err("401 invalid_client".to_owned()));

    for audience in ["archive", "orders", "Notes", "notes ", "*"] {
        assert_eq!(
            house.exchange("orders", &form(&token, audience)).await,
            denied("invalid_target"),
            "{audience}"
        );
    }
    let resource = format!("{good}&resource=https%3A%2F%2Fnotes.internal");
    assert_eq!(house.exchange("orders", &resource).await, denied("invalid_target"));
    // The audience may be asked for, but the token is not this client's.
    assert_eq!(house.exchange("notes", &form(&token, "archive")).await, denied("invalid_request"));
    assert_eq!(house.exchange("stray", &good).await, denied("unauthorized_client"));
}

#[tokio::test]
async fn a_client_may_prove_itself_by_an_assertion_in_the_form_once() {
    let house = house();
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    house.internal.clients.replace(&[ClientConfig {
        id: "orders".into(),
        known_by: ClientKnownBy::Key(Arc::new(key.verifying_key().unwrap())),
        audience: Some("orders".into()),
        exchange: vec!["notes".into()],
        exchanges_per_second: NonZeroU32::MIN,
    }]);
    let assertion = json!({ "iss": "orders", "sub": "orders", "aud": ISSUER, "jti": "1", "exp": NOW + 60 });
    let assertion = key.sign("client-authentication+jwt", &assertion).unwrap();
    let proof = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = format!(
        "{}&client_id=orders&client_assertion_type={proof}&client_assertion={assertion}",
        form(&house.token(|_| {}), "notes")
    );
    for status in [200, 401] {
        let request = Request::post("/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.clone()))
            .unwrap();
        assert_eq!(house.internal.pages().oneshot(request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn x02_only_a_good_access_token_of_ours_is_exchanged() {
    let house = house();
    let elsewhere = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let shared = SigningKey::shared_secret(
        Algorithm::Hs256,
        Secret::new(b"unit-test key, 32 bytes at least!".to_vec()),
    )
    .unwrap();
    for (what, token) in [
        ("expired", house.token(|claims| claims["exp"] = json!(NOW))),
        ("of another issuer", house.token(|claims| claims["iss"] = json!("https://sso.example"))),
        ("by another key", elsewhere.sign("at+jwt", &claims(|_| {})).unwrap()),
        ("by a shared secret", shared.sign("at+jwt", &claims(|_| {})).unwrap()),
        ("an ID token", house.typed("JWT", |_| {})),
        ("an event of the feed", house.typed("secevent+jwt", |_| {})),
        ("for two", house.token(|claims| claims["aud"] = json!(["notes", "archive"]))),
        ("without a name", house.token(|claims| drop(claims.as_object_mut().unwrap().remove("jti")))),
        ("a refresh token", "0f3c9a6e".to_owned()),
        ("nothing", String::new()),
    ] {
        assert_eq!(
            house.exchange("orders", &form(&token, "notes")).await,
            denied("invalid_request"),
            "{what}"
        );
        if !token.is_empty() {
            assert_eq!(house.introspect("orders", &token).await, json!({ "active": false }), "{what}");
        }
    }

    let good = form(&house.token(|_| {}), "notes");
    let typed = |name: &str| good.replace(ACCESS_TOKEN, &format!("urn:ietf:params:oauth:token-type:{name}"));
    assert!(house.exchange("orders", &typed("jwt")).await.is_ok());
    for name in ["id_token", "refresh_token", "saml2", "ACCESS_TOKEN", ""] {
        assert_eq!(house.exchange("orders", &typed(name)).await, denied("invalid_request"), "{name}");
    }
    for added in [
        "&audience=notes",
        "&scope=read&scope=read",
        "&unknown=1&unknown=1",
        "&actor_token=x&actor_token_type=y",
        "&actor_token_type=y",
        "&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Arefresh_token",
        "&%ff=1",
    ] {
        assert_eq!(
            house.exchange("orders", &format!("{good}{added}")).await,
            denied("invalid_request"),
            "{added}"
        );
    }
    for name in ["subject_token", "subject_token_type", "audience", "grant_type"] {
        let left = good.split('&').filter(|pair| !pair.starts_with(&format!("{name}="))).collect::<Vec<_>>();
        assert_eq!(house.exchange("orders", &left.join("&")).await, denied("invalid_request"), "{name}");
    }
    for grant in ["client_credentials", "urn:ietf:params:oauth:grant-type:Token-Exchange"] {
        let other = good.replace(GRANT, grant);
        assert_eq!(house.exchange("orders", &other).await, denied("unsupported_grant_type"), "{grant}");
    }
}

#[tokio::test]
async fn x02_a_revoked_token_is_neither_exchanged_nor_active() {
    for target in [
        Target::Token("presented".into()),
        Target::Session("session".into()),
        Target::Subject("alice".into()),
        Target::Organisation(countersign::OrganisationId::new("acme").unwrap()),
        Target::All,
    ] {
        let house = house();
        let token = house.token(|_| {});
        assert_eq!(house.introspect("orders", &token).await["active"], true);
        let demand = Demand::new(target.clone(), RevocationReason::Operator);
        house.internal.ledger.revoke(demand, UnixTime::from_secs(NOW)).await.unwrap();
        assert_eq!(
            house.exchange("orders", &form(&token, "notes")).await,
            denied("invalid_request"),
            "{target:?}"
        );
        assert_eq!(house.introspect("orders", &token).await, json!({ "active": false }), "{target:?}");
    }
    // The clock of the gateway that signed is ahead: services would refuse what is signed in this second.
    let house = house();
    let token = house.token(|claims| claims["iat"] = json!(NOW + 2));
    let demand = Demand::new(Target::Subject("alice".into()), RevocationReason::Operator);
    house.internal.ledger.revoke(demand, UnixTime::from_secs(NOW)).await.unwrap();
    let refused = house.exchange("orders", &form(&token, "notes")).await;
    assert_eq!(refused, Err("503 temporarily_unavailable".to_owned()));
}

/// Its store cannot be read: who knows what others have revoked.
#[tokio::test]
async fn x02_who_is_alone_for_too_long_exchanges_nothing_and_calls_nothing_good() {
    let store = Arc::new(testing::Breakable::shared());
    let clock = Arc::new(ManualClock::at(NOW));
    let house = house_on(store.clone(), clock.clone());
    house.internal.ledger.limit_alone(Duration::from_secs(60));
    let (token, other) = (house.token(|_| {}), house.token(|claims| claims["exp"] = json!(NOW - 1)));
    store.away.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(61));
    let refused = house.exchange("orders", &form(&token, "notes")).await;
    assert_eq!(refused, Err("503 temporarily_unavailable".to_owned()));
    let asked = house.post("/introspect", "orders", &format!("token={token}")).await;
    assert_eq!((asked.0, &asked.1["error"]), (503, &json!("temporarily_unavailable")));
    assert_eq!(house.introspect("orders", &other).await, json!({ "active": false }));
}

#[tokio::test]
async fn x02_what_was_exchanged_for_a_revoked_token_is_revoked_with_it() {
    // Of a chain of three, each but the last.
    for revoked in 0..2 {
        let house = house();
        let mut chain = vec![house.token(|_| {})];
        let mut names = vec![json!("presented")];
        for (client, audience) in [("orders", "notes"), ("notes", "archive")] {
            let presented = chain.last().unwrap();
            let granted = house.exchange(client, &form(presented, audience)).await.unwrap();
            let said = said(&granted);
            let nearest_first: Vec<_> = names.iter().rev().cloned().collect();
            assert_eq!(said["derived_from"], json!(nearest_first));
            names.push(said["jti"].clone());
            chain.push(granted["access_token"].as_str().unwrap().to_owned());
        }
        let stands = async |house: &House| {
            let notes = house.introspect("notes", &chain[1]).await["active"] == true;
            (notes, house.exchange("notes", &form(&chain[1], "archive")).await.is_ok())
        };
        assert_eq!(stands(&house).await, (true, true));
        let target = Target::Token(names[revoked].as_str().unwrap().into());
        let demand = Demand::new(target, RevocationReason::Changed);
        house.internal.ledger.revoke(demand, UnixTime::from_secs(NOW)).await.unwrap();
        assert_eq!(stands(&house).await, (false, false), "{revoked}");
        let archive = house.internal.keyring.load_full();
        let keys = countersign::KeySet::new(
            archive.published(UnixTime::from_secs(NOW)).filter_map(|key| key.key.verifying_key()),
        );
        let service = countersign::Verifier::builder()
            .issuer(ISSUER)
            .audience("archive")
            .key_set(keys.unwrap())
            .revocations(Arc::clone(&house.internal.ledger))
            .build()
            .unwrap();
        let refused = service.verify_at(chain[2].as_bytes(), UnixTime::from_secs(NOW)).err();
        assert_eq!(refused, Some(countersign::TokenRefusal::TokenRevoked), "{revoked}");
    }
}

#[derive(Debug)]
struct Wall(Arc<ManualClock>);

impl countersign::Clock for Wall {
    fn now(&self) -> UnixTime {
        self.0.now().wall
    }
}

/// What an exchange comes to whose slow signature waits for its turn, and something happens meanwhile. What is presented
/// is by one of the keys.
async fn after_waiting(
    ring: &(RingKeeper, RingSettings),
    by: usize,
    meanwhile: impl AsyncFnOnce(&House, &Arc<ManualClock>),
) -> Result<Value, String> {
    let (keeper, settings) = ring;
    let now = UnixTime::from_secs(NOW);
    let keyring = Arc::new(KeyRingHandle::new(keeper.open(settings, now).unwrap()));
    let clock = Arc::new(ManualClock::at(NOW));
    let mut house = house_with(keyring, Arc::new(MemoryStore::default()), Arc::clone(&clock));
    house.internal.clock = Arc::new(Wall(Arc::clone(&clock)));
    let published = house.keyring.load_full();
    let by = published.published(now).nth(by).unwrap();
    let asked = form(&by.key.sign("at+jwt", &claims(|_| {})).unwrap(), "notes");
    let pace = Arc::clone(&house.internal.pace);
    let (gates, mut others): (Vec<_>, Vec<_>) = (0..SLOW_AT_ONCE)
        .map(|_| {
            let (open, gate) = mpsc::channel::<()>();
            (open, Box::pin(pace.slow.make(move || gate.recv())))
        })
        .unzip();
    let mut context = Context::from_waker(Waker::noop());
    for other in &mut others {
        assert!(other.as_mut().poll(&mut context).is_pending());
    }
    let mut exchanged = pin!(house.exchange("orders", &asked));
    assert!(exchanged.as_mut().poll(&mut context).is_pending(), "others have all places");
    meanwhile(&house, &clock).await;
    assert!(exchanged.as_mut().poll(&mut context).is_pending());
    drop(gates);
    for other in others {
        other.await.unwrap().unwrap_err();
    }
    exchanged.await
}

#[tokio::test]
async fn x02_what_a_slow_signature_waited_for_may_not_be_good_any_more_at_its_turn() {
    let (keeper, mut settings) = testing::ring_keeper();
    settings.algorithm = RingAlgorithm::Rs256;
    let ring = (keeper, settings);
    let granted = after_waiting(&ring, 0, async |_, clock| clock.advance(Duration::from_secs(5))).await;
    let granted = granted.unwrap();
    assert_eq!((&said(&granted)["iat"], &granted["expires_in"]), (&json!(NOW + 5), &json!(95)));

    let late = after_waiting(&ring, 0, async |_, clock| clock.advance(Duration::from_secs(100))).await;
    assert_eq!(late, denied("invalid_request"), "what was presented has ended");

    // A token of a later second than the revocation would be good: what was presented is not.
    for target in [Target::Token("presented".into()), Target::Subject("alice".into()), Target::All] {
        let revoked = after_waiting(&ring, 0, async |house, clock| {
            let demand = Demand::new(target.clone(), RevocationReason::Operator);
            house.internal.ledger.revoke(demand, UnixTime::from_secs(NOW)).await.unwrap();
            clock.advance(Duration::from_secs(5));
        })
        .await;
        assert_eq!(revoked, denied("invalid_request"), "{target:?}");
    }

    // By the key that signs, and by the next one.
    for by in 0..2 {
        let mut kid = None;
        let retired = after_waiting(&ring, by, async |house, _| {
            let (keeper, settings) = &ring;
            let now = UnixTime::from_secs(NOW);
            kid = house.keyring.load().signer(now).unwrap().key_id().cloned();
            house.keyring.replace(keeper.retire(settings, now, kid.as_ref().unwrap()).unwrap());
        })
        .await;
        if by == 0 {
            assert_eq!(retired, denied("invalid_request"), "what was presented is good no more");
        } else {
            assert_ne!(json!(kid.unwrap().as_str()), part(&retired.unwrap(), 0)["kid"]);
        }
    }
}

#[tokio::test]
async fn x03_neither_power_nor_life_nor_actors_can_be_gained() {
    let house = house();
    let token = house.token(|_| {});
    let scoped = async |scope: &str| {
        let granted = house.exchange("orders", &format!("{}&scope={scope}", form(&token, "notes"))).await;
        granted.map(|granted| (said(&granted)["scope"].clone(), granted["scope"].clone()))
    };
    assert_eq!(scoped("read").await, Ok((json!("read"), json!("read"))));
    for more in ["admin", "read+admin", "READ", "read++write", "+"] {
        assert_eq!(scoped(more).await, Err("400 invalid_scope".to_owned()), "{more}");
    }
    let scopeless = house.token(|claims| drop(claims.as_object_mut().unwrap().remove("scope")));
    let asked = format!("{}&scope=read", form(&scopeless, "notes"));
    assert_eq!(house.exchange("orders", &asked).await, denied("invalid_scope"));
    let granted = house.exchange("orders", &form(&scopeless, "notes")).await.unwrap();
    assert!(said(&granted).get("scope").is_none() && granted.get("scope").is_none());

    // Nobody gets more life than is left, nor more than a token has.
    for (left, expected) in [(1, 1), (119, 119), (121, 120), (4000, 120)] {
        let token = house.token(|claims| claims["exp"] = json!(NOW + left));
        let granted = house.exchange("orders", &form(&token, "notes")).await.unwrap();
        assert_eq!(granted["expires_in"], expected, "{left}");
        assert_eq!(said(&granted)["exp"], NOW + expected, "{left}");
    }

    // The chain of actors grows by the client alone, in front.
    let first = house.exchange("orders", &form(&token, "notes")).await.unwrap();
    let second = first["access_token"].as_str().unwrap();
    let third = house.exchange("notes", &form(second, "archive")).await.unwrap();
    assert_eq!(said(&third)["act"], json!({ "sub": "notes", "act": { "sub": "orders" } }));
    assert_eq!((&said(&third)["sub"], &said(&third)["sid"]), (&json!("alice"), &json!("session")));
    let with_issuer = json!({ "sub": "support", "iss": "https://staff.example" });
    let acted = house.token(|claims| claims["act"] = with_issuer.clone());
    let granted = house.exchange("orders", &form(&acted, "notes")).await.unwrap();
    assert_eq!(said(&granted)["act"], json!({ "sub": "orders", "act": with_issuer }));
    assert_eq!(house.introspect("orders", &acted).await["act"], with_issuer);
    for (length, allowed) in [(MAX_ACTORS - 1, true), (MAX_ACTORS, false)] {
        let chain = (1..length).fold(json!({ "sub": "a" }), |act, _| json!({ "sub": "a", "act": act }));
        let token = house.token(|claims| claims["act"] = chain);
        assert_eq!(house.exchange("orders", &form(&token, "notes")).await.is_ok(), allowed, "{length}");
    }

    // Whom the token allows to act, nobody else does, also further on.
    for (may_act, allowed) in [
        (json!({ "sub": "orders" }), true),
        (json!({ "sub": "orders", "iss": ISSUER }), true),
        (json!({ "sub": "notes" }), false),
        (json!({ "sub": "orders", "iss": "https://sso.example" }), false),
        (json!({ "iss": ISSUER }), false),
        (json!("orders"), false),
        (json!({}), false),
    ] {
        let token = house.token(|claims| claims["may_act"] = may_act.clone());
        match house.exchange("orders", &form(&token, "notes")).await {
            Ok(granted) => assert!(allowed && said(&granted)["may_act"] == may_act, "{may_act}"),
            refused => assert!(!allowed && refused == denied("invalid_request"), "{may_act} {refused:?}"),
        }
    }
    let large = house.token(|claims| claims["roles"] = json!(["r".repeat(3_000)]));
    assert_eq!(house.exchange("orders", &form(&large, "notes")).await, denied("invalid_request"));
}

#[tokio::test]
async fn x04_a_client_that_exchanges_too_often_is_refused_alone() {
    let house = house();
    let good = form(&house.token(|_| {}), "notes");
    for number in 0..500 {
        // What is asked for in vain counts as well.
        let asked = if number % 2 == 0 { good.clone() } else { form("planted.bad.token", "notes") };
        let outcome = house.exchange("orders", &asked).await;
        assert_eq!(outcome.is_ok(), number % 2 == 0, "{number}: {outcome:?}");
    }
    let proof = format!("Basic {}", STANDARD.encode(format!("orders:{SECRET}")));
    let request = Request::post("/token")
        .header(header::AUTHORIZATION, proof)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(good))
        .unwrap();
    let response = house.internal.pages().oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
        (429, &"1".parse().unwrap())
    );
    let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({ "error": "temporarily_unavailable" })
    );
    let of_notes = house.token(|claims| claims["aud"] = json!("notes"));
    assert!(house.exchange("notes", &form(&of_notes, "archive")).await.is_ok());
    // Nothing is signed for what it is told in place of a token.
    assert!(house.introspect("orders", &house.token(|_| {})).await["active"] == true);
}

#[tokio::test]
async fn a_token_is_active_for_its_own_service_alone() {
    let house = house();
    let token = house.token(|_| {});
    let mut expected = claims(|_| {});
    (expected["active"], expected["token_type"]) = (json!(true), json!("Bearer"));
    assert_eq!(house.introspect("orders", &token).await, expected);
    for other in ["notes", "stray"] {
        assert_eq!(house.introspect(other, &token).await, json!({ "active": false }), "{other}");
    }
    let (status, denied) = house.post("/introspect", "nobody", &format!("token={token}")).await;
    assert_eq!((status, &denied["error"]), (401, &json!("invalid_client")));
    for bad in ["", "token=", "token=a&token=b"] {
        let (status, denied) = house.post("/introspect", "orders", bad).await;
        assert_eq!((status, &denied["error"]), (400, &json!("invalid_request")), "{bad}");
    }
}
