//! Since when the authorization server gives no usable answer.
//!
//! Counters say how much failed, not whether it fails now. This is written by every look-up that ends, and only where
//! that changes something: a look-up that went well reads one flag.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use countersign::{Clock, UnixTime};

use super::{LookedUp, Observation, labels::LookupOutcome, repeated::Repeated};
use crate::error::Refusal;

/// Bytes of a reason that are kept.
const MAX_REASON: usize = 300;

/// Something is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The code that requests are refused with.
    pub code: &'static str,
    /// The first failure after the last success.
    pub since: UnixTime,
    /// The last failure, without credential or answer.
    pub reason: String,
}

/// What is away now. All workers of a gateway share one.
#[derive(Debug, Default)]
pub struct Outages {
    is_source_away: AtomicBool,
    source: Mutex<Option<Outage>>,
    store: Repeated,
}

impl Outages {
    /// Since when the authorization server gives no usable answer. `None`: the last look-up went well, or there was
    /// none.
    #[must_use]
    pub fn source(&self) -> Option<Outage> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn read(&self, observation: &Observation<'_>, clock: &dyn Clock) {
        let Observation::LookedUp(looked_up) = observation else { return };
        match code(looked_up.outcome) {
            Some(code) => self.begin(code, looked_up, clock.now()),
            // Given up by ourselves: says nothing of the server.
            None if looked_up.outcome == LookupOutcome::TooMany => {}
            None if !self.is_source_away.load(Relaxed) => {}
            None => {
                let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
                self.is_source_away.store(false, Relaxed);
                *source = None;
            }
        }
    }

    /// Whether this failure of the store was told already, and goes on.
    pub(super) fn is_known(&self, observation: &Observation<'_>, clock: &dyn Clock) -> bool {
        match observation {
            Observation::Store { failure: Some(code), detail } => {
                self.store.is_known(code, detail, clock.now())
            }
            Observation::Store { failure: None, .. } => {
                self.store.forget();
                false
            }
            _ => false,
        }
    }

    fn begin(&self, code: &'static str, looked_up: &LookedUp<'_>, now: UnixTime) {
        let reason = looked_up.detail.unwrap_or_else(|| looked_up.outcome.label());
        let end = reason.floor_char_boundary(MAX_REASON);
        let reason = reason.get(..end).unwrap_or_default().to_owned();
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let since = source.as_ref().map_or(now, |outage| outage.since);
        *source = Some(Outage { code, since, reason });
        self.is_source_away.store(true, Relaxed);
    }
}

/// What requests are refused with after such a look-up. `None`: nothing is wrong with the server.
const fn code(outcome: LookupOutcome) -> Option<&'static str> {
    Some(match outcome {
        LookupOutcome::Live | LookupOutcome::No | LookupOutcome::TooMany => return None,
        LookupOutcome::Nonsense => Refusal::SourceNonsense.code(),
        LookupOutcome::RefusesUs => Refusal::SourceRefusesUs.code(),
        LookupOutcome::Timeout | LookupOutcome::Unavailable => Refusal::SourceUnavailable.code(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign::{Clock, UnixTime};

    use super::{super::SourceLabel, LookedUp, LookupOutcome, Observation, Outages};

    #[derive(Debug)]
    struct At(u64);

    impl Clock for At {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(self.0)
        }
    }

    fn ended(outages: &Outages, second: u64, outcome: LookupOutcome, detail: Option<&str>) {
        let duration = Duration::from_millis(1);
        let looked_up = LookedUp { source: SourceLabel::Whoami, outcome, duration, coalesced: 0, detail };
        outages.read(&Observation::LookedUp(looked_up), &At(second));
    }

    #[test]
    fn an_outage_begins_with_the_first_failure_and_ends_with_a_verdict() {
        let outages = Outages::default();
        ended(&outages, 1, LookupOutcome::Live, None);
        assert_eq!(outages.source(), None);
        ended(&outages, 2, LookupOutcome::Timeout, Some("no answer within the time-out"));
        ended(&outages, 3, LookupOutcome::TooMany, None);
        ended(&outages, 4, LookupOutcome::RefusesUs, Some(&"ä".repeat(400)));
        let outage = outages.source().unwrap();
        assert_eq!((outage.code, outage.since), ("source_refuses_us", UnixTime::from_secs(2)));
        assert_eq!(outage.reason.chars().count(), 150);
        ended(&outages, 5, LookupOutcome::TooMany, None);
        assert!(outages.source().is_some());
        ended(&outages, 6, LookupOutcome::No, None);
        assert_eq!(outages.source(), None);
        ended(&outages, 7, LookupOutcome::Unavailable, None);
        assert_eq!(outages.source().unwrap().since, UnixTime::from_secs(7));
    }
}
