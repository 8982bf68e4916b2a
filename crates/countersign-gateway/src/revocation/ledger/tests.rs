use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use countersign::{
    OrganisationId, SessionId, Standing, Subject, TokenId, UnixTime,
    revocation::{Cursor, Epoch, Revoked, Target, What},
};
use proptest::prelude::*;

use super::{CannotContinue, Ledger, Lifetimes};
use crate::{
    clock::{Clock, ManualClock},
    observe::Observer,
    revocation::{Concerned, Demand, Keeper, RevocationReason, Unrecorded},
    store::{
        Change, RevocationRecord, StateDirectory, Store, StoredRevocations, Terms, embedded::EmbeddedStore,
        in_force, memory::MemoryStore,
    },
    testing::Breakable,
};

const BEGIN: u64 = 1_800_000_000;
const LIFETIMES: Lifetimes = Lifetimes {
    token: Duration::from_secs(300),
    session: Duration::from_secs(8 * 3600),
    spread: Duration::ZERO,
};

fn now() -> UnixTime {
    UnixTime::from_secs(BEGIN)
}

fn open(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> (Arc<Ledger>, Keeper) {
    open_with(LIFETIMES, store, clock)
}

fn open_with(lifetimes: Lifetimes, store: Arc<dyn Store>, clock: Arc<ManualClock>) -> (Arc<Ledger>, Keeper) {
    let epoch = Epoch::new("test").unwrap();
    let issuer = "https://shop.example".into();
    Ledger::open(store, &epoch, issuer, lifetimes, clock, Observer::without_files()).unwrap()
}

/// A ledger whose keeper runs.
fn running(store: Arc<dyn Store>) -> (Arc<Ledger>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(BEGIN));
    let (ledger, keeper) = open(store, clock.clone());
    tokio::spawn(keeper.run());
    (ledger, clock)
}

struct Who {
    session: SessionId,
    subject: Subject,
    organisation: Option<OrganisationId>,
    began: Option<UnixTime>,
}

fn who(session: &str, subject: &str, organisation: Option<&str>, began: Option<u64>) -> Who {
    Who {
        session: session.into(),
        subject: subject.into(),
        organisation: organisation.map(|id| OrganisationId::new(id).unwrap()),
        began: began.map(UnixTime::from_secs),
    }
}

impl Who {
    fn concerned(&self) -> Concerned<'_> {
        let Self { session, subject, organisation, began } = self;
        Concerned { session, others: &[], subject, organisation: organisation.as_ref(), began: *began }
    }

    fn is_revoked(&self, ledger: &Ledger) -> bool {
        ledger.check(&self.concerned()) == Standing::Revoked
    }
}

fn demand(target: Target) -> Demand {
    Demand::new(target, RevocationReason::Operator)
}

const HALF_A_MINUTE: Duration = Duration::from_secs(31);
const DAY: u64 = 24 * 3600;

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_is_not_believed_for_a_day() {
    let (ledger, clock) = running(Arc::new(MemoryStore::new()));
    let alice = who("a", "alice", None, None);
    let wish =
        Demand::of_session("a".into(), UnixTime::from_secs(BEGIN + 8 * 3600), RevocationReason::LogOut);
    ledger.revoke(wish, now()).await.unwrap();
    clock.set_wall(BEGIN + 40 * DAY);
    for _ in 0..100 {
        clock.advance(HALF_A_MINUTE);
        tokio::time::sleep(HALF_A_MINUTE).await;
        assert!(alice.is_revoked(&ledger));
        assert!(
            clock.now().monotonic.as_millis() > 300_000
                || !ledger.snapshot(clock.now().wall).entries.is_empty()
        );
    }
    clock.set_wall(BEGIN + 60);
    clock.advance(HALF_A_MINUTE);
    tokio::time::sleep(HALF_A_MINUTE).await;
    assert!(alice.is_revoked(&ledger), "the right time is believed");
    clock.set_wall(BEGIN + 40 * DAY);
    clock.advance(Duration::from_secs(DAY));
    tokio::time::sleep(HALF_A_MINUTE).await;
    assert!(!alice.is_revoked(&ledger), "it was so for a day");
}

/// Both stores, a process that runs and one that starts meanwhile, and somebody who follows the feed.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_believed_and_is_set_right_finds_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(StateDirectory::enter(&folder.path().join("state")).unwrap());
    // The numbering of a store that others may write is not ours to begin anew.
    let stores: [(Arc<dyn Store>, bool); 2] =
        [(Arc::new(MemoryStore::new()), false), (Arc::new(EmbeddedStore::open(directory).unwrap()), true)];
    for (store, numbers_anew) in stores {
        let (ledger, clock) = running(store.clone());
        let alice = who("a", "alice", None, None);
        let ends = UnixTime::from_secs(BEGIN + 8 * 3600);
        ledger.revoke(Demand::of_session("a".into(), ends, RevocationReason::LogOut), now()).await.unwrap();
        ledger.revoke(demand(Target::IssuedTo("b".into())), now()).await.unwrap();
        // A day ahead, for a day: it is believed in the end. A process that starts then believes it at once.
        clock.set_wall(BEGIN + DAY);
        clock.advance(Duration::from_secs(60));
        tokio::time::sleep(HALF_A_MINUTE).await;
        assert!(alice.is_revoked(&ledger));
        let (started, keeper) = open(store, clock.clone());
        assert!(!alice.is_revoked(&started));
        let seen = started.cursor();
        tokio::spawn(keeper.run());
        tokio::time::sleep(HALF_A_MINUTE).await;
        clock.set_wall(BEGIN + 120);
        tokio::time::sleep(Duration::from_secs(2)).await;
        for ledger in [&ledger, &started] {
            assert!(alice.is_revoked(ledger));
            assert_eq!(ledger.snapshot(clock.now().wall).entries.len(), 2);
        }
        assert_eq!(started.after(&seen).is_err(), numbers_anew, "whoever follows is sent for a snapshot");
        assert_eq!(started.cursor().epoch != seen.epoch, numbers_anew);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_refused_until_its_end_and_its_tokens_until_theirs() {
    let store = Arc::new(MemoryStore::new());
    let (ledger, clock) = running(store.clone());
    let (alice, bob) = (who("a", "alice", None, None), who("b", "alice", None, None));
    let ends = UnixTime::from_secs(BEGIN + 10 * 3600);
    let wish = Demand::of_session("a".into(), ends, RevocationReason::LogOut);
    let recorded = ledger.revoke(wish, now()).await.unwrap();
    assert_eq!(recorded.cursor.to_string(), "test.1");
    assert!(alice.is_revoked(&ledger) && !bob.is_revoked(&ledger));
    assert_eq!(store.revocations(0).unwrap().records.len(), 1, "durable before it is acknowledged");
    let snapshot = ledger.snapshot(now());
    assert_eq!(snapshot.entries[0].expires, UnixTime::from_secs(BEGIN + 300 + 60));
    clock.advance(Duration::from_secs(10 * 3600 - 1));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(ledger.snapshot(clock.now().wall).entries.is_empty());
    assert!(alice.is_revoked(&ledger), "the session's end is later than `max_age`");
    clock.advance(Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(alice.is_revoked(&ledger), "a look-up that began before its end may be under way");
    clock.advance(Ledger::REFUSED_AFTER_END);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(!alice.is_revoked(&ledger));
    assert!(ledger.is_empty() && store.revocations(0).unwrap().records.len() == 1);
    clock.advance(Duration::from_secs(DAY));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(store.revocations(0).unwrap().records.is_empty(), "a day later it is gone");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_proven_to_have_begun_later_is_refused_until_a_lift() {
    let (ledger, clock) = running(Arc::new(MemoryStore::new()));
    ledger.revoke(demand(Target::Subject("alice".into())), now()).await.unwrap();
    let of = |began| who("any", "alice", None, began);
    assert!(of(None).is_revoked(&ledger));
    assert!(of(Some(BEGIN)).is_revoked(&ledger), "the second of the revocation is before it");
    assert!(!of(Some(BEGIN + 1)).is_revoked(&ledger));
    assert!(!who("any", "bob", None, None).is_revoked(&ledger));
    clock.advance(Duration::from_secs(365 * 86_400));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(of(None).is_revoked(&ledger));
    ledger.lift(Target::Subject("alice".into()), now()).await.unwrap();
    assert!(!of(None).is_revoked(&ledger));
}

#[tokio::test(start_paused = true)]
async fn services_refuse_what_another_gateway_signs_before_it_has_read_of_it() {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(BEGIN));
    let lifetimes = Lifetimes { spread: Lifetimes::SPREAD, ..LIFETIMES };
    let (ledger, keeper) = open_with(lifetimes, store.clone(), clock.clone());
    tokio::spawn(keeper.run());
    for target in [Target::Subject("ann".into()), Target::Session("exact".into())] {
        ledger.revoke(demand(target), now()).await.unwrap();
    }
    let (again, _keeper) = open_with(lifetimes, store, clock);
    for ledger in [ledger, again] {
        let signed_after = |seconds: u64, session: &str, subject: &str| {
            let who = who(session, subject, None, None);
            ledger.standing_of_token(&who.concerned(), None, UnixTime::from_secs(BEGIN + seconds))
        };
        assert_eq!(signed_after(2, "a", "ann"), Standing::Revoked);
        assert_eq!(signed_after(3, "a", "ann"), Standing::Good);
        assert_eq!(signed_after(9, "exact", "bob"), Standing::Revoked);
        // What began after it goes on, when the others know.
        assert!(who("b", "ann", None, Some(BEGIN)).is_revoked(&ledger));
        assert!(!who("b", "ann", None, Some(BEGIN + 1)).is_revoked(&ledger));
        let at: Vec<_> = ledger.snapshot(now()).entries.iter().map(|entry| entry.at).collect();
        assert_eq!(at, [now(), UnixTime::from_secs(BEGIN + 2)]);
        let events = ledger.after(&Cursor { seq: 0, ..ledger.cursor() }).unwrap();
        let told: Vec<_> = events
            .iter()
            .filter_map(|published| match &published.event.what {
                What::Revoked(revocation) => Some(revocation.at),
                _ => None,
            })
            .collect();
        assert_eq!(told, [UnixTime::from_secs(BEGIN + 2), now()]);
        // A service with the longest leeway takes the last of them until here.
        let ends = UnixTime::from_secs(BEGIN + 2 + 300 + 60);
        assert!(ledger.snapshot(now()).entries.iter().all(|entry| entry.expires >= ends));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_signed_in_the_second_of_a_revocation_would_be_refused() {
    let (ledger, _) = running(Arc::new(MemoryStore::new()));
    ledger.revoke(demand(Target::Organisation(OrganisationId::new("acme").unwrap())), now()).await.unwrap();
    let later = who("s", "alice", Some("acme"), Some(BEGIN + 1));
    let standing = |secs| ledger.standing_of_token(&later.concerned(), None, UnixTime::from_secs(secs));
    assert_eq!((standing(BEGIN), standing(BEGIN + 1)), (Standing::Revoked, Standing::Good));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_revoked_by_name_and_its_session_goes_on() {
    let (ledger, _) = running(Arc::new(MemoryStore::new()));
    let alice = who("a", "alice", None, None);
    let (one, other): (TokenId, TokenId) = ("1".into(), "2".into());
    assert!(!ledger.refuses_kept_token(&alice.concerned(), &one, now()));
    ledger.revoke(demand(Target::Token(one.clone())), now()).await.unwrap();
    assert!(ledger.refuses_kept_token(&alice.concerned(), &one, now()));
    assert!(!ledger.refuses_kept_token(&alice.concerned(), &other, now()));
    assert!(!alice.is_revoked(&ledger));
}

#[tokio::test(start_paused = true)]
async fn what_was_issued_to_a_session_until_the_second_before_is_revoked_and_the_session_goes_on() {
    for spread in [Duration::ZERO, Lifetimes::SPREAD] {
        let clock = Arc::new(ManualClock::at(BEGIN));
        let store = Arc::new(MemoryStore::new());
        let (ledger, keeper) = open_with(Lifetimes { spread, ..LIFETIMES }, store.clone(), clock.clone());
        tokio::spawn(keeper.run());
        let (alice, other) = (who("a", "alice", None, None), who("b", "alice", None, None));
        let kept: TokenId = "kept".into();
        assert!(!ledger.refuses_kept_token(&alice.concerned(), &kept, now()));
        ledger.revoke(demand(Target::IssuedTo("a".into())), now()).await.unwrap();
        let (again, _) = open_with(Lifetimes { spread, ..LIFETIMES }, store, clock);
        for ledger in [ledger, again] {
            let standing =
                |who: &Who, secs| ledger.standing_of_token(&who.concerned(), None, UnixTime::from_secs(secs));
            assert_eq!(standing(&alice, BEGIN - 1), Standing::Revoked);
            assert_eq!(standing(&alice, BEGIN), Standing::Good, "what replaces it is signed at once");
            assert_eq!(standing(&other, BEGIN - 1), Standing::Good);
            assert!(!alice.is_revoked(&ledger), "the session goes on");
            assert!(ledger.refuses_kept_token(&alice.concerned(), &kept, UnixTime::from_secs(BEGIN - 1)));
            assert!(ledger.is_outdated(&"a".into(), UnixTime::from_secs(BEGIN - 1)));
            assert!(!ledger.is_outdated(&"a".into(), now()) && !ledger.is_outdated(&"b".into(), now()));
            let published = &ledger.snapshot(now()).entries;
            assert_eq!((published.len(), published[0].at.as_secs()), (1, BEGIN - 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changed_sessions_are_told_once_and_whose_find_it_was() {
    let (ledger, _) = running(Arc::new(MemoryStore::new()));
    let mut seen = ledger.cursor();
    ledger.revoke(demand(Target::IssuedTo("a".into())), now()).await.unwrap();
    ledger.revoke(demand(Target::Session("b".into())), now()).await.unwrap();
    // As another gateway writes it.
    let terms = ledger.terms_of(&Target::IssuedTo("a".into())).unwrap().0;
    let (target, reason) = (Target::IssuedTo("c".into()), "changed".to_owned());
    let change = Change::Revoked { target, name_of: None, terms, reason };
    ledger.take_in([RevocationRecord { seq: ledger.cursor().seq + 1, change }]);
    let told = |changed: std::collections::BTreeMap<SessionId, _>| -> Vec<(String, bool)> {
        let each = changed
            .iter()
            .map(|(name, change): (_, &super::SessionChange)| (name.as_str().to_owned(), change.is_own));
        each.collect()
    };
    assert_eq!(told(ledger.changed_sessions(&mut seen)), [("a".to_owned(), true), ("c".to_owned(), false)]);
    assert_eq!(told(ledger.changed_sessions(&mut seen)), []);
    let mut lost = "other.7".parse().unwrap();
    assert_eq!(told(ledger.changed_sessions(&mut lost)).len(), 2, "all that are known to have changed");
    assert_eq!(lost, ledger.cursor());
}

#[tokio::test(start_paused = true)]
async fn who_follows_goes_on_from_a_cursor_or_is_told_that_it_cannot() {
    let (ledger, _) = running(Arc::new(MemoryStore::new()));
    for name in ["a", "b", "c"] {
        ledger.revoke(demand(Target::Session(name.into())), now()).await.unwrap();
    }
    ledger.lift(Target::Session("a".into()), now()).await.unwrap();
    ledger.keys_changed(now()).unwrap();
    let mut newest = ledger.subscribe();
    newest.wait_for(|seq| *seq == 5).await.unwrap();
    let after = |text: &str| ledger.after(&text.parse::<Cursor>().unwrap());
    let events = after("test.2").unwrap();
    let numbers: Vec<_> = events.iter().map(|published| published.event.cursor.seq).collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!(events[1].event.what, What::Lifted(Target::Session("a".into())));
    assert_eq!(events[2].event.what, What::KeysChanged);
    assert!(after("test.5").unwrap().is_empty());
    for other in ["other.2", "test.6"] {
        assert_eq!(after(other).unwrap_err(), CannotContinue, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = || Arc::new(EmbeddedStore::open(Arc::new(StateDirectory::enter(&path).unwrap())).unwrap());
    let (ledger, keeper) = open(store(), Arc::new(ManualClock::at(BEGIN)));
    let keeper = tokio::spawn(keeper.run());
    ledger.revoke(demand(Target::Session("a".into())), now()).await.unwrap();
    ledger.revoke(demand(Target::All), now()).await.unwrap();
    ledger.revoke(demand(Target::Session("b".into())), now()).await.unwrap();
    ledger.lift(Target::Session("b".into()), now()).await.unwrap();
    drop(ledger);
    // With the keeper ends the hold on the folder.
    keeper.abort();
    assert!(keeper.await.unwrap_err().is_cancelled());
    let (ledger, _) = running(store());
    let later = Some(BEGIN + 1);
    assert!(who("a", "alice", None, later).is_revoked(&ledger));
    assert!(!who("b", "alice", None, later).is_revoked(&ledger));
    assert!(who("c", "alice", None, None).is_revoked(&ledger));
    assert_eq!(ledger.snapshot(now()).entries.len(), 2);
    assert_eq!(ledger.cursor().seq, 4);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_not_acknowledged_holds_here_and_is_written_later() {
    let store = Arc::new(Breakable::default());
    let (ledger, _) = running(store.clone());
    store.broken.store(true, Ordering::SeqCst);
    let outcome = ledger.revoke(demand(Target::Session("a".into())), now()).await;
    assert_eq!(outcome, Err(Unrecorded::Store("store_damaged")));
    assert!(who("a", "alice", None, None).is_revoked(&ledger));
    assert_eq!(ledger.cursor().seq, 0, "nobody is told what is not durable");
    let lifted = ledger.lift(Target::Session("a".into()), now()).await;
    assert_eq!(lifted, Err(Unrecorded::Store("store_damaged")), "it waits, and is in force");
    assert!(who("a", "alice", None, None).is_revoked(&ledger));
    let lifted = ledger.lift(Target::Session("b".into()), now()).await;
    assert_eq!(lifted.map(|recorded| recorded.cursor.seq), Ok(0), "what is not revoked needs no lift");
    store.broken.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(ledger.cursor().seq, 1);
    assert_eq!(store.revocations(0).unwrap().records.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_settled_when_all_that_was_revoked_before_is_durable() {
    let store = Arc::new(Breakable::default());
    let (ledger, _) = running(store.clone());
    assert_eq!(ledger.settled().await, Ok(()));
    store.broken.store(true, Ordering::SeqCst);
    let later = Demand::new(Target::Session("a".into()), RevocationReason::LegacyCookie);
    ledger.revoke_later(later, now()).unwrap();
    for _ in 0..2 {
        assert_eq!(ledger.settled().await, Err(Unrecorded::Store("store_damaged")));
    }
    store.broken.store(false, Ordering::SeqCst);
    assert_eq!(ledger.settled().await, Ok(()), "it is written on the way");
    assert_eq!((ledger.cursor().seq, store.revocations(0).unwrap().records.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn names_of_one_session_are_found_by_each_of_them_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = || Arc::new(EmbeddedStore::open(Arc::new(StateDirectory::enter(&path).unwrap())).unwrap());
    let (ledger, keeper) = open(store(), Arc::new(ManualClock::at(BEGIN)));
    let keeper = tokio::spawn(keeper.run());
    let name = |name: &str| Target::Session(name.into());
    for (session, of) in [("a", "a"), ("b", "a"), ("c", "b"), ("other", "else"), ("alone", "alone")] {
        ledger.revoke(demand(name(session)).as_name_of(&of.into()), now()).await.unwrap();
    }
    // Said anew without the link: it is known still.
    ledger.revoke(demand(name("c")), now()).await.unwrap();
    let all = |ledger: &Ledger, session: &str| {
        let mut names = ledger.names_of(&name(session));
        assert_eq!(names.last(), Some(&name(session)));
        names.sort();
        names
    };
    let check = |ledger: &Ledger| {
        for session in ["a", "b", "c"] {
            assert_eq!(all(ledger, session), ["a", "b", "c"].map(name), "{session}");
        }
        assert_eq!(all(ledger, "alone"), [name("alone")]);
        assert_eq!(ledger.names_of(&Target::Subject("a".into())), [Target::Subject("a".into())]);
    };
    check(&ledger);
    drop(ledger);
    keeper.abort();
    assert!(keeper.await.unwrap_err().is_cancelled());
    check(&open(store(), Arc::new(ManualClock::at(BEGIN))).0);
}

#[tokio::test(start_paused = true)]
async fn without_a_keeper_nothing_is_acknowledged() {
    let ledger = Ledger::idle();
    assert_eq!(ledger.revoke(demand(Target::All), now()).await, Err(Unrecorded::Stopped));
    assert!(!who("a", "alice", None, None).is_revoked(&ledger));
}

/// One thing done to a ledger.
#[derive(Debug, Clone)]
enum Deed {
    Lift(u8, u8),
    Revoke(u8, u8, u64),
}

fn target(kind: u8, name: u8) -> Target {
    let name = ["x", "y"][usize::from(name % 2)];
    match kind % 5 {
        0 => Target::All,
        4 => Target::IssuedTo(name.into()),
        1 => Target::Organisation(OrganisationId::new(name).unwrap()),
        2 => Target::Session(name.into()),
        _ => Target::Subject(name.into()),
    }
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let revoke = (0_u8..5, 0_u8..2, 0_u64..6).prop_map(|(kind, name, at)| Deed::Revoke(kind, name, at));
    let lift = (0_u8..5, 0_u8..2).prop_map(|(kind, name)| Deed::Lift(kind, name));
    prop::collection::vec(prop_oneof![3 => revoke, 1 => lift], 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The rules of the module, in the plainest words, against the tables; also after the store was read again.
    #[test]
    fn a_session_is_refused_exactly_by_the_rules(
        deeds in deeds(),
        session in 0_usize..3, subject in 0_usize..3, organisation in 0_usize..4, began in prop::option::of(0_u64..7),
    ) {
        let name = |index: usize| ["x", "y", "z"][index];
        let organisation = (organisation < 3).then(|| name(organisation));
        let who = who(name(session), name(subject), organisation, began.map(|secs| BEGIN + secs));
        let mut held: Vec<(Target, u64)> = Vec::new();
        for deed in &deeds {
            match *deed {
                Deed::Lift(kind, name) => held.retain(|(other, _)| *other != target(kind, name)),
                Deed::Revoke(kind, name, at) => held.push((target(kind, name), at)),
            }
        }
        let expected = held.iter().any(|(target, at)| {
            let unproven = began.is_none_or(|began| began <= *at);
            match target {
                Target::All => unproven,
                Target::Organisation(id) => unproven && who.organisation.as_ref() == Some(id),
                Target::Session(id) => who.session == *id,
                Target::Subject(id) => unproven && who.subject == *id,
                Target::IssuedTo(_) | Target::Token(_) => false,
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (first, again) = runtime.block_on(async {
            let store = Arc::new(MemoryStore::new());
            let (ledger, clock) = running(store.clone());
            for deed in deeds {
                match deed {
                    Deed::Lift(kind, name) => drop(ledger.lift(target(kind, name), now()).await.unwrap()),
                    Deed::Revoke(kind, name, at) => {
                        let at = UnixTime::from_secs(BEGIN + at);
                        drop(ledger.revoke(demand(target(kind, name)), at).await.unwrap());
                    }
                }
            }
            assert_eq!(clock.now().wall, now());
            let (reopened, _) = open(store, Arc::new(ManualClock::at(BEGIN)));
            (who.is_revoked(&ledger), who.is_revoked(&reopened))
        });
        prop_assert_eq!((first, again), (expected, expected));
    }
}

/// A ledger that nobody writes.
fn alone(lifetimes: Lifetimes) -> Ledger {
    let (epoch, records) = (Epoch::new("one").unwrap(), Vec::new());
    let stored = StoredRevocations { epoch, newest: 0, records, unreadable: 0 };
    Ledger::new("issuer".into(), lifetimes, stored, now()).0
}

/// One that cannot reach the store does not learn of it, and goes on signing for that session.
#[test]
fn services_remember_a_session_for_as_long_as_another_gateway_may_sign_for_it() {
    let ends = UnixTime::from_secs(BEGIN + 10 * 3600);
    let of_session = Demand::of_session("a".into(), ends, RevocationReason::LogOut);
    let of_subject = demand(Target::Subject("alice".into()));
    for (is_shared, spread, of_session_until) in
        [(false, Duration::ZERO, BEGIN + 300 + 60), (true, Lifetimes::SPREAD, BEGIN + 10 * 3600 + 2 + 60)]
    {
        let mut ledger = alone(Lifetimes { spread, ..LIFETIMES });
        ledger.is_shared = is_shared;
        let terms = ledger.terms(&of_session, now());
        assert_eq!((terms.tokens_until.as_secs(), terms.sessions_until), (of_session_until, ends));
        ledger.enforce(&of_session.target, terms).unwrap();
        assert!(who("a", "alice", None, None).is_revoked(&ledger));
        assert!(ledger.kept.is_empty(), "a session that is refused needs no look at its tokens");
        let terms = ledger.terms(&of_subject, now());
        assert_eq!(terms.tokens_until.as_secs(), BEGIN + 300 + spread.as_secs() + 60);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_lives_longer_than_was_known_is_refused_and_told_of_for_longer() {
    let (minute, hour) = (Duration::from_secs(60), 3600);
    let until = |seconds| UnixTime::from_secs(BEGIN + seconds);
    for (is_shared, of_services) in [(false, 300 + 60), (true, 10 * hour + 60)] {
        let store: Arc<dyn Store> =
            if is_shared { Arc::new(Breakable::shared()) } else { Arc::new(Breakable::default()) };
        let (ledger, clock) = running(Arc::clone(&store));
        let (alice, later) = (who("a", "ann", None, None), who("b", "ann", None, Some(BEGIN + 1)));
        let prolong = async |who: &Who, seconds| {
            ledger.prolong(&who.concerned(), until(seconds), minute, now()).unwrap();
            ledger.settled().await.unwrap();
            ledger.cursor().seq
        };
        assert_eq!(prolong(&alice, 10 * hour).await, 0, "nothing refuses it");
        let wish = Demand::new(Target::Session("a".into()), RevocationReason::LogOut);
        ledger.revoke(wish.as_name_of(&"b".into()), now()).await.unwrap();
        let by_sub = Demand::new(Target::Subject("ann".into()), RevocationReason::BackChannel);
        ledger.revoke(by_sub, now()).await.unwrap();
        assert_eq!(prolong(&alice, 8 * hour + 60).await, 2, "a minute more is not worth a record");
        assert_eq!(prolong(&later, 10 * hour).await, 2, "it began after that");
        assert_eq!(prolong(&alice, 10 * hour).await, 4);
        assert_eq!(prolong(&alice, 10 * hour + 60).await, 4);
        let (terms, reason) = ledger.terms_of(&Target::Session("a".into())).unwrap();
        let Terms { at, sessions_until, tokens_until } = terms;
        assert_eq!((at, sessions_until, reason.as_str()), (now(), until(10 * hour), "log_out"));
        assert_eq!(tokens_until, until(of_services));
        assert_eq!(ledger.names_of(&Target::Session("b".into())).len(), 2, "it is still a name of the other");
        // After a restart, and at another gateway.
        let (again, _keeper) = open(Arc::clone(&store), clock.clone());
        for target in [Target::Session("a".into()), Target::Subject("ann".into())] {
            let (terms, _) = again.terms_of(&target).unwrap();
            assert_eq!((terms.at, terms.sessions_until), (now(), until(10 * hour)), "{target:?}");
        }
        // A look-up that found it revoked, just when it is lifted.
        let lifting = async {
            ledger.lift(Target::Session("a".into()), now()).await.unwrap();
        };
        let looking = async { ledger.prolong(&alice.concerned(), until(20 * hour), minute, now()).unwrap() };
        tokio::join!(biased; lifting, looking);
        ledger.settled().await.unwrap();
        assert!(ledger.terms_of(&Target::Session("a".into())).is_none(), "what was lifted stays so");
        ledger.lift(Target::Subject("ann".into()), now()).await.unwrap();
        assert_eq!(prolong(&alice, 30 * hour).await, 7);
    }
}

#[test]
fn what_was_signed_before_another_gateways_revocation_was_read_is_not_handed_out_again() {
    let ledger = alone(Lifetimes { spread: Lifetimes::SPREAD, ..LIFETIMES });
    let began = Some(BEGIN + 1);
    let (alice, bob) = (who("a", "alice", None, began), who("b", "bob", None, began));
    let (token, signed) = ("token".into(), UnixTime::from_secs(BEGIN + 2));
    let target = Target::Subject("alice".into());
    let terms = ledger.terms(&demand(target.clone()), now());
    ledger.enforce(&target, terms).unwrap();
    assert!(!alice.is_revoked(&ledger), "it began after the revocation");
    assert_eq!(ledger.standing_of_token(&alice.concerned(), Some(&token), signed), Standing::Revoked);
    assert!(ledger.refuses_kept_token(&alice.concerned(), &token, signed), "services refuse it");
    assert!(!ledger.refuses_kept_token(&alice.concerned(), &token, UnixTime::from_secs(BEGIN + 3)));
    assert!(!ledger.refuses_kept_token(&bob.concerned(), &token, signed));
    ledger.release(&target);
    assert!(!ledger.refuses_kept_token(&alice.concerned(), &token, signed));
}

/// What another gateway wrote and finds no room here is not obeyed: that must not look as if all were well.
#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut ledger = alone(LIFETIMES);
    ledger.sessions = Revoked::with_max_entries("issuer", 1);
    let record = |seq: u64| {
        let target = Target::Session(seq.to_string().as_str().into());
        let until = now().saturating_add(Duration::from_secs(60));
        let terms = Terms { at: now(), tokens_until: until, sessions_until: until };
        let reason = RevocationReason::LogOut.label().to_owned();
        RevocationRecord { seq, change: Change::Revoked { target, name_of: None, terms, reason } }
    };
    ledger.take_in([record(1)]);
    assert_eq!(ledger.unenforced(), 0);
    ledger.take_in([record(2), record(3)]);
    assert_eq!(ledger.unenforced(), 2);
    // The gateway itself refuses what services cannot be told of.
    ledger.sessions = Revoked::with_max_entries("issuer", 10);
    ledger.tokens = Revoked::with_max_entries("issuer", 1);
    ledger.take_in([record(4), record(5)]);
    assert_eq!((ledger.unenforced(), ledger.tokens.len(), ledger.sessions.len()), (3, 1, 2));
}

mod again;
mod repeated;
mod shared;
