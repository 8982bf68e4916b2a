//! However a stream is cut, the verdict is the same.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{judge, judge_in_pieces};

/// Parts of streams, good and bad, from which any order makes a stream.
const PARTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"Host: a\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 4\r\n",
    b"Upgrade: websocket\r\n",
    b"X: y\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"a;x=y\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\0",
    b"abcd",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let parts = vec(proptest::sample::select(PARTS), 1..8).prop_map(|parts| parts.concat());
    (parts, vec((any::<Index>(), any::<u8>()), 0..3)).prop_map(|(mut stream, changes)| {
        for (at, byte) in changes {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        stream
    })
}

proptest! {
    #[test]
    fn a_cut_changes_nothing(stream in stream(), cuts in vec(1_usize..40, 0..40)) {
        prop_assert_eq!(judge_in_pieces(&stream, &cuts), judge(&stream));
    }

    #[test]
    fn byte_by_byte_changes_nothing(stream in stream()) {
        prop_assert_eq!(judge_in_pieces(&stream, &vec![1; stream.len()]), judge(&stream));
    }
}

#[test]
fn limits_do_not_depend_on_cuts() {
    for stream in [
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(40_000)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(40_000)),
        format!("\x16{}", "y".repeat(40_000)),
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "y".repeat(400)),
    ] {
        for length in [1, 7, 1000, 32 * 1024] {
            let cuts = vec![length; stream.len() / length];
            assert_eq!(judge_in_pieces(stream.as_bytes(), &cuts), judge(stream.as_bytes()));
        }
    }
}
