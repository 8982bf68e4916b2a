//! The control room's trusted issuer: followed, watched, and changed by a reload.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{StartError, compose::Household, control::ControlRoom};
use crate::{
    config::resolved::GuardConfig,
    guard::{FeedChange, GuardReport, TrustedIssuer},
    observe::{FeedGauges, GuardGauges, GuardSeen, Observation},
};

/// How often it is looked how keys and feed are doing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The issuer that a configuration trusts, followed and not in force yet.
#[derive(Debug)]
pub(super) struct NextGuard {
    pub(super) issuer: Option<Arc<TrustedIssuer>>,
    /// What changes about the present issuer's feed.
    feed: Option<FeedChange>,
}

impl Household {
    /// Keeps keys, revocations and open streams of an issuer that stays the same. To be called within the tokio runtime
    /// that follows.
    pub(super) fn next_guard(&self, config: Option<&GuardConfig>) -> Result<NextGuard, StartError> {
        let Some(config) = config else { return Ok(NextGuard { issuer: None, feed: None }) };
        if let Some(present) = self.guard.load_full().filter(|present| present.is_of(config)) {
            let feed = present.follow_by(config.feed.as_ref())?;
            return Ok(NextGuard { issuer: Some(present), feed });
        }
        let issuer = TrustedIssuer::new(config);
        issuer.follow()?;
        Ok(NextGuard { issuer: Some(Arc::new(issuer)), feed: None })
    }

    pub(super) fn trust(&self, next: NextGuard) {
        if let (Some(issuer), Some(feed)) = (&next.issuer, next.feed) {
            issuer.change_feed(feed);
        }
        self.guard.store(next.issuer);
    }
}

impl ControlRoom {
    pub(super) fn guard_report(&self) -> Option<GuardReport> {
        let now = self.household.clock.now().wall;
        self.household.guard.load().as_ref().map(|issuer| issuer.report(now))
    }

    pub(super) fn guard_gauges(&self) -> Option<GuardGauges> {
        let now = self.household.clock.now().wall;
        let report = self.guard_report()?;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Some(GuardGauges {
            keys: count(report.usable_keys),
            keys_age: report.keys_age(now),
            key_fetch_failures: report.fetches.failed,
            feed: report.feed.map(|feed| FeedGauges {
                current: feed.is_current,
                age: report.feed_age(now),
                losses: feed.counters.losses,
                refused: feed.counters.refused,
                held: count(feed.held),
            }),
        })
    }

    /// Tells whenever keys or feed get worse or better.
    pub(super) async fn watch_guard(&self) {
        let mut before: Option<(Arc<TrustedIssuer>, GuardReport)> = None;
        loop {
            if let Some(issuer) = self.household.guard.load_full() {
                issuer.settle();
                let now = self.household.clock.now().wall;
                let report = issuer.report(now);
                let same = before.filter(|(before, _)| Arc::ptr_eq(before, &issuer));
                let known = same.map(|(_, report)| report).unwrap_or_default();
                for event in report.events_since(&known) {
                    let age = if event.is_of_feed() { report.feed_age(now) } else { report.keys_age(now) };
                    let seen = GuardSeen { event, issuer: issuer.issuer(), age };
                    self.household.observer.observe(Observation::Guard(seen));
                }
                before = Some((issuer, report));
            } else {
                before = None;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
