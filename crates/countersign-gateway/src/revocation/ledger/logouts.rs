//! Log-out tokens that are believed once by all gateways on a store.

use tokio::sync::oneshot;

use super::{Ledger, Wish};
use crate::{
    revocation::logouts::LogoutWish,
    store::{LogoutName, LogoutOutcome, LogoutStanding},
};

impl Ledger {
    /// Holds a log-out token for use, before all other gateways; how it stood. `None` if the store cannot tell.
    pub(crate) async fn hold_logout(&self, name: LogoutName) -> Option<LogoutStanding> {
        let (reply, standing) = oneshot::channel();
        self.hand_over(Wish::Logout(LogoutWish::Hold(name, reply)), None).ok()?;
        standing.await.ok().flatten()
    }

    /// What it ends is durable: it is not believed again. Where that cannot be written the gateway's own memory has to do.
    pub(crate) async fn used_logout(&self, name: LogoutName) {
        // A store that fails is told of where it failed.
        let _ = self.ask(Wish::Logout(LogoutWish::End(name, LogoutOutcome::Used))).await;
    }

    /// What it ends could not be recorded: it may come again. Where that cannot be written, the hold lapses.
    pub(crate) fn free_logout(&self, name: LogoutName) {
        let _ = self.hand_over(Wish::Logout(LogoutWish::End(name, LogoutOutcome::Freed)), None);
    }
}
