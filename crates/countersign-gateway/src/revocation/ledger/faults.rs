//! What an operator must see to.

use super::Ledger;
use crate::revocation::{UNENFORCED, UNREADABLE, WENT_BACK};

impl Ledger {
    /// The codes of what is wrong with the log, for as long as it is.
    #[must_use]
    pub fn faults(&self) -> Vec<&'static str> {
        let told = [
            (UNREADABLE, self.unreadable() > 0),
            (UNENFORCED, self.unenforced() > 0),
            (WENT_BACK, self.lost() > 0),
        ];
        told.into_iter().filter_map(|(code, is_so)| is_so.then_some(code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::Ordering};

    use crate::revocation::Ledger;

    #[test]
    fn each_fault_has_its_code() {
        let mut ledger = Ledger::idle();
        assert!(ledger.faults().is_empty());
        ledger.unenforced.store(1, Ordering::Relaxed);
        assert_eq!(ledger.faults(), ["revocations_unenforced"]);
        ledger.note_unreadable(1);
        Arc::get_mut(&mut ledger).unwrap().lost = 1;
        let all = ["revocation_unreadable", "revocations_unenforced", "revocations_went_back"];
        assert_eq!(ledger.faults(), all);
    }
}
