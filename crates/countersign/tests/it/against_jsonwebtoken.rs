//! Verdicts of this library and of `jsonwebtoken` on any header and payload, over what the fuzzer has found.

#[path = "../../../../fuzz/src/against_jsonwebtoken.rs"]
#[expect(unreachable_pub, reason = "the fuzz target uses it from outside")]
mod target;

#[test]
fn the_corpus_gets_the_same_verdicts_or_stricter_ones() {
    let inputs = crate::corpora::corpus("against_jsonwebtoken");
    assert!(inputs.len() >= 30, "the corpus is not there");
    inputs.iter().for_each(|input| target::run(input));
}
