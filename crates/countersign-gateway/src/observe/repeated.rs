//! Failures that go on. Who meets them looks again every few seconds, which is no news each time.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use countersign::UnixTime;

/// A failure that goes on is told so often.
const TELL_EVERY: Duration = Duration::from_secs(5 * 60);

/// Failures that are remembered; of more, the oldest is told again.
const MAX_REMEMBERED: usize = 16;

/// Which failures of the store were told, and when. All workers of a gateway share one.
#[derive(Debug, Default)]
pub(super) struct Repeated(Mutex<VecDeque<Told>>);

#[derive(Debug)]
struct Told {
    code: String,
    detail: String,
    at: UnixTime,
}

impl Repeated {
    /// Whether just this was told less than five minutes ago, and nothing has gone well since. If not, it is told now.
    pub(super) fn is_known(&self, code: &str, detail: &str, now: UnixTime) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = told.iter().position(|one| one.code == code && one.detail == detail) {
            if told.get(known).is_some_and(|one| now >= one.at && now < one.at.saturating_add(TELL_EVERY)) {
                return true;
            }
            told.remove(known);
        }
        if told.len() >= MAX_REMEMBERED {
            told.pop_front();
        }
        told.push_back(Told { code: code.to_owned(), detail: detail.to_owned(), at: now });
        false
    }

    /// Something works again: the next failure is news.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn what_goes_on_is_told_at_its_beginning_and_every_five_minutes() {
        let told = Repeated::default();
        let news: Vec<u64> =
            (0..=600).step_by(5).filter(|now| !told.is_known("store_away", "refused", at(*now))).collect();
        assert_eq!(news, [0, 300, 600]);
        // Another failure is news, and so is the same after something went well, or by a clock that was set back.
        assert!(!told.is_known("store_away", "silent", at(601)));
        assert!(!told.is_known("store_full", "refused", at(601)));
        assert!(told.is_known("store_away", "refused", at(602)));
        told.forget();
        assert!(!told.is_known("store_away", "refused", at(603)));
        assert!(!told.is_known("store_away", "refused", at(10)));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let told = Repeated::default();
        for number in 0..=MAX_REMEMBERED {
            assert!(!told.is_known("store_away", &number.to_string(), at(0)));
        }
        assert!(told.is_known("store_away", &MAX_REMEMBERED.to_string(), at(1)));
        assert!(!told.is_known("store_away", "0", at(1)));
        assert_eq!(told.0.lock().unwrap().len(), MAX_REMEMBERED);
    }
}
