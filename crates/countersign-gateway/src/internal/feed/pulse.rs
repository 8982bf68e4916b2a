//! When a stream says its heartbeat. Pure: the present moment goes in.
//!
//! Whoever hears a heartbeat takes it that nothing is missing. So it is said as soon as it is due, also between events
//! that never end, but only by a stream that has sent everything that there was [`MAX_LAG`] ago: one that has more to
//! catch up with is alive and does not know enough.

use std::time::Duration;

use tokio::time::Instant;

/// Between two heartbeats, and two looks at the client.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A stream that is behind by more than this says no heartbeat.
const MAX_LAG: Duration = Duration::from_secs(1);

/// What a stream has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Nothing but to go on.
    GoOn,
    /// A second has passed: its client has to be looked at.
    Look,
    /// The same, or it was looked at before, and a heartbeat is to be said.
    Beat,
}

/// How far a stream is, in time.
#[derive(Debug)]
pub(super) struct Pulses {
    look_at: Instant,
    is_due: bool,
    /// A moment, and the number of the event that was the newest then.
    mark: (Instant, u64),
    /// Everything that there was then has been sent.
    complete: Option<Instant>,
}

impl Pulses {
    /// Of a stream that begins.
    pub(super) const fn new(now: Instant, newest: u64) -> Self {
        Self { look_at: now, is_due: false, mark: (now, newest), complete: None }
    }

    /// When something has to be done, whether there is an event or not.
    pub(super) const fn look_at(&self) -> Instant {
        self.look_at
    }

    /// The stream has come to that number, while `newest` was the newest.
    pub(super) fn come_to(&mut self, seq: u64, newest: u64, now: Instant) {
        if seq >= self.mark.1 {
            self.complete = Some(self.mark.0);
            self.mark = (now, newest);
        }
        if seq >= newest {
            self.complete = Some(now);
        }
    }

    /// What to do now.
    pub(super) fn take(&mut self, now: Instant) -> Pulse {
        let looks = self.look_at <= now;
        if looks {
            self.look_at = now + LOOK_EVERY;
            self.is_due = true;
        }
        let knows_enough = self.complete.is_some_and(|complete| now <= complete + MAX_LAG);
        if self.is_due && knows_enough {
            self.is_due = false;
            Pulse::Beat
        } else if looks {
            Pulse::Look
        } else {
            Pulse::GoOn
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Pulse, Pulses};

    /// What a stream says in ten seconds of ten events each, that is behind by so many.
    fn said(behind: u64) -> (usize, usize) {
        let begin = Instant::now();
        let mut pulses = Pulses::new(begin, behind);
        let said: Vec<_> = (0..100)
            .map(|seq| {
                let now = begin + Duration::from_millis(100 * seq);
                pulses.come_to(seq, seq + behind, now);
                pulses.take(now)
            })
            .collect();
        let count = |pulse| said.iter().filter(|said| **said == pulse).count();
        (count(Pulse::Beat), count(Pulse::Look))
    }

    #[test]
    fn only_a_stream_that_keeps_up_says_a_heartbeat() {
        assert_eq!(said(0), (10, 0));
        assert_eq!(said(1), (10, 1), "the first a little later");
        assert_eq!(said(5), (10, 1));
        assert_eq!(said(15), (0, 10), "a second and a half behind");
        assert_eq!(said(1_000), (0, 10));
    }
}
