//! Who works is told of with each recheck, and with nothing else.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{CLIENT, House, down, live};
use crate::{clock::Clock as _, session::cache::Freshness};

const SECOND: Duration = Duration::from_secs(1);
/// A session is asked about again after three fifths of `recheck` at the earliest.
const EARLIEST: usize = 18;

impl House {
    /// A request of the user, and a second.
    async fn work(&self) {
        match self.entry("alice").map(|entry| self.sessions.freshness(&entry, self.clock.now())) {
            Some(Freshness::Fresh) => {}
            Some(Freshness::Aging) => {
                let (key, credential) = self.ask("alice");
                self.sessions.refresh(key, credential, CLIENT);
            }
            Some(Freshness::Stale) | None => drop(self.resolve("alice").await.unwrap()),
        }
        self.rest().await;
    }

    async fn rest(&self) {
        tokio::time::sleep(SECOND).await;
        self.clock.advance(SECOND);
    }

    fn asked_and_told(&self) -> (usize, usize) {
        (self.source.calls.load(Ordering::SeqCst), self.source.told.load(Ordering::SeqCst))
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_works_is_told_of_once_in_each_recheck() {
    let house = Arc::new(House::new(vec![live("alice", "editor")]));
    house.work().await;
    assert_eq!(house.asked_and_told(), (1, 0), "whoever just came was seen by the old application");
    let mut before = 0;
    let mut moments = Vec::new();
    for second in 1..=600 {
        house.work().await;
        let (asked, told) = house.asked_and_told();
        assert_eq!(told, asked - 1, "once in each recheck");
        if told > before {
            moments.push(second);
            before = told;
        }
    }
    assert_eq!(moments.len(), before, "never two in a second");
    assert!((20..=600 / EARLIEST).contains(&before), "{before} in 20 times `recheck`");
    let pauses: Vec<_> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| (EARLIEST..=30).contains(pause)), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_told_of_nobody() {
    let house = House::with(vec![live("alice", "editor"), down()], SECOND / 10, |rules| {
        rules.stale_if_error = Some(1000 * SECOND);
    });
    let house = Arc::new(house);
    for _ in 0..100 {
        house.work().await;
    }
    let (asked, told) = house.asked_and_told();
    assert!(asked > 2, "{asked}");
    assert_eq!(told, 0, "served from memory");
    house.server(live("alice", "editor"));
    for _ in 0..60 {
        house.work().await;
    }
    assert!(house.asked_and_told().1 > 0, "there again");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_work_is_not_told_of() {
    let house = Arc::new(House::new(vec![live("alice", "editor")]));
    house.work().await;
    for _ in 0..100 {
        house.rest().await;
    }
    // A page of ours asks, and the user does not.
    let (key, credential) = house.ask("alice");
    house.sessions.resolve_anew(key, credential, CLIENT).await.unwrap();
    house.rest().await;
    assert_eq!(house.asked_and_told(), (2, 0));
    for _ in 0..100 {
        house.rest().await;
    }
    house.work().await;
    assert_eq!(house.asked_and_told(), (3, 1), "who comes back is");
}
