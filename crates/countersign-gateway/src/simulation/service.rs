//! A service: the library's own verifier and follower of a feed, with keys and feed from one gateway at a time.

use std::{collections::BTreeSet, time::Duration};

use countersign::{
    KeySet, TokenRefusal, UnixTime, VerifiedClaims, Verifier,
    remote::{OnFeedLoss, SteppedFeed},
};
use tokio::time::Instant;

use super::{
    link::{HEARTBEAT_EVERY, Link, Traffic},
    mutation::Mutation,
    random::Random,
    replica::{ISSUER, Replica},
};
use crate::{keyring::schedule::KEY_SET_MAX_AGE, store::RingVersion};

pub(super) struct Service {
    /// The gateway that it follows.
    pub(super) gateway: usize,
    /// There is no way there.
    pub(super) cut: bool,
    /// Since when there is a way to a gateway that runs and has caught up, and nothing on it got lost.
    pub(super) calm_since: Option<Instant>,
    /// When it heard a heartbeat last, whatever that said.
    pub(super) heard: Option<Instant>,
    pub(super) on_feed_loss: OnFeedLoss,
    pub(super) feed: SteppedFeed,
    pub(super) link: Link,
    keys: KeySet,
    keys_wanted: bool,
    verifier: Verifier,
    /// When the key set was asked for last, and how old the ring of the gateway was that gave it.
    pub(super) keys_asked: Instant,
    pub(super) ring_age: Duration,
    pub(super) ring: RingVersion,
    /// Names of the keys in it.
    pub(super) published: BTreeSet<String>,
    off_seconds: i64,
    looked_at: Instant,
}

fn verifier(keys: KeySet, feed: &SteppedFeed) -> Verifier {
    let builder = Verifier::builder().issuer(ISSUER).audience("orders").key_set(keys);
    builder.revocations(feed.feed().clone()).build().unwrap()
}

impl Service {
    /// Every second one refuses everything while its feed is lost.
    pub(super) fn start(
        number: usize,
        gateway: &Replica,
        random: &Random,
        mutation: Option<Mutation>,
    ) -> Self {
        let now = Instant::now();
        let on_feed_loss = if number.is_multiple_of(2) { OnFeedLoss::Keep } else { OnFeedLoss::Refuse };
        let feed = SteppedFeed::new(ISSUER, on_feed_loss, now);
        let keys = gateway.key_set();
        // What happens on its way changes nothing of what happens elsewhere.
        let random = Random::new(!random.seed().wrapping_add(number as u64));
        Self {
            gateway: number,
            cut: false,
            calm_since: Some(now),
            heard: None,
            on_feed_loss,
            link: Link::new(number, random, mutation),
            verifier: verifier(keys.clone(), &feed),
            feed,
            keys,
            keys_wanted: false,
            keys_asked: now,
            ring_age: Duration::ZERO,
            ring: gateway.ring_version(),
            published: gateway.published(),
            off_seconds: 0,
            looked_at: now,
        }
    }

    /// Somebody sets its clock.
    pub(super) const fn set_clock(&mut self, off_seconds: i64) {
        self.off_seconds = off_seconds;
    }

    /// It turns to that gateway: another, or one that was started anew.
    pub(super) fn turn_to(&mut self, gateway: usize) {
        self.gateway = gateway;
        self.calm_since = None;
        self.link.lead_to(gateway, &mut self.feed, Instant::now());
    }

    /// Follows the feed of its gateway, if that runs. What is said about keys makes it ask for them, and so does their
    /// age.
    pub(super) fn follow(&mut self, gateway: Option<&Replica>, wall: u64, now: Instant) -> Traffic {
        let gateway = gateway.filter(|_| !self.cut);
        match gateway {
            // What it knows would take revocations back: the service waits until it has caught up.
            Some(gateway) if self.feed.is_beyond(&gateway.ledger.cursor()) => self.calm_since = None,
            Some(_) => drop(self.calm_since.get_or_insert(now)),
            None => {}
        }
        let wall = self.clock(wall);
        // Feeds do not stand still where everybody else waits for an answer.
        let mut traffic = Traffic::default();
        while self.looked_at < now {
            self.looked_at = now.min(self.looked_at + HEARTBEAT_EVERY);
            self.link.follow(&mut self.feed, gateway, (wall, self.looked_at), &mut traffic);
        }
        if traffic.is_disturbed {
            self.calm_since = self.calm_since.map(|_| now);
        }
        self.heard = traffic.heard.or(self.heard);
        self.keys_wanted |= self.feed.take_keys_wanted();
        if let Some(gateway) = gateway
            && (self.keys_wanted || self.keys_asked.elapsed() >= KEY_SET_MAX_AGE)
        {
            self.fetch_keys(gateway);
        }
        traffic
    }

    /// Asks for the key set again.
    pub(super) fn fetch_keys(&mut self, gateway: &Replica) {
        let keys = gateway.key_set();
        self.keys_wanted = false;
        self.keys_asked = Instant::now();
        self.ring_age = gateway.ring_read.elapsed();
        self.ring = gateway.ring_version();
        self.published = gateway.published();
        if !keys.same_keys(&self.keys) {
            self.keys = keys.clone();
            self.verifier = verifier(keys, &self.feed);
        }
    }

    pub(super) fn verify(&self, token: &str, wall: u64) -> Result<VerifiedClaims, TokenRefusal> {
        self.verifier.verify_at(token.as_bytes(), self.clock(wall))
    }

    const fn clock(&self, wall: u64) -> UnixTime {
        UnixTime::from_secs(wall.saturating_add_signed(self.off_seconds))
    }
}
