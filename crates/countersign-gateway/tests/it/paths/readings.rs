//! Whatever passes reads the same after any number of careless decodings.

use proptest::{collection::vec, prelude::*, sample::select};

use crate::corpus::replay;

#[path = "../../../../../fuzz/src/http_path.rs"]
#[expect(unreachable_pub, reason = "the fuzz target uses it from outside")]
mod http_path;

const PARTS: &[&str] = &[
    "/", ".", "..", "%2e", "%2F", "%5c", "%25", "%252e", "%", "2", "5", "F", "f", "e", "%32", "%46", "%c0",
    "%af", "%AE", "%e0%80", "%00", ";", "\\", "orders", "7", "%20", "~", "C3%A9", "%3b", "?",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_path_that_passes_has_one_reading(parts in vec(select(PARTS), 0..9)) {
        http_path::run(format!("/{}", parts.concat()).as_bytes());
    }
}

#[test]
fn the_corpus_has_one_reading() {
    assert!(replay("http_path", http_path::run) >= 30);
}
