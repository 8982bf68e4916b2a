//! The whole flow, below HTTP: real stages, a scripted authorization server, simulated time.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Waker},
    time::Duration,
};

use countersign::{
    Secret, UnixTime,
    revocation::{Epoch, Target},
};
use http::Request;
use serde_json::json;
use tokio::time::Instant;

use super::{
    Ask, ServerSession, Translation, WAIT_TO_SIGN, Warm,
    signing::{Until, Wanted, Whom},
};
use crate::{
    clock::{Clock, ManualClock},
    config::resolved::{ClaimsConfig, Requirements, RingAlgorithm, RouteKind, TranslateConfig},
    credential::{CredentialRules, OwnedCredential},
    decision::{Decision, Forward, Remove},
    entropy::SystemEntropy,
    error::{Refusal, SourceError},
    identity::Mapping,
    keyring::{KeyRingHandle, RingKeeper, RingSettings},
    observe::{Observer, SourceLabel},
    revocation::{Demand, Keeper, Ledger, Lifetimes, RevocationReason},
    route::RouteTable,
    session::{
        Memory, Parts, Rules, Sessions,
        cache::Entry,
        gate::Places,
        key::{SessionKey, SessionKeyer},
        source::{Answer, Asking, Source, Verdict},
    },
    store::{Change, RevocationRecord, Terms},
    tasks::Tasks,
    testing,
};

const BEGIN: u64 = 1_800_000_000;
pub(super) const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Knows everybody by the name in their cookie: `alice` is an editor of acme, `bob` a viewer of globex.
#[derive(Debug, Default)]
pub(super) struct OldServer {
    calls: AtomicUsize,
    pub(super) down: AtomicBool,
}

impl Source for OldServer {
    fn ask<'a>(&'a self, credential: &'a Arc<OwnedCredential>, _: UnixTime) -> Asking<'a> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let down = self.down.load(Ordering::SeqCst);
        Box::pin(async move {
            if down {
                return Err(SourceError::Unavailable("refused".to_owned()));
            }
            let session = match credential.value.expose().as_str() {
                "alice" => json!({ "sub": "alice", "roles": ["editor"], "username": "al" }),
                "bob" => json!({ "sub": "bob", "roles": ["viewer"] }),
                "burdened" => {
                    let roles: Vec<_> = (0..256).map(|n| format!("a-role-with-a-long-name-{n}")).collect();
                    json!({ "sub": "carol", "roles": roles })
                }
                "short" => json!({ "sub": "alice", "roles": ["editor"] }),
                _ => return Ok(Verdict::No(None)),
            };
            let ends = (credential.value.expose() == "short").then(|| UnixTime::from_secs(BEGIN + 100));
            let serde_json::Value::Object(session) = session else { return Ok(Verdict::No(None)) };
            Ok(Verdict::Live(Box::new(Answer { session, userinfo: None, ends, new_cookie: None })))
        })
    }
}

pub(super) struct House {
    pub(super) translation: Translation,
    pub(super) server: Arc<OldServer>,
    pub(super) clock: Arc<ManualClock>,
}

pub(super) fn house() -> House {
    house_with(Ledger::idle(), Arc::new(ManualClock::at(BEGIN)))
}

fn house_with(ledger: Arc<Ledger>, clock: Arc<ManualClock>) -> House {
    let n = |n| NonZeroUsize::new(n).unwrap();
    let mut editors = testing::route("/edit/");
    editors.kind = RouteKind::Translate(TranslateConfig {
        audience: "orders".into(),
        require: Requirements { roles: vec!["editor".into()], ..Requirements::default() },
        with_username: false,
        with_email: false,
    });
    let (mut public, mut legacy) = (testing::route("/public/"), testing::route("/"));
    public.kind = RouteKind::Public;
    legacy.kind = RouteKind::Legacy;
    let routes = [testing::route("/orders/"), editors, public, legacy];
    let memory = Memory::new(n(1000), Places { all: n(256), per_client: n(32) }, Tasks::default());
    let server = Arc::new(OldServer::default());
    let keyring = testing::keyring(UnixTime::from_secs(BEGIN));
    let sessions = Sessions::new(Parts {
        rules: Rules {
            recheck: Duration::from_secs(30),
            max_age: Duration::from_secs(8 * 3600),
            timeout: Duration::from_secs(2),
            max_waiters: n(16_384),
            stale_if_error: None,
        },
        keyer: SessionKeyer::new(&Secret::new([1; 32]), b"settings"),
        memory: Arc::new(memory.with_ledger(ledger)),
        source: server.clone(),
        mapping: Mapping::new(&ClaimsConfig::default()),
        clock: clock.clone(),
        observer: Observer::without_files(),
        label: SourceLabel::Introspection,
    });
    let translation = Translation {
        routes: RouteTable::new(&routes, testing::policy),
        credentials: CredentialRules::new(Some("S"), false),
        own_origin: "https://shop.example".to_owned(),
        sessions: Arc::new(sessions),
        page_tokens: None,
        keyring,
        clock: clock.clone(),
        entropy: Arc::new(SystemEntropy),
        observer: Observer::without_files(),
    };
    House { translation, server, clock }
}

impl House {
    fn warm(&self, method: &str, path: &str, cookie: &str) -> Warm {
        let mut request = Request::builder().method(method).uri(path).header("host", "shop.example");
        if !cookie.is_empty() {
            request = request.header("cookie", format!("S={cookie}"));
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        self.translation.warm(&parts.into(), CLIENT, self.clock.now())
    }

    async fn decide(&self, path: &str, cookie: &str) -> Decision {
        match self.warm("GET", path, cookie) {
            Warm::Decided(decision) => decision,
            Warm::Refresh(decision, ask) => {
                self.translation.refresh(*ask);
                decision
            }
            Warm::Cold(ask) => self.translation.cold(*ask).await,
        }
    }

    async fn forwarded(&self, path: &str, cookie: &str) -> Forward {
        match self.decide(path, cookie).await {
            Decision::Forward(forward) => forward,
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&self, path: &str, cookie: &str) -> Refusal {
        match self.decide(path, cookie).await {
            Decision::Refuse(refuse) => refuse.refusal,
            other => panic!("{other:?}"),
        }
    }

    fn calls(&self) -> usize {
        self.server.calls.load(Ordering::SeqCst)
    }
}

fn claims(forward: &Forward) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let value = forward.set.header_value();
    let token = value.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_in_and_a_token_comes_out_and_serves_until_it_ages() {
    let house = house();
    let first = house.forwarded("/orders/", "alice").await;
    let said = claims(&first);
    assert_eq!(
        (&said["sub"], &said["aud"], &said["roles"]),
        (&json!("alice"), &json!("orders"), &json!(["editor"]))
    );
    assert_eq!(said["exp"], json!(BEGIN + 300));
    assert_eq!(said.get("preferred_username"), None);
    let again = house.forwarded("/orders/7", "alice").await;
    assert!(Arc::ptr_eq(&first.set, &again.set));
    assert_eq!(house.calls(), 1);
    assert!(matches!(house.warm("GET", "/orders/", "alice"), Warm::Decided(_)));
    house.clock.advance(Duration::from_secs(25));
    assert!(matches!(house.warm("GET", "/orders/", "alice"), Warm::Refresh(..)));
    house.clock.advance(Duration::from_secs(5));
    assert!(matches!(house.warm("GET", "/orders/", "alice"), Warm::Cold(_)));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_handed_out_has_its_minimum_left() {
    let house = house();
    let first = house.forwarded("/orders/", "alice").await;
    for _ in 0..300 {
        house.clock.advance(Duration::from_secs(7));
        let forward = house.forwarded("/orders/", "alice").await;
        let left = forward.set.exp().saturating_since(house.clock.now().wall);
        assert!(left >= Duration::from_secs(60), "{left:?}");
        assert_eq!(forward.session(), first.session());
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_with_its_session_at_the_latest() {
    let house = house();
    let forward = house.forwarded("/orders/", "short").await;
    assert_eq!(claims(&forward)["exp"], json!(BEGIN + 100));
    house.clock.advance(Duration::from_secs(25));
    let later = house.forwarded("/orders/", "short").await;
    assert!(Arc::ptr_eq(&forward.set, &later.set));
    house.clock.advance(Duration::from_secs(75));
    assert_eq!(house.refused("/orders/", "short").await, Refusal::SessionEnded);
}

/// Nor is it kept: nothing of it could be handed out.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_too_large_is_not_handed_out() {
    let house = house();
    for _ in 0..3 {
        assert_eq!(house.refused("/orders/", "burdened").await, Refusal::TokenTooLarge);
        assert!(
            matches!(house.warm("GET", "/orders/", "burdened"), Warm::Cold(ask) if ask.session.is_some())
        );
    }
    assert_eq!(house.calls(), 1, "the session is known");
}

#[tokio::test(start_paused = true)]
async fn sessions_are_never_mixed_up() {
    let house = house();
    let (alice, bob) = (house.forwarded("/orders/", "alice").await, house.forwarded("/orders/", "bob").await);
    for _ in 0..3 {
        assert_eq!(claims(&house.forwarded("/orders/", "alice").await)["sub"], "alice");
        assert_eq!(claims(&house.forwarded("/orders/", "bob").await)["sub"], "bob");
    }
    assert_ne!(alice.session(), bob.session());
}

#[tokio::test(start_paused = true)]
async fn roles_are_demanded_cold_and_warm() {
    let house = house();
    for _ in 0..2 {
        assert_eq!(house.refused("/edit/", "bob").await, Refusal::RoleMissing);
        assert!(matches!(house.decide("/edit/", "alice").await, Decision::Forward(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn public_and_legacy_routes_ask_nobody() {
    let house = house();
    for (path, remove) in [("/public/x", Remove::Credential), ("/login", Remove::IdentityHeaders)] {
        match house.decide(path, "alice").await {
            Decision::Pass(pass) => assert_eq!(pass.remove, remove),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(house.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_request_is_said() {
    let house = house();
    assert_eq!(house.refused("/orders/", "").await, Refusal::CredentialMissing);
    assert_eq!(house.refused("/orders/", "nobody").await, Refusal::SessionEnded);
    assert_eq!(house.refused("/orders/../edit/", "alice").await, Refusal::PathNotCanonical);
    assert_eq!(house.refused("/.countersign/session", "alice").await, Refusal::NoRoute);
    let decided = |method| match house.warm(method, "/orders/", "alice") {
        Warm::Decided(Decision::Refuse(refuse)) => refuse.refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(decided("TRACE"), Refusal::MethodNotAllowed);
    assert_eq!(decided("POST"), Refusal::Csrf);
    house.server.down.store(true, Ordering::SeqCst);
    assert_eq!(house.refused("/orders/", "alice").await, Refusal::SourceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn an_outage_past_recheck_is_a_503_and_the_session_lives_on() {
    let house = house();
    let before = house.forwarded("/orders/", "alice").await;
    house.server.down.store(true, Ordering::SeqCst);
    house.clock.advance(Duration::from_secs(29));
    assert!(matches!(house.decide("/orders/", "alice").await, Decision::Forward(_)));
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.refused("/orders/", "alice").await, Refusal::SourceUnavailable);
    house.server.down.store(false, Ordering::SeqCst);
    assert_eq!(house.forwarded("/orders/", "alice").await.session(), before.session());
}

mod pages;

/// Its keeper never comes to read.
#[tokio::test]
async fn a_gateway_that_has_not_read_the_shared_store_for_too_long_signs_nothing_until_it_has() {
    let clock = Arc::new(ManualClock::at(BEGIN));
    let (ledger, _keeper) = kept_ledger_on(testing::Breakable::shared(), &clock);
    ledger.limit_alone(Duration::from_secs(10));
    let house = house_with(ledger, clock);
    assert!(matches!(house.decide("/orders/1", "alice").await, Decision::Forward(_)));
    house.clock.advance(Duration::from_secs(11));
    assert!(matches!(house.decide("/orders/1", "alice").await, Decision::Forward(_)), "signed before");
    for cookie in ["bob", "short"] {
        let Decision::Refuse(refusal) = house.decide("/orders/1", cookie).await else {
            panic!("{cookie} got a token")
        };
        assert_eq!(refusal.refusal.code(), "revocations_unread");
    }
}

/// What is revoked, and can be written or not.
fn ledger_on(store: testing::Breakable, clock: &Arc<ManualClock>) -> Arc<Ledger> {
    let (ledger, keeper) = kept_ledger_on(store, clock);
    tokio::spawn(keeper.run());
    ledger
}

/// The same, and who writes it.
fn kept_ledger_on(store: testing::Breakable, clock: &Arc<ManualClock>) -> (Arc<Ledger>, Keeper) {
    let hour = Duration::from_secs(3600);
    let opened = Ledger::open(
        Arc::new(store),
        &Epoch::new("e").unwrap(),
        "https://shop.example".into(),
        Lifetimes { token: hour, session: hour, spread: Lifetimes::SPREAD },
        clock.clone(),
        Observer::without_files(),
    );
    opened.unwrap()
}

impl House {
    /// A request that has passed the warm path: the session is known and fresh, and a token is missing.
    async fn without_token(&self, cookie: &str) -> (SessionKey, Arc<Entry>, Box<Ask>) {
        let fields = testing::fields(&[("cookie", &format!("S={cookie}"))]);
        let session = self.translation.page_session(&fields, CLIENT).await.unwrap();
        let Warm::Cold(ask) = self.warm("GET", "/orders/", cookie) else { panic!("it has a token") };
        (session.key, session.entry, ask)
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_signed_for_a_session_that_turned_out_to_be_another_on_the_way() {
    let house = house();
    let (key, entry, ask) = house.without_token("alice").await;
    let learned = house.clock.now().monotonic;
    house.translation.sessions.cache().writer(&key).put(Arc::new(entry.outdated(learned)));
    house.clock.advance(Duration::from_secs(1));
    // Whoever holds the turn to sign finds it so too.
    let route = Arc::clone(ask.route());
    let wanted = Wanted { whom: Whom::Route(route), until: Until::Lifetime };
    let begin = Instant::now();
    let signed = house.translation.sign_when_settled(&wanted, key, &entry, house.clock.now()).await;
    assert_eq!(signed.unwrap_err(), Refusal::RevocationUnsettled);
    assert_eq!(begin.elapsed(), Duration::ZERO, "it would be in vain to wait");
    assert_eq!(house.calls(), 1);
    assert!(matches!(house.translation.cold(*ask).await, Decision::Forward(_)));
    assert_eq!(house.calls(), 2, "the server was asked before");
}

/// A ring whose signatures are slow, one at a time.
fn slow_ring() -> (RingKeeper, RingSettings, Arc<KeyRingHandle>) {
    let (keeper, mut settings) = testing::ring_keeper();
    settings.algorithm = RingAlgorithm::Rs256;
    let ring = keeper.open(&settings, UnixTime::from_secs(BEGIN)).unwrap();
    (keeper, settings, Arc::new(KeyRingHandle::new(ring)))
}

/// Tokens of this second and the next are refused; the session is not.
fn refuse_tokens_of_this_second(ledger: &Ledger, subject: &str) {
    let (at, until) = (UnixTime::from_secs(BEGIN + 1), UnixTime::from_secs(BEGIN + 3600));
    let terms = Terms { at, tokens_until: until, sessions_until: UnixTime::from_secs(0) };
    let target = Target::Subject(subject.into());
    let change = Change::Revoked { target, name_of: None, terms, reason: "changed".to_owned() };
    ledger.take_in([RevocationRecord { seq: 1, change }]);
}

#[tokio::test]
async fn a_slow_signature_waits_for_its_turn_and_is_of_the_ring_and_second_in_which_it_is_made() {
    let mut house = house();
    let begin = UnixTime::from_secs(BEGIN);
    let (keeper, settings, keyring) = slow_ring();
    house.translation.keyring = keyring;
    let before = house.translation.keyring.load().signer(begin).unwrap().key_id().unwrap().clone();
    let (open, gate) = mpsc::channel::<()>();
    let mut other = pin!(house.translation.keyring.slow().make(move || gate.recv()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(other.as_mut().poll(&mut context).is_pending());

    let (_, _, ask) = house.without_token("alice").await;
    let mut cold = pin!(house.translation.cold(*ask));
    for _ in 0..3 {
        assert!(cold.as_mut().poll(&mut context).is_pending(), "another has the only place");
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    }
    house.clock.advance(Duration::from_secs(5));
    house.translation.keyring.replace(keeper.retire(&settings, begin, &before).unwrap());
    open.send(()).unwrap();
    let (_, decision) = tokio::join!(other, cold);
    let Decision::Forward(forward) = decision else { panic!("{decision:?}") };
    assert_eq!(claims(&forward)["iat"], json!(BEGIN + 5));
    assert!(forward.set.kid().is_some_and(|kid| *kid != before));
    let served = house.forwarded("/orders/", "alice").await;
    assert!(Arc::ptr_eq(&served.set, &forward.set), "it is kept");
}

#[tokio::test(start_paused = true)]
async fn a_slow_signature_whose_turn_comes_in_the_second_of_a_revocation_waits_as_any_other() {
    let (_keeper, _settings, keyring) = slow_ring();
    for goes_on in [true, false] {
        let clock = Arc::new(ManualClock::at(BEGIN));
        let ledger = ledger_on(testing::Breakable::default(), &clock);
        let mut house = house_with(Arc::clone(&ledger), clock);
        house.translation.keyring = Arc::clone(&keyring);
        let (_, _, ask) = house.without_token("alice").await;
        let (open, gate) = mpsc::channel::<()>();
        let mut other = pin!(keyring.slow().make(move || gate.recv()));
        let mut cold = pin!(house.translation.cold(*ask));
        let mut context = Context::from_waker(Waker::noop());
        assert!(other.as_mut().poll(&mut context).is_pending());
        assert!(cold.as_mut().poll(&mut context).is_pending(), "another has the only place");
        refuse_tokens_of_this_second(&ledger, "alice");
        open.send(()).unwrap();
        let begin = Instant::now();
        let later = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            house.clock.advance(if goes_on { Duration::from_secs(5) } else { Duration::ZERO });
        };
        let (_, decision, ()) = tokio::join!(other, cold, later);
        match decision {
            Decision::Forward(forward) => {
                assert!(goes_on);
                assert_eq!(claims(&forward)["iat"], json!(BEGIN + 5));
                assert_eq!(begin.elapsed(), WAIT_TO_SIGN);
            }
            Decision::Refuse(refuse) => {
                assert_eq!((goes_on, refuse.refusal), (false, Refusal::RevocationUnsettled));
                assert_eq!(begin.elapsed(), 8 * WAIT_TO_SIGN, "no longer than any other");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_while_its_token_waits_to_be_signed_does_not_come_back() {
    let clock = Arc::new(ManualClock::at(BEGIN));
    let ledger = ledger_on(testing::Breakable::default(), &clock);
    let house = house_with(Arc::clone(&ledger), clock);
    let (key, _, ask) = house.without_token("alice").await;
    refuse_tokens_of_this_second(&ledger, "alice");
    let cache = house.translation.sessions.cache();
    let ended = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cache.writer(&key).end(Refusal::SessionEnded, house.clock.now().monotonic);
        house.clock.advance(Duration::from_secs(5));
    };
    let (decision, ()) = tokio::join!(house.translation.cold(*ask), ended);
    let Decision::Refuse(refuse) = decision else { panic!("{decision:?}") };
    assert_eq!(refuse.refusal, Refusal::RevocationUnsettled);
    assert!(cache.find(&key).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_log_out_of_a_session_that_has_ended_is_durable_when_everything_is() {
    let clock = Arc::new(ManualClock::at(BEGIN));
    let ledger = ledger_on(testing::Breakable::shared(), &clock);
    let broken = testing::Breakable::shared();
    broken.broken.store(true, Ordering::SeqCst);
    let cut_off = ledger_on(broken, &clock);
    for (ledger, is_durable) in [(ledger, true), (cut_off, false)] {
        let house = house_with(Arc::clone(&ledger), clock.clone());
        // As the server's "no" does it of a session that another gateway has known.
        let target = Target::IssuedTo("s".into());
        ledger.revoke_later(Demand::new(target, RevocationReason::ServerSaidNo), clock.now().wall).unwrap();
        let logged_out =
            house.translation.log_out(&testing::fields(&[("cookie", "S=nobody")]), CLIENT).await.unwrap();
        assert_eq!((logged_out.server_session, logged_out.is_durable), (ServerSession::Ended, is_durable));
    }
}
