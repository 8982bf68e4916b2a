//! Sessions with opaque tokens, in memory.

use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign::{Clock, Secret, UnixTime};
use countersign_gateway::entropy::Entropy;

use crate::people::Person;

/// How long a session lives: 1 h.
const LIFE: Duration = Duration::from_secs(3600);
/// The most sessions; the oldest gives way.
const MAX_SESSIONS: usize = 10_000;

/// Who is logged in.
#[derive(Debug)]
pub(crate) struct Sessions {
    all: Mutex<VecDeque<(Secret<String>, Session)>>,
    asked: AtomicU64,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    pub(crate) person: &'static Person,
    pub(crate) end: UnixTime,
}

impl Sessions {
    pub(super) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { all: Mutex::default(), asked: AtomicU64::new(0), clock, entropy }
    }

    /// A new session; `None` if the machine gives no randomness.
    pub(super) fn begin(&self, person: &'static Person) -> Option<Secret<String>> {
        let token = random_text(&*self.entropy)?;
        let session = Session { person, end: self.clock.now().saturating_add(LIFE) };
        let mut all = self.all();
        if all.len() == MAX_SESSIONS {
            all.pop_front();
        }
        all.push_back((token.clone(), session));
        Some(token)
    }

    pub(super) fn find(&self, token: &str) -> Option<Session> {
        let now = self.clock.now();
        let all = self.all();
        let found = all.iter().find(|(known, session)| known.expose() == token && now < session.end);
        found.map(|(_, session)| *session)
    }

    pub(super) fn end(&self, token: &str) {
        self.all().retain(|(known, _)| known.expose() != token);
    }

    pub(super) fn count_question(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn times_asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(Secret<String>, Session)>> {
        // Every change is a single call.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 bits in hexadecimal digits.
pub(crate) fn random_text(entropy: &dyn Entropy) -> Option<Secret<String>> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes).ok()?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        write!(text, "{byte:02x}").ok()?;
    }
    Some(Secret::new(text))
}
