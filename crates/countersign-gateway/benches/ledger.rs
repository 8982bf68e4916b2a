//! What a request pays for revocation, and the memory it takes: nothing revoked, a million sessions revoked, and ten
//! thousand changes of sessions besides. 4,096 sessions are asked about in turn, as a gateway does that serves many.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up ends")]

use std::{fs, hint::black_box, sync::Arc, time::Duration};

use countersign::{
    OrganisationId, SessionId, Subject, TokenId, UnixTime,
    revocation::{Epoch, Target},
};
use countersign_gateway::{
    clock::{Clock as _, SystemClock},
    observe::Observer,
    revocation::{Concerned, FoundGood, Ledger, Lifetimes},
    store::{Change, RevocationRecord, Store, Terms, memory::MemoryStore},
};
use criterion::Criterion;

/// Sessions that are revoked.
const MILLION: usize = 1_000_000;
/// Sessions that were found to have changed: what was issued to them before is revoked.
const CHANGED: usize = 10_000;
/// Sessions that are asked about.
const ASKED: usize = 4096;

fn epoch() -> Epoch {
    Epoch::new("bench").unwrap()
}

fn ledger(sessions: usize, changed: usize) -> Arc<Ledger> {
    let store = MemoryStore::new();
    store.begin_epoch(&epoch()).unwrap();
    // As where gateways share a store: services remember a session a little longer than it lasts.
    let ends = SystemClock::start().now().wall.saturating_add(Duration::from_secs(30 * 24 * 3600));
    let tokens_until = ends.saturating_add(Duration::from_secs(62));
    let terms = Terms { at: UnixTime::from_secs(1), tokens_until, sessions_until: ends };
    let lifetimes = Lifetimes {
        token: Duration::from_secs(300),
        session: Duration::from_secs(3600),
        spread: Duration::ZERO,
    };
    let issuer = "https://shop.example".into();
    let (clock, observer) = (Arc::new(SystemClock::start()), Observer::without_files());
    let (ledger, _) = Ledger::open(Arc::new(store), &epoch(), issuer, lifetimes, clock, observer).unwrap();
    let targets = (0..sessions).map(|n| (Target::Session(format!("{n:022}").into()), terms));
    let of_tokens = Terms { sessions_until: UnixTime::from_secs(0), ..terms };
    let changes = (0..changed).map(|n| (Target::IssuedTo(format!("{n:021}c").into()), of_tokens));
    let records = targets.chain(changes).zip(1..).map(|((target, terms), seq)| RevocationRecord {
        seq,
        change: Change::Revoked { target, name_of: None, terms, reason: "log_out".to_owned() },
    });
    ledger.take_in(records);
    assert_eq!(ledger.len(), sessions + changed);
    ledger
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn calls(criterion: &mut Criterion, what: &str, ledger: &Ledger) {
    let asked: Vec<_> = (0..ASKED)
        .map(|n| {
            let (session, token) = (SessionId::from(format!("{n:021}a")), TokenId::from(format!("{n:021}t")));
            let found = (FoundGood::never(), FoundGood::never());
            (session, token, Subject::from(format!("user-{n}")), found)
        })
        .collect();
    let organisation = OrganisationId::new("acme").unwrap();
    let issued_at = UnixTime::from_secs(2);
    let mut in_turn = asked.iter().cycle().map(|(session, token, subject, found)| {
        let organisation = Some(&organisation);
        let began = Some(UnixTime::from_secs(2));
        (Concerned { session, others: &[], subject, organisation, began }, token, found)
    });
    criterion.bench_function(&format!("ledger: anew, {what}"), |b| {
        b.iter(|| {
            let (concerned, token, _) = in_turn.next()?;
            let standing = ledger.check(black_box(&concerned));
            Some((standing, ledger.refuses_kept_token(black_box(&concerned), token, issued_at)))
        });
    });
    criterion.bench_function(&format!("ledger: again, {what}"), |b| {
        b.iter(|| {
            let (concerned, token, (session, of_token)) = in_turn.next()?;
            let standing = ledger.check_again(|| black_box(concerned), session);
            Some((
                standing,
                ledger.refuses_kept_token_again(|| black_box(concerned), token, issued_at, of_token),
            ))
        });
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    calls(&mut criterion, "nothing revoked", &ledger(0, 0));
    let before = resident();
    let full = ledger(MILLION, 0);
    println!("bytes of a million: {}", resident().saturating_sub(before));
    calls(&mut criterion, "a million sessions", &full);
    drop(full);
    calls(&mut criterion, "a million sessions and 10,000 changes", &ledger(MILLION, CHANGED));
    criterion.final_summary();
}
