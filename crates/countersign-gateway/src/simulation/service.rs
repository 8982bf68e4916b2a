//! A service: the library's own verifier and table of revocations, with keys and feed from one gateway at a time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use countersign::{
    KeySet, Revocable, Revocations, Standing, TokenRefusal, UnixTime, VerifiedClaims, Verifier,
    revocation::{Cursor, Revocation, Revoked, Target, What},
};
use tokio::time::Instant;

use super::{
    mutation::Mutation,
    replica::{ISSUER, Replica},
};
use crate::{keyring::schedule::KEY_SET_MAX_AGE, store::RingVersion};

/// The table, shared with the verifier.
#[derive(Debug, Clone)]
struct Table(Arc<Revoked>);

impl Revocations for Table {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        self.0.standing(token)
    }
}

pub(super) struct Service {
    table: Table,
    cursor: Option<Cursor>,
    keys: KeySet,
    verifier: Verifier,
    /// When the key set was asked for last, and how old the ring of the gateway was that gave it.
    pub(super) keys_asked: Instant,
    pub(super) ring_age: Duration,
    pub(super) ring: RingVersion,
    /// Names of the keys in it.
    pub(super) published: BTreeSet<String>,
    /// Snapshots it had to take.
    pub(super) snapshots: u64,
    off_seconds: i64,
    mutation: Option<Mutation>,
}

fn verifier(keys: KeySet, table: Table) -> Verifier {
    let builder = Verifier::builder().issuer(ISSUER).audience("orders").key_set(keys);
    builder.revocations(table).build().unwrap()
}

impl Service {
    pub(super) fn start(gateway: &Replica, mutation: Option<Mutation>) -> Self {
        let table = Table(Arc::new(Revoked::new(ISSUER)));
        let keys = gateway.key_set();
        let verifier = verifier(keys.clone(), table.clone());
        let (keys_asked, ring_age, ring) = (Instant::now(), Duration::ZERO, gateway.ring_version());
        let published = gateway.published();
        let (cursor, snapshots, off_seconds) = (None, 0, 0);
        Self {
            table,
            cursor,
            keys,
            verifier,
            keys_asked,
            ring_age,
            ring,
            published,
            snapshots,
            off_seconds,
            mutation,
        }
    }

    /// Somebody sets its clock.
    pub(super) const fn set_clock(&mut self, off_seconds: i64) {
        self.off_seconds = off_seconds;
    }

    /// Follows the feed of a gateway from where it is, or from a snapshot. What is said about keys makes it ask for
    /// them, and so does their age.
    pub(super) fn follow(&mut self, gateway: &Replica, now: UnixTime) {
        if self.keys_asked.elapsed() >= KEY_SET_MAX_AGE {
            self.fetch_keys(gateway);
        }
        loop {
            let events = self.cursor.as_ref().map(|cursor| gateway.ledger.after(cursor));
            match events {
                Some(Ok(events)) if events.is_empty() => return,
                Some(Ok(events)) => {
                    for published in events {
                        let is_ignored =
                            matches!(&published.event.what, What::Revoked(one) if self.ignores(one));
                        if !is_ignored {
                            self.table.0.apply(&published.event).unwrap();
                        }
                        self.cursor = Some(published.event.cursor.clone());
                        if published.event.what == What::KeysChanged {
                            self.fetch_keys(gateway);
                        }
                    }
                }
                Some(Err(_)) | None => {
                    let snapshot = gateway.ledger.snapshot(now);
                    let entries = snapshot.entries.into_iter().filter(|one| !self.ignores(one));
                    self.table.0.replace(entries).unwrap();
                    self.cursor = Some(snapshot.cursor);
                    self.snapshots += 1;
                }
            }
        }
    }

    fn ignores(&self, revocation: &Revocation) -> bool {
        let of_power = matches!(revocation.target, Target::IssuedTo(_));
        of_power && self.mutation == Some(Mutation::IgnoresLessPower)
    }

    /// Asks for the key set again.
    pub(super) fn fetch_keys(&mut self, gateway: &Replica) {
        let keys = gateway.key_set();
        self.keys_asked = Instant::now();
        self.ring_age = gateway.ring_read.elapsed();
        self.ring = gateway.ring_version();
        self.published = gateway.published();
        if !keys.same_keys(&self.keys) {
            self.keys = keys.clone();
            self.verifier = verifier(keys, self.table.clone());
        }
    }

    pub(super) fn verify(&self, token: &str, now: u64) -> Result<VerifiedClaims, TokenRefusal> {
        let now = UnixTime::from_secs(now.saturating_add_signed(self.off_seconds));
        self.verifier.verify_at(token.as_bytes(), now)
    }
}
