//! What the service keeps, in memory: things with a name and a note, each of one organisation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most things of one kind.
const MOST: usize = 10_000;
/// The longest name or note, in bytes.
const LONGEST: usize = 1_000;

/// One thing.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) organisation: String,
    pub(super) name: String,
    pub(super) note: String,
}

/// What a caller says about one.
#[derive(Debug, Deserialize)]
pub(super) struct Draft {
    name: String,
    #[serde(default)]
    note: String,
    /// Nobody should look at this.
    pub(super) organisation: Option<String>,
}

impl Draft {
    pub(super) fn is_sound(&self) -> bool {
        !self.name.trim().is_empty() && self.name.len() <= LONGEST && self.note.len() <= LONGEST
    }
}

/// All things of one kind.
#[derive(Debug)]
pub(super) struct Records {
    prefix: &'static str,
    made: u64,
    rows: BTreeMap<String, Record>,
}

impl Records {
    /// With one of each organisation's for a start.
    pub(super) fn new(prefix: &'static str, first: &[(&str, &str)]) -> Self {
        let mut records = Self { prefix, made: 1_000, rows: BTreeMap::new() };
        for (organisation, name) in first {
            let draft =
                Draft { name: (*name).to_owned(), note: format!("of {organisation}"), organisation: None };
            records.add(organisation, draft);
        }
        records
    }

    /// Adds one; `None` if there are too many.
    pub(super) fn add(&mut self, organisation: &str, draft: Draft) -> Option<Record> {
        if self.rows.len() >= MOST {
            return None;
        }
        self.made += 1;
        let id = format!("{}-{}", self.prefix, self.made);
        let organisation = organisation.to_owned();
        let record = Record { id, organisation, name: draft.name, note: draft.note };
        self.rows.insert(record.id.clone(), record.clone());
        Some(record)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Record> {
        self.rows.get(id)
    }

    pub(super) fn change(&mut self, id: &str, draft: Draft) -> Option<Record> {
        let record = self.rows.get_mut(id)?;
        record.name = draft.name;
        record.note = draft.note;
        Some(record.clone())
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.rows.remove(id);
    }

    /// Those that the condition holds for, in the order of their numbers.
    pub(super) fn all(&self, condition: impl Fn(&Record) -> bool) -> Vec<Record> {
        self.rows.values().filter(|record| condition(record)).cloned().collect()
    }
}
