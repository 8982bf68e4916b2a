//! How keys and feed of the trusted issuer are doing. Pure.

use std::time::Duration;

use countersign::{
    UnixTime,
    remote::{FeedCounters, FetchRecord},
};

use crate::observe::GuardEvent;

/// What is known of the issuer at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuardReport {
    /// Keys that tokens can be verified with now.
    pub usable_keys: usize,
    /// How fetching them went.
    pub fetches: FetchRecord,
    /// The feed of revocations, if one is followed.
    pub feed: Option<FeedReport>,
}

/// What is known of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedReport {
    /// New revocations are known within a second.
    pub is_current: bool,
    /// When it was last heard of.
    pub last_heartbeat: Option<UnixTime>,
    /// What has happened.
    pub counters: FeedCounters,
    /// Targets that are revoked.
    pub held: usize,
}

/// How the keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Too old to be used: guarded routes answer 503.
    Ended,
    /// As the issuer has them.
    Fresh,
    /// Never there: guarded routes answer 503.
    Missing,
    /// The last good ones, because the issuer cannot be asked.
    Stale,
    /// Not asked for yet.
    Waiting,
}

/// How the feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    Current,
    Lost,
    /// There is none, or it only begins.
    None,
}

impl GuardReport {
    const fn keys(&self) -> Keys {
        match (self.usable_keys, self.fetches.last_success) {
            (1.., _) if self.fetches.is_failing => Keys::Stale,
            (1.., _) => Keys::Fresh,
            (0, Some(_)) => Keys::Ended,
            (0, None) if self.fetches.is_failing => Keys::Missing,
            (0, None) => Keys::Waiting,
        }
    }

    fn feed(&self) -> Feed {
        match &self.feed {
            Some(feed) if feed.is_current => Feed::Current,
            Some(feed) if feed.counters.disconnects > 0 || feed.last_heartbeat.is_some() => Feed::Lost,
            Some(_) | None => Feed::None,
        }
    }

    /// The first keys are still under way: no request should be sent here yet.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.keys() == Keys::Waiting
    }

    /// Codes of what is wrong.
    pub fn faults(&self) -> impl Iterator<Item = &'static str> {
        let keys = match self.keys() {
            Keys::Ended => Some("guard_keys_ended"),
            Keys::Missing => Some("guard_keys_missing"),
            Keys::Stale => Some("guard_keys_stale"),
            Keys::Fresh | Keys::Waiting => None,
        };
        let feed = (self.feed() == Feed::Lost).then_some("guard_feed_lost");
        keys.into_iter().chain(feed)
    }

    /// What has happened since `before`.
    pub fn events_since(&self, before: &Self) -> impl Iterator<Item = GuardEvent> {
        let keys = (self.keys() != before.keys()).then(|| match self.keys() {
            Keys::Ended => Some(GuardEvent::KeysEnded),
            Keys::Fresh => Some(GuardEvent::KeysFetched),
            Keys::Missing => Some(GuardEvent::KeysMissing),
            Keys::Stale => Some(GuardEvent::KeysStale),
            Keys::Waiting => None,
        });
        let feed = (self.feed() != before.feed()).then(|| match self.feed() {
            Feed::Current => Some(GuardEvent::FeedCurrent),
            Feed::Lost => Some(GuardEvent::FeedLost),
            Feed::None => None,
        });
        keys.flatten().into_iter().chain(feed.flatten())
    }

    /// Since the keys were last as the issuer has them; `None`: they never were.
    #[must_use]
    pub fn keys_age(&self, now: UnixTime) -> Option<Duration> {
        self.fetches.last_success.map(|at| now.saturating_since(at))
    }

    /// Since the feed was last heard of; `None`: it never was.
    #[must_use]
    pub fn feed_age(&self, now: UnixTime) -> Option<Duration> {
        self.feed?.last_heartbeat.map(|at| now.saturating_since(at))
    }
}

#[cfg(test)]
mod tests {
    use countersign::{
        UnixTime,
        remote::{FeedCounters, FetchRecord},
    };

    use super::{FeedReport, GuardReport};
    use crate::observe::GuardEvent::{
        self, FeedCurrent, FeedLost, KeysEnded, KeysFetched, KeysMissing, KeysStale,
    };

    fn keys(usable_keys: usize, last_success: Option<u64>, is_failing: bool) -> GuardReport {
        let last_success = last_success.map(UnixTime::from_secs);
        GuardReport {
            usable_keys,
            fetches: FetchRecord { last_success, is_failing, ..FetchRecord::default() },
            feed: None,
        }
    }

    fn feed(is_current: bool, disconnects: u64) -> GuardReport {
        let counters = FeedCounters { disconnects, ..FeedCounters::default() };
        GuardReport {
            feed: Some(FeedReport { is_current, counters, ..FeedReport::default() }),
            ..keys(1, Some(1), false)
        }
    }

    /// Each row follows the one before it.
    #[test]
    fn what_changes_is_told_once() {
        let story: &[(GuardReport, &[GuardEvent], &[&str])] = &[
            (keys(0, None, false), &[], &[]),
            (keys(0, None, true), &[KeysMissing], &["guard_keys_missing"]),
            (keys(0, None, true), &[], &["guard_keys_missing"]),
            (keys(2, Some(10), false), &[KeysFetched], &[]),
            (keys(2, Some(10), true), &[KeysStale], &["guard_keys_stale"]),
            (keys(0, Some(10), true), &[KeysEnded], &["guard_keys_ended"]),
            (keys(2, Some(20), false), &[KeysFetched], &[]),
            (feed(false, 0), &[], &[]),
            (feed(false, 1), &[FeedLost], &["guard_feed_lost"]),
            (feed(true, 1), &[FeedCurrent], &[]),
            (feed(false, 1), &[FeedLost], &["guard_feed_lost"]),
            (keys(1, Some(20), true), &[KeysStale], &["guard_keys_stale"]),
        ];
        let mut before = GuardReport::default();
        for (now, events, faults) in story {
            assert_eq!(now.events_since(&before).collect::<Vec<_>>(), *events, "{now:?}");
            assert_eq!(now.faults().collect::<Vec<_>>(), *faults, "{now:?}");
            before = *now;
        }
        assert!(keys(0, None, false).is_starting() && !keys(0, None, true).is_starting());
        assert_eq!(keys(1, Some(10), true).keys_age(UnixTime::from_secs(70)).unwrap().as_secs(), 60);
    }
}
