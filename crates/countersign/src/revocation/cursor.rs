//! Places in a feed.

use std::{fmt, str::FromStr, sync::Arc};

/// One life of an issuer's numbering: a store that was emptied or restored begins another.
///
/// 1 to 64 letters, digits, `-` and `_`, without meaning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(Arc<str>);

/// A place in a feed: what was numbered at or before it is known. As text `EPOCH.SEQ`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// In which numbering.
    pub epoch: Epoch,
    /// The number, which grows within the epoch.
    pub seq: u64,
}

/// The text is no epoch, or no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is 1 to 64 letters, digits, `-` and `_`, a dot, and a number without leading zeros")]
pub struct InvalidCursor;

impl Epoch {
    /// The longest epoch, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Reads an epoch.
    ///
    /// # Errors
    /// [`InvalidCursor`] for an empty text, more than [`Self::MAX_BYTES`], or other characters.
    pub fn new(text: &str) -> Result<Self, InvalidCursor> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if fits && text.bytes().all(is_plain) { Ok(Self(text.into())) } else { Err(InvalidCursor) }
    }

    /// The epoch as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (epoch, seq) = text.split_once('.').ok_or(InvalidCursor)?;
        let is_canonical =
            seq.bytes().all(|byte| byte.is_ascii_digit()) && (seq == "0" || !seq.starts_with('0'));
        let seq = seq.parse().ok().filter(|_| is_canonical).ok_or(InvalidCursor)?;
        Ok(Self { epoch: Epoch::new(epoch)?, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Epoch};

    #[test]
    fn a_cursor_has_one_spelling() {
        for good in ["a.0", "7Zq-_x.18446744073709551615", "e.10"] {
            assert_eq!(good.parse::<Cursor>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            ".",
            "a",
            "a.",
            ".1",
            "a.01",
            "a.+1",
            "a.-1",
            "a. 1",
            "a.1.2",
            "a b.1",
            "é.1",
            "a.18446744073709551616",
        ] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
        assert!(Epoch::new(&"e".repeat(64)).is_ok());
        assert!(Epoch::new(&"e".repeat(65)).is_err());
    }
}
