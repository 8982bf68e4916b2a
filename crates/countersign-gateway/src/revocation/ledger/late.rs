//! What others revoked, and this gateway learned of too late.

use std::{collections::BTreeSet, sync::Arc};

use countersign::{
    SessionId, UnixTime,
    revocation::{Cursor, Target, What},
};

use super::{Ledger, Request, Wish, is_of_tokens};
use crate::revocation::{Demand, state::Published};

/// Which sessions were revoked so long before this gateway learned of it that a token which was signed here meanwhile may
/// outlive what services know of the revocation: a gateway that the store was away from goes on signing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Late {
    /// By name.
    pub(crate) sessions: BTreeSet<SessionId>,
    /// And others, which have to be looked for.
    pub(crate) more: bool,
}

impl Ledger {
    /// What was learned of too late after that place of the log.
    pub(crate) fn late_revocations(&self, seen: &Cursor, now: UnixTime) -> Late {
        let (mut seen, mut late) = (seen.clone(), Late::default());
        let in_time = self.last_token_ends(now);
        loop {
            let Ok(events) = self.after(&seen) else {
                late.more = true;
                return late;
            };
            let Some(last) = events.last() else { return late };
            seen = last.event.cursor.clone();
            for published in &events {
                match self.late_target(published, in_time) {
                    None => {}
                    Some(Target::Session(name)) => drop(late.sessions.insert(name.clone())),
                    Some(_) => late.more = true,
                }
            }
        }
    }

    fn late_target<'a>(&self, published: &'a Arc<Published>, in_time: UnixTime) -> Option<&'a Target> {
        match &published.event.what {
            What::Revoked(revocation)
                if !published.is_own
                    && !is_of_tokens(&revocation.target)
                    && revocation.expires.saturating_add(self.spread) < in_time =>
            {
                Some(&revocation.target)
            }
            _ => None,
        }
    }

    /// Revokes as [`Self::revoke_later`] does, as soon as there is room for it. False if nothing is written any more.
    pub(crate) async fn revoke_in_turn(&self, demand: Demand, now: UnixTime) -> bool {
        self.requests.send(Request { wish: Wish::Revoke(demand, now), reply: None }).await.is_ok()
    }
}
