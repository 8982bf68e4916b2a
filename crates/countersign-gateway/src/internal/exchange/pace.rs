//! How often a client may have tokens exchanged.
//!
//! Each exchange is a signature, a verification and a line of the audit log. Without a bound one client with one caller's
//! token could take the processor from requests, and push out what the audit log has kept.
//!
//! 1. In each second of the clock every client has `exchanges_per_second` of its own.
//! 2. What is asked for in vain counts too, from where a token would be looked at.
//! 3. RSA signatures are made four at once, apart from those of requests: whoever exchanges waits for no log-in, and no
//!    log-in for exchanges.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use countersign::{ClientId, UnixTime};

use crate::keyring::SlowSigning;

/// RSA signatures at once.
pub(super) const SLOW_AT_ONCE: usize = 4;

/// What each client has had in this second.
#[derive(Debug)]
pub struct Pace {
    clients: Mutex<BTreeMap<ClientId, Second>>,
    pub(super) slow: SlowSigning,
}

#[derive(Debug)]
struct Second {
    at: UnixTime,
    had: u32,
}

/// A client has had all that this second has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooOften {
    /// For the first time in this second.
    Now,
    /// It was told so in this second already.
    Still,
}

impl Default for Pace {
    fn default() -> Self {
        Self { clients: Mutex::default(), slow: SlowSigning::new(SLOW_AT_ONCE) }
    }
}

impl Pace {
    /// Takes one exchange of this second.
    pub(super) fn take(&self, client: &ClientId, most: NonZeroU32, now: UnixTime) -> Result<(), TooOften> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(second) = clients.get_mut(client) else {
            // Of clients that a reload took out.
            clients.retain(|_, second| second.at == now);
            clients.insert(client.clone(), Second { at: now, had: 1 });
            return Ok(());
        };
        if second.at != now {
            *second = Second { at: now, had: 0 };
        }
        second.had = second.had.saturating_add(1);
        match second.had.saturating_sub(most.get()) {
            0 => Ok(()),
            1 => Err(TooOften::Now),
            _ => Err(TooOften::Still),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use countersign::UnixTime;

    use super::{Pace, TooOften};

    #[test]
    fn each_client_has_its_own_in_each_second() {
        let (pace, two) = (Pace::default(), NonZeroU32::new(2).unwrap());
        let take = |client: &str, second| pace.take(&client.into(), two, UnixTime::from_secs(second));
        let expected = [Ok(()), Ok(()), Err(TooOften::Now), Err(TooOften::Still), Err(TooOften::Still)];
        assert_eq!([(); 5].map(|()| take("orders", 7)), expected);
        assert_eq!(take("notes", 7), Ok(()));
        assert_eq!([(); 5].map(|()| take("orders", 8)), expected);
        assert_eq!(take("orders", 7), Ok(()), "the clock was set back");
    }
}
