//! Which version of a ring came of which.
//!
//! A store that fails over can lose the newest version, and another change then gets its number. So each change has a
//! random name beside its number, and a ring knows the names of the changes it came of: whoever remembers one that is
//! not among them knows something that the ring does not.

use serde::{Deserialize, Serialize};

use crate::entropy::{Entropy, NoEntropy};

/// Names of changes that a ring keeps. Whoever has seen none of the last so many merges what it knows, which takes
/// nothing back.
const KEPT: usize = 64;

/// The random name of one change of a ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ChangeId(String);

impl ChangeId {
    pub(super) fn random(entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut name = [0; 16];
        entropy.fill(&mut name)?;
        Ok(Self(name.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// The change that made a version, and those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lineage {
    change: ChangeId,
    /// The newest last.
    before: Vec<ChangeId>,
}

impl Lineage {
    pub(crate) const fn begin(change: ChangeId) -> Self {
        Self { change, before: Vec::new() }
    }

    /// The change that made this version.
    pub(crate) const fn change(&self) -> &ChangeId {
        &self.change
    }

    /// Of a version that `change` makes of this one.
    pub(crate) fn next(&self, change: ChangeId) -> Self {
        let mut before = self.before.clone();
        before.push(self.change.clone());
        Self { change, before: newest(before) }
    }

    /// Of a version that `change` makes of this one and another.
    pub(crate) fn joined(&self, other: &Self, change: ChangeId) -> Self {
        let mut before = self.before.clone();
        before.extend(other.before.iter().filter(|name| !self.before.contains(name)).cloned());
        before.retain(|name| *name != self.change && *name != other.change);
        before.extend([self.change.clone(), other.change.clone()]);
        Self { change, before: newest(before) }
    }

    /// Whether this version has that change in it.
    pub(crate) fn has(&self, change: &ChangeId) -> bool {
        self.change == *change || self.before.contains(change)
    }
}

fn newest(mut names: Vec<ChangeId>) -> Vec<ChangeId> {
    names.drain(..names.len().saturating_sub(KEPT));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ChangeId {
        ChangeId::named(text)
    }

    #[test]
    fn a_version_has_the_changes_it_came_of_and_no_other() {
        let first = Lineage::begin(name("first"));
        let (one, other) = (first.next(name("one")), first.next(name("other")));
        assert!(one.has(&name("first")) && one.has(&name("one")) && !one.has(&name("other")));
        let both = one.joined(&other, name("both"));
        for change in ["first", "one", "other", "both"] {
            assert!(both.has(&name(change)), "{change}");
        }
        assert!(!one.has(both.change()));
    }

    #[test]
    fn what_is_kept_is_bounded_and_two_that_are_joined_are_never_forgotten_at_once() {
        let mut ring = Lineage::begin(name("first"));
        for number in 0..200 {
            ring = ring.next(name(&number.to_string()));
        }
        assert_eq!(ring.before.len(), KEPT);
        assert!(ring.has(&name("150")) && !ring.has(&name("100")));
        let mut other = Lineage::begin(name("elsewhere"));
        for number in 300..500 {
            other = other.next(name(&number.to_string()));
        }
        let both = ring.joined(&other, name("both"));
        assert_eq!(both.before.len(), KEPT);
        assert!(both.has(ring.change()) && both.has(other.change()));
    }
}
