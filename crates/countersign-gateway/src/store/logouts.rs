//! Which log-out tokens of the authorization server were used: each is believed once by all gateways on a store.
//!
//! 1. A token is held while what it ends is being written, and used once that is durable. Of several gateways one holds it,
//!    and the others are told so.
//! 2. A hold that its gateway does not end lapses after [`LOGOUT_HELD`]: nothing was recorded then, or the gateway could
//!    not say so, and the token is believed when it comes again. No honest log-out is lost.
//! 3. What was used is remembered for [`LOGOUT_REMEMBERED`], the newest [`MAX_USED_LOGOUTS`] of them: beyond that the
//!    oldest is forgotten, so that none is refused for want of room.
//! 4. A store that cannot be asked, and one that lost what it knew, tell nothing. Each gateway has its own memory besides.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use countersign::{Issuer, UnixTime};

/// How long a token is held at most.
pub const LOGOUT_HELD: Duration = Duration::from_secs(10);
/// How long a used token is remembered: for as long as its times would be believed, and a minute.
pub const LOGOUT_REMEMBERED: Duration = Duration::from_secs(720);
/// The most used tokens that are remembered: some 20 MB. Only the issuer can make as many.
pub const MAX_USED_LOGOUTS: usize = 100_000;

/// A log-out token by the hash of its issuer and `jti`: all take the same room, and nothing readable is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogoutName([u8; 32]);

impl LogoutName {
    /// That of a token.
    #[must_use]
    pub fn new(issuer: &Issuer, id: &str) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in [issuer.as_str(), id] {
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut name = [0; 32];
        name.copy_from_slice(hash.finish().as_ref());
        Self(name)
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for LogoutName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogoutName")
    }
}

/// How a log-out token stands when a gateway wants to use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutStanding {
    /// It was not used. Where gateways share the store, this one holds it now.
    Fresh,
    /// Another gateway holds it, or one did that has not said what became of it.
    Held,
    /// It was used.
    Used,
}

/// What became of a log-out token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutOutcome {
    /// What it ends could not be recorded: it may come again.
    Freed,
    /// What it ends is durable.
    Used,
}

/// The newest tokens, each until its time is over.
#[derive(Debug, Default)]
pub(crate) struct RememberedLogouts {
    until: BTreeMap<LogoutName, UnixTime>,
    /// The same; the oldest is the first.
    in_order: BTreeSet<(UnixTime, LogoutName)>,
}

impl RememberedLogouts {
    pub(crate) fn knows(&self, name: &LogoutName, now: UnixTime) -> bool {
        self.until.get(name).is_some_and(|until| *until > now)
    }

    pub(crate) fn note(&mut self, name: LogoutName, life: Duration, now: UnixTime) {
        self.forget(&name);
        while let Some((until, oldest)) = self.in_order.first().copied()
            && (until <= now || self.until.len() >= MAX_USED_LOGOUTS)
        {
            self.forget(&oldest);
        }
        let until = now.saturating_add(life);
        self.until.insert(name, until);
        self.in_order.insert((until, name));
    }

    pub(crate) fn forget(&mut self, name: &LogoutName) {
        if let Some(until) = self.until.remove(name) {
            self.in_order.remove(&(until, *name));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.until.len(), self.in_order.len())
    }
}
