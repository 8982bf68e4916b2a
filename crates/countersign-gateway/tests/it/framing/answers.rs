//! The gateway's reader of answers against hyper's.

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::corpus::replay;

#[path = "../../../../../fuzz/src/answer.rs"]
#[expect(unreachable_pub, reason = "the fuzz target uses it from outside")]
mod answer;

/// Parts of answers, from which any order makes a stream.
const PARTS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"X-Text: caf\xc3\xa9\r\n",
    b"\r\n",
    b"\n",
    b"3\r\nabc\r\n",
    b"0\r\n",
    b"abc",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let fields = vec(proptest::sample::select(&PARTS[4..11]), 0..4);
    let rest = vec(proptest::sample::select(&PARTS[4..]), 0..5);
    let change = (any::<Index>(), any::<u8>(), 0..3_u8);
    let start = proptest::sample::select(&PARTS[..5]);
    (any::<u8>(), start, fields, rest, vec(change, 0..2)).prop_map(|(first, start, fields, rest, changes)| {
        let mut stream = [start, &fields.concat(), b"\r\n", &rest.concat()].concat();
        for (at, byte, kind) in changes {
            let at = at.index(stream.len());
            match kind {
                0 => stream[at] = byte,
                1 => stream.insert(at, byte),
                _ => drop(stream.remove(at)),
            }
        }
        stream.insert(0, first);
        stream
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn any_answer_is_read_alike(stream in stream()) {
        answer::run(&stream);
    }
}

#[test]
fn the_corpus_of_answers_is_read_alike() {
    assert!(replay("answer", answer::run) >= 15);
}
