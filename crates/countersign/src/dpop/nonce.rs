//! Nonces that need no memory: a keyed hash of the time (RFC 9449 §9).
//!
//! Time is cut into periods of two minutes. The nonce of a period is the HMAC of its number, so that every replica with
//! the same key gives out and takes the same ones, and nobody can know one before its time. Taken are those of the
//! present period, of the one before, and of the one after, which a replica whose clock is ahead has given out.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use http::HeaderValue;

use crate::{UnixTime, jws};

/// Gives out nonces and knows them again.
pub(super) struct Nonces(hmac::Key);

/// How new a nonce is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// Of the period before: still good, but its sender should be told a newer one.
    Previous,
    Present,
}

const PERIOD_SECONDS: u64 = 120;

impl Nonces {
    /// The fewest bytes of a key.
    pub(super) const LEAST_KEY_BYTES: usize = 32;

    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The nonce to give out.
    pub(super) fn present(&self, now: UnixTime) -> Option<HeaderValue> {
        HeaderValue::try_from(self.of(period(now))).ok()
    }

    /// How new a nonce is; `None` if it is none of ours, or too old.
    pub(super) fn age(&self, nonce: &str, now: UnixTime) -> Option<Age> {
        let present = period(now);
        let is_of = |period| {
            constant_time::verify_slices_are_equal(self.of(period).as_bytes(), nonce.as_bytes()).is_ok()
        };
        if is_of(present) || is_of(present.saturating_add(1)) {
            Some(Age::Present)
        } else {
            present.checked_sub(1).filter(|previous| is_of(*previous)).map(|_| Age::Previous)
        }
    }

    fn of(&self, period: u64) -> String {
        let mut signed = hmac::Context::with_key(&self.0);
        signed.update(b"countersign DPoP nonce\0");
        signed.update(&period.to_be_bytes());
        jws::encode(signed.sign().as_ref().first_chunk::<16>().map_or(&[], <[u8; 16]>::as_slice))
    }
}

const fn period(now: UnixTime) -> u64 {
    now.as_secs() / PERIOD_SECONDS
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces")
    }
}

#[cfg(test)]
mod tests {
    use super::{Age, Nonces};
    use crate::UnixTime;

    #[test]
    fn a_nonce_is_good_for_two_periods() {
        let nonces = Nonces::new(&[7; 32]);
        let at = |seconds: u64| UnixTime::from_secs(1_200_000_000 + seconds);
        let nonce = nonces.present(at(0)).unwrap();
        let nonce = nonce.to_str().unwrap();
        assert_eq!(nonce.len(), 22);
        for (seconds, age) in [
            (0, Some(Age::Present)),
            (119, Some(Age::Present)),
            (120, Some(Age::Previous)),
            (239, Some(Age::Previous)),
            (240, None),
            (3600, None),
        ] {
            assert_eq!(nonces.age(nonce, at(seconds)), age, "{seconds}");
        }
        // From a replica whose clock is ahead, but not far ahead.
        assert_eq!(nonces.age(nonce, UnixTime::from_secs(1_200_000_000 - 1)), Some(Age::Present));
        assert_eq!(nonces.age(nonce, UnixTime::from_secs(1_200_000_000 - 121)), None);
        assert_eq!(Nonces::new(&[7; 32]).age(nonce, at(0)), Some(Age::Present), "a replica");
        assert_eq!(Nonces::new(&[8; 32]).age(nonce, at(0)), None, "another key");
        for bad in ["", "x", &nonce.to_lowercase(), &format!("{nonce}A")] {
            assert_eq!(nonces.age(bad, at(0)), None, "{bad}");
        }
        assert!(nonces.age("x", UnixTime::from_secs(0)).is_none());
    }
}
