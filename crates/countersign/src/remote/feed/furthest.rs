//! How far a feed was followed, so that it never goes back. Pure.
//!
//! 1. In one numbering whoever knows more has the higher number. A snapshot with a lower one is that of a gateway which
//!    lags or cannot reach its store, or was recorded: it would take revocations back.
//! 2. A numbering that was left for another is old: no store goes back to one.
//! 3. A numbering that was never seen is believed, whatever its number: it begins with a gateway, or when a store went
//!    back, and what the gateways know is put back then. To keep what it lacks would keep what was lifted meanwhile.
//!
//! Bound: the last [`MAX_LEFT`] numberings that were left.

use std::collections::VecDeque;

use crate::revocation::{Cursor, Epoch};

/// The most numberings that are remembered after they were left.
const MAX_LEFT: usize = 64;

/// The furthest place that a feed has come to.
#[derive(Debug, Default)]
pub(super) struct Furthest {
    place: Option<Cursor>,
    left: VecDeque<Epoch>,
}

impl Furthest {
    /// Whether everything there is older than what is known.
    pub(super) fn is_beyond(&self, other: &Cursor) -> bool {
        let is_lower = |place: &Cursor| place.epoch == other.epoch && other.seq < place.seq;
        self.place.as_ref().is_some_and(is_lower) || self.left.contains(&other.epoch)
    }

    /// Takes note of a place that is not behind it.
    pub(super) fn come_to(&mut self, other: &Cursor) {
        match &mut self.place {
            Some(place) if place.epoch == other.epoch => place.seq = place.seq.max(other.seq),
            place => {
                let left = place.replace(other.clone());
                self.left.extend(left.map(|left| left.epoch));
                if self.left.len() > MAX_LEFT {
                    self.left.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Furthest, MAX_LEFT};

    #[test]
    fn a_lower_number_and_a_numbering_that_was_left_are_behind() {
        let mut furthest = Furthest::default();
        let at = |text: &str| text.parse().unwrap();
        assert!(!furthest.is_beyond(&at("e.0")));
        furthest.come_to(&at("e.7"));
        for (other, is_behind) in [("e.6", true), ("e.7", false), ("e.8", false), ("f.0", false)] {
            assert_eq!(furthest.is_beyond(&at(other)), is_behind, "{other}");
        }
        furthest.come_to(&at("f.2"));
        for (other, is_behind) in [("e.9", true), ("f.1", true), ("f.2", false), ("g.1", false)] {
            assert_eq!(furthest.is_beyond(&at(other)), is_behind, "{other}");
        }
        for number in 0..2 * MAX_LEFT {
            furthest.come_to(&at(&format!("n{number}.1")));
        }
        assert_eq!(furthest.left.len(), MAX_LEFT);
        assert!(furthest.is_beyond(&at(&format!("n{}.1", MAX_LEFT + 1))));
    }
}
