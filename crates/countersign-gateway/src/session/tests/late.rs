//! Revocations that a gateway learns of late, with few sessions and with a million.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{SessionId, UnixTime, Verifier, revocation::Target};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    House, Memory, Places,
    changed::{ledger_on, with_token},
    live,
};
use crate::{
    clock::Clock as _,
    revocation::Ledger,
    session::{Sessions, cache::Place},
    store::{Change, RevocationRecord, Store as _, Terms, memory::MemoryStore},
    tasks::Tasks,
};

const HOUR: Duration = Duration::from_secs(3600);
const BEGIN: u64 = 1_000_000;

/// A gateway that keeps so many sessions of Alice's, some with a token that lives; and their names.
async fn house(
    ledger: &Arc<Ledger>,
    count: usize,
    has_token: impl Fn(&SessionId) -> bool,
) -> (House, Vec<SessionId>) {
    let n = |n| NonZeroUsize::new(n).unwrap();
    let memory =
        Memory::new(n(count * 3 / 2 + 100), Places { all: n(256), per_client: n(32) }, Tasks::default());
    let memory = memory.with_ledger(Arc::clone(ledger));
    let answers = vec![live("alice", "editor")];
    let house = House::built(answers, Duration::ZERO, |_| {}, b"settings", |_| memory);
    let entry = house.resolve("c").await.unwrap();
    let signed = with_token(&entry, house.clock.now().wall);
    let (keyer, cache) = (&house.sessions.keyer, house.sessions.cache());
    let names: Vec<_> = (0..count).map(|n| keyer.named_session_id(&n.to_string())).collect();
    for name in &names {
        let mut entry = if has_token(name) { signed.clone() } else { (*entry).clone() };
        entry.sid = name.clone();
        cache.writer(&keyer.handle(name)).put(Arc::new(entry));
    }
    (house, names)
}

fn follow(house: &House, ledger: &Arc<Ledger>) -> JoinHandle<()> {
    let (ledger, sessions, clock) = (Arc::clone(ledger), house.sessions.clone(), house.clock.clone());
    tokio::spawn(async move { Sessions::follow_changes(&ledger, &*clock, || sessions.clone()).await })
}

/// Another gateway has revoked it, longer ago than a token lives.
fn late(store: &MemoryStore, ledger: &Ledger, target: Target) {
    let at = UnixTime::from_secs(BEGIN - 4000);
    let tokens_until = at.saturating_add(HOUR).saturating_add(Verifier::MAX_LEEWAY);
    let terms = Terms { at: UnixTime::from_secs(BEGIN), tokens_until, sessions_until: UnixTime::MAX };
    let change = Change::Revoked { target, name_of: None, terms, reason: "log_out".to_owned() };
    let seq = store.append(std::slice::from_ref(&change)).unwrap().seq;
    ledger.take_in([RevocationRecord { seq, change }]);
}

fn is_named(ledger: &Ledger) -> bool {
    ledger.terms_of(&Target::Token("jti".into())).is_some()
}

#[tokio::test(start_paused = true)]
async fn what_was_signed_for_a_late_revocation_is_found_by_name_or_by_looking_whoever_it_concerns() {
    let concerns = |sid: &SessionId| {
        [
            (Target::Session(sid.clone()), true),
            (Target::Session("another".into()), false),
            (Target::Subject("alice".into()), true),
            (Target::Subject("bob".into()), false),
            (Target::All, true),
        ]
    };
    for number in 0..5 {
        let store = Arc::new(MemoryStore::new());
        let ledger = ledger_on(store.clone());
        // More than are looked at in one go, and it is of the last.
        let (house, names) = house(&ledger, 5_000, |name| name.as_str().starts_with('z')).await;
        let sid = names.iter().find(|name| name.as_str().starts_with('z')).unwrap();
        let following = follow(&house, &ledger);
        sleep(Duration::from_secs(1)).await;
        let (target, is_concerned) = concerns(sid)[number].clone();
        late(&store, &ledger, target.clone());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(is_named(&ledger), is_concerned, "{target:?}");
        following.abort();
    }
}

/// How long this thread has been at work, whatever else the machine does: a figure of the kernel's.
fn at_work() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// `cargo test -p countersign-gateway --all-features --lib -- --ignored --nocapture a_million_sessions`
#[tokio::test]
#[ignore = "a measurement of a minute: what else runs on the control thread waits for so long at most"]
async fn a_million_sessions_and_fifty_late_revocations_a_second() {
    let store = Arc::new(MemoryStore::new());
    let ledger = ledger_on(store.clone());
    let (house, names) = house(&ledger, 1_000_000, |_| true).await;
    let cache = house.sessions.cache();
    println!("{} sessions", cache.len());
    let begin = at_work();
    let kept = cache.select(|entry| entry.identity.subject == "nobody").len();
    println!("a look at all of them in one go: {:?} ({kept})", at_work() - begin);
    let (begin, mut longest, mut place) = (at_work(), Duration::ZERO, Some(Place::default()));
    while let Some(here) = place {
        let piece = at_work();
        place = cache.some_behind(here, 2_000).1;
        longest = longest.max(at_work() - piece);
    }
    println!("in pieces of 2,000: {:?}, the longest {longest:?}", at_work() - begin);

    type Kind = fn(usize, &[SessionId]) -> Target;
    let kinds: [(&str, Kind); 4] = [
        ("nothing", |_, _| Target::Session("nothing".into())),
        ("sessions by name", |n, names| Target::Session(names[n * 1_000].clone())),
        ("changed sessions", |n, names| Target::IssuedTo(names[n * 1_000 + 1].clone())),
        ("users", |n, _| Target::Subject(format!("user-{n}").as_str().into())),
    ];
    for (what, kind) in kinds {
        let following = follow(&house, &ledger);
        let waits = Arc::new(Mutex::new(Vec::new()));
        let heartbeat = tokio::spawn({
            let waits = Arc::clone(&waits);
            async move {
                loop {
                    let begin = at_work();
                    sleep(Duration::from_millis(2)).await;
                    waits.lock().unwrap().push(at_work() - begin);
                }
            }
        });
        let (begin, worked) = (Instant::now(), at_work());
        let mut events = interval(Duration::from_millis(20));
        // On a busy machine all that is late would come at once, and this test would be at work itself.
        events.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for n in 0..500 {
            events.tick().await;
            if what != "nothing" {
                late(&store, &ledger, kind(n, &names));
            }
        }
        heartbeat.abort();
        following.abort();
        let mut waits = waits.lock().unwrap().clone();
        waits.sort_unstable();
        let (share, longest) =
            ((at_work() - worked).div_duration_f32(begin.elapsed()), waits.last().unwrap());
        println!(
            "{what}: at work for {:.0} % of the time, and for {longest:?} at most in one go",
            share * 100.0
        );
    }
}
