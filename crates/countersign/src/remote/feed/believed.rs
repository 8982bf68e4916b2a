//! Until when what has expired may be forgotten.
//!
//! What was forgotten does not come back with the right time: a revoked token would be good again when a clock that was
//! set ahead is set right. So a revocation is forgotten when it has expired
//! 1. by our clock,
//! 2. by what the issuer has signed: the newest time of a message that was believed,
//! 3. and by the time that has passed here since our clock was read first, or since it was set back; a clock that is
//!    ahead of that by more than [`DISBELIEVED`] is believed but for so much.

use std::time::Duration;

use tokio::time::Instant;

use crate::UnixTime;

/// A machine that slept has a monotonic clock that stood still: after so long what it has is forgotten all the same.
const DISBELIEVED: Duration = Duration::from_secs(24 * 3600);

/// What is known of the time.
#[derive(Debug)]
pub(super) struct Believed {
    issuer: UnixTime,
    /// The least that our clock has said, and when.
    anchor: Option<(UnixTime, Instant)>,
}

impl Default for Believed {
    fn default() -> Self {
        Self { issuer: UnixTime::from_secs(0), anchor: None }
    }
}

impl Believed {
    /// A message of this time was signed then.
    pub(super) fn note_issuer(&mut self, issued_at: UnixTime) {
        self.issuer = self.issuer.max(issued_at);
    }

    /// Our clock says `now` at that instant. What expires by the answer or before it may be forgotten.
    pub(super) fn until(&mut self, now: UnixTime, instant: Instant) -> UnixTime {
        let (wall, at) = *self.anchor.get_or_insert((now, instant));
        let passed = wall.saturating_add(instant.saturating_duration_since(at));
        if now < passed {
            self.anchor = Some((now, instant));
        }
        now.min(self.issuer).min(passed.max(now.saturating_sub(DISBELIEVED)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::Believed;
    use crate::UnixTime;

    const DAY: u64 = 24 * 3600;
    const BEGAN: u64 = 1_000_000_000;

    proptest! {
        /// Whatever is done to our clock and to the issuer's, by up to a day ahead at once or any time back.
        #[test]
        fn nothing_is_forgotten_before_its_time(
            steps in prop::collection::vec((0..600_u64, -(3 * DAY as i64)..=DAY as i64, -60..=DAY as i64), 1..60),
        ) {
            let (mut believed, begin) = (Believed::default(), Instant::now());
            // Our clock was right when the process began.
            believed.until(UnixTime::from_secs(BEGAN), begin);
            let mut passed = 0;
            for (wait, off, issuer_off) in steps {
                passed += wait;
                let real = BEGAN + passed;
                believed.note_issuer(UnixTime::from_secs(real.saturating_add_signed(issuer_off)));
                let local = UnixTime::from_secs(real.saturating_add_signed(off));
                let until = believed.until(local, begin + Duration::from_secs(passed));
                prop_assert!(until.as_secs() <= real, "{until} at {real}");
            }
        }
    }

    #[test]
    fn with_right_clocks_what_has_expired_is_forgotten() {
        let (mut believed, begin) = (Believed::default(), Instant::now());
        let at = UnixTime::from_secs;
        assert_eq!(believed.until(at(BEGAN), begin), at(0), "the issuer has not said anything");
        believed.note_issuer(at(BEGAN + 29));
        assert_eq!(believed.until(at(BEGAN + 30), begin + Duration::from_secs(30)), at(BEGAN + 29));
        // The machine slept for three days.
        believed.note_issuer(at(BEGAN + 3 * DAY));
        assert_eq!(believed.until(at(BEGAN + 3 * DAY), begin + Duration::from_secs(31)), at(BEGAN + 2 * DAY));
    }
}
