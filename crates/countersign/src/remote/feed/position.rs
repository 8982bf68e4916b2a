//! What an event means for one who stands at a cursor. Pure.

use crate::revocation::{Cursor, Event, What};

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the next one: do what it says.
    Advance,
    /// A heartbeat, and nothing is missing.
    Alive,
    /// It was there already.
    Nothing,
    /// Something was missed, or the numbering is another.
    Snapshot,
}

/// Numbers have no gaps. Where one is, an event got lost, or has expired and is not sent any more: the snapshot knows.
pub(super) fn step(position: &Cursor, event: &Event) -> Step {
    if event.cursor.epoch != position.epoch || event.cursor.seq < position.seq {
        return Step::Snapshot;
    }
    match (&event.what, event.cursor.seq - position.seq) {
        (What::Heartbeat, 0) => Step::Alive,
        (What::Heartbeat, _) => Step::Snapshot,
        (_, 0) => Step::Nothing,
        (_, 1) => Step::Advance,
        (_, _) => Step::Snapshot,
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, step};
    use crate::revocation::{Event, Target, What};

    #[test]
    fn every_place_of_an_event_has_its_meaning() {
        let at = "e.7".parse().unwrap();
        let lifted = || What::Lifted(Target::All);
        for (cursor, what, expected) in [
            ("e.8", lifted(), Step::Advance),
            ("e.8", What::KeysChanged, Step::Advance),
            ("e.9", lifted(), Step::Snapshot),
            ("e.7", lifted(), Step::Nothing),
            ("e.6", lifted(), Step::Snapshot),
            ("f.8", lifted(), Step::Snapshot),
            ("e.7", What::Heartbeat, Step::Alive),
            ("e.6", What::Heartbeat, Step::Snapshot),
            ("e.8", What::Heartbeat, Step::Snapshot),
            ("f.7", What::Heartbeat, Step::Snapshot),
        ] {
            let event = Event { cursor: cursor.parse().unwrap(), what };
            assert_eq!(step(&at, &event), expected, "{event:?}");
        }
    }
}
