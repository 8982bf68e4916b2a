//! Cookie fields of every shape: what is found is whole, and what is removed is gone.

use proptest::{collection::vec, prelude::*, sample::select};

use crate::corpus::replay;

#[path = "../../../../fuzz/src/credential.rs"]
#[expect(unreachable_pub, reason = "the fuzz target uses it from outside")]
mod credential;

const PARTS: &[&str] = &[
    "SESSION", "session", "=", "=", ";", "; ", "\n", "\n--\n", "a", "b", "\"", ",", " ", "\t", "\\",
    "Bearer ", "Basic ", "é", "x=1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn two_readings_of_a_cookie_agree(parts in vec(select(PARTS), 0..16)) {
        credential::run(parts.concat().as_bytes());
    }
}

#[test]
fn the_corpus_is_read_alike() {
    assert!(replay("credential", credential::run) >= 25);
}
