//! Configurations that nobody means.

use crate::corpus::replay;

#[path = "../../../../fuzz/src/config.rs"]
#[expect(unreachable_pub, reason = "the fuzz target uses it from outside")]
mod read;

#[test]
fn the_corpus_is_read_or_refused_with_places() {
    assert!(replay("config", read::run) >= 20);
}
