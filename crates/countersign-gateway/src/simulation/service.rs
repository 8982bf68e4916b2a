//! A service: the library's own verifier and table of revocations, with keys and feed from one gateway at a time.

use std::sync::Arc;

use countersign::{
    KeySet, Revocable, Revocations, Standing, TokenRefusal, UnixTime, VerifiedClaims, Verifier,
    revocation::{Cursor, Revoked},
};

use super::replica::{ISSUER, Replica};

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
}

fn verifier(keys: KeySet, table: Table) -> Verifier {
    let builder = Verifier::builder().issuer(ISSUER).audience("orders").key_set(keys);
    builder.revocations(table).build().unwrap()
}

impl Service {
    pub(super) fn start(gateway: &Replica) -> Self {
        let table = Table(Arc::new(Revoked::new(ISSUER)));
        let keys = gateway.key_set();
        let verifier = verifier(keys.clone(), table.clone());
        Self { table, cursor: None, keys, verifier }
    }

    /// Follows the feed of a gateway from where it is, or from a snapshot.
    pub(super) fn follow(&mut self, gateway: &Replica, now: UnixTime) {
        loop {
            let events = self.cursor.as_ref().map(|cursor| gateway.ledger.after(cursor));
            match events {
                Some(Ok(events)) if events.is_empty() => return,
                Some(Ok(events)) => {
                    for published in events {
                        self.table.0.apply(&published.event).unwrap();
                        self.cursor = Some(published.event.cursor.clone());
                    }
                }
                Some(Err(_)) | None => {
                    let snapshot = gateway.ledger.snapshot(now);
                    self.table.0.replace(snapshot.entries).unwrap();
                    self.cursor = Some(snapshot.cursor);
                }
            }
        }
    }

    /// Asks for the key set again.
    pub(super) fn fetch_keys(&mut self, gateway: &Replica) {
        let keys = gateway.key_set();
        if !keys.same_keys(&self.keys) {
            self.keys = keys.clone();
            self.verifier = verifier(keys, self.table.clone());
        }
    }

    pub(super) fn verify(&self, token: &str, now: UnixTime) -> Result<VerifiedClaims, TokenRefusal> {
        self.verifier.verify_at(token.as_bytes(), now)
    }
}
