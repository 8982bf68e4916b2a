//! Stops asking an authorization server that does not answer, and finds out when it does again.
//!
//! 1. After [`OPENS_AFTER`] failures in a row no look-up is made for a pause: 1 s at first, doubled after each failed
//!    probe up to [`LONGEST_PAUSE`], up to a quarter longer by chance, so that replicas do not probe together.
//! 2. After the pause one look-up goes through as a probe. Its success closes the breaker, its failure begins the next
//!    pause; a probe that never ends counts as failed after its lease.
//! 3. Any answer that is a verdict closes the breaker.
//! 4. A failure counts once for the session it is about, and for credentials that nobody knows once for the client
//!    address they come from (an IPv6 /64 is one): nobody can keep others from being asked about by a credential the
//!    server chokes on, nor by a few of them that take turns.
//! 5. Whoever's look-up failed is a *suspect* until the breaker closes: it may be what the server chokes on. The probe
//!    is somebody else's. Suspects have probes of their own, a second later each, which neither hold up the others'
//!    nor prolong their pause: so the server is probed too where all who ask are suspects.
//! 6. When somebody else's verdict closes the breaker, it was the suspects' own fault: for [`PROBATION`] the failures
//!    of these addresses open nothing. A known session is never on probation.
//!
//! So a handful of addresses can open the breaker once, for one pause, and no more for a minute.
//!
//! What is not asked is an outage like any other: 503 with `Retry-After`, or the last answer where `stale_if_error`
//! allows it.

use std::{
    collections::VecDeque,
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
/// How much later than others a suspect may be the probe.
const SUSPECTS_LATER: Duration = Duration::from_secs(1);
/// For so long the failures of an address do not count that were its own fault.
pub const PROBATION: Duration = Duration::from_secs(60);
/// The most suspects, and the most addresses on probation, that are remembered; the oldest leave first.
const MAX_REMEMBERED: usize = 64;

/// Whose look-up it was, or is to be.
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
    /// Addresses whose failures were their own fault, and until when they do not count.
    probation: VecDeque<(IpAddr, Moment)>,
}

#[derive(Debug)]
struct Open {
    suspects: VecDeque<Blame>,
    of_others: Turn,
    of_suspects: Turn,
}

/// When the next probe may begin.
#[derive(Debug, Clone, Copy)]
struct Turn {
    until: Moment,
    failed_probes: u32,
    /// A probe is under way: whose, and until when it counts as such.
    probe: Option<(Blame, Moment)>,
}

impl Breaker {
    /// A closed breaker for a source whose look-ups take no longer than `timeout`.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { lease: timeout.saturating_mul(2), state: Mutex::default() }
    }

    /// Whether this look-up may be made now. While the breaker is open, only one in a pause may, and one of suspects.
    #[must_use]
    pub fn lets_through(&self, blame: Blame, now: Moment) -> bool {
        let mut state = self.state();
        let Some(open) = &mut state.open else { return true };
        let turn = open.turn_of(&blame);
        let may = now >= turn.probe.map_or(turn.until, |(_, lease)| lease);
        if may {
            turn.probe = Some((blame, after(now, self.lease)));
        }
        may
    }

    /// Whether the source is taken for failed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state().open.is_some()
    }

    /// The source gave a verdict.
    pub fn succeeded(&self, blame: Blame, now: Moment) -> Change {
        let mut state = self.state();
        state.blamed.clear();
        let Some(open) = state.open.take() else { return Change::None };
        let until = after(now, PROBATION);
        for suspect in open.suspects {
            if let Blame::Unknown(address) = suspect
                && suspect != blame
            {
                state.probation.retain(|(other, _)| *other != address);
                remember(&mut state.probation, (address, until));
            }
        }
        Change::Closed
    }

    /// The source gave none. `chance` spreads the pauses of several gateways.
    pub fn failed(&self, blame: Blame, chance: u8, now: Moment) -> Change {
        let mut state = self.state();
        let Some(open) = &mut state.open else { return state.count(blame, chance, now) };
        let turn = open.turn_of(&blame);
        // Begun before the breaker opened, and late.
        if turn.probe.is_none_or(|(probe, _)| probe != blame) {
            return Change::None;
        }
        turn.failed_probes = turn.failed_probes.saturating_add(1);
        let pause = pause(turn.failed_probes, chance);
        turn.until = after(now, pause);
        turn.probe = None;
        if open.suspects.contains(&blame) {
            return Change::None;
        }
        remember(&mut open.suspects, blame);
        Change::Opened(pause)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A failure while the breaker is closed.
    fn count(&mut self, blame: Blame, chance: u8, now: Moment) -> Change {
        self.probation.retain(|(_, until)| *until > now);
        let is_own_fault =
            matches!(blame, Blame::Unknown(from) if self.probation.iter().any(|(other, _)| *other == from));
        if is_own_fault || self.blamed.contains(&blame) {
            return Change::None;
        }
        self.blamed.push(blame);
        if self.blamed.len() < OPENS_AFTER as usize {
            return Change::None;
        }
        let pause = pause(0, chance);
        let turn = |wait| Turn { until: after(now, wait), failed_probes: 0, probe: None };
        self.open = Some(Open {
            suspects: std::mem::take(&mut self.blamed).into(),
            of_others: turn(pause),
            of_suspects: turn(pause.saturating_add(SUSPECTS_LATER)),
        });
        Change::Opened(pause)
    }
}

impl Open {
    fn turn_of(&mut self, blame: &Blame) -> &mut Turn {
        if self.suspects.contains(blame) { &mut self.of_suspects } else { &mut self.of_others }
    }
}

fn remember<T>(all: &mut VecDeque<T>, one: T) {
    if all.len() >= MAX_REMEMBERED {
        all.pop_front();
    }
    all.push_back(one);
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

    use super::{Blame, Breaker, Change, MAX_REMEMBERED, OPENS_AFTER, PROBATION, pause};
    use crate::clock::Moment;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    fn from(n: u8) -> Blame {
        Blame::Unknown(IpAddr::from([192, 0, 2, n]))
    }

    /// Somebody who has not failed yet.
    fn fresh() -> Blame {
        from(200)
    }

    /// Opened by 1, 2, 3, 4 and 99.
    fn opened() -> Breaker {
        let breaker = Breaker::new(TIMEOUT);
        for n in 1..OPENS_AFTER {
            assert_eq!(breaker.failed(from(n as u8), 0, at(0)), Change::None);
            assert!(breaker.lets_through(from(n as u8), at(0)));
        }
        assert_eq!(breaker.failed(from(99), 0, at(0)), Change::Opened(Duration::from_secs(1)));
        breaker
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through_after_each_pause() {
        let breaker = opened();
        assert!(!breaker.lets_through(fresh(), at(999)));
        assert!(breaker.lets_through(fresh(), at(1000)));
        assert!(!breaker.lets_through(from(201), at(1000)), "one probe");
        assert_eq!(breaker.failed(fresh(), 0, at(1500)), Change::Opened(Duration::from_secs(2)));
        assert!(!breaker.lets_through(from(201), at(3499)));
        assert!(breaker.lets_through(from(201), at(3500)));
        assert_eq!(breaker.succeeded(from(201), at(3500)), Change::Closed);
        assert!(breaker.lets_through(fresh(), at(3500)) && !breaker.is_open());
        assert_eq!(breaker.succeeded(fresh(), at(3500)), Change::None);
    }

    #[test]
    fn a_probe_that_never_ends_is_followed_by_another() {
        let breaker = opened();
        assert!(breaker.lets_through(fresh(), at(1000)));
        assert!(!breaker.lets_through(fresh(), at(4999)));
        assert!(breaker.lets_through(fresh(), at(5000)));
    }

    #[test]
    fn a_late_failure_prolongs_nothing() {
        let breaker = opened();
        for late in [from(1), fresh()] {
            assert_eq!(breaker.failed(late, 0, at(900)), Change::None);
        }
        assert!(breaker.lets_through(fresh(), at(1000)));
        assert_eq!(breaker.failed(from(77), 0, at(1001)), Change::None, "it is not the probe's");
        assert!(!breaker.lets_through(from(201), at(1002)));
    }

    #[test]
    fn where_all_who_ask_have_failed_they_are_probes_a_second_later() {
        let breaker = opened();
        assert!(!breaker.lets_through(from(1), at(1999)));
        assert!(breaker.lets_through(from(1), at(2000)));
        assert!(!breaker.lets_through(from(2), at(2000)), "one of them at a time");
        assert_eq!(breaker.failed(from(1), 0, at(2100)), Change::None);
        assert!(!breaker.lets_through(from(2), at(4099)));
        assert!(breaker.lets_through(from(2), at(4100)));
        assert_eq!(breaker.succeeded(from(2), at(4200)), Change::Closed, "the server is back");
    }

    /// Every ten milliseconds each of five addresses sends what the server chokes on; one other user asks every five
    /// seconds, and is answered.
    #[test]
    fn a_handful_of_addresses_cannot_hold_it_open() {
        let breaker = Breaker::new(TIMEOUT);
        let (mut refused_at, mut under_way) = (Vec::new(), Vec::<(Moment, Blame)>::new());
        for millis in (0..120_000).step_by(10) {
            let now = at(millis);
            under_way.retain(|(ends, attacker)| {
                let goes_on = *ends > now;
                if !goes_on {
                    breaker.failed(*attacker, 0, now);
                }
                goes_on
            });
            for n in 1..=OPENS_AFTER as u8 {
                if breaker.lets_through(from(n), now) {
                    under_way.push((at(millis + 2000), from(n)));
                }
            }
            if millis % 5000 == 2500 {
                if breaker.lets_through(fresh(), now) {
                    breaker.succeeded(fresh(), now);
                } else {
                    refused_at.push(millis);
                }
            }
        }
        // Opened at 2 s and at the end of each probation: once a minute at most is the pause met.
        assert!(refused_at.len() <= 2, "{refused_at:?}");
    }

    #[test]
    fn whose_own_fault_it_was_opens_nothing_for_a_minute_and_a_known_session_counts_always() {
        let breaker = opened();
        assert!(breaker.lets_through(fresh(), at(1000)));
        assert_eq!(breaker.succeeded(fresh(), at(1000)), Change::Closed);
        let again = |at_millis| {
            (1..OPENS_AFTER as u8).chain([99]).map(|n| breaker.failed(from(n), 0, at(at_millis))).last()
        };
        assert_eq!(again(1001), Some(Change::None));
        assert_eq!(again(999 + PROBATION.as_millis() as u64), Some(Change::None));
        assert!(matches!(again(1000 + PROBATION.as_millis() as u64), Some(Change::Opened(_))));
        // A suspect that is answered itself is not at fault.
        let breaker = opened();
        assert!(breaker.lets_through(from(1), at(2000)));
        assert_eq!(breaker.succeeded(from(1), at(2000)), Change::Closed);
        for n in [1, 11, 12, 13] {
            assert_eq!(breaker.failed(from(n), 0, at(2001)), Change::None);
        }
        assert!(matches!(breaker.failed(from(14), 0, at(2001)), Change::Opened(_)));
    }

    #[test]
    fn a_real_outage_is_found_over_and_what_is_remembered_is_bounded() {
        let breaker = opened();
        let mut now = 0;
        for n in 0..1000_u32 {
            let [_, _, high, low] = n.to_be_bytes();
            let user = Blame::Unknown(IpAddr::from([10, 0, high, low]));
            now += 5000;
            assert!(breaker.lets_through(user, at(now)), "{n}");
            assert!(matches!(breaker.failed(user, 0, at(now)), Change::Opened(_)));
        }
        assert_eq!(breaker.state().open.as_ref().unwrap().suspects.len(), MAX_REMEMBERED);
        assert!(breaker.lets_through(fresh(), at(now + 5000)));
        assert_eq!(breaker.succeeded(fresh(), at(now + 5000)), Change::Closed);
        assert_eq!(breaker.state().probation.len(), MAX_REMEMBERED);
    }

    #[test]
    fn one_address_cannot_open_the_breaker_with_credentials_nobody_knows() {
        let breaker = Breaker::new(TIMEOUT);
        for _ in 0..1000 {
            assert_eq!(breaker.failed(from(1), 0, at(0)), Change::None);
        }
        assert!(breaker.lets_through(fresh(), at(0)));
    }

    #[test]
    fn addresses_that_take_turns_count_once_each() {
        let breaker = Breaker::new(TIMEOUT);
        for n in 0..1000_u32 {
            let blame = from((n % (OPENS_AFTER - 1)) as u8);
            assert_eq!(breaker.failed(blame, 0, at(0)), Change::None);
        }
        assert!(breaker.lets_through(fresh(), at(0)));
    }

    #[test]
    fn a_verdict_in_between_begins_the_count_anew() {
        let breaker = Breaker::new(TIMEOUT);
        for n in 0..100 {
            assert_eq!(breaker.failed(from(n), 0, at(0)), Change::None);
            assert_eq!(breaker.succeeded(fresh(), at(0)), Change::None);
        }
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_chance_adds_less_than_a_quarter() {
        let seconds = |probes, chance| pause(probes, chance).as_secs_f64();
        assert_eq!([0, 1, 2, 3, 99].map(|probes| seconds(probes, 0)), [1.0, 2.0, 4.0, 5.0, 5.0]);
        assert!(seconds(99, 255) > 6.0 && seconds(99, 255) < 6.25);
    }
}
