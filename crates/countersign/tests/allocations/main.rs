//! What a token seen before costs in allocations: none.
//!
//! A binary of its own with one test, because the counting allocator sees every thread.

use std::alloc::System;

use countersign::testkit::TestIssuer;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_token_seen_before_is_verified_without_an_allocation() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    let token = issuer.token().subject("ada").organisation("acme").roles(["editor", "viewer"]).sign();
    drop(verifier.verify(&token).unwrap());

    let region = Region::new(ALLOCATOR);
    for _ in 0..1_000 {
        let claims = verifier.verify(&token).unwrap();
        assert_eq!(claims.roles().len(), 2);
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");

    // The counter does count.
    let region = Region::new(ALLOCATOR);
    drop(verifier.verify(issuer.token().sign()).unwrap());
    assert!(region.change().allocations > 0);
}
