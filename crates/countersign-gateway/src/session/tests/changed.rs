//! Sessions that go on as another: less power, another user, another name.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use countersign::{
    SessionId, Standing, UnixTime, Verifier,
    revocation::{Epoch, Target},
};

use super::{House, live, shared::Open};
use crate::{
    clock::{Clock, ManualClock},
    error::{Refusal, SourceError},
    issue,
    observe::Observer,
    permit::permit,
    revocation::{Demand, Ledger, Lifetimes, RevocationReason},
    session::{
        Sessions,
        cache::{Entry, Freshness},
        shared::SharedCache,
        source::Verdict,
    },
    store::{Change, RevocationRecord, RingVersion, Store, Terms, memory::MemoryStore},
    testing,
};

const HOUR: Duration = Duration::from_secs(3600);
const BEGIN: u64 = 1_000_000;

pub(super) fn ledger_on(store: Arc<dyn Store>) -> Arc<Ledger> {
    let (ledger, keeper) = Ledger::open(
        store,
        &Epoch::new("e").unwrap(),
        "https://shop.example".into(),
        Lifetimes { token: HOUR, session: HOUR, spread: Duration::ZERO },
        Arc::new(ManualClock::at(BEGIN)),
        Observer::without_files(),
    )
    .unwrap();
    tokio::spawn(keeper.run());
    ledger
}

pub(super) fn ledger() -> Arc<Ledger> {
    ledger_on(Arc::new(MemoryStore::new()))
}

type Script = Vec<Result<Verdict, SourceError>>;

fn gateway(ledger: &Arc<Ledger>, answers: Script) -> House {
    with_cache(ledger, None, answers)
}

pub(super) fn with_cache(ledger: &Arc<Ledger>, cache: Option<&Arc<Open>>, answers: Script) -> House {
    let cache = cache.map(|cache| cache.clone() as Arc<dyn SharedCache>);
    let equip = |memory: crate::session::Memory| memory.with_ledger(Arc::clone(ledger)).with_shared(cache);
    let house = House::built(answers, Duration::ZERO, |_| {}, b"settings", equip);
    house.clock.advance(Duration::from_secs(100));
    house
}

/// Live, and called so by the server.
fn called(subject: &str, role: &str, server_sid: &str) -> Result<Verdict, SourceError> {
    let Ok(Verdict::Live(mut answer)) = live(subject, role) else { panic!("live was written") };
    answer.session.insert("sid".to_owned(), server_sid.into());
    Ok(Verdict::Live(answer))
}

async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// How services take a token that was signed for this session so long after this house's beginning.
fn standing(ledger: &Ledger, entry: &Entry, seconds: u64) -> Standing {
    ledger.standing_of_token(&entry.concerned(), None, UnixTime::from_secs(BEGIN + seconds))
}

fn issued_to(entry: &Entry) -> Target {
    Target::IssuedTo(entry.sid.clone())
}

/// `{"user": null}`, say: what was issued before is no better for it than after a "no".
#[tokio::test(start_paused = true)]
async fn an_answer_about_nobody_revokes_what_was_issued_until_then() {
    let ledger = ledger();
    let Ok(Verdict::Live(mut about_nobody)) = live("alice", "admin") else { panic!("live was written") };
    about_nobody.session.remove("sub").unwrap();
    let house = gateway(&ledger, vec![live("alice", "admin"), Ok(Verdict::Live(about_nobody))]);
    let before = house.resolve("c").await.unwrap();
    house.clock.advance(Duration::from_secs(31));
    assert_eq!(house.resolve("c").await.unwrap_err(), Refusal::SubjectMissing);
    settle().await;
    assert_eq!(standing(&ledger, &before, 130), Standing::Revoked);
    assert!(ledger.terms_of(&issued_to(&before)).is_some());
    assert!(house.entry("c").is_none());
}

/// A server that begins to tell of what kind its tokens are: what was issued to a refresh token should never have been,
/// and a stream that it opened is not to go on for an hour.
#[tokio::test(start_paused = true)]
async fn a_credential_that_turns_out_to_be_no_session_revokes_what_was_issued_until_then() {
    for refusal in [Refusal::SessionOfOtherKind, Refusal::SessionBoundToKey] {
        let ledger = ledger();
        let house = gateway(&ledger, vec![live("alice", "admin"), Ok(Verdict::Refused(refusal))]);
        let before = house.resolve("c").await.unwrap();
        house.clock.advance(Duration::from_secs(31));
        assert_eq!(house.resolve("c").await.unwrap_err(), refusal);
        assert_eq!(house.resolve("c").await.unwrap_err(), refusal, "remembered");
        settle().await;
        assert_eq!((house.calls(), house.entry("c").is_some()), (2, false));
        assert_eq!(standing(&ledger, &before, 130), Standing::Revoked);
        assert!(ledger.terms_of(&issued_to(&before)).is_some());
    }
}

/// Whoever sends a refresh token where nobody was served revokes nothing by it, and least its user's sessions.
#[tokio::test(start_paused = true)]
async fn a_credential_that_never_was_a_session_revokes_nothing() {
    let ledger = ledger();
    let answers = vec![called("alice", "admin", "s-1"), Ok(Verdict::Refused(Refusal::SessionOfOtherKind))];
    let house = gateway(&ledger, answers);
    house.resolve("c").await.unwrap();
    assert_eq!(house.resolve("refresh").await.unwrap_err(), Refusal::SessionOfOtherKind);
    settle().await;
    assert!(ledger.is_empty() && house.entry("c").is_some());
}

#[tokio::test(start_paused = true)]
async fn less_power_revokes_what_was_issued_until_then_whoever_signed_it_and_nothing_later() {
    let ledger = ledger();
    let house = gateway(&ledger, vec![live("alice", "admin"), live("alice", "viewer")]);
    let before = house.resolve("c").await.unwrap();
    house.clock.advance(Duration::from_secs(31));
    let after = house.resolve("c").await.unwrap();
    settle().await;
    assert_eq!((&after.sid, after.outdated), (&before.sid, None));
    assert_eq!(standing(&ledger, &after, 130), Standing::Revoked);
    assert_eq!(standing(&ledger, &after, 131), Standing::Good, "signed at once");
    assert_eq!(ledger.check(&after.concerned()), Standing::Good);
    // Nobody is asked again because of what this gateway has found itself.
    let mut seen = "e.0".parse().unwrap();
    house.sessions.ask_again_about(&ledger.changed_sessions(&mut seen), house.clock.now());
    assert!(house.entry("c").unwrap().outdated.is_none());
    // And more power revokes nothing.
    house.server(live("alice", "viewer"));
    house.clock.advance(Duration::from_secs(31));
    house.resolve("c").await.unwrap();
    settle().await;
    assert_eq!(ledger.cursor().seq, 1);
}

#[tokio::test(start_paused = true)]
async fn another_gateway_that_has_the_session_signs_nothing_more_before_it_has_asked() {
    let ledger = ledger();
    let one = gateway(&ledger, vec![live("alice", "admin"), live("alice", "viewer")]);
    let other = gateway(&ledger, vec![live("alice", "admin"), live("alice", "viewer")]);
    one.resolve("c").await.unwrap();
    one.clock.advance(Duration::from_secs(31));
    other.clock.advance(Duration::from_secs(20));
    other.resolve("c").await.unwrap();
    one.resolve("c").await.unwrap();
    settle().await;
    let entry = other.entry("c").unwrap();
    assert_eq!(other.sessions.freshness(&entry, other.clock.now()), Freshness::Fresh);
    let mut seen = "e.0".parse().unwrap();
    other.sessions.ask_again_about(&ledger.changed_sessions(&mut seen), other.clock.now());
    let entry = other.entry("c").unwrap();
    assert_eq!(other.sessions.freshness(&entry, other.clock.now()), Freshness::Stale);
    other.clock.advance(Duration::from_millis(1));
    let asked = other.resolve("c").await.unwrap();
    assert!(asked.outdated.is_none() && other.calls() <= 3);
    assert_eq!(asked.identity.roles[0].as_str(), "viewer");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_to_say_too_much_is_not_served_in_an_outage() {
    let ledger = ledger();
    let equip = |memory: crate::session::Memory| memory.with_ledger(Arc::clone(&ledger));
    let house = House::built(
        vec![live("alice", "admin"), super::down()],
        Duration::ZERO,
        |rules| rules.stale_if_error = Some(HOUR),
        b"settings",
        equip,
    );
    let entry = house.resolve("c").await.unwrap();
    let change = crate::revocation::SessionChange { at: UnixTime::from_secs(BEGIN), is_own: false };
    house.sessions.ask_again_about(&[(entry.sid.clone(), change)].into(), house.clock.now());
    assert_eq!(house.resolve("c").await.unwrap_err(), Refusal::SourceUnavailable);
    house.server(live("alice", "admin"));
    house.clock.advance(Duration::from_secs(2));
    assert!(house.resolve("c").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_new_user_of_a_session_of_the_server_is_not_locked_out_and_the_old_ones_tokens_are_revoked() {
    let ledger = ledger();
    let house = gateway(&ledger, vec![called("alice", "x", "s-1"), called("bob", "x", "s-1")]);
    let alice = house.resolve("c").await.unwrap();
    house.clock.advance(Duration::from_secs(31));
    assert_eq!(house.resolve("c").await.unwrap_err(), Refusal::SessionEnded);
    house.clock.advance(Duration::from_secs(2));
    let bob = house.resolve("c").await.unwrap();
    settle().await;
    assert_eq!((&bob.sid, bob.identity.subject.as_str()), (&alice.sid, "bob"));
    assert_eq!(ledger.check(&bob.concerned()), Standing::Good);
    assert_eq!(standing(&ledger, &alice, 130), Standing::Revoked);
    assert_eq!(standing(&ledger, &bob, 133), Standing::Good);
}

#[tokio::test(start_paused = true)]
async fn a_no_revokes_what_was_issued_and_a_session_that_lives_after_all_goes_on() {
    let ledger = ledger();
    let house = gateway(
        &ledger,
        vec![called("alice", "x", "s-1"), Ok(Verdict::No(None)), called("alice", "x", "s-1")],
    );
    let before = house.resolve("c").await.unwrap();
    house.clock.advance(Duration::from_secs(31));
    assert_eq!(house.resolve("c").await.unwrap_err(), Refusal::SessionEnded);
    settle().await;
    assert_eq!(standing(&ledger, &before, 130), Standing::Revoked);
    house.clock.advance(Duration::from_secs(2));
    let after = house.resolve("c").await.unwrap();
    assert_eq!(after.sid, before.sid);
    assert_eq!(standing(&ledger, &after, 133), Standing::Good);
}

#[tokio::test(start_paused = true)]
async fn a_log_out_by_the_servers_name_alone_ends_the_session_where_nobody_knows_it() {
    let ledger = ledger();
    let house = gateway(&ledger, vec![called("alice", "x", "s-1"), called("bob", "x", "s-2")]);
    let alice = house.resolve("a").await.unwrap();
    let bob = house.resolve("b").await.unwrap();
    // As a gateway does that knows neither of them.
    let session = Target::Session(house.sessions.keyer.named_session_id("s-1"));
    let now = house.clock.now().wall;
    ledger.revoke(Demand::new(session, RevocationReason::BackChannel), now).await.unwrap();
    assert_eq!(standing(&ledger, &alice, 100), Standing::Revoked, "services know it by the same name");
    assert_eq!(ledger.check(&alice.concerned()), Standing::Revoked);
    assert_eq!(ledger.check(&bob.concerned()), Standing::Good);
    // A gateway that sees it for the first time after that, under whatever cookie.
    let other = gateway(&ledger, vec![called("alice", "x", "s-1"), called("carol", "x", "s-1")]);
    assert_eq!(other.resolve("a2").await.unwrap_err(), Refusal::Revoked);
    assert_eq!(other.resolve("c").await.unwrap_err(), Refusal::Revoked, "whosever it is now");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_calls_otherwise_has_that_name_in_its_tokens() {
    let ledger = ledger();
    let house = gateway(&ledger, vec![called("alice", "x", "s-1"), called("alice", "x", "s-2")]);
    let before = house.resolve("c").await.unwrap();
    house.clock.advance(Duration::from_secs(31));
    let after = house.resolve("c").await.unwrap();
    settle().await;
    assert_eq!(after.sid, house.sessions.keyer.named_session_id("s-2"));
    assert_eq!(standing(&ledger, &before, 130), Standing::Revoked);
    assert!(after.names().any(|name| *name == before.sid), "a log-out of the old name ends it too");
}

/// What a process knew is gone; the second level is not.
async fn restarted(
    before: Result<Verdict, SourceError>,
    after: Result<Verdict, SourceError>,
    seconds: u64,
) -> (Arc<Ledger>, Arc<Entry>, House) {
    let (ledger, cache) = (ledger(), Arc::new(Open::default()));
    let old = with_cache(&ledger, Some(&cache), vec![before]).resolve("c").await.unwrap();
    let house = with_cache(&ledger, Some(&cache), vec![after]);
    house.clock.advance(Duration::from_secs(seconds));
    // Whatever it comes to is looked at by the one who calls.
    let _ = house.resolve("c").await;
    settle().await;
    (ledger, old, house)
}

#[tokio::test(start_paused = true)]
async fn power_that_was_lost_while_nobody_was_there_is_noticed_by_whoever_asks_next() {
    let cases: [(_, _, bool); 6] = [
        (live("alice", "admin"), live("alice", "viewer"), true),
        (live("alice", "admin"), live("bob", "admin"), true),
        (called("alice", "x", "s-1"), called("bob", "x", "s-1"), true),
        (live("alice", "admin"), Ok(Verdict::No(None)), true),
        (live("alice", "admin"), live("alice", "admin"), false),
        (live("alice", "admin"), super::down(), false),
    ];
    for (number, (before, after, revoked)) in cases.into_iter().enumerate() {
        let (ledger, old, house) = restarted(before, after, 60).await;
        assert_eq!(house.calls(), 1, "case {number}");
        let expected = if revoked { Standing::Revoked } else { Standing::Good };
        assert_eq!(standing(&ledger, &old, 100), expected, "case {number}");
        assert_eq!(standing(&ledger, &old, 160), Standing::Good, "case {number}: the next token is good");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_within_recheck_nobody_is_asked_and_the_next_recheck_notices() {
    let (ledger, old, house) = restarted(live("alice", "admin"), live("alice", "viewer"), 10).await;
    assert_eq!((house.calls(), house.entry("c").is_some()), (0, true));
    assert!(ledger.is_empty());
    house.clock.advance(Duration::from_secs(31));
    house.resolve("c").await.unwrap();
    settle().await;
    assert_eq!(standing(&ledger, &old, 140), Standing::Revoked);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_compared_and_never_served() {
    for seconds in [19, 29, 31, 3_000] {
        let (_, _, house) = restarted(live("alice", "admin"), super::down(), seconds).await;
        assert!(house.entry("c").is_none() && house.calls() == 1, "{seconds} s");
    }
}

/// A burst after a restart, or a file that hangs for a moment.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_is_not_overwritten_and_compared_later() {
    for no in [false, true] {
        let (ledger, cache) = (ledger(), Arc::new(Open::default()));
        let before = vec![live("alice", "admin")];
        let old = with_cache(&ledger, Some(&cache), before).resolve("c").await.unwrap();
        let first = if no { Ok(Verdict::No(None)) } else { live("alice", "viewer") };
        let house = with_cache(&ledger, Some(&cache), vec![first, live("alice", "viewer")]);
        house.clock.advance(Duration::from_secs(60));
        cache.1.store(true, Ordering::SeqCst);
        assert_eq!(house.resolve("c").await.is_err(), no);
        settle().await;
        assert_eq!(standing(&ledger, &old, 100), Standing::Good, "nobody could compare");
        cache.1.store(false, Ordering::SeqCst);
        house.clock.advance(Duration::from_secs(31));
        house.resolve("c").await.unwrap();
        settle().await;
        assert_eq!(standing(&ledger, &old, 100), Standing::Revoked, "{no}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_older_than_a_change_is_not_served_by_others() {
    let (ledger, cache) = (ledger(), Arc::new(Open::default()));
    let one = with_cache(&ledger, Some(&cache), vec![live("alice", "admin")]);
    let entry = one.resolve("c").await.unwrap();
    // Another gateway has found less, and was killed before it could share that.
    let later = UnixTime::from_secs(BEGIN + 105);
    ledger.revoke(Demand::new(issued_to(&entry), RevocationReason::Changed), later).await.unwrap();
    let other = with_cache(&ledger, Some(&cache), vec![live("alice", "viewer")]);
    other.clock.advance(Duration::from_secs(6));
    assert_eq!(other.resolve("c").await.unwrap().identity.roles[0].as_str(), "viewer");
    assert_eq!(other.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_evidence_stays_until_what_it_proves_is_durable() {
    let store = Arc::new(testing::Breakable::default());
    let (ledger, cache) = (ledger_on(store.clone()), Arc::new(Open::default()));
    let kept = |cache: &Open| cache.0.lock().unwrap().values().next().cloned();
    let house = with_cache(&ledger, Some(&cache), vec![live("alice", "admin"), live("alice", "viewer")]);
    let entry = house.resolve("c").await.unwrap();
    let evidence = kept(&cache);
    store.broken.store(true, Ordering::SeqCst);
    house.clock.advance(Duration::from_secs(31));
    house.resolve("c").await.unwrap();
    settle().await;
    assert_eq!(kept(&cache), evidence, "nothing durable says that the role is gone");
    assert_eq!(standing(&ledger, &entry, 130), Standing::Revoked, "here it holds");
    house.server(Ok(Verdict::No(None)));
    house.clock.advance(Duration::from_secs(31));
    house.resolve("c").await.unwrap_err();
    settle().await;
    assert_eq!(kept(&cache), evidence);
    // A process that knows nothing of it finds it again.
    store.broken.store(false, Ordering::SeqCst);
    let next = with_cache(&ledger_on(store), Some(&cache), vec![live("alice", "viewer")]);
    next.clock.advance(Duration::from_secs(70));
    let entry = next.resolve("c").await.unwrap();
    settle().await;
    assert_eq!(standing(next.sessions.ledger(), &entry, 130), Standing::Revoked);
    assert_ne!(kept(&cache), evidence);
}

#[tokio::test(start_paused = true)]
async fn names_of_two_servers_sessions_differ() {
    let house = gateway(&ledger(), vec![called("alice", "x", "s-1")]);
    let names: [SessionId; 2] = ["s-1", "s-2"].map(|name| house.sessions.keyer.named_session_id(name));
    assert_ne!(names[0], names[1]);
}

/// The same session with a token that lives.
pub(super) fn with_token(entry: &Entry, now: UnixTime) -> Entry {
    let policy = Arc::new(testing::token_policy("orders"));
    let permit = permit(&entry.identity, &testing::demands(&[])).unwrap();
    let claims = issue::claims(&permit, &policy, &entry.sid, entry.ends, "jti".into(), now);
    let signed = testing::keyring(now).load_full().sign(&claims, now).unwrap();
    entry.with_token(&policy, RingVersion::FIRST, Arc::new(signed), now)
}

/// A gateway could not reach the store, and signed for a session that others had revoked so long ago that services have
/// forgotten it by the time it learns of that.
#[tokio::test(start_paused = true)]
async fn what_was_signed_before_a_late_revocation_was_learned_of_is_revoked_by_name() {
    for (written, is_late) in [(BEGIN - 4000, true), (BEGIN + 100, false)] {
        let store = Arc::new(MemoryStore::new());
        let ledger = ledger_on(store.clone());
        let house = gateway(&ledger, vec![live("alice", "editor")]);
        let entry = house.resolve("c").await.unwrap();
        let key = house.ask("c").0;
        house.sessions.cache().writer(&key).put(Arc::new(with_token(&entry, house.clock.now().wall)));
        let (sessions, clock, learns) = (house.sessions.clone(), house.clock.clone(), ledger.clone());
        let following = tokio::spawn(async move {
            Sessions::follow_changes(&learns, &*clock, || sessions.clone()).await;
        });
        settle().await;
        let (at, target) = (UnixTime::from_secs(written), Target::Session(entry.sid.clone()));
        let tokens_until = at.saturating_add(HOUR).saturating_add(Verifier::MAX_LEEWAY);
        let terms = Terms { at, tokens_until, sessions_until: UnixTime::MAX };
        let change = Change::Revoked { target, name_of: None, terms, reason: "log_out".to_owned() };
        let seq = store.append(std::slice::from_ref(&change)).unwrap().seq;
        ledger.take_in([RevocationRecord { seq, change }]);
        settle().await;
        assert_eq!(ledger.terms_of(&Target::Token("jti".into())).is_some(), is_late);
        following.abort();
    }
}
