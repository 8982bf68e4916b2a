//! Numbers that a seed decides (SplitMix64).

use std::{ops::Range, sync::Mutex, time::Duration};

use crate::entropy::{Entropy, NoEntropy};

/// Shared by everything that is simulated.
#[derive(Debug)]
pub(super) struct Random(u64, Mutex<u64>);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed, Mutex::new(seed))
    }

    /// What it all comes from.
    pub(super) const fn seed(&self) -> u64 {
        self.0
    }

    pub(super) fn number(&self) -> u64 {
        let mut state = self.1.lock().unwrap();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.number() % bound as u64).unwrap()
    }

    /// True once in so many times.
    pub(super) fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.number() % (range.end - range.start))
    }
}

impl Entropy for Random {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        for place in buffer.chunks_mut(8) {
            let bytes = self.number().to_le_bytes();
            place.copy_from_slice(&bytes[..place.len()]);
        }
        Ok(())
    }
}
