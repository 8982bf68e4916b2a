//! When to fetch. Pure: the present moment is an argument, and nothing here fetches.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::KeyId;

use super::{UNKNOWN_KEY_BURST, UNKNOWN_KEY_INTERVAL, UNKNOWN_KEY_MEMORY};

/// The life of a set whose answer says nothing about it.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);
/// However short-lived the set says it is.
const MIN_MAX_AGE: Duration = Duration::from_secs(30);
/// However long-lived the set says it is.
const MAX_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The first wait after a failure; each further is twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// Names that are remembered as unknown. What comes in addition is bounded by the bucket alone.
const MAX_ABSENT: usize = 1024;
/// Names that wait for the fetch under way.
const MAX_WANTED: usize = 64;

/// The state of one key set's fetching.
#[derive(Debug)]
pub(super) struct Schedule {
    due: Instant,
    failures: u32,
    bucket: Bucket,
    /// The issuer said that its keys have changed, after the fetch under way began.
    changed: bool,
    /// Names that were not in the set, and when that was.
    absent: HashMap<KeyId, Instant>,
    /// Names for which the next fetch was asked for.
    wanted: Vec<KeyId>,
    /// Names for which the fetch under way was asked for. A name that comes later is not among them: its set may
    /// have left the endpoint before the key was in it.
    awaited: Vec<KeyId>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// From when the next token counts.
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let periods = now.saturating_duration_since(self.filled).as_secs() / UNKNOWN_KEY_INTERVAL.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(periods).min(UNKNOWN_KEY_BURST);
        if self.tokens == UNKNOWN_KEY_BURST {
            self.filled = now;
        } else {
            self.filled += UNKNOWN_KEY_INTERVAL.saturating_mul(periods);
        }
        let taken = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        taken
    }
}

impl Schedule {
    /// Due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            failures: 0,
            bucket: Bucket { tokens: UNKNOWN_KEY_BURST, filled: now },
            changed: false,
            absent: HashMap::new(),
            wanted: Vec::new(),
            awaited: Vec::new(),
        }
    }

    /// When the next fetch begins.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// A fetch begins.
    pub(super) fn handle_start(&mut self) {
        self.awaited = std::mem::take(&mut self.wanted);
        self.changed = false;
    }

    /// A set has come. `has` tells which names are in it; `chance`, from 0 up to 1, spreads the next fetches of many
    /// services over a tenth of the set's life.
    pub(super) fn handle_keys(
        &mut self,
        now: Instant,
        max_age: Option<Duration>,
        chance: f64,
        has: impl Fn(&KeyId) -> bool,
    ) {
        let max_age = max_age.unwrap_or(DEFAULT_MAX_AGE).clamp(MIN_MAX_AGE, MAX_MAX_AGE);
        self.failures = 0;
        self.absent
            .retain(|id, since| !has(id) && now.saturating_duration_since(*since) < UNKNOWN_KEY_MEMORY);
        for id in self.awaited.drain(..) {
            if !has(&id) && self.absent.len() < MAX_ABSENT {
                self.absent.insert(id, now);
            }
        }
        self.wanted.retain(|id| !has(id));
        let due = max_age * 4 / 5 - (max_age / 10).mul_f64(chance);
        self.due = if self.wanted.is_empty() && !self.changed { now + due } else { now };
    }

    /// No set has come. Says how long the next try is away.
    pub(super) fn handle_failure(&mut self, now: Instant) -> Duration {
        let wait = FIRST_BACK_OFF.saturating_mul(1 << self.failures.min(6)).min(MAX_BACK_OFF);
        self.failures = self.failures.saturating_add(1);
        self.due = now + wait;
        self.wanted.clear();
        self.awaited.clear();
        wait
    }

    /// The issuer says that its keys have changed: true if this makes a fetch due. Bounded as unknown keys are.
    pub(super) fn handle_keys_changed(&mut self, now: Instant) -> bool {
        if self.changed || !self.bucket.take(now) {
            return false;
        }
        self.changed = true;
        self.due = now;
        true
    }

    /// A token names a key that is not in the set: true if this makes a fetch due.
    pub(super) fn handle_unknown_key(&mut self, now: Instant, id: &KeyId) -> bool {
        if self.failures > 0 || self.is_pending(id) || self.is_absent(now, id) {
            return false;
        }
        let first = self.wanted.is_empty();
        if first {
            if !self.bucket.take(now) {
                return false;
            }
            self.due = now;
        }
        if self.wanted.len() < MAX_WANTED {
            self.wanted.push(id.clone());
        }
        first
    }

    /// True while a fetch that this name asked for has not ended.
    pub(super) fn is_pending(&self, id: &KeyId) -> bool {
        self.wanted.contains(id) || self.awaited.contains(id)
    }

    fn is_absent(&self, now: Instant, id: &KeyId) -> bool {
        self.absent.get(id).is_some_and(|since| now.saturating_duration_since(*since) < UNKNOWN_KEY_MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{KeyId, Schedule};

    const SECOND: Duration = Duration::from_secs(1);

    fn fresh() -> (Schedule, Instant) {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        schedule.handle_keys(now, None, 0.0, |_| false);
        (schedule, now)
    }

    /// Asks for as many invented names; says how many fetches that makes.
    fn flood(schedule: &mut Schedule, now: Instant, names: u32) -> u32 {
        let mut fetches = 0;
        for name in 0..names {
            if schedule.handle_unknown_key(now, &KeyId::from(format!("{name}@{now:?}"))) {
                fetches += 1;
                schedule.handle_start();
                schedule.handle_keys(now, None, 0.0, |_| false);
            }
        }
        fetches
    }

    #[test]
    fn a_set_is_fetched_again_before_its_end() {
        let (mut schedule, now) = fresh();
        for (max_age, due) in [(None, 240), (Some(600), 480), (Some(0), 24), (Some(u64::MAX / 2), 69_120)] {
            schedule.handle_keys(now, max_age.map(Duration::from_secs), 0.0, |_| false);
            assert_eq!(schedule.due() - now, due * SECOND, "{max_age:?}");
        }
    }

    #[test]
    fn failures_are_spaced() {
        let (mut schedule, now) = fresh();
        let waits: Vec<u64> = (0..9).map(|_| schedule.handle_failure(now).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(!schedule.handle_unknown_key(now, &"k".into()), "a failing endpoint is not asked more often");
        schedule.handle_keys(now, None, 0.0, |_| false);
        assert_eq!(schedule.handle_failure(now), SECOND);
    }

    #[test]
    fn a_flood_of_invented_names_makes_few_fetches_and_does_not_delay_a_rotation_for_long() {
        let (mut schedule, now) = fresh();
        assert_eq!(flood(&mut schedule, now, 10_000), 3);
        assert_eq!(flood(&mut schedule, now + 9 * SECOND, 10_000), 0);
        assert_eq!(flood(&mut schedule, now + 10 * SECOND, 10_000), 1);
        assert_eq!(flood(&mut schedule, now + 19 * SECOND, 10_000), 0);
        assert_eq!(flood(&mut schedule, now + 3600 * SECOND, 10_000), 3, "the bucket does not overflow");
    }

    #[test]
    fn an_absent_name_is_remembered_for_a_while() {
        let (mut schedule, now) = fresh();
        assert!(schedule.handle_unknown_key(now, &"k".into()));
        schedule.handle_start();
        schedule.handle_keys(now, None, 0.0, |_| false);
        assert!(!schedule.handle_unknown_key(now + 29 * SECOND, &"k".into()));
        assert!(schedule.handle_unknown_key(now + 30 * SECOND, &"k".into()));
        schedule.handle_start();
        schedule.handle_keys(now + 30 * SECOND, None, 0.0, |id| id == "k");
        assert!(schedule.absent.is_empty());
    }

    #[test]
    fn names_that_come_before_a_fetch_begins_share_it() {
        let (mut schedule, now) = fresh();
        let due = (0..1000).filter(|name| schedule.handle_unknown_key(now, &KeyId::from(format!("{name}"))));
        assert_eq!(due.count(), 1);
        assert_eq!(schedule.wanted.len(), super::MAX_WANTED);
        assert_eq!(schedule.bucket.tokens, 2);
        assert_eq!(schedule.due(), now);
    }

    #[test]
    fn a_name_that_comes_during_a_fetch_gets_one_of_its_own() {
        let (mut schedule, now) = fresh();
        schedule.handle_start();
        assert!(schedule.handle_unknown_key(now, &"new".into()));
        schedule.handle_keys(now, None, 0.0, |_| false);
        assert!(schedule.is_pending(&"new".into()));
        assert_eq!(schedule.due(), now, "the set that came may be older than the key");
        schedule.handle_start();
        schedule.handle_keys(now, None, 0.0, |id| id == "new");
        assert!(!schedule.is_pending(&"new".into()));
    }

    #[test]
    fn many_services_do_not_fetch_in_one_moment() {
        let (mut schedule, now) = fresh();
        for (chance, due) in [(0.0, 240), (0.5, 225), (0.9, 213)] {
            schedule.handle_keys(now, None, chance, |_| false);
            assert_eq!((schedule.due() - now).as_secs(), due, "{chance}");
        }
    }

    #[test]
    fn changed_keys_are_fetched_at_once_and_again_if_they_change_meanwhile() {
        let (mut schedule, now) = fresh();
        assert!(schedule.handle_keys_changed(now));
        assert!(!schedule.handle_keys_changed(now), "it is due already");
        assert_eq!(schedule.due(), now);
        schedule.handle_start();
        assert!(schedule.handle_keys_changed(now));
        schedule.handle_keys(now, None, 0.0, |_| false);
        assert_eq!(schedule.due(), now, "the set that came may be older than the change");
        schedule.handle_start();
        schedule.handle_keys(now, None, 0.0, |_| false);
        assert_eq!(schedule.due(), now + 240 * SECOND);
    }

    #[test]
    fn a_flood_of_changes_makes_few_fetches() {
        let (mut schedule, now) = fresh();
        let mut fetches = 0;
        for _ in 0..1_000 {
            if schedule.handle_keys_changed(now) {
                fetches += 1;
                schedule.handle_start();
                schedule.handle_keys(now, None, 0.0, |_| false);
            }
        }
        assert_eq!(fetches, 3);
    }
}
