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
//! 5. Whoever's look-up failed is a *suspect* until the breaker closes: it may be what the server chokes on. So is
//!    whatever comes from the same address. The probe is somebody else's. Suspects have probes of their own, a second
//!    later each, which neither hold up the others' nor prolong their pause: so the server is probed too where all who
//!    ask are suspects.
//! 6. When a verdict closes the breaker, it was the other suspects' own fault: for [`PROBATION`] the failures of these
//!    sessions, and of everybody at these addresses, open nothing. Not the address whose verdict it was: it is shared.
//!
//! So a handful of addresses can open the breaker once, for one pause, and no more for a minute, with however many
//! sessions of their own; and who shares an address with others, with sessions that are others each time. The price:
//! an outage that begins within a minute of another is noticed by those alone who were not asked about in the first.
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
/// For so long failures do not count that were the own fault of a session or an address.
pub const PROBATION: Duration = Duration::from_secs(60);
/// The most suspects, and the most of them on probation, that are remembered; the oldest leave first.
const MAX_REMEMBERED: usize = 64;

/// Whose look-up it was, or is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blame {
    /// Where the credential came from.
    pub network: IpAddr,
    /// The session, if it was known.
    pub known: Option<SessionKey>,
}

impl Blame {
    /// Whether two failures count as one.
    fn counts_with(&self, other: &Self) -> bool {
        match (self.known, other.known) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.network == other.network,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether it may be the fault of one that the other fails too.
    fn is_suspect_with(&self, other: &Self) -> bool {
        self.network == other.network || self.counts_with(other)
    }
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
    /// Whose failures were their own fault, and until when they do not count.
    probation: VecDeque<Probation>,
}

#[derive(Debug)]
struct Probation {
    suspect: Blame,
    /// Everybody at its address is meant.
    with_network: bool,
    until: Moment,
}

impl Probation {
    fn concerns(&self, blame: &Blame) -> bool {
        if self.with_network { self.suspect.is_suspect_with(blame) } else { self.suspect.counts_with(blame) }
    }
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
            if !suspect.counts_with(&blame) {
                let with_network = suspect.network != blame.network;
                state.probation.retain(|other| other.suspect != suspect);
                remember(&mut state.probation, Probation { suspect, with_network, until });
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
        if open.is_suspect(&blame) {
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
        self.probation.retain(|one| one.until > now);
        let is_own_fault = self.probation.iter().any(|one| one.concerns(&blame));
        if is_own_fault || self.blamed.iter().any(|other| other.counts_with(&blame)) {
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
    fn is_suspect(&self, blame: &Blame) -> bool {
        self.suspects.iter().any(|suspect| suspect.is_suspect_with(blame))
    }

    fn turn_of(&mut self, blame: &Blame) -> &mut Turn {
        if self.is_suspect(blame) { &mut self.of_suspects } else { &mut self.of_others }
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
mod tests;
