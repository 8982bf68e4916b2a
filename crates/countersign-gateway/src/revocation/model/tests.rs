use super::{ALL, Budget, CUT, Cluster, FEED, FEED_OF_THE_RESTARTED, Fault, STORE};
use crate::exhaustive::{Seen, Violation, explore};

fn check(fault: Fault, budget: Budget) -> Result<Seen, Violation> {
    let seen = explore(&Cluster(fault, budget));
    println!("{fault:?}: {seen:?}");
    seen
}

#[test]
fn nothing_acknowledged_is_missed_in_any_order_of_events_at_gateways_and_store() {
    for budget in [STORE, CUT] {
        let seen = check(Fault::None, budget).unwrap();
        assert!(seen.states > 1_000, "{seen:?}");
    }
}

#[test]
fn nothing_acknowledged_is_missed_by_a_service_in_any_order_of_events() {
    for budget in [FEED, FEED_OF_THE_RESTARTED] {
        let seen = check(Fault::None, budget).unwrap();
        assert!(seen.states > 1_000, "{seen:?}");
    }
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    for fault in [
        Fault::GoesOnWithAnyServer,
        Fault::IgnoresTheEpoch,
        Fault::PutsNothingBack,
        Fault::PassesOverGaps,
        Fault::AcknowledgesAnything,
    ] {
        let violation = check(fault, ALL).expect_err("it is broken");
        assert!(violation.way.len() > 1, "{violation:?}");
    }
}
