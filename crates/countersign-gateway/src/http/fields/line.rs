//! Where a field line stands in a text.

use std::ops::Range;

/// A field line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) name: Place,
    pub(super) value: Place,
    pub(super) text: Text,
    /// It stands there as we would write it.
    pub(super) is_plain: bool,
}

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// In the head that was read.
    Head,
    /// Behind it.
    Own,
}

/// Where in a text something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Place {
    /// Of a head too long for that, nowhere.
    pub(super) fn of(range: &Range<usize>) -> Self {
        match (u32::try_from(range.start), u32::try_from(range.end)) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    /// The same place of a text that stands behind so many bytes.
    pub(super) fn behind(self, length: usize) -> Self {
        match u32::try_from(length) {
            Ok(length) => {
                Self { start: self.start.saturating_add(length), end: self.end.saturating_add(length) }
            }
            Err(_) => Self::default(),
        }
    }

    pub(super) const fn length(self) -> usize {
        self.end.wrapping_sub(self.start) as usize
    }

    pub(super) fn within(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Line {
    /// Takes `place` out of the value. What follows it moves up, and a line end behind that.
    pub(super) fn cut(&mut self, text: &mut [u8], place: Range<usize>) {
        let Some(value) = text.get_mut(self.value.start as usize..self.value.end as usize) else { return };
        if place.is_empty() || place.end > value.len() {
            return;
        }
        value.copy_within(place.end.., place.start);
        let left = value.len() - place.len();
        if let Some(behind) = value.get_mut(left..) {
            for (byte, end) in behind.iter_mut().zip(b"\r\n") {
                *byte = *end;
            }
        }
        self.value.end -= u32::try_from(place.len()).unwrap_or_default();
        self.is_plain &= place.len() >= 2;
    }
}
