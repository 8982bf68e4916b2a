//! Stops asking an authorization server that does not answer, and finds out when it does again.
//!
//! 1. After [`OPENS_AFTER`] failures in a row no look-up is made for a pause: 1 s at first, doubled after each failed
//!    probe up to [`LONGEST_PAUSE`], up to a quarter longer by chance, so that replicas do not probe together.
//! 2. After the pause one look-up goes through as a probe. Its success closes the breaker, its failure begins the next
//!    pause; a probe that never ends counts as failed after its lease.
//! 3. Any answer that is a verdict closes the breaker.
//! 4. A failure counts once for the session it is about, and for credentials that nobody knows once for the client
//!    address they come from: nobody can keep others from being asked about by a credential the server chokes on, nor
//!    by a few of them that take turns.
//!
//! What is not asked is an outage like any other: 503 with `Retry-After`, or the last answer where `stale_if_error`
//! allows it.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::key::SessionKey;
use crate::clock::Moment;

/// Failures in a row that open the breaker.
pub const OPENS_AFTER: u32 = 5;
/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, before chance adds up to a quarter.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whose failed look-up it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// A session that was known.
    Known(SessionKey),
    /// A credential that was not, from this address.
    Unknown(IpAddr),
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The breaker closed: the server answers again.
    Closed,
    /// Nothing.
    None,
    /// The breaker opened, or stays open after a failed probe, for that long.
    Opened(Duration),
}

/// One for each source.
#[derive(Debug)]
pub struct Breaker {
    /// How long a probe may take.
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whose look-ups failed since the last verdict, each once: fewer than [`OPENS_AFTER`].
    blamed: Vec<Blame>,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: Moment,
    failed_probes: u32,
    /// A probe is under way; until when it counts as such.
    probe: Option<Moment>,
}

impl Breaker {
    /// A closed breaker for a source whose look-ups take no longer than `timeout`.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { lease: timeout.saturating_mul(2), state: Mutex::default() }
    }

    /// Whether a look-up may be made now. While the breaker is open, only one in a pause may.
    #[must_use]
    pub fn lets_through(&self, now: Moment) -> bool {
        let mut state = self.state();
        let Some(open) = &mut state.open else { return true };
        let waits_for = open.probe.unwrap_or(open.until);
        let may = now >= waits_for;
        if may {
            open.probe = Some(after(now, self.lease));
        }
        may
    }

    /// Whether the source is taken for failed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state().open.is_some()
    }

    /// The source gave a verdict.
    pub fn succeeded(&self) -> Change {
        let was = std::mem::take(&mut *self.state());
        if was.open.is_some() { Change::Closed } else { Change::None }
    }

    /// The source gave none. `chance` spreads the pauses of several gateways.
    pub fn failed(&self, blame: Blame, chance: u8, now: Moment) -> Change {
        let mut state = self.state();
        let failed_probes = match state.open {
            // Begun before the breaker opened, and late.
            Some(Open { probe: None, .. }) => return Change::None,
            Some(open) => open.failed_probes.saturating_add(1),
            None => {
                if state.blamed.contains(&blame) {
                    return Change::None;
                }
                if state.blamed.len() + 1 < OPENS_AFTER as usize {
                    state.blamed.push(blame);
                    return Change::None;
                }
                0
            }
        };
        let pause = pause(failed_probes, chance);
        state.open = Some(Open { until: after(now, pause), failed_probes, probe: None });
        Change::Opened(pause)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(failed_probes: u32, chance: u8) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failed_probes)).min(LONGEST_PAUSE);
    pause + pause * u32::from(chance) / 1024
}

fn after(now: Moment, wait: Duration) -> Moment {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    Moment::from_millis(now.as_millis().saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use super::{Blame, Breaker, Change, OPENS_AFTER, pause};
    use crate::clock::Moment;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    fn from(n: u8) -> Blame {
        Blame::Unknown(IpAddr::from([192, 0, 2, n]))
    }

    fn opened() -> Breaker {
        let breaker = Breaker::new(TIMEOUT);
        for n in 1..OPENS_AFTER {
            assert_eq!(breaker.failed(from(n as u8), 0, at(0)), Change::None);
            assert!(breaker.lets_through(at(0)));
        }
        assert_eq!(breaker.failed(from(99), 0, at(0)), Change::Opened(Duration::from_secs(1)));
        breaker
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through_after_each_pause() {
        let breaker = opened();
        assert!(!breaker.lets_through(at(999)));
        assert!(breaker.lets_through(at(1000)));
        assert!(!breaker.lets_through(at(1000)), "one probe");
        assert_eq!(breaker.failed(from(1), 0, at(1500)), Change::Opened(Duration::from_secs(2)));
        assert!(!breaker.lets_through(at(3499)));
        assert!(breaker.lets_through(at(3500)));
        assert_eq!(breaker.succeeded(), Change::Closed);
        assert!(breaker.lets_through(at(3500)) && !breaker.is_open());
        assert_eq!(breaker.succeeded(), Change::None);
    }

    #[test]
    fn a_probe_that_never_ends_is_followed_by_another() {
        let breaker = opened();
        assert!(breaker.lets_through(at(1000)));
        assert!(!breaker.lets_through(at(4999)));
        assert!(breaker.lets_through(at(5000)));
    }

    #[test]
    fn a_late_failure_prolongs_nothing() {
        let breaker = opened();
        assert_eq!(breaker.failed(from(1), 0, at(900)), Change::None);
        assert!(breaker.lets_through(at(1000)));
    }

    #[test]
    fn one_address_cannot_open_the_breaker_with_credentials_nobody_knows() {
        let breaker = Breaker::new(TIMEOUT);
        for _ in 0..1000 {
            assert_eq!(breaker.failed(from(1), 0, at(0)), Change::None);
        }
        assert!(breaker.lets_through(at(0)));
    }

    #[test]
    fn addresses_that_take_turns_count_once_each() {
        let breaker = Breaker::new(TIMEOUT);
        for n in 0..1000_u32 {
            let blame = from((n % (OPENS_AFTER - 1)) as u8);
            assert_eq!(breaker.failed(blame, 0, at(0)), Change::None);
        }
        assert!(breaker.lets_through(at(0)));
    }

    #[test]
    fn a_verdict_in_between_begins_the_count_anew() {
        let breaker = Breaker::new(TIMEOUT);
        for n in 0..100 {
            assert_eq!(breaker.failed(from(n), 0, at(0)), Change::None);
            assert_eq!(breaker.succeeded(), Change::None);
        }
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_chance_adds_less_than_a_quarter() {
        let seconds = |probes, chance| pause(probes, chance).as_secs_f64();
        assert_eq!([0, 1, 2, 3, 99].map(|probes| seconds(probes, 0)), [1.0, 2.0, 4.0, 5.0, 5.0]);
        assert!(seconds(99, 255) > 6.0 && seconds(99, 255) < 6.25);
    }
}
