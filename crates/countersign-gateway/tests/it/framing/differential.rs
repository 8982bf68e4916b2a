//! The guard, the gateway's reader and hyper: what the first lets through, the others read as the same requests.

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::corpus::replay;

#[path = "../../../../../fuzz/src/head_guard.rs"]
#[expect(unreachable_pub, reason = "the fuzz target uses it from outside")]
mod head_guard;

/// Requests, good and bad, and parts of them, from which any order makes a stream.
const PARTS: &[&[u8]] = &[
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"PUT /n HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\nGET /inner HTTP/1.1\r\nHost: a\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 3\r\n",
    b"\r\n",
    b"0\r\n\r\n",
    b"abc",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<u8>(), 0..3_u8);
    (vec(proptest::sample::select(PARTS), 1..6), vec(change, 0..3), any::<u8>()).prop_map(
        |(parts, changes, piece)| {
            let mut stream = parts.concat();
            for (at, byte, kind) in changes {
                let at = at.index(stream.len());
                match kind {
                    0 => stream[at] = byte,
                    1 => stream.insert(at, byte),
                    _ if stream.len() > 1 => drop(stream.remove(at)),
                    _ => {}
                }
            }
            stream.insert(0, piece);
            stream
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn any_stream_is_read_alike(stream in stream()) {
        head_guard::run(&stream);
    }
}

#[test]
fn the_corpus_is_read_alike() {
    assert!(replay("head_guard", head_guard::run) >= 70);
}

#[test]
fn pipelined_requests_keep_their_bodies() {
    let stream: Vec<u8> = PARTS[..11]
        .iter()
        .filter(|part| !part.ends_with(b"close\r\n\r\n"))
        .copied()
        .flatten()
        .copied()
        .collect();
    for requests in [head_guard::through_hyper(&stream, 7).requests, head_guard::through_reader(&stream, 7)] {
        let bodies: Vec<_> = requests.iter().map(|read| read.body.clone().unwrap().len()).collect();
        assert_eq!(bodies, [0, 0, 0, 0, 0, 3, 3, 3, 3, 30]);
        assert!(requests.iter().all(|read| read.complete));
    }
}
