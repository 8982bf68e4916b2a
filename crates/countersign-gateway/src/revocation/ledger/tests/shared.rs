//! A store that several gateways share, and that somebody else can write.

use super::*;

/// Whoever writes the store takes away what is put back as soon as it is there.
#[test]
fn what_is_held_stays_held_whatever_the_store_says_now() {
    let ledger = alone(LIFETIMES);
    let until = now().saturating_add(Duration::from_secs(60));
    let terms = Terms { at: now(), tokens_until: until, sessions_until: until };
    let target = Target::Session("a".into());
    let change =
        Change::Revoked { target, name_of: None, terms, reason: RevocationReason::LogOut.label().to_owned() };
    ledger.take_in([RevocationRecord { seq: 1, change }]);
    let emptied = |newest| {
        let epoch = Epoch::new("two").unwrap();
        StoredRevocations { epoch, newest, records: Vec::new(), unreadable: 0 }
    };
    for newest in [0, 1, 1 << 40] {
        ledger.rebase(emptied(newest), &[], now()).unwrap();
        assert!(who("a", "alice", None, None).is_revoked(&ledger));
        assert_eq!((ledger.len(), ledger.snapshot(now()).entries.len()), (1, 1));
    }
    // A look-up that began before its end comes to an end after it.
    ledger.rebase(emptied(0), &[], until).unwrap();
    assert!(who("a", "alice", None, None).is_revoked(&ledger));
    ledger.rebase(emptied(0), &[], until.saturating_add(Ledger::REFUSED_AFTER_END)).unwrap();
    assert!(ledger.is_empty());
}

/// Who writes the store was quicker than the gateway that reads it.
#[tokio::test(start_paused = true)]
async fn an_entry_that_is_taken_out_before_others_have_read_it_reaches_them_all_the_same() {
    let store = Arc::new(Breakable::shared());
    let (one, _) = running(store.clone());
    let (other, _) = running(store.clone());
    // Each looks every 250 ms.
    let between_looks = || tokio::time::sleep(Duration::from_millis(2_100));
    let mut was_hidden = false;
    between_looks().await;
    for round in 0..3 {
        let session = format!("s{round}");
        let seq =
            one.revoke(demand(Target::Session(session.as_str().into())), now()).await.unwrap().cursor.seq;
        store.inner.take_out(seq);
        if round == 1 {
            // It does not even look before it writes itself.
            other.revoke(demand(Target::Session("own".into())), now()).await.unwrap();
        }
        let who = who(&session, "alice", None, None);
        was_hidden |= !who.is_revoked(&other);
        between_looks().await;
        assert!(who.is_revoked(&other) && who.is_revoked(&one));
        let epochs = [&one, &other].map(|ledger| ledger.cursor().epoch);
        assert_eq!(epochs[0], epochs[1]);
    }
    assert!(was_hidden, "it was always quicker");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_everybody_has_read_and_somebody_takes_out_is_put_back() {
    let store = Arc::new(Breakable::shared());
    let (ledger, clock) = running(store.clone());
    for name in ["kept", "taken", "lifted"] {
        ledger.revoke(demand(Target::Session(name.into())), now()).await.unwrap();
    }
    ledger.lift(Target::Session("lifted".into()), now()).await.unwrap();
    let in_store = || {
        let there = in_force(&store.revocations(0).unwrap().records);
        there.keys().map(|target| format!("{target:?}")).collect::<Vec<_>>()
    };
    let all = in_store();
    assert_eq!(all.len(), 2);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let records = store.revocations(0).unwrap().records;
        let taken = records.iter().rev().find(|record| format!("{:?}", record.change).contains("taken"));
        store.inner.take_out(taken.unwrap().seq);
        assert_eq!(in_store().len(), 1);
        clock.advance(Duration::from_secs(30));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(in_store(), all);
        let newest = store.revocations(0).unwrap().newest;
        clock.advance(Duration::from_secs(30));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(store.revocations(0).unwrap().newest, newest, "nothing is written where nothing misses");
    }
}

/// The keeper reads the store four times a second; one that does not run any more reads nothing.
#[tokio::test(start_paused = true)]
async fn who_cannot_read_a_shared_store_is_alone_for_too_long_one_day_and_no_longer_once_it_can() {
    let limit = Duration::from_secs(60);
    let store = Arc::new(Breakable::shared());
    let clock = Arc::new(ManualClock::at(BEGIN));
    let (ledger, keeper) = open(store.clone(), clock.clone());
    let keeper = tokio::spawn(keeper.run());
    let look = || tokio::time::sleep(Duration::from_secs(1));
    clock.advance(Duration::from_secs(DAY));
    assert!(!ledger.is_alone_too_long(), "without a limit nothing is too long");
    look().await;
    ledger.limit_alone(limit);
    store.away.store(true, Ordering::SeqCst);
    clock.advance(limit);
    look().await;
    assert!(!ledger.is_alone_too_long());
    clock.advance(Duration::from_millis(1));
    assert!(ledger.is_alone_too_long());
    store.away.store(false, Ordering::SeqCst);
    look().await;
    assert!(!ledger.is_alone_too_long());
    keeper.abort();
    clock.advance(limit * 2);
    look().await;
    assert!(ledger.is_alone_too_long());

    let (ledger, _) = open(Arc::new(Breakable::default()), clock.clone());
    ledger.limit_alone(limit);
    clock.advance(limit * 2);
    assert!(!ledger.is_alone_too_long(), "nobody else writes it");
}

/// By its end is told when a lift was made, and so which revocations it takes back.
#[tokio::test(start_paused = true)]
async fn the_lift_of_a_session_that_lasts_for_days_is_as_old_as_it_is() {
    let store = Arc::new(Breakable::shared());
    let (ledger, _) = running(store.clone());
    let ends = now().saturating_add(Duration::from_secs(30 * DAY));
    let long = Demand::of_session("a".into(), ends, RevocationReason::LogOut);
    ledger.revoke(long, now()).await.unwrap();
    ledger.lift(Target::Session("a".into()), now()).await.unwrap();
    let records = store.revocations(0).unwrap().records;
    let Change::Lifted { until, .. } = &records.last().unwrap().change else { panic!("{records:?}") };
    assert_eq!(*until, now().saturating_add(Duration::from_secs(DAY)));
}

/// Who writes a shared store puts a sealed lift of an earlier revocation behind a later one.
#[tokio::test(start_paused = true)]
async fn a_lift_that_is_put_into_the_log_again_takes_back_no_later_revocation() {
    let (ledger, _) = running(Arc::new(MemoryStore::new()));
    let target = Target::Session("a".into());
    ledger.revoke(demand(target.clone()), now()).await.unwrap();
    ledger.lift(target.clone(), now()).await.unwrap();
    let replayed = |ledger: &Ledger| {
        let until = now().saturating_add(Duration::from_secs(24 * 3600));
        let seq = ledger.cursor().seq + 1;
        ledger.take_in([RevocationRecord { seq, change: Change::Lifted { target: target.clone(), until } }]);
    };
    let later = now().saturating_add(Duration::from_secs(100));
    ledger.revoke(demand(target.clone()), later).await.unwrap();
    replayed(&ledger);
    assert!(who("a", "alice", None, None).is_revoked(&ledger));
    let newest = ledger.after(&Cursor { seq: ledger.cursor().seq - 1, ..ledger.cursor() }).unwrap();
    assert_eq!(newest[0].event.what, What::KeysChanged, "nor do services hear of it");
}

#[tokio::test(start_paused = true)]
async fn several_gateways_on_one_store_learn_of_each_other_when_they_write() {
    let store = Arc::new(MemoryStore::new());
    let (one, _) = running(store.clone());
    let (other, _) = running(store);
    one.revoke(demand(Target::Session("a".into())), now()).await.unwrap();
    let recorded = other.revoke(demand(Target::Session("b".into())), now()).await.unwrap();
    assert_eq!(recorded.cursor.seq, 2);
    assert!(who("a", "alice", None, None).is_revoked(&other));
}
