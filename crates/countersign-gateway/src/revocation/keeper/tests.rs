//! A log that another gateway has begun to number anew.

use countersign::{Subject, revocation::Epoch};

use super::*;
use crate::{
    clock::ManualClock,
    revocation::{Concerned, Lifetimes, RevocationReason},
    store::memory::MemoryStore,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A gateway that looks at the store only when it writes.
fn gateway(store: &Arc<MemoryStore>, name: &str) -> (Arc<Ledger>, Keeper) {
    let lifetimes = Lifetimes {
        token: Duration::from_secs(300),
        session: Duration::from_secs(3600),
        spread: Lifetimes::SPREAD,
    };
    let (fresh, clock) = (Epoch::new(name).unwrap(), Arc::new(ManualClock::at(NOW.as_secs())));
    let observer = Observer::without_files();
    Ledger::open(store.clone(), &fresh, "https://shop.example".into(), lifetimes, clock, observer).unwrap()
}

fn session(name: &str) -> Target {
    Target::Session(name.into())
}

/// Writes, and answers the place that whoever asked is told.
fn ask(keeper: &mut Keeper, wish: Wish) -> Cursor {
    let (reply, mut answer) = oneshot::channel();
    keeper.write(&mut vec![Request { wish, reply: Some(reply) }]);
    answer.try_recv().unwrap().unwrap()
}

fn revoke(keeper: &mut Keeper, name: &str) -> Cursor {
    ask(keeper, Wish::Revoke(Demand::new(session(name), RevocationReason::LogOut), NOW))
}

fn refuses(ledger: &Ledger, name: &str) -> bool {
    let (session, subject) = (name.into(), Subject::from("alice"));
    let concerned =
        Concerned { session: &session, others: &[], subject: &subject, organisation: None, began: None };
    ledger.check(&concerned) == countersign::Standing::Revoked
}

/// Another server takes over that lacks what the first gateway wrote; the second has noticed, begun to number anew and
/// written as much as makes the numbers meet, or less, or more.
#[test]
fn what_is_appended_in_another_numbering_is_not_believed_by_its_number() {
    for others in 0..4 {
        let store = Arc::new(MemoryStore::new());
        let [(one, mut first), (_, mut second)] = ["one", "two"].map(|name| gateway(&store, name));
        let copy = store.copy();
        for name in ["lost", "lifted"] {
            revoke(&mut first, name);
        }
        store.put_back(copy);
        let names: Vec<String> = (0..others).map(|n| format!("other-{n}")).collect();
        second.follow();
        names.iter().for_each(|name| drop(revoke(&mut second, name)));

        let told = ask(&mut first, Wish::Lift(session("lifted"), NOW));
        assert_eq!(told.epoch, store.revocations(0).unwrap().epoch, "{others}");
        assert_eq!(
            (one.cursor().epoch, told.seq),
            (told.epoch, others + 1),
            "{others}: it knows the numbering"
        );
        for name in &names {
            assert!(refuses(&one, name), "{others}: and what is in it");
        }
        assert!(refuses(&one, "lost") && store.in_force().contains_key(&session("lost")), "{others}");
        assert!(!refuses(&one, "lifted") && !store.in_force().contains_key(&session("lifted")), "{others}");
        assert_eq!(one.cursor().seq, store.revocations(0).unwrap().newest);
    }
}

#[test]
fn in_one_numbering_what_others_wrote_before_is_taken_in_with_it() {
    let store = Arc::new(MemoryStore::new());
    let [(one, mut first), (other, mut second)] = ["one", "two"].map(|name| gateway(&store, name));
    for (place, name) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(revoke(&mut first, name).seq, place as u64 + 1);
    }
    let told = revoke(&mut second, "d");
    assert_eq!((told.seq, other.cursor()), (4, told.clone()));
    assert!(["a", "b", "c", "d"].iter().all(|name| refuses(&other, name)));
    assert_eq!((one.cursor().seq, one.cursor().epoch), (3, told.epoch), "nothing was numbered anew");
}

/// As when the whole log is compared: what is put back is written besides what waits.
#[test]
fn what_waits_to_be_written_holds_while_something_else_is_appended_in_another_numbering() {
    let store = Arc::new(MemoryStore::new());
    let [(one, mut first), (_, mut second)] = ["one", "two"].map(|name| gateway(&store, name));
    let copy = store.copy();
    revoke(&mut first, "lost");
    let demand = Demand::new(session("waiting"), RevocationReason::LogOut);
    let terms = one.terms(&demand, NOW);
    one.enforce(&demand.target, terms).unwrap();
    let (target, reason) = (demand.target, demand.reason.label().to_owned());
    first.unwritten = vec![Change::Revoked { target, name_of: None, terms, reason }];
    store.put_back(copy);
    second.follow();
    let lost = one.state().held(&session("lost")).unwrap().as_change(&session("lost"));
    first.append(&[lost]).unwrap();
    assert_eq!(one.cursor().epoch, store.revocations(0).unwrap().epoch, "it was numbered anew");
    assert!(refuses(&one, "waiting") && refuses(&one, "lost"));
    first.retry();
    assert!(store.in_force().contains_key(&session("waiting")));
}
