//! What a request pays for revocation: nothing revoked, and a million sessions revoked. Also the memory they take.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up ends")]

use std::{fs, hint::black_box, sync::Arc, time::Duration};

use countersign::{
    OrganisationId, SessionId, Subject, UnixTime,
    revocation::{Epoch, Target},
};
use countersign_gateway::{
    clock::SystemClock,
    observe::Observer,
    revocation::{Concerned, Ledger, Lifetimes},
    store::{Change, RevocationRecord, Store, Terms, memory::MemoryStore},
};
use criterion::Criterion;

/// Sessions that are revoked.
const MILLION: usize = 1_000_000;

fn epoch() -> Epoch {
    Epoch::new("bench").unwrap()
}

fn ledger(sessions: usize) -> Arc<Ledger> {
    let store = MemoryStore::new();
    store.begin_epoch(&epoch()).unwrap();
    let terms =
        Terms { at: UnixTime::from_secs(1), tokens_until: UnixTime::MAX, sessions_until: UnixTime::MAX };
    let lifetimes = Lifetimes {
        token: Duration::from_secs(300),
        session: Duration::from_secs(3600),
        spread: Duration::ZERO,
    };
    let issuer = "https://shop.example".into();
    let (clock, observer) = (Arc::new(SystemClock::start()), Observer::without_files());
    let (ledger, _) = Ledger::open(Arc::new(store), &epoch(), issuer, lifetimes, clock, observer).unwrap();
    let record = |n: usize| RevocationRecord {
        seq: n as u64 + 1,
        change: Change::Revoked {
            target: Target::Session(format!("{n:022}").into()),
            name_of: None,
            terms,
            reason: "log_out".to_owned(),
        },
    };
    ledger.take_in((0..sessions).map(record));
    ledger
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn check(criterion: &mut Criterion, name: &str, ledger: &Ledger) {
    let (session, subject) = (SessionId::from("a-session-of-22-letters"), Subject::from("alice"));
    let organisation = OrganisationId::new("acme").unwrap();
    let concerned = Concerned {
        session: &session,
        others: &[],
        subject: &subject,
        organisation: Some(&organisation),
        began: Some(UnixTime::from_secs(2)),
    };
    criterion.bench_function(name, |b| b.iter(|| black_box(ledger.check(black_box(&concerned)))));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    check(&mut criterion, "ledger: nothing revoked", &ledger(0));
    let before = resident();
    let full = ledger(MILLION);
    println!("a million revoked sessions: {} MiB", resident().saturating_sub(before) >> 20);
    check(&mut criterion, "ledger: a million revoked", &full);
    criterion.final_summary();
}
