//! What fuzzing knows about answers, and a little of it on every run.

use proptest::prelude::*;

use crate::corpus::replay;

#[path = "../../../../../fuzz/src/source_answer.rs"]
#[expect(unreachable_pub, reason = "the fuzz target uses it from outside")]
mod source_answer;

#[test]
fn every_input_of_the_corpus() {
    assert!(replay("source_answer", source_answer::run) > 40);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_that_look_like_an_answer(
        head in any::<[u8; 2]>(),
        body in "(\\{)?(\"(active|sub|exp|expires_at|error|issuer)\":(true|false|null|-?[0-9]{1,20}|\"[ -~]{0,20}\"|\\[\\]),?){0,4}(\\})?[ -~]{0,3}",
    ) {
        source_answer::run(&[&head[..], body.as_bytes()].concat());
    }
}
