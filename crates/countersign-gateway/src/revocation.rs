//! Revocation: what is no longer let in, and who is told.
//!
//! 1. A revocation has two records. Its *token* record goes to the services and lives as long as a token it concerns.
//!    Its *session* record stays here until the session's end (or `max_age`), so that the same credential is not
//!    translated again.
//! 2. A session or token is revoked by its exact name. A subject, an organisation or all: every session is refused
//!    that is not proven to have begun after the revocation. The proof is what the authorization server says
//!    (`auth_time`, else `iat`); that we saw a session for the first time later proves nothing, and that we saw it
//!    before disproves it.
//! 3. A token of such a target never has `iat` at or before the second of the revocation: services refuse those.
//!    A session that goes on as another (less power, another user) keeps its name: what was issued to it until the second
//!    before that was found is revoked, what was signed since by name. Each gateway that has the session does so when it
//!    learns of it, and asks anew before it signs again.
//! 4. [`Ledger::revoke`] answers when the revocation is durable in the store. One that cannot be written is not
//!    acknowledged; it holds here all the same, and is written as soon as the store can be.
//! 5. Every change has the next number of one log: [`Ledger::after`] gives what follows a cursor.
//!
//! Bounds: [`Ledger::MAX_ENTRIES`] of each record, [`Ledger::MAX_REQUESTS`] waiting to be written,
//! [`Ledger::KEPT_EVENTS`] to go on from.

mod back_channel;
mod compare;
mod demand;
mod follow;
mod keeper;
mod lease;
mod ledger;
mod logouts;
#[cfg(test)]
mod model;
mod state;

pub(crate) use self::ledger::SessionChange;
pub use self::{
    back_channel::{ExpectedLogout, LoggedOut, LogoutRefused, SeenLogouts, Using, judge_logout},
    demand::{Concerned, Demand, Recorded, Unrecorded},
    keeper::{Keeper, UNENFORCED, UNREADABLE, WENT_BACK},
    lease::{Concern, Holder, LOOK_EVERY, Lease},
    ledger::{CannotContinue, FoundGood, Ledger, Lifetimes, Snapshot},
    state::Published,
};
pub use crate::observe::RevocationReason;
