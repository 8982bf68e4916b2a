//! What a stream holds while it is open, so that it ends with its session.

use std::{fmt, sync::Arc, time::Duration};

use countersign::Standing;

use super::{Concerned, Ledger};

/// How often a stream that waits looks whether its session was revoked.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whoever a revocation can concern.
pub trait Concern: Send + Sync + fmt::Debug {
    /// What a revocation can name of it.
    fn concerned(&self) -> Concerned<'_>;
}

/// A session's right to an open stream. Looking is one comparison as long as nothing was revoked since the last look.
#[derive(Debug, Clone)]
pub struct Lease {
    who: Arc<dyn Concern>,
    ledger: Arc<Ledger>,
    seen: u64,
}

impl Lease {
    /// A lease of a session that was just found not to be revoked.
    #[must_use]
    pub fn new(who: Arc<dyn Concern>, ledger: &Arc<Ledger>) -> Self {
        // A revocation between that finding and this line is found at the first look.
        Self { who, ledger: Arc::clone(ledger), seen: 0 }
    }

    /// Whether the session was revoked.
    pub fn is_over(&mut self) -> bool {
        let generation = self.ledger.generation();
        if generation == self.seen {
            return false;
        }
        self.seen = generation;
        self.ledger.check(&self.who.concerned()) == Standing::Revoked
    }
}
