//! What a token costs in allocations: one seen before none, a new one what is kept of it.
//!
//! A binary of its own with one test, because the counting allocator sees every thread.

use std::alloc::System;

use countersign::{
    Revocable, Revocations as _, Standing, UnixTime,
    revocation::{Revocation, Revoked, Target},
    testkit::TestIssuer,
};
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
    // The thread that waits for the test may allocate meanwhile; one allocation per token would be a thousand.
    assert!(change.allocations + change.reallocations < 20, "{change:?}");

    // What `VerifierBuilder::seen_before` says of memory. The cache has grown to its size before the counting begins.
    let verifier = issuer.verifier_builder().seen_before(4_000).build().unwrap();
    let tokens: Vec<String> = (0..2_000)
        .map(|_| issuer.token().subject("ada").organisation("acme").roles(["editor", "viewer"]).sign())
        .collect();
    let (first, second) = tokens.split_at(1_000);
    first.iter().for_each(|token| drop(verifier.verify(token).unwrap()));
    let region = Region::new(ALLOCATOR);
    second.iter().for_each(|token| drop(verifier.verify(token).unwrap()));
    let change = region.change();
    let kept = (change.bytes_allocated - change.bytes_deallocated) / second.len();
    let own = second.iter().map(String::len).sum::<usize>() / second.len();
    assert!((own..own + 1_024).contains(&kept), "{kept} bytes for a token of {own}");
    // What is decoded, the token and its claims are three, and there are the list of roles and four strings; what the
    // tokens have in common is kept once. A higher number wants a reason.
    let each = (change.allocations + change.reallocations) as f64 / second.len() as f64;
    assert!(each <= FIRST_SIGHT, "{each:.2} allocations of a token that was not seen before");

    // What `revocation::Revoked` says of memory.
    let table = Revoked::new("https://issuer.test");
    let at = UnixTime::from_secs(1_000);
    let region = Region::new(ALLOCATOR);
    let sessions = (0..MILLION).map(|n| Target::Session(format!("session-{n:035}").into()));
    table.replace(sessions.map(|target| Revocation { target, at, expires: at })).unwrap();
    let change = region.change();
    let each = (change.bytes_allocated - change.bytes_deallocated) / MILLION;
    assert!((30..56).contains(&each), "{each} bytes for a revoked session");
    let region = Region::new(ALLOCATOR);
    let (issuer, token, subject, session) =
        ("https://issuer.test".into(), "t".into(), "ann".into(), "good".into());
    for _ in 0..1_000 {
        let mut asked = Revocable::new(&issuer, &token, &subject, at);
        asked.session = Some(&session);
        assert_eq!(table.standing(&asked), Standing::Good);
    }
    let change = region.change();
    assert!(change.allocations + change.reallocations < 20, "{change:?}");
}

const MILLION: usize = 1_000_000;
/// Allocations of a token with two roles, an organisation and a scope, and half a one for the memory's growth.
const FIRST_SIGHT: f64 = 8.5;
