use http::HeaderMap;
use proptest::{collection::vec, prelude::*};

use super::{AnswerHead, AnswerReader, Chunks, Left, MAX_LINE_BYTES, SIZE_LINE_BYTES};
use crate::upstream::UpstreamError;

fn reader(text: &str) -> AnswerReader {
    let mut reader = AnswerReader::default();
    reader.buffer().extend_from_slice(text.as_bytes());
    reader
}

fn head(text: &str) -> Result<Option<AnswerHead>, UpstreamError> {
    reader(text).next_head(false)
}

/// How the body behind these fields ends, and whether the connection is kept.
fn ending(start: &str, fields: &str, to_head: bool) -> Result<(Left, bool), UpstreamError> {
    let mut reader = reader(&format!("{start}\r\n{fields}\r\n"));
    let head = reader.next_head(to_head)?.unwrap();
    Ok((reader.left, head.keeps))
}

#[test]
fn empty_lines_before_a_head_are_counted() {
    let behind = |lines: usize| head(&format!("{}HTTP/1.1 204 No Content\r\n\r\n", "\r\n".repeat(lines)));
    assert!(behind(16).unwrap().is_some());
    assert_eq!(behind(17).err(), Some(UpstreamError::Malformed));
}

#[test]
fn where_an_answer_ends() {
    let chunks = Left::Chunks(Chunks::Size);
    let (ok, malformed) = ("HTTP/1.1 200 OK", Err(UpstreamError::Malformed));
    for (start, fields, expected) in [
        (ok, "Content-Length: 7\r\n", Ok((Left::Length(7), true))),
        (ok, "Content-Length: 0\r\n", Ok((Left::Over, true))),
        (ok, "Content-Length: 7\r\nContent-Length: 7\r\n", Ok((Left::Length(7), true))),
        (ok, "Content-Length: 7\r\nConnection: close\r\n", Ok((Left::Length(7), false))),
        (ok, "Transfer-Encoding: Chunked\r\n", Ok((chunks, true))),
        (ok, "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n", Ok((chunks, true))),
        (ok, "", Ok((Left::UntilClose, false))),
        ("HTTP/1.0 200 OK", "", Ok((Left::UntilClose, false))),
        ("HTTP/1.0 200 OK", "Content-Length: 7\r\n", Ok((Left::Length(7), false))),
        ("HTTP/1.0 200 OK", "Content-Length: 7\r\nConnection: keep-alive\r\n", Ok((Left::Length(7), true))),
        ("HTTP/1.1 204 No Content", "Content-Length: +7\r\n", Ok((Left::Over, true))),
        ("HTTP/1.1 304 Not Modified", "Content-Length: 7\r\n", Ok((Left::Over, true))),
        ("HTTP/1.1 101 Switching Protocols", "Upgrade: echo\r\n", Ok((Left::Over, true))),
        (ok, "Content-Length: 7\r\nContent-Length: 8\r\n", malformed),
        (ok, "Content-Length: +7\r\n", malformed),
        (ok, "Content-Length: 99999999999999999999\r\n", malformed),
        (ok, "Content-Length: 9223372036854775808\r\n", malformed),
        (ok, "Transfer-Encoding: gzip, chunked\r\n", malformed),
        (ok, "Transfer-Encoding: gzip\r\n", malformed),
        ("HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n", malformed),
        ("HTTP/2 200 OK", "", malformed),
        ("HTTP/1.1 2000 OK", "", malformed),
        (ok, "X : y\r\n", malformed),
        (ok, "X: y\r\n folded\r\n", malformed),
        (ok, "X: \u{0}\r\n", malformed),
    ] {
        assert_eq!(ending(start, fields, false), expected, "{start} {fields}");
    }
    assert_eq!(ending(ok, "Content-Length: 7\r\n", true), Ok((Left::Over, true)), "to HEAD");
    for bad in [
        "Content-Length: +7\r\n",
        "Content-Length: 7\r\nContent-Length: 8\r\n",
        "Transfer-Encoding: gzip\r\n",
    ] {
        assert_eq!(ending(ok, bad, true), Err(UpstreamError::Malformed), "to HEAD {bad}");
        assert_eq!(ending("HTTP/1.1 304 Not Modified", bad, false), Err(UpstreamError::Malformed), "{bad}");
    }
}

#[test]
fn what_is_no_answer_is_known_from_its_first_bytes() {
    for begun in ["", "\r", "H", "\r\nHTT", "HTTP/1.", "HTTP/1.1 200"] {
        assert!(head(begun).unwrap().is_none(), "{begun}");
    }
    for bad in
        ["SSH-2.0-OpenSSH\r\n", "hello", "HTTP/2", "http/1.1", "\rHTTP/1.1 200 OK\r\n\r\n", "\r\n<html>"]
    {
        assert_eq!(head(bad).unwrap_err(), UpstreamError::Malformed, "{bad}");
    }
}

#[test]
fn a_head_that_drips_is_searched_once() {
    let mut reader = AnswerReader::default();
    for byte in b"\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r" {
        reader.buffer().extend_from_slice(&[*byte]);
        assert!(reader.next_head(false).unwrap().is_none());
    }
    reader.buffer().extend_from_slice(b"\n");
    assert!(reader.next_head(false).unwrap().is_some());
}

#[test]
fn half_a_head_waits_and_one_without_end_is_refused() {
    assert!(head("HTTP/1.1 200 OK\r\nX: y\r\n").unwrap().is_none());
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(300_000));
    assert_eq!(head(&endless).unwrap_err(), UpstreamError::Malformed);
    assert_eq!(head(&format!("{endless}\r\n\r\n")).unwrap_err(), UpstreamError::Malformed);
    let options =
        |count: usize| format!("Content-Length: 0\r\nConnection: {}\r\n", vec!["a"; count].join(","));
    assert!(ending("HTTP/1.1 200 OK", &options(100), false).is_ok());
    assert_eq!(ending("HTTP/1.1 200 OK", &options(101), false), Err(UpstreamError::Malformed));
    let many = "X: y\r\n".repeat(101);
    assert_eq!(ending("HTTP/1.1 200 OK", &many, false), Err(UpstreamError::Malformed));
}

#[test]
fn what_follows_a_head_stays() {
    for head in
        ["HTTP/1.1 200 OK\r\nX: y\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n", "HTTP/1.1 200 OK\r\nX: y\n\r\n"]
    {
        let mut reader = reader(&format!("{head}a\r\n\r\nb"));
        let taken = reader.next_head(false).unwrap().unwrap();
        assert_eq!(taken.head.fields.first(b"x"), Some(&b"y"[..]), "{head}");
        assert_eq!(&reader.buffer()[..], b"a\r\n\r\nb", "{head}");
    }
}

#[test]
fn an_unusual_reason_is_kept() {
    let reason = |line: &str| {
        let head = head(&format!("{line}\r\n\r\n")).unwrap().unwrap();
        head.head.reason
    };
    assert_eq!(reason("HTTP/1.1 200 OK"), None);
    assert_eq!(reason("HTTP/1.1 200 Fine"), Some("Fine".into()));
    assert_eq!(reason("HTTP/1.1 200"), Some("".into()));
}

/// Data, trailers, and whether a body came to its end.
type Read = (Vec<u8>, Option<HeaderMap>, bool);

/// What a chunked stream gives when it comes in pieces of these lengths.
fn chunked(stream: &[u8], cuts: &[usize]) -> Result<Read, UpstreamError> {
    let mut reader = AnswerReader {
        left: Left::Chunks(Chunks::Size),
        extensions: MAX_LINE_BYTES,
        ..AnswerReader::default()
    };
    let (mut data, mut trailers, mut rest) = (Vec::new(), None, stream);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        reader.buffer().extend_from_slice(piece);
        rest = after;
        while let Some(frame) = reader.next_of_body()? {
            match frame.into_data() {
                Ok(bytes) => data.extend_from_slice(&bytes),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
    }
    Ok((data, trailers, reader.is_over()))
}

#[test]
fn chunks() {
    let whole = |stream: &str| chunked(stream.as_bytes(), &[]);
    assert_eq!(whole("3\r\nabc\r\n0\r\n\r\nrest"), Ok((b"abc".to_vec(), None, true)));
    assert_eq!(whole("3;a=\"b\"\r\nabc\r\n00\r\n\r\n"), Ok((b"abc".to_vec(), None, true)));
    let (_, trailers, is_over) = whole("0\r\nChecksum: 7\r\nX: y\r\n\r\n").unwrap();
    assert_eq!((trailers.unwrap().len(), is_over), (2, true));
    assert_eq!(whole("3\r\nab"), Ok((b"ab".to_vec(), None, false)));
    assert_eq!(whole("0\r\n\r"), Ok((Vec::new(), None, false)));
    for bad in [
        "x\r\n",
        "\r\n",
        ";a\r\n\r\n",
        " 1\r\na\r\n",
        "-1\r\n",
        "3\nabc",
        "3\r\nabcd\r\n",
        "3\r\nabc\n",
        "fffffffffffffffff\r\n",
        "0\r\nX: y\nZ: y\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
    ] {
        assert_eq!(whole(bad), Err(UpstreamError::Malformed), "{bad}");
    }
    assert_eq!(
        whole(&format!("3;{}", "a".repeat(MAX_LINE_BYTES + SIZE_LINE_BYTES))),
        Err(UpstreamError::Malformed)
    );
    let extended =
        |times: usize| format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "e".repeat(1_000)).repeat(times));
    assert!(whole(&extended(16)).unwrap().2);
    assert_eq!(whole(&extended(17)), Err(UpstreamError::Malformed), "all of them together");
    assert_eq!(whole(&format!("0\r\nX: {}", "a".repeat(MAX_LINE_BYTES))), Err(UpstreamError::Malformed));
    assert_eq!(whole(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(101))), Err(UpstreamError::Malformed));
}

proptest! {
    #[test]
    fn chunks_are_the_same_however_they_are_cut(
        pieces in vec(vec(any::<u8>(), 1..40), 0..5),
        has_trailers: bool,
        change in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in vec(0..30_usize, 0..20),
    ) {
        let mut stream = Vec::new();
        for piece in &pieces {
            stream.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            stream.extend_from_slice(piece);
            stream.extend_from_slice(b"\r\n");
        }
        stream.extend_from_slice(if has_trailers { b"0\r\nX: y\r\n\r\n" } else { b"0\r\n\r\n" });
        let whole = chunked(&stream, &[]);
        let (data, trailers, is_over) = whole.clone().unwrap();
        prop_assert_eq!((data, trailers.is_some(), is_over), (pieces.concat(), has_trailers, true));
        if let Some((at, byte)) = change {
            *at.get_mut(&mut stream) = byte;
        }
        prop_assert_eq!(chunked(&stream, &cuts), chunked(&stream, &[]));
    }

    #[test]
    fn no_head_panics(text in vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), any::<u8>()], 0..200)) {
        let mut reader = AnswerReader::default();
        reader.buffer().extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        reader.buffer().extend_from_slice(&text);
        let _ = reader.next_head(false);
    }
}
