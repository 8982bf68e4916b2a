//! Used log-out tokens: known to all gateways on a store, and after a restart.
//!
//! The store is asked on the control thread, as it is for revocations, and for all that wait together.

use countersign::revocation::Cursor;
use tokio::sync::oneshot;

use super::{
    Keeper, Unrecorded,
    keeper::{Request, Wish},
};
use crate::store::{LogoutName, LogoutOutcome, LogoutStanding};

/// What is asked about one log-out token.
#[derive(Debug)]
pub(super) enum LogoutWish {
    /// It is to be used, and nobody else may.
    Hold(LogoutName, oneshot::Sender<Option<LogoutStanding>>),
    /// What became of it.
    End(LogoutName, LogoutOutcome),
}

/// Who waits until it is written.
type Reply = Option<oneshot::Sender<Result<Cursor, Unrecorded>>>;

impl Keeper {
    /// Takes what concerns log-out tokens out of a batch, and does it.
    pub(super) fn look_after_logouts(&mut self, batch: &mut Vec<Request>) {
        let is_logout = |request: &mut Request| matches!(request.wish, Wish::Logout(_));
        let (mut holding, mut ending) = (Vec::new(), Vec::new());
        for Request { wish, reply } in batch.extract_if(.., is_logout) {
            let Wish::Logout(wish) = wish else { continue };
            match wish {
                LogoutWish::Hold(name, standing) => holding.push((name, standing)),
                LogoutWish::End(name, outcome) => ending.push(((name, outcome), reply)),
            }
        }
        if !holding.is_empty() {
            self.hold_logouts(holding);
        }
        if !ending.is_empty() {
            self.end_logouts(ending);
        }
    }

    fn hold_logouts(&mut self, holding: Vec<(LogoutName, oneshot::Sender<Option<LogoutStanding>>)>) {
        let names: Vec<_> = holding.iter().map(|(name, _)| *name).collect();
        let standing = self.store.hold_logouts(&names, self.clock.now().wall).unwrap_or_else(|error| {
            self.fails_once(&error);
            Vec::new()
        });
        let mut standing = standing.into_iter();
        for (_, reply) in holding {
            // Whoever does not wait any more does not use it: the hold lapses.
            let _ = reply.send(standing.next());
        }
    }

    fn end_logouts(&mut self, ending: Vec<((LogoutName, LogoutOutcome), Reply)>) {
        let (ended, waiting): (Vec<_>, Vec<_>) = ending.into_iter().unzip();
        let written = self.store.end_logouts(&ended, self.clock.now().wall);
        if let Err(error) = &written {
            self.fails_once(error);
        }
        let outcome = match written {
            Ok(()) => Ok(self.ledger.cursor()),
            Err(error) => Err(Unrecorded::Store(error.code())),
        };
        for reply in waiting.into_iter().flatten() {
            let _ = reply.send(outcome.clone());
        }
    }
}
