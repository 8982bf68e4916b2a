use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    UnixTime,
    revocation::{Epoch, Target},
};
use serde_json::Value;

use super::Feed;
use crate::{
    clock::ManualClock,
    entropy::SystemEntropy,
    observe::Observer,
    revocation::{Demand, Ledger, Lifetimes, RevocationReason},
    store::memory::{Copy, MemoryStore},
    testing,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

#[derive(Debug)]
struct Fixed;

impl countersign::Clock for Fixed {
    fn now(&self) -> UnixTime {
        NOW
    }
}

/// A feed whose clock stands still, its ledger, and the store below both.
fn feed() -> (Feed, Arc<Ledger>, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new());
    let lifetimes = Lifetimes {
        token: Duration::from_secs(300),
        session: Duration::from_secs(3600),
        spread: Duration::ZERO,
    };
    let (epoch, issuer) = (Epoch::new("first").unwrap(), "https://shop.example".into());
    let clock = Arc::new(ManualClock::at(NOW.as_secs()));
    let (ledger, keeper) =
        Ledger::open(store.clone(), &epoch, issuer, lifetimes, clock, Observer::without_files()).unwrap();
    tokio::spawn(keeper.run());
    let feed =
        Feed::new(Arc::clone(&ledger), testing::keyring(NOW), Arc::new(Fixed), Arc::new(SystemEntropy));
    (feed, ledger, store)
}

async fn revoke(ledger: &Ledger, session: &str) {
    let demand = Demand::new(Target::Session(session.into()), RevocationReason::LogOut);
    ledger.revoke(demand, NOW).await.unwrap();
}

/// Numbering and sessions of the first page.
fn snapshot(feed: &Feed) -> (String, Vec<String>) {
    let page = feed.page(0).unwrap().unwrap();
    let payload = page.split(|byte| *byte == b'.').nth(1).unwrap();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let event = &payload["events"]["urn:countersign:event:snapshot"];
    let names =
        event["entries"].as_array().unwrap().iter().map(|entry| entry[1].as_str().unwrap().to_owned());
    (event["epoch"].as_str().unwrap().to_owned(), names.collect())
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_kept_for_the_stream_and_no_longer_than_its_numbering() {
    let (feed, ledger, store) = feed();
    revoke(&ledger, "before").await;
    let kept = snapshot(&feed);
    assert_eq!(kept, ("first".to_owned(), vec!["before".to_owned()]));
    revoke(&ledger, "meanwhile").await;
    assert_eq!(snapshot(&feed), kept, "the stream tells what came after it");
    // Another server takes over, with nothing in it.
    store.put_back(Copy::default());
    revoke(&ledger, "after").await;
    let cursor = ledger.cursor();
    assert_ne!(cursor.epoch.as_str(), "first");
    let (epoch, mut names) = snapshot(&feed);
    names.sort();
    assert_eq!(epoch, cursor.epoch.as_str(), "the old one would send everybody for another");
    assert_eq!(names, ["after", "before", "meanwhile"], "it would take two of them back");
}
