//! A store that several gateways share: Valkey or Redis.
//!
//! 1. What is kept is sealed under the key-encryption key: keys and revocations can neither be read nor made there. What
//!    a writer of the store can do is remove: the replicas keep in memory what they know, and put it back.
//! 2. Every change is one script, which the server runs alone: creation is compare-and-set, a change of an older version
//!    is [`StoreError::Conflict`], and a log entry gets the number it was sealed for or none.
//! 3. A server that does not answer within `timeout` is left alone for [`PAUSE`]: calls fail at once meanwhile. A script
//!    that may have run is not sent again; its outcome is read.
//! 4. A store without a log after there was one is [`StoreError::Empty`], never "nothing is revoked".
//! 5. A log entry that cannot be opened is told of ([`StoredRevocations::unreadable`]) and stops nothing: whoever can
//!    write the store must not be able to keep gateways from learning of what is revoked.
//! 6. A server that does not say which one it is (`INFO replication`) is not used: a fail-over would go unnoticed.
//! 7. How durable an answer is, is for the server to say (`appendonly`, `appendfsync`, replicas): a fail-over that loses
//!    the newest entries is noticed, and they are put back from memory.
//!
//! Keys, all behind [`StoreConfig::name`]: `:ring` (hash), `:log` (hash: epoch and newest number), `:changes` and
//! `:until` (sorted by number and by end), `:logouts` and `:logouts-held` (sorted by end), `:session:…` (the second-level
//! cache).

mod answers;
mod connection;
mod encoding;
mod logouts;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign::{
    Secret, UnixTime,
    revocation::{Cursor, Epoch, Revoked},
};
use redis::{FromRedisValue, cmd};

pub use self::answers::ValkeyAnswers;
use self::connection::Link;
use super::{
    Change, LogoutName, LogoutOutcome, LogoutStanding, RevocationRecord, RingVersion, SealedRecord,
    SealedRing, Store, StoreError, StoredRevocations,
};
use crate::{clock::Clock, config::resolved::StoreConfig, entropy::Entropy, keyring::seal::Sealer};

/// After a failure the store is not tried for so long.
pub const PAUSE: Duration = Duration::from_secs(1);
/// How often an append is tried again when another gateway was quicker.
const ATTEMPTS: usize = 128;
/// The most log entries in one answer.
const PAGE: usize = 5_000;
/// The longest log entry that is looked at.
const MAX_ENTRY: usize = 64 * 1024;
/// Numbers beyond this are not told apart by the server's arithmetic.
const MAX_NUMBER: u64 = 1 << 52;
/// The most entries that cannot be read, and the most that can, before the log is taken for damaged.
const MAX_UNREADABLE: usize = 10_000;
const MAX_RECORDS: usize = 4 * Revoked::DEFAULT_MAX_ENTRIES;
/// What a sealed change is.
const PURPOSE: &str = "revocation";

const CREATE_RING: &str = "
    if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
    redis.call('HSET', KEYS[1], 'version', ARGV[1], 'records', ARGV[2], 'life', life)
    return 1";
const RING: &str = "
    local ring = redis.call('HMGET', KEYS[1], 'version', 'records', 'life')
    local is_of_earlier_life = 0
    if (ring[3] or '') ~= life then is_of_earlier_life = 1 end
    return { ring[1], ring[2], is_of_earlier_life }";
const REPLACE_RING: &str = "
    local ring = redis.call('HMGET', KEYS[1], 'version', 'life')
    if ring[1] ~= ARGV[1] or (ring[2] or '') ~= life then return 0 end
    redis.call('HSET', KEYS[1], 'version', ARGV[2], 'records', ARGV[3])
    return 1";
const RESTORE_RING: &str = "
    if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[1], 'version', ARGV[2], 'records', ARGV[3], 'life', life)
    return 1";
/// Begins a script: `life` is the life of the data set. Another server that takes over, and the same one after a restart,
/// begin another life, perhaps with less than was in the one before. A server that does not tell it could be another one
/// at any time, and nothing would be noticed: it is not used.
const LIFE: &str = "
    local told = redis.pcall('INFO', 'replication')
    local life = type(told) == 'string' and string.match(told, 'master_replid:(%x+)') or ''
    if life == '' then return redis.error_reply('NOINFO which server this is') end";
const BEGIN_EPOCH: &str = "
    redis.call('HSETNX', KEYS[1], 'newest', '0')
    local head = redis.call('HMGET', KEYS[1], 'epoch', 'life')
    if not head[1] or (head[2] or '') ~= life then
        redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'life', life)
    end
    return redis.call('HGET', KEYS[1], 'epoch')";
const RENUMBER: &str = "
    local newest = tonumber(redis.call('HGET', KEYS[1], 'newest') or '0')
    if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] and newest < tonumber(ARGV[2]) then
        redis.call('HSET', KEYS[1], 'epoch', ARGV[3])
    end
    return redis.call('HGET', KEYS[1], 'epoch')";
/// A numbering of another life is none.
const HEAD: &str = "
    local head = redis.call('HMGET', KEYS[1], 'epoch', 'newest', 'life')
    if (head[3] or '') ~= life then return { false, false } end
    return { head[1], head[2] }";
const READ: &str = "
    local head = redis.call('HMGET', KEYS[1], 'epoch', 'newest', 'life')
    if not head[2] or (head[3] or '') ~= life then return { false, false, {} } end
    local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], head[2], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
    for i = 1, #found, 2 do
        if #found[i] > tonumber(ARGV[3]) then found[i] = '' end
    end
    return { head[1], head[2], found }";
/// Arguments: epoch, newest number, how many numbers to forget, these; then end and sealed change of each.
const APPEND: &str = "
    local head = redis.call('HMGET', KEYS[1], 'epoch', 'newest', 'life')
    if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] or (head[3] or '') ~= life then return 0 end
    local number = tonumber(ARGV[2])
    local over = tonumber(ARGV[3])
    for i = 4, 3 + over do
        redis.call('ZREMRANGEBYSCORE', KEYS[2], ARGV[i], ARGV[i])
        redis.call('ZREM', KEYS[3], ARGV[i])
    end
    for i = 4 + over, #ARGV, 2 do
        number = number + 1
        local text = string.format('%.0f', number)
        redis.call('ZADD', KEYS[2], text, ARGV[i + 1])
        redis.call('ZADD', KEYS[3], ARGV[i], text)
        redis.call('HSET', KEYS[1], 'newest', text)
    end
    return 1";
/// A gateway whose clock is ahead takes from the others nothing that lives by the server's.
const FORGET: &str = "
    local now = math.min(tonumber(ARGV[1]), tonumber(redis.call('TIME')[1]))
    local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now), 'LIMIT', 0, 1000)
    for _, number in ipairs(over) do
        redis.call('ZREMRANGEBYSCORE', KEYS[1], number, number)
        redis.call('ZREM', KEYS[2], number)
    end
    return #over";

/// Asks whether a gateway could use that store: it answers, knows our user, runs scripts and says which server it is.
/// Blocks for [`StoreConfig::timeout`] at most, for each server that is asked.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub fn reach(config: &Arc<StoreConfig>, clock: Arc<dyn Clock>) -> Result<(), StoreError> {
    let mut command = cmd("EVAL");
    command.arg(format!("{LIFE}\n    return life")).arg(0);
    let _: String = Link::new(Arc::clone(config), clock).query(&command)?;
    Ok(())
}

/// Valkey or Redis.
pub struct ValkeyStore {
    link: Mutex<Link>,
    sealer: Sealer,
    entropy: Arc<dyn Entropy>,
    keys: Keys,
}

#[derive(Debug)]
struct Keys {
    ring: String,
    log: String,
    changes: String,
    until: String,
    used_logouts: String,
    held_logouts: String,
}

impl ValkeyStore {
    /// A store at that place. Nothing is asked of it yet.
    #[must_use]
    pub fn new(
        config: &Arc<StoreConfig>,
        sealer: Sealer,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key = |name: &str| format!("{}:{name}", config.name);
        let keys = Keys {
            ring: key("ring"),
            log: key("log"),
            changes: key("changes"),
            until: key("until"),
            used_logouts: key("logouts"),
            held_logouts: key("logouts-held"),
        };
        Self { link: Mutex::new(Link::new(Arc::clone(config), clock)), sealer, entropy, keys }
    }

    /// Whether it can be asked at all.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn ping(&self) -> Result<(), StoreError> {
        self.link().query::<String>(&cmd("PING")).map(drop)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        // A link that panicked has dropped its connection or is none the worse.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T: FromRedisValue>(
        &self,
        script: &str,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T, StoreError> {
        let mut command = cmd("EVAL");
        command.arg(format!("{LIFE}{script}")).arg(keys.len());
        for part in keys {
            command.arg(*part);
        }
        for part in arguments {
            command.arg(*part);
        }
        self.link().query(&command)
    }

    fn head(&self) -> Result<(Epoch, u64), StoreError> {
        let (epoch, newest): (Option<String>, Option<u64>) = self.run(HEAD, &[&self.keys.log], &[])?;
        head(epoch, newest)
    }

    fn seal(&self, epoch: &Epoch, seq: u64, change: &Change) -> Result<Vec<u8>, StoreError> {
        let plain = Secret::new(encoding::change_to_bytes(change));
        let sealed = self.sealer.seal(PURPOSE, &name_of(epoch, seq), &plain, &*self.entropy);
        let mut sealed = sealed.map_err(|_| StoreError::Unsealed)?;
        let mut named = encoding::epoch_to_bytes(epoch);
        named.append(&mut sealed);
        Ok(named)
    }

    /// Numbers of the records that a lift among these changes takes back. They must not outlive it.
    fn lifted_by(&self, changes: &[Change]) -> Result<Vec<String>, StoreError> {
        let is_lift = |change: &&Change| matches!(change, Change::Lifted { .. });
        if !changes.iter().any(|change| is_lift(&change)) {
            return Ok(Vec::new());
        }
        let records = self.revocations(0)?.records.into_iter();
        let over = records
            .filter(|record| changes.iter().filter(is_lift).any(|change| change.replaces(&record.change)));
        Ok(over.map(|record| record.seq.to_string()).collect())
    }

    /// One page of what follows a number, and after which number the next begins.
    fn page(&self, from: &str) -> Result<(StoredRevocations, Option<String>), StoreError> {
        let (page, longest) = (PAGE.to_string(), MAX_ENTRY.to_string());
        let keys = [self.keys.log.as_str(), self.keys.changes.as_str()];
        let (epoch, newest, entries): (Option<String>, Option<u64>, Vec<Numbered>) =
            self.run(READ, &keys, &[from.as_bytes(), page.as_bytes(), longest.as_bytes()])?;
        let (epoch, newest) = head(epoch, newest)?;
        let mut stored = StoredRevocations { epoch, newest, records: Vec::new(), unreadable: 0 };
        for (bytes, number) in &entries {
            self.add(&mut stored, number, bytes);
        }
        let next = (entries.len() >= PAGE).then(|| entries.last().map(|(_, number)| number.clone()));
        Ok((stored, next.flatten()))
    }

    /// Adds what is there under a number. What cannot be opened may be a revocation, and may be somebody's junk: it is
    /// counted, and what stands behind it is read all the same.
    fn add(&self, into: &mut StoredRevocations, number: &str, bytes: &[u8]) {
        let Ok(seq) = number.parse::<u64>() else { return into.unreadable += 1 };
        let opened = self.open(seq, bytes);
        into.unreadable += usize::from(opened.is_err());
        let is_revocation = |record: &RevocationRecord| matches!(record.change, Change::Revoked { .. });
        match (into.records.last_mut().filter(|last| last.seq == seq), opened) {
            // Beside the record of that number, of which there is one.
            (Some(_), Err(_)) => {}
            // There is one of an earlier numbering: somebody put it there. Whatever says that something is revoked counts.
            (Some(last), Ok(record)) if is_revocation(last) && is_revocation(&record) => {
                into.records.push(record);
            }
            (Some(last), Ok(record)) if !is_revocation(last) => *last = record,
            (Some(_), Ok(_)) => {}
            (None, Err(_)) => into.records.push(RevocationRecord { seq, change: Change::UNREADABLE }),
            (None, Ok(record)) => into.records.push(record),
        }
    }

    fn open(&self, seq: u64, bytes: &[u8]) -> Result<RevocationRecord, StoreError> {
        let damaged = || StoreError::Damaged(seq);
        // Under which numbering it was written: an earlier one is kept when the numbering begins anew.
        let (epoch, sealed) = encoding::epoch_from_bytes(bytes).ok_or_else(damaged)?;
        let plain = self.sealer.open(PURPOSE, &name_of(&epoch, seq), sealed).map_err(|_| damaged())?;
        let change = encoding::change_from_bytes(plain.expose()).ok_or_else(damaged)?;
        Ok(RevocationRecord { seq, change })
    }
}

fn name_of(epoch: &Epoch, seq: u64) -> String {
    format!("{epoch}.{seq}")
}

fn head(epoch: Option<String>, newest: Option<u64>) -> Result<(Epoch, u64), StoreError> {
    let (Some(epoch), Some(newest)) = (epoch, newest) else { return Err(StoreError::Empty) };
    if newest > MAX_NUMBER {
        return Err(StoreError::Damaged(newest));
    }
    Ok((Epoch::new(&epoch).map_err(|_| StoreError::Damaged(newest))?, newest))
}

/// A sealed change and its number, as text.
type Numbered = (Vec<u8>, String);

impl Store for ValkeyStore {
    fn is_shared(&self) -> bool {
        true
    }

    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        let (version, records, is_of_earlier_life): (Option<u64>, Option<Vec<u8>>, bool) =
            self.run(RING, &[&self.keys.ring], &[])?;
        let (Some(version), Some(records)) = (version, records) else { return Ok(None) };
        let records = encoding::records_from_bytes(&records).ok_or(StoreError::Damaged(version))?;
        Ok(Some(SealedRing { version: RingVersion::from_number(version), records, is_of_earlier_life }))
    }

    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        let version = RingVersion::FIRST.to_string();
        let bytes = encoding::records_to_bytes(records);
        match self.run(CREATE_RING, &[&self.keys.ring], &[version.as_bytes(), &bytes])? {
            1_u8 => Ok(RingVersion::FIRST),
            _ => Err(StoreError::Conflict),
        }
    }

    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError> {
        let (version, next) = (expected.to_string(), expected.next().to_string());
        let bytes = encoding::records_to_bytes(records);
        let arguments: [&[u8]; 3] = [version.as_bytes(), next.as_bytes(), &bytes];
        match self.run(REPLACE_RING, &[&self.keys.ring], &arguments)? {
            1_u8 => Ok(expected.next()),
            _ => Err(StoreError::Conflict),
        }
    }

    fn restore_ring(&self, expected: Option<RingVersion>, ring: &SealedRing) -> Result<(), StoreError> {
        let expected = expected.map_or_else(String::new, |version| version.to_string());
        let version = ring.version.to_string();
        let bytes = encoding::records_to_bytes(&ring.records);
        let arguments: [&[u8]; 3] = [expected.as_bytes(), version.as_bytes(), &bytes];
        match self.run(RESTORE_RING, &[&self.keys.ring], &arguments)? {
            1_u8 => Ok(()),
            _ => Err(StoreError::Conflict),
        }
    }

    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError> {
        let epoch: String = self.run(BEGIN_EPOCH, &[&self.keys.log], &[fresh.as_str().as_bytes()])?;
        Epoch::new(&epoch).map_err(|_| StoreError::Damaged(0))
    }

    fn renumber(&self, seen: &Cursor, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.begin_epoch(fresh)?;
        let number = seen.seq.to_string();
        let arguments: [&[u8]; 3] =
            [seen.epoch.as_str().as_bytes(), number.as_bytes(), fresh.as_str().as_bytes()];
        let epoch: String = self.run(RENUMBER, &[&self.keys.log], &arguments)?;
        Epoch::new(&epoch).map_err(|_| StoreError::Damaged(0))
    }

    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError> {
        let (mut stored, mut from) = (None::<StoredRevocations>, after.to_string());
        loop {
            let (page, next) = self.page(&from)?;
            let all = match stored.take() {
                Some(mut before) if before.epoch == page.epoch => {
                    before.newest = page.newest;
                    before.unreadable += page.unreadable;
                    before.records.extend(page.records);
                    before
                }
                // The numbering began anew between two pages: from the beginning.
                Some(_) => return Err(StoreError::Conflict),
                None => page,
            };
            if all.records.len() > MAX_RECORDS {
                return Err(StoreError::Overfull);
            }
            if all.unreadable > MAX_UNREADABLE {
                return Err(StoreError::Damaged(all.newest));
            }
            let Some(next) = next else { return Ok(all) };
            (stored, from) = (Some(all), next);
        }
    }

    fn page_of_revocations(
        &self,
        from: Option<&str>,
    ) -> Result<(StoredRevocations, Option<String>), StoreError> {
        self.page(from.unwrap_or("0"))
    }

    fn append(&self, changes: &[Change]) -> Result<Cursor, StoreError> {
        for _ in 0..ATTEMPTS {
            let (epoch, newest) = self.head()?;
            let mut seq = newest;
            let mut sealed = Vec::with_capacity(changes.len() * 2);
            for change in changes {
                seq = seq.saturating_add(1);
                sealed.push(change.until().as_secs().to_string().into_bytes());
                sealed.push(self.seal(&epoch, seq, change)?);
            }
            let lifted = self.lifted_by(changes)?;
            let (number, count) = (newest.to_string(), lifted.len().to_string());
            let mut arguments: Vec<&[u8]> =
                vec![epoch.as_str().as_bytes(), number.as_bytes(), count.as_bytes()];
            arguments.extend(lifted.iter().map(String::as_bytes));
            arguments.extend(sealed.iter().map(Vec::as_slice));
            let keys = [self.keys.log.as_str(), self.keys.changes.as_str(), self.keys.until.as_str()];
            if self.run::<u8>(APPEND, &keys, &arguments)? == 1 {
                return Ok(Cursor { epoch, seq });
            }
        }
        Err(StoreError::Conflict)
    }

    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError> {
        let moment = now.as_secs().to_string();
        let mut all = 0;
        loop {
            let keys = [self.keys.changes.as_str(), self.keys.until.as_str()];
            let forgotten: usize = self.run(FORGET, &keys, &[moment.as_bytes()])?;
            all += forgotten;
            if forgotten < 1000 {
                return Ok(all);
            }
        }
    }

    fn hold_logouts(&self, names: &[LogoutName], _: UnixTime) -> Result<Vec<LogoutStanding>, StoreError> {
        logouts::hold(self, names)
    }

    fn end_logouts(&self, ended: &[(LogoutName, LogoutOutcome)], _: UnixTime) -> Result<(), StoreError> {
        logouts::end(self, ended)
    }
}

impl fmt::Debug for ValkeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValkeyStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}
