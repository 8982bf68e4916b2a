mod fake;
mod over_http;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::sleep;

use self::fake::{Gateway, Keys, SetClock, Simulated, is_revoked, session, standing};
use super::{FeedCounters, OnFeedLoss, transport::Transport as _};
use crate::{
    Standing,
    revocation::{Epoch, Event, FeedWriter, Stamp, What},
    testkit::TestKey,
};

const SECOND: Duration = Duration::from_secs(1);
/// Enough for whatever is on its way.
const SOON: Duration = Duration::from_millis(10);

fn keys() -> Arc<Keys> {
    Keys::new(&TestKey::PUBLISHED)
}

#[tokio::test(start_paused = true)]
async fn what_was_revoked_before_and_what_is_revoked_now_is_known() {
    let gateway = Gateway::new(&Simulated::new());
    ["a", "b", "c", "d", "e", "f", "g"].into_iter().for_each(|name| gateway.revoke(name));
    gateway.lift("b");
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert_eq!(standing(&feed, &session("x")), Standing::Unknown, "before the first snapshot");
    assert_eq!(feed.last_heartbeat(), None);
    assert!(feed.ready(SECOND).await);
    assert!(gateway.agrees_with(&feed));
    assert_eq!(standing(&feed, &session("x")), Standing::Good);
    gateway.revoke("x");
    gateway.lift("a");
    sleep(SOON).await;
    assert!(gateway.agrees_with(&feed) && is_revoked(&feed, &session("x")));
    sleep(60 * SECOND).await;
    let counters = feed.counters();
    assert!((59..=62).contains(&counters.heartbeats), "{counters:?}");
    assert!(feed.last_heartbeat().is_some());
    let expected =
        FeedCounters { events: 2, snapshots: 1, heartbeats: counters.heartbeats, ..FeedCounters::default() };
    assert_eq!(counters, expected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_anywhere_misses_nothing() {
    let clock = Simulated::new();
    for cut in (0..3_000).step_by(11) {
        let gateway = Gateway::new(&clock);
        gateway.revoke("before");
        let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
        gateway.state().cut_next = Some(cut);
        sleep(SOON).await;
        for name in ["a", "b", "c"] {
            gateway.revoke(name);
            sleep(SOON).await;
        }
        gateway.lift("b");
        sleep(4 * SECOND).await;
        assert!(gateway.agrees_with(&feed) && feed.is_current(), "cut after {cut}");
        assert_eq!((feed.counters().disconnects, feed.counters().snapshots), (1, 1), "cut after {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_cut_is_caught_up_within_a_second_and_is_no_loss() {
    let gateway = Gateway::new(&Simulated::new());
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    for round in 0..20 {
        gateway.state().streams.clear();
        gateway.revoke(&format!("s{round}"));
        sleep(Duration::from_millis(210)).await;
        assert!(gateway.agrees_with(&feed), "{round}");
    }
    assert_eq!((feed.counters().losses, feed.counters().snapshots), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn silence_is_known_after_three_seconds_and_follows_the_choice() {
    for choice in [OnFeedLoss::Keep, OnFeedLoss::Refuse] {
        let gateway = Gateway::new(&Simulated::new());
        gateway.revoke("a");
        let feed = gateway.follow(&keys(), choice);
        assert!(feed.ready(SECOND).await);
        gateway.state().mute = true;
        gateway.state().hangs = true;
        sleep(Duration::from_millis(2_900)).await;
        assert!(feed.is_current());
        sleep(Duration::from_millis(200)).await;
        assert!(!feed.is_current());
        let expected = if choice == OnFeedLoss::Keep { Standing::Good } else { Standing::Unknown };
        assert_eq!(standing(&feed, &session("x")), expected);
        assert_eq!(standing(&feed, &session("a")), Standing::Revoked, "what is known stays known");
        assert_eq!(feed.counters().losses, 1);

        gateway.state().mute = false;
        gateway.state().hangs = false;
        gateway.revoke("b");
        assert!(feed.ready(12 * SECOND).await);
        assert!(gateway.agrees_with(&feed));
        assert_eq!(feed.counters().snapshots, 1, "the cursor was kept");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_heartbeats_are_silence() {
    let gateway = Gateway::new(&Simulated::new());
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    gateway.state().mute = true;
    let disconnects = feed.counters().disconnects;
    for _ in 0..40 {
        sleep(SECOND / 10).await;
        gateway.state().send(&":".into());
    }
    assert!(!feed.is_current());
    assert!(feed.counters().disconnects > disconnects);
}

#[tokio::test(start_paused = true)]
async fn another_epoch_and_a_lower_number_force_a_snapshot() {
    let gateway = Gateway::new(&Simulated::new());
    ["a", "b", "c"].into_iter().for_each(|name| gateway.revoke(name));
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    // The store was emptied: streams stay open and tell of another epoch.
    {
        let mut state = gateway.state();
        state.epoch = Epoch::new("e2").unwrap();
        state.seq = 0;
        state.log.clear();
        state.live.clear();
    }
    gateway.revoke("d");
    sleep(2 * SECOND).await;
    assert!(gateway.agrees_with(&feed) && feed.is_current());
    assert_eq!(feed.counters().snapshots, 2);

    // A backup was restored: the same epoch, and an earlier number.
    ["e", "f", "g"].into_iter().for_each(|name| gateway.revoke(name));
    sleep(SOON).await;
    {
        let mut state = gateway.state();
        state.seq -= 2;
        state.log.truncate(2);
        state.live.remove(&session("g"));
    }
    sleep(10 * SECOND).await;
    assert!(is_revoked(&feed, &session("g")) && !feed.is_current(), "it knows less than is known");
    assert_eq!(feed.counters().snapshots, 2);

    // It is noticed, and numbered anew.
    gateway.state().epoch = Epoch::new("e3").unwrap();
    sleep(12 * SECOND).await;
    assert!(gateway.agrees_with(&feed) && feed.is_current());
    assert_eq!(feed.counters().snapshots, 3);

    // While nobody was connected the epoch changed: the gateway says `reset`.
    {
        let mut state = gateway.state();
        state.epoch = Epoch::new("e4").unwrap();
        state.streams.clear();
    }
    sleep(2 * SECOND).await;
    assert!(gateway.agrees_with(&feed) && feed.is_current());
    assert_eq!(feed.counters().snapshots, 4);
}

/// Behind one address there are several gateways; and on the way there may be somebody with a recording.
#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_older_than_what_is_known_takes_nothing_back() {
    for is_renumbered in [false, true] {
        let gateway = Gateway::new(&Simulated::new());
        gateway.revoke("a");
        let behind = gateway.clone().page(0).await.unwrap();
        let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
        assert!(feed.ready(SECOND).await);
        gateway.revoke("b");
        if is_renumbered {
            gateway.state().epoch = Epoch::new("e2").unwrap();
        }
        sleep(2 * SECOND).await;
        assert!(feed.is_current() && gateway.agrees_with(&feed));
        // Less than a minute old.
        gateway.state().recorded = Some(behind);
        gateway.state().send(&"event: reset\n\n".into());
        sleep(5 * SECOND).await;
        assert!(is_revoked(&feed, &session("b")) && !feed.is_current());
        assert!(feed.counters().refused > 0);
        gateway.state().recorded = None;
        assert!(feed.ready(12 * SECOND).await && gateway.agrees_with(&feed));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_got_lost_is_noticed_by_the_next_heartbeat() {
    let gateway = Gateway::new(&Simulated::new());
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    gateway.state().swallow = true;
    gateway.revoke("a");
    sleep(SOON).await;
    assert!(!gateway.agrees_with(&feed));
    sleep(2 * SECOND).await;
    assert!(gateway.agrees_with(&feed) && feed.is_current());
    assert_eq!((feed.counters().snapshots, feed.counters().losses), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn replayed_messages_change_nothing() {
    let gateway = Gateway::new(&Simulated::new());
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    gateway.revoke("a");
    gateway.lift("a");
    let old = gateway.state().log[1].clone();
    assert!(matches!(old.what, What::Lifted(_)));
    let replayed = gateway.state().written(&old);
    gateway.state().send(&replayed);
    sleep(SOON).await;
    assert_eq!((feed.counters().events, feed.counters().snapshots), (2, 1), "the last one again is nothing");

    gateway.revoke("a");
    sleep(SOON).await;
    gateway.state().send(&replayed);
    sleep(SECOND).await;
    assert!(is_revoked(&feed, &session("a")), "an older one is not done again");
    assert!(gateway.agrees_with(&feed));
    assert_eq!(feed.counters().snapshots, 2);
}

#[tokio::test(start_paused = true)]
async fn a_recording_keeps_nobody_quiet() {
    let gateway = Gateway::new(&Simulated::new());
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    gateway.state().late_by = 61 * SECOND;
    sleep(5 * SECOND).await;
    assert!(!feed.is_current());
    assert!(feed.counters().refused > 0);
    gateway.state().late_by = 59 * SECOND;
    assert!(feed.ready(12 * SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_snapshot_takes_nothing_back() {
    let gateway = Gateway::new(&Simulated::new());
    let recorded = gateway.clone().page(0).await.unwrap();
    let feed = gateway.follow(&keys(), OnFeedLoss::Keep);
    assert!(feed.ready(SECOND).await);
    sleep(61 * SECOND).await;
    gateway.revoke("a");
    sleep(SOON).await;
    assert!(is_revoked(&feed, &session("a")));
    // Anybody on the way can say that a snapshot is needed.
    gateway.state().recorded = Some(recorded);
    gateway.state().send(&"event: reset\n\n".into());
    sleep(20 * SECOND).await;
    assert!(is_revoked(&feed, &session("a")));
    assert!(feed.counters().refused > 0);
    gateway.state().recorded = None;
    assert!(feed.ready(12 * SECOND).await && gateway.agrees_with(&feed));
}

#[tokio::test(start_paused = true)]
async fn forged_messages_are_not_believed_and_nothing_is_missed_by_them() {
    let gateway = Gateway::new(&Simulated::new());
    gateway.revoke("a");
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    let cursor = || {
        let mut cursor = gateway.state().cursor();
        cursor.seq += 1;
        cursor
    };
    let (now, name) = (crate::UnixTime::from_secs(1_000_001), "m".into());
    let stamp = Stamp { issued_at: now, token_id: &name, reason: None };
    let lifted = || Event { cursor: cursor(), what: What::Lifted(session("a")) };
    let written = |issuer: &str, key: TestKey| {
        FeedWriter::new(issuer).event(&lifted(), &stamp, key.signing_key()).unwrap()
    };
    let mut unsigned = written(fake::ISSUER, TestKey::Ed25519);
    unsigned.truncate(unsigned.rfind('.').unwrap() + 1);
    for (round, forged) in [
        written(fake::ISSUER, TestKey::Ed25519OfOther),
        written("https://other.test", TestKey::Ed25519),
        unsigned,
        "rubbish".to_owned(),
        String::new(),
    ]
    .into_iter()
    .enumerate()
    {
        gateway.state().send(&format!("event: revocation\ndata: {forged}\n\n").into());
        gateway.revoke(&format!("after-{round}"));
        sleep(SECOND / 2).await;
        assert!(gateway.agrees_with(&feed) && feed.is_current(), "{forged}");
        assert_eq!(feed.counters().refused, round as u64 + 1, "{forged}");
    }
    assert_eq!(feed.counters().snapshots, 1);
}

#[tokio::test(start_paused = true)]
async fn an_endless_event_ends_its_connection() {
    let gateway = Gateway::new(&Simulated::new());
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    let piece = bytes::Bytes::from(vec![b'x'; 1 << 16]);
    for _ in 0..4 {
        gateway.state().send(&piece);
    }
    sleep(SOON).await;
    assert_eq!(gateway.state().streams.iter().filter(|stream| !stream.is_closed()).count(), 0);
    gateway.revoke("a");
    sleep(SECOND / 2).await;
    assert!(gateway.agrees_with(&feed));
}

#[tokio::test(start_paused = true)]
async fn pages_that_do_not_belong_together_are_no_snapshot() {
    let gateway = Gateway::new(&Simulated::new());
    (0..10).for_each(|name| gateway.revoke(&format!("s{name}")));
    gateway.state().restless = true;
    let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
    assert!(!feed.ready(10 * SECOND).await);
    assert_eq!((feed.counters().snapshots, feed.revoked().len()), (0, 0));
    assert!(gateway.state().snapshots < 40, "{}", gateway.state().snapshots);
    gateway.state().restless = false;
    assert!(feed.ready(10 * SECOND).await);
    assert!(gateway.agrees_with(&feed));
}

#[tokio::test(start_paused = true)]
async fn changed_keys_are_looked_for_at_once() {
    let gateway = Gateway::new(&Simulated::new());
    let keys = Keys::new(&[TestKey::Ed25519]);
    let feed = gateway.follow(&keys, OnFeedLoss::Refuse);
    assert!(feed.ready(SECOND).await);
    gateway.state().happens(What::KeysChanged);
    sleep(SOON).await;
    assert_eq!((keys.told(), feed.counters().events), (1, 1));

    // An emergency: the next message is signed with a key that was never seen.
    gateway.state().key = TestKey::Es256.signing_key();
    gateway.revoke("a");
    sleep(SOON).await;
    assert!(keys.told() > 1 && !is_revoked(&feed, &session("a")));
    keys.published.publish(TestKey::set(&[TestKey::Es256]), None);
    sleep(SECOND).await;
    assert!(gateway.agrees_with(&feed) && feed.is_current());
}

#[tokio::test(start_paused = true)]
async fn without_keys_nothing_is_believed_and_it_begins_when_they_come() {
    let gateway = Gateway::new(&Simulated::new());
    gateway.revoke("a");
    let keys = Keys::new(&[]);
    let feed = gateway.follow(&keys, OnFeedLoss::Keep);
    assert!(!feed.ready(30 * SECOND).await);
    assert_eq!(gateway.state().snapshots, 0, "nothing is asked for that could not be read");
    keys.published.publish(TestKey::set(&[TestKey::Ed25519]), None);
    assert!(feed.ready(SECOND).await);
    assert!(gateway.agrees_with(&feed));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_a_loss() {
    let gateway = Gateway::new(&Simulated::new());
    gateway.revoke("a");
    let feed = gateway.follow_with(&keys(), OnFeedLoss::Refuse, 2);
    assert!(feed.ready(SECOND).await);
    ["b", "c"].into_iter().for_each(|name| gateway.revoke(name));
    sleep(SOON).await;
    assert!(!feed.is_current());
    assert_eq!(standing(&feed, &session("a")), Standing::Revoked);
    assert_eq!(standing(&feed, &session("x")), Standing::Unknown);
    gateway.lift("a");
    assert!(feed.ready(12 * SECOND).await);
    assert!(gateway.agrees_with(&feed));
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_forgotten() {
    let gateway = Gateway::new(&Simulated::new());
    gateway.revoke("a");
    let feed = gateway.follow(&keys(), OnFeedLoss::Keep);
    assert!(feed.ready(SECOND).await);
    sleep(299 * SECOND).await;
    assert_eq!(feed.revoked().len(), 1);
    sleep(32 * SECOND).await;
    assert_eq!(feed.revoked().len(), 0);
}

/// A service's clock jumps a day ahead and back, with and without an issuer that does the same.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_and_back_makes_no_revoked_token_good() {
    let right = Simulated::new();
    let clock = Arc::new(SetClock(Arc::clone(&right), 0.into()));
    let gateway = Gateway::new(&right);
    gateway.revoke("a");
    let feed = gateway.follow_by(clock.clone(), &keys(), OnFeedLoss::Keep, 1_000);
    assert!(feed.ready(SECOND).await);
    for off in [24 * 3600, 0, 30, 3600, 0] {
        clock.1.store(off, Ordering::SeqCst);
        // Long enough to forget, if it would.
        sleep(50 * SECOND).await;
        assert!(is_revoked(&feed, &session("a")), "{off} s ahead");
    }
    sleep(100 * SECOND).await;
    assert_eq!(feed.revoked().len(), 0, "its time is over");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_down_is_asked_less_and_less() {
    let gateway = Gateway::new(&Simulated::new());
    gateway.state().down = true;
    let feed = gateway.follow(&keys(), OnFeedLoss::Keep);
    sleep(60 * SECOND).await;
    assert!((10..=25).contains(&feed.counters().disconnects), "{:?}", feed.counters());
    gateway.state().down = false;
    assert!(feed.ready(6 * SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_followed_when_nobody_is_left() {
    let gateway = Gateway::new(&Simulated::new());
    let feed = gateway.follow(&keys(), OnFeedLoss::Keep);
    assert!(feed.ready(SECOND).await);
    drop(feed);
    sleep(5 * SECOND).await;
    assert_eq!(Arc::strong_count(&gateway.0), 1, "the task has ended");
}

/// Any order of events and faults, by a small generator with a seed.
#[tokio::test(start_paused = true)]
async fn after_any_faults_everything_is_known() {
    let clock = Simulated::new();
    for seed in 1..40_u64 {
        let gateway = Gateway::new(&clock);
        let feed = gateway.follow(&keys(), OnFeedLoss::Refuse);
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for _ in 0..60 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let name = format!("s{}", (state >> 8) % 6);
            match state % 11 {
                0..=3 => gateway.revoke(&name),
                4 | 5 => gateway.lift(&name),
                6 => gateway.state().streams.clear(),
                7 => gateway.state().cut_next = Some((state >> 16) as usize % 900),
                8 => gateway.state().swallow = true,
                9 => gateway.state().epoch = Epoch::new(&format!("e{}", state >> 32)).unwrap(),
                _ => {
                    let mut gateway = gateway.state();
                    gateway.down = !gateway.down;
                }
            }
            sleep(Duration::from_millis((state >> 20) % 900)).await;
        }
        gateway.state().down = false;
        gateway.state().swallow = false;
        sleep(12 * SECOND).await;
        assert!(gateway.agrees_with(&feed) && feed.is_current(), "seed {seed}: {:?}", feed.counters());
    }
}
