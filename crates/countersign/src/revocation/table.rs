//! Everything of one issuer that is revoked, in memory.
//!
//! 1. Reading takes no lock: each table is cut into shards, and a writer replaces a shard whole. A filter of 512 KiB before
//!    each table that is not empty knows most names that are not in it.
//! 2. A name is kept as two 64-bit hashes under random keys, so an entry takes the same room whatever its name: 24
//!    bytes for a session or token and 32 for anything else, in hash tables that are between 44 and 88 %
//!    full. A million sessions take about 51 MiB. Equal names always match; for two different names to be taken for
//!    one, both hashes must agree, which for a million entries has odds of one in 10^32, and would end a session, not
//!    spare one.
//! 3. At most so many entries. There is nothing that could be left out when it is full, so that is an error.

mod filter;
mod shards;

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use self::shards::{Built, NameKeys, Shards, Since};
use super::{Event, Revocation, Target, What};
use crate::{Issuer, Revocable, Revocations, Standing, UnixTime};

/// What is revoked, of one issuer. See [`revocation`](super) for what a revocation concerns.
///
/// Asked by a verifier, it answers in less than 50 ns; tokens of other issuers are good as far as it is concerned. Its
/// clones in an `Arc` are one table.
///
/// ```
/// use countersign::{UnixTime, revocation::{Revocation, Revoked, Target}};
/// let table = Revoked::new("https://shop.example");
/// let session = Revocation {
///     target: Target::Session("s1".into()),
///     at: UnixTime::from_secs(1000),
///     expires: UnixTime::from_secs(1300),
/// };
/// table.replace([session])?;
/// assert_eq!(table.len(), 1);
/// table.forget_expired(UnixTime::from_secs(1300));
/// assert!(table.is_empty());
/// # Ok::<(), countersign::revocation::TableFull>(())
/// ```
pub struct Revoked {
    issuer: Issuer,
    keys: NameKeys,
    sessions: Shards<UnixTime>,
    /// Tokens of these sessions are revoked if they were issued until then.
    issued_to: Shards<Since>,
    tokens: Shards<UnixTime>,
    subjects: Shards<Since>,
    organisations: Shards<Since>,
    /// Tokens issued before that second are revoked; 0 if none are.
    all_before: AtomicU64,
    len: AtomicUsize,
    max_entries: usize,
    writer: Mutex<Writer>,
}

/// The table has as many entries as it may have. What was to be added is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for more revocations")]
pub struct TableFull;

impl Revoked {
    /// The most entries, unless told otherwise: two million, about 100 MiB.
    pub const DEFAULT_MAX_ENTRIES: usize = 2_000_000;

    /// Nothing of that issuer is revoked.
    #[must_use]
    pub fn new(issuer: impl Into<Issuer>) -> Self {
        Self::with_max_entries(issuer, Self::DEFAULT_MAX_ENTRIES)
    }

    /// The same with room for that many entries.
    #[must_use]
    pub fn with_max_entries(issuer: impl Into<Issuer>, max_entries: usize) -> Self {
        Self {
            issuer: issuer.into(),
            keys: NameKeys::default(),
            sessions: Shards::new(),
            issued_to: Shards::new(),
            tokens: Shards::new(),
            subjects: Shards::new(),
            organisations: Shards::new(),
            all_before: AtomicU64::new(0),
            len: AtomicUsize::new(0),
            max_entries,
            writer: Mutex::new(Writer { all: None }),
        }
    }

    /// Does what an event says. Heartbeats and changes of keys say nothing to a table.
    ///
    /// # Errors
    /// [`TableFull`]: the revocation is not in the table.
    pub fn apply(&self, event: &Event) -> Result<(), TableFull> {
        match &event.what {
            What::Heartbeat | What::KeysChanged => Ok(()),
            What::Lifted(target) => {
                self.lift(target);
                Ok(())
            }
            What::Revoked(revocation) => self.revoke(revocation),
        }
    }

    /// Adds one revocation.
    ///
    /// # Errors
    /// [`TableFull`]: the revocation is not in the table.
    pub fn revoke(&self, revocation: &Revocation) -> Result<(), TableFull> {
        let mut writer = self.writer();
        if self.len() >= self.max_entries && !self.has(&writer, &revocation.target) {
            return Err(TableFull);
        }
        let Revocation { target, at, expires } = revocation;
        let since = Since { at: *at, expires: *expires };
        match target {
            Target::All => {
                let all = since.or_later(writer.all);
                self.set_all(&mut writer, Some(all));
            }
            Target::IssuedTo(id) => self.issued_to.add(self.keys.name(id.as_str()), since),
            Target::Organisation(id) => self.organisations.add(self.keys.name(id.as_str()), since),
            Target::Session(id) => self.sessions.add(self.keys.name(id.as_str()), *expires),
            Target::Subject(id) => self.subjects.add(self.keys.name(id.as_str()), since),
            Target::Token(id) => self.tokens.add(self.keys.name(id.as_str()), *expires),
        }
        self.count(&writer);
        Ok(())
    }

    /// Takes the revocation of exactly this target back; true if there was one.
    pub fn lift(&self, target: &Target) -> bool {
        let mut writer = self.writer();
        let was_there = match target {
            Target::All => {
                let was_there = writer.all.is_some();
                self.set_all(&mut writer, None);
                was_there
            }
            Target::IssuedTo(id) => self.issued_to.remove(self.keys.name(id.as_str())),
            Target::Organisation(id) => self.organisations.remove(self.keys.name(id.as_str())),
            Target::Session(id) => self.sessions.remove(self.keys.name(id.as_str())),
            Target::Subject(id) => self.subjects.remove(self.keys.name(id.as_str())),
            Target::Token(id) => self.tokens.remove(self.keys.name(id.as_str())),
        };
        self.count(&writer);
        was_there
    }

    /// Puts a snapshot in the place of everything. What is revoked both before and after is revoked all the time.
    ///
    /// # Errors
    /// [`TableFull`]: nothing has changed.
    pub fn replace(&self, snapshot: impl IntoIterator<Item = Revocation>) -> Result<(), TableFull> {
        let mut new = Contents::default();
        let mut count = 0_usize;
        for Revocation { target, at, expires } in snapshot {
            count += 1;
            if count > self.max_entries {
                return Err(TableFull);
            }
            let since = Since { at, expires };
            match target {
                Target::All => new.all = Some(since.or_later(new.all)),
                Target::IssuedTo(id) => new.issued_to.add(self.keys.name(id.as_str()), since),
                Target::Organisation(id) => new.organisations.add(self.keys.name(id.as_str()), since),
                Target::Session(id) => new.sessions.add(self.keys.name(id.as_str()), expires),
                Target::Subject(id) => new.subjects.add(self.keys.name(id.as_str()), since),
                Target::Token(id) => new.tokens.add(self.keys.name(id.as_str()), expires),
            }
        }
        let mut writer = self.writer();
        self.set_all(&mut writer, new.all);
        self.organisations.publish(new.organisations);
        self.subjects.publish(new.subjects);
        self.issued_to.publish(new.issued_to);
        self.sessions.publish(new.sessions);
        self.tokens.publish(new.tokens);
        self.count(&writer);
        Ok(())
    }

    /// Forgets what concerns no living token any more. Looks at every entry: call it each half minute or so.
    pub fn forget_expired(&self, now: UnixTime) {
        let mut writer = self.writer();
        if writer.all.is_some_and(|since| since.expires <= now) {
            self.set_all(&mut writer, None);
        }
        self.organisations.forget_expired(now);
        self.subjects.forget_expired(now);
        self.issued_to.forget_expired(now);
        self.sessions.forget_expired(now);
        self.tokens.forget_expired(now);
        self.count(&writer);
    }

    /// How many revocations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// True if nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whose tokens it is about.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A writer that panicked has replaced whole shards or nothing.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, writer: &Writer, target: &Target) -> bool {
        match target {
            Target::All => writer.all.is_some(),
            Target::IssuedTo(id) => self.issued_to.find(&self.keys, id.as_str()).is_some(),
            Target::Organisation(id) => self.organisations.find(&self.keys, id.as_str()).is_some(),
            Target::Session(id) => self.sessions.find(&self.keys, id.as_str()).is_some(),
            Target::Subject(id) => self.subjects.find(&self.keys, id.as_str()).is_some(),
            Target::Token(id) => self.tokens.find(&self.keys, id.as_str()).is_some(),
        }
    }

    fn set_all(&self, writer: &mut Writer, all: Option<Since>) {
        writer.all = all;
        self.all_before.store(all.map_or(0, |since| since.at.as_secs() + 1), Ordering::Release);
    }

    fn count(&self, writer: &Writer) {
        let by_time = self.organisations.len() + self.subjects.len() + self.issued_to.len();
        let shards = by_time + self.sessions.len() + self.tokens.len();
        self.len.store(shards + usize::from(writer.all.is_some()), Ordering::Relaxed);
    }
}

impl Revocations for Revoked {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        if self.is_empty() || *token.issuer != self.issuer {
            return Standing::Good;
        }
        let is_in = |shards: &Shards<UnixTime>, id: &str| shards.find(&self.keys, id).is_some();
        let is_since = |shards: &Shards<Since>, id: &str| {
            shards.find(&self.keys, id).is_some_and(|since| token.issued_at <= since.at)
        };
        let revoked = token.issued_at.as_secs() < self.all_before.load(Ordering::Acquire)
            || token.session.is_some_and(|session| {
                is_in(&self.sessions, session.as_str()) || is_since(&self.issued_to, session.as_str())
            })
            || is_in(&self.tokens, token.token.as_str())
            || token.derived_from.iter().any(|from| is_in(&self.tokens, from.as_str()))
            || is_since(&self.subjects, token.subject.as_str())
            || token.organisation.is_some_and(|id| is_since(&self.organisations, id.as_str()));
        if revoked { Standing::Revoked } else { Standing::Good }
    }
}

impl fmt::Debug for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoked")
            .field("issuer", &self.issuer)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// What only a writer looks at.
struct Writer {
    all: Option<Since>,
}

/// A table about to be published.
#[derive(Default)]
struct Contents {
    all: Option<Since>,
    issued_to: Built<Since>,
    organisations: Built<Since>,
    sessions: Built<UnixTime>,
    subjects: Built<Since>,
    tokens: Built<UnixTime>,
}
