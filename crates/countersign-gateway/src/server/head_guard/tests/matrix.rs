//! Every way of being ambiguous we know, one line each.

use super::judge;
use crate::{
    error::Refusal::{
        self, Framing, HeaderMalformed, HeaderTooLarge, HostInvalid, MethodNotAllowed, RequestLineMalformed,
        UriTooLong, VersionNotSupported,
    },
    server::head_guard::{Outcome, Step},
};

fn passes(stream: &[u8]) {
    let all = Step { released: stream.len(), outcome: Outcome::More };
    assert_eq!(judge(stream), all, "{:?}", stream.escape_ascii().to_string());
}

/// The first request of the stream is refused: nothing of it passes.
fn refuses(stream: impl AsRef<[u8]>, refusal: Refusal) {
    let stream = stream.as_ref();
    let none = Step { released: 0, outcome: Outcome::Refused(refusal) };
    assert_eq!(judge(stream), none, "{:?}", stream.escape_ascii().to_string());
}

/// A chunked body of which only `good` bytes are good.
fn violates(body: impl AsRef<[u8]>, good: usize, refusal: Refusal) {
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let stream = [HEAD, body.as_ref()].concat();
    let expected = Step { released: HEAD.len() + good, outcome: Outcome::Violated(refusal) };
    assert_eq!(judge(&stream), expected, "{:?}", body.as_ref().escape_ascii().to_string());
}

#[test]
fn plain_requests_pass() {
    passes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    passes(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    passes(b"GET /a?b=c&d='{}' HTTP/1.1\r\nhOST:\t a:80 \t\r\nX-Empty:\r\nX-Text: caf\xc3\xa9 \"x\"\r\n\r\n");
    passes(b"GET http://a.example/b HTTP/1.1\r\nHost: a.example\r\n\r\n");
    passes(b"GET HTTP://[::1]:80?x HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    passes(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    passes(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    passes(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    passes(b"PoST!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    passes(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    passes(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n00A;x=\"y z\"\t\r\n0123456789\r\n0\r\nChecksum: 7\r\n\r\n\
        PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
}

#[test]
fn request_lines() {
    for line in [
        "GET /",
        "GET",
        "/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/\tHTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / HTTP/1.32",
        "GET / HTTP/1",
        "GET / HTTP/11",
        "GET / http/1.1",
        "GET / HTTPS/1.1",
        "GET / HTTP/1.1x",
        "GET / HTTP /1.1",
        "G(T / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "G\0T / HTTP/1.1",
        "GET a HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "GET http:/a HTTP/1.1",
        "GET http:///a HTTP/1.1",
        "GET http://u@a/ HTTP/1.1",
        "GET http://u:p@a/ HTTP/1.1",
        "GET /#x HTTP/1.1",
        "GET /?#x HTTP/1.1",
        "GET /<x> HTTP/1.1",
        "GET /?\"x\" HTTP/1.1",
        "GET /caf\u{e9} HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\r HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "\rGET / HTTP/1.1",
        "\r\n\r\nGET / HTTP/1.1",
        "\u{16}\u{3}\u{1}",
    ] {
        refuses(format!("{line}\r\nHost: a\r\n\r\n"), RequestLineMalformed);
    }
    refuses(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "G".repeat(33)), RequestLineMalformed);
    refuses(b"\x16\x03\x01\x02\x00", RequestLineMalformed);
    refuses(b"GET / HTTP/1.1\nHost: a\n\n", RequestLineMalformed);
    refuses(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", RequestLineMalformed);
    for version in ["0.9", "1.2", "2.0", "3.0", "9.9"] {
        refuses(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"), VersionNotSupported);
    }
    refuses(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VersionNotSupported);
    refuses(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", MethodNotAllowed);
    passes(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8191)).as_bytes());
    refuses(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8192)), UriTooLong);
    refuses(format!("GET /{}", "a".repeat(40_000)), UriTooLong);
}

#[test]
fn field_lines() {
    for field in [
        "X : a",
        "X\t: a",
        " X: a",
        "X y: a",
        "X",
        ": a",
        "X(: a",
        "X\u{e9}: a",
        "X\0: a",
        "X: a\0",
        "X: a\rb",
        "X: a\r",
        "\rX: a",
        "X: a\u{b}",
        "X: a\u{7f}",
        "X: a\r\n folded",
        "X: a\r\n\tfolded",
        "X: a\nY: b",
    ] {
        refuses(format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"), HeaderMalformed);
        refuses(format!("GET / HTTP/1.1\r\n{field}\r\nHost: a\r\n\r\n"), HeaderMalformed);
    }
    refuses(b"GET / HTTP/1.1\r\nHost: a\r\nX: b\n\r\n", HeaderMalformed);
    refuses(b"GET / HTTP/1.1\r\nHost: a\r\n\n", HeaderMalformed);
}

#[test]
fn hosts() {
    refuses(b"GET / HTTP/1.1\r\n\r\n", HostInvalid);
    refuses(b"GET / HTTP/1.0\r\n\r\n", HostInvalid);
    for hosts in ["Host: a\r\nHost: a", "Host: a\r\nHost: b", "Host:", "Host: a b", "Host: a, b", "Host: a/b"]
    {
        refuses(format!("GET / HTTP/1.1\r\n{hosts}\r\n\r\n"), HostInvalid);
    }
}

#[test]
fn lengths() {
    for length in [
        "+5",
        "-5",
        "0x5",
        "5_0",
        "5 5",
        "5,5",
        "5, 5",
        "",
        "five",
        "05",
        "00",
        "5;",
        "5.0",
        "1e1",
        "\"5\"",
        "\u{b2}",
        "10000000000000000000",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        refuses(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n12345"), Framing);
    }
    for both in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content_Length: 5",
        "content.length: 5",
        "Content-Length: 5\r\nContent_Length: 6",
    ] {
        refuses(format!("POST / HTTP/1.1\r\nHost: a\r\n{both}\r\n\r\n0\r\n\r\n"), Framing);
    }
    let long = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\nx";
    passes(long);
}

/// The obfuscations of `Transfer-Encoding` that smuggling tools send, by the names they give them.
#[test]
fn transfer_encodings() {
    for (name, field, refusal) in [
        ("vanilla, HTTP/1.0", "HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked", Framing),
        ("nameprefix1", "Host: a\r\n Transfer-Encoding: chunked", HeaderMalformed),
        ("tabprefix1", "Host: a\r\nTransfer-Encoding:\tchunked\r\nContent-Length: 5", Framing),
        ("tabprefix2", "Host: a\r\nTransfer-Encoding\t:\tchunked", HeaderMalformed),
        ("spacefix1", "Host: a\r\nTransfer-Encoding : chunked", HeaderMalformed),
        ("underjoin1", "Host: a\r\nTransfer_Encoding: chunked", Framing),
        ("dotjoin", "Host: a\r\nTransfer.Encoding: chunked", Framing),
        ("smashed", "Host: a\r\nTransfer Encoding: chunked", HeaderMalformed),
        ("spacejoin", "Host: a\r\nTransfer- Encoding: chunked", HeaderMalformed),
        ("valueprefix, two", "Host: a\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked", Framing),
        ("dual", "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity", Framing),
        ("dualchunk", "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: chunked", Framing),
        ("commaCow", "Host: a\r\nTransfer-Encoding: chunked, cow", Framing),
        ("cowComma", "Host: a\r\nTransfer-Encoding: cow, chunked", Framing),
        ("gzip", "Host: a\r\nTransfer-Encoding: gzip, chunked", Framing),
        ("twice", "Host: a\r\nTransfer-Encoding: chunked, chunked", Framing),
        (
            "contentEnc",
            "Host: a\r\nContent-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
            Framing,
        ),
        ("linewrapped1", "Host: a\r\nTransfer-Encoding:\n chunked", HeaderMalformed),
        ("linewrapped2", "Host: a\r\nTransfer-Encoding:\r\n chunked", Framing),
        ("quoted", "Host: a\r\nTransfer-Encoding: \"chunked\"", Framing),
        ("aposed", "Host: a\r\nTransfer-Encoding: 'chunked'", Framing),
        ("badwrap", "Host: a\r\nFoo: bar\r\n Transfer-Encoding: chunked", HeaderMalformed),
        ("badsetupCR", "Host: a\r\nFoo: bar\r\n\rTransfer-Encoding: chunked", HeaderMalformed),
        ("badsetupLF", "Host: a\r\nFoo: bar\nTransfer-Encoding: chunked", HeaderMalformed),
        ("vertwrap", "Host: a\r\nTransfer-Encoding: \u{b}chunked", HeaderMalformed),
        ("0dwrap", "Host: a\r\nTransfer-Encoding: \rchunked", HeaderMalformed),
        ("0dspam", "Host: a\r\nTransfer\r-Encoding: chunked", HeaderMalformed),
        ("nullspam", "Host: a\r\nTransfer-Encoding: chunked\0", HeaderMalformed),
        ("nospace", "Host: a\r\nTransfer-Encoding:chunk", Framing),
        ("revdualchunk", "Host: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked", Framing),
        ("lazygrep", "Host: a\r\nTransfer-Encoding: chunk", Framing),
        ("multiCase", "Host: a\r\nTrAnSFer-EnCODinG: cHuNkeD", Framing),
        ("UPPERCASE", "Host: a\r\nTRANSFER-ENCODING: CHUNKED", Framing),
        ("zdwrap", "Host: a\r\nFoo: bar\r\n\rTransfer-Encoding: chunked", HeaderMalformed),
        ("zdsuffix", "Host: a\r\nTransfer-Encoding: chunked\r", HeaderMalformed),
        ("tabsuffix", "Host: a\r\nTransfer-Encoding: chunked\t;x", Framing),
        ("unispace", "Host: a\r\nTransfer-Encoding:\u{a0}chunked", Framing),
        ("accentTE", "Host: a\r\nTransf\u{82}r-Encoding: chunked", HeaderMalformed),
        ("accentCH", "Host: a\r\nTransfer-Encoding: ch\u{96}nked", Framing),
        ("x-parameter", "Host: a\r\nTransfer-Encoding: chunked;q=1", Framing),
        ("identity", "Host: a\r\nTransfer-Encoding: identity", Framing),
        ("empty", "Host: a\r\nTransfer-Encoding:", Framing),
        ("comma", "Host: a\r\nTransfer-Encoding: chunked,", Framing),
    ] {
        let (version, field) = match field.strip_prefix("HTTP/1.0\r\n") {
            Some(field) => ("1.0", field),
            None => ("1.1", field),
        };
        let stream = format!("POST / HTTP/{version}\r\n{field}\r\n\r\n0\r\n\r\n");
        let step = judge(stream.as_bytes());
        assert_eq!(step, Step { released: 0, outcome: Outcome::Refused(refusal) }, "{name}");
    }
}

/// `Transfer-Encoding: chunked` with every byte put at, or in the place of, every position: whatever is let through
/// frames as it says.
#[test]
fn transfer_encoding_with_any_byte_anywhere() {
    const FIELD: &[u8] = b"Transfer-Encoding: chunked";
    let (mut refused, mut harmless) = (0, 0);
    for at in 0..=FIELD.len() {
        for byte in 0..=255_u8 {
            for skip in 0..=1 {
                let mut field = FIELD[..at].to_vec();
                field.push(byte);
                field.extend_from_slice(FIELD.get(at + skip..).unwrap_or_default());
                let head = [b"POST / HTTP/1.1\r\nHost: a\r\n", &field[..], b"\r\n\r\n"].concat();
                let stream = [&head[..], b"0\r\n\r\n"].concat();
                let step = judge(&stream);
                let is_name_and_value = field.iter().position(|byte| *byte == b':').is_some_and(|colon| {
                    field[..colon].eq_ignore_ascii_case(b"transfer-encoding")
                        && field[colon + 1..].trim_ascii() == b"chunked"
                });
                match step.outcome {
                    Outcome::More if is_name_and_value => assert_eq!(step.released, stream.len()),
                    // Another name, so no body, and `0` is the bad beginning of the next request.
                    Outcome::Refused(RequestLineMalformed) if step.released == head.len() => harmless += 1,
                    Outcome::Refused(_) if step.released == 0 => refused += 1,
                    _ => panic!("{step:?} {}", field.escape_ascii()),
                }
            }
        }
    }
    assert!(refused > 7_000 && harmless > 1_000, "{refused} {harmless}");
}

#[test]
fn chunks() {
    for size in [
        "",
        " 5",
        "5 ",
        "5\t",
        "0x5",
        "+5",
        "-5",
        "5_0",
        "5,",
        "g",
        "5 ;x",
        "00000000000000005",
        "FFFFFFFFFFFFFFFFF",
        "5;x\0",
        "5;x\r",
        "5;caf\u{e9}",
        "5\u{b}",
    ] {
        violates(format!("{size}\r\nhello\r\n0\r\n\r\n"), 0, Framing);
    }
    violates("5\nhello\r\n0\r\n\r\n", 0, Framing);
    violates("5;a\nb\r\nhello\r\n0\r\n\r\n", 0, Framing);
    violates("5\r\nhelloX\r\n0\r\n\r\n", 8, Framing);
    violates("5\r\nhello\n0\r\n\r\n", 8, Framing);
    violates("5\r\nhello\r0\r\n\r\n", 8, Framing);
    violates("5\r\nhello\r\n\r\n", 10, Framing);
    violates(format!("5;{}\r\nhello\r\n", "x".repeat(256)), 0, Framing);
    violates("1".repeat(1000), 0, Framing);
    let one = format!("1;{}\r\nx\r\n", "x".repeat(255));
    violates(one.repeat(33), 32 * one.len(), Framing);
    let longest =
        [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", &b"FFFFFFFFFFFFFFFF\r\nx"[..]];
    passes(&longest.concat());
}

#[test]
fn trailers() {
    for (trailer, refusal) in [
        ("Content-Length: 5", Framing),
        ("Transfer-Encoding: chunked", Framing),
        ("Transfer_Encoding: chunked", Framing),
        ("Host: b", Framing),
        ("Trailer: x", Framing),
        ("X : y", HeaderMalformed),
        (" X: y", HeaderMalformed),
        ("X: y\r\n z", HeaderMalformed),
        ("X: y\0", HeaderMalformed),
        ("X: y\nZ: a", HeaderMalformed),
        ("GET / HTTP/1.1", HeaderMalformed),
    ] {
        violates(format!("0\r\n{trailer}\r\n\r\n"), 3, refusal);
    }
    violates("0\r\n\n", 3, HeaderMalformed);
    violates(format!("0\r\n{}\r\n", "X: y\r\n".repeat(101)), 3, HeaderTooLarge);
    violates(format!("0\r\nX: {}\r\n\r\n", "y".repeat(9000)), 3, HeaderTooLarge);
    violates(format!("0\r\nX: {}", "y".repeat(9000)), 3, HeaderTooLarge);
}

#[test]
fn sizes() {
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count));
    passes(fields(99).as_bytes());
    refuses(fields(100), HeaderTooLarge);
    let value = |length: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(length));
    let rest = value(0).len();
    passes(value(32 * 1024 - rest).as_bytes());
    refuses(value(32 * 1024 - rest + 1), HeaderTooLarge);
    refuses(value(900_000), HeaderTooLarge);
    refuses(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(40_000)), HeaderTooLarge);
}

#[test]
fn a_bad_request_after_good_ones_is_the_only_one_refused() {
    let good = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".repeat(3);
    let stream =
        [&good[..], b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let expected = Step { released: good.len(), outcome: Outcome::Refused(HeaderMalformed) };
    assert_eq!(judge(&stream), expected);
}
