//! Where the session cookie stands in a `Cookie` field.

use std::{fmt, ops::Range};

use memchr::{memchr, memmem::Finder};

/// The name of the session cookie, without `=`, `;` and white space.
#[derive(Clone)]
pub(super) struct CookieName {
    name: Box<str>,
    finder: Finder<'static>,
}

/// A cookie in a field.
pub(super) struct Found<'a> {
    /// Where, between its semicolons.
    pub(super) place: Range<usize>,
    /// Its value, without the white space around it.
    pub(super) value: &'a [u8],
}

impl CookieName {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), finder: Finder::new(name).into_owned() }
    }

    pub(super) const fn as_str(&self) -> &str {
        &self.name
    }

    /// Every cookie of this name in a field, in their order. A piece between semicolons without `=` is a value without a
    /// name, as browsers treat it.
    pub(super) fn all_in<'a>(&self, line: &'a [u8]) -> impl Iterator<Item = Found<'a>> {
        let mut searched = 0;
        std::iter::from_fn(move || {
            loop {
                let at = searched + self.finder.find(line.get(searched..)?)?;
                // What begins within a name is none.
                searched = at + self.name.len().max(1);
                if let Some(found) = self.at(line, at) {
                    return Some(found);
                }
            }
        })
    }

    /// The cookie whose name stands there, if it does: at the start of a piece, and before `=`.
    fn at<'a>(&self, line: &'a [u8], at: usize) -> Option<Found<'a>> {
        let (before, rest) = line.split_at_checked(at)?;
        let before = before.trim_ascii_end();
        let ([] | [.., b';']) = before else { return None };
        let [b'=', rest @ ..] = rest.get(self.name.len()..)?.trim_ascii_start() else { return None };
        let (value, behind) = rest.split_at_checked(memchr(b';', rest).unwrap_or(rest.len()))?;
        Some(Found { place: before.len()..line.len() - behind.len(), value: value.trim_ascii() })
    }
}

impl fmt::Debug for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CookieName").field(&self.as_str()).finish()
    }
}
