//! Allocations of a verification, counted, and printed as JSON.

use std::{alloc::System, collections::BTreeMap};

use countersign::jws::Algorithm;
use countersign_verification_bench::Case;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const COUNT: usize = 100;

fn counted(mut work: impl FnMut(usize)) -> f64 {
    let region = Region::new(ALLOCATOR);
    (0..COUNT).for_each(&mut work);
    let change = region.change();
    (change.allocations + change.reallocations) as f64 / COUNT as f64
}

fn main() {
    let mut table: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for &algorithm in Algorithm::ALL {
        let case = Case::new(algorithm, 2 * COUNT);
        let verifier = case.verifier();
        // The memory of tokens has grown before the counting begins.
        case.tokens[COUNT..].iter().for_each(|token| drop(verifier.verify(token).unwrap()));
        let mut row = BTreeMap::from([
            ("bare", counted(case.bare())),
            ("countersign", counted(|at| drop(verifier.verify(&case.tokens[at]).unwrap()))),
            ("countersign_seen_before", counted(|at| drop(verifier.verify(&case.tokens[at]).unwrap()))),
        ]);
        row.extend(case.jsonwebtoken().map(|work| ("jsonwebtoken", counted(work))));
        row.extend(case.jwt_simple().map(|work| ("jwt_simple", counted(work))));
        table.insert(algorithm.name(), row);
    }
    println!("{}", serde_json::to_string_pretty(&table).unwrap());
}
