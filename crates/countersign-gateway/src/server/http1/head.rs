//! The head of an answer, and what of the request's it depends on.

use std::{
    io::Write as _,
    time::{Duration, SystemTime},
};

use countersign::UnixTime;
use http::{Method, StatusCode, Version};
use http_body::SizeHint;

use crate::{
    http::{Fields, Head, Parts, put_line},
    http1::{Encoder, is_persistent, length},
};

/// What a request says about its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    version: Version,
    is_head: bool,
    keeps: bool,
    takes_trailers: bool,
    /// The client waits for our word before it sends the body (RFC 9110 §10.1.1).
    pub(super) waits: bool,
}

impl Asked {
    /// Of a request whose head was refused: its answer is the last.
    pub(super) const REFUSED: Self =
        Self { version: Version::HTTP_11, is_head: false, keeps: false, takes_trailers: false, waits: false };

    /// The same, where no other request can be found behind it.
    pub(super) const fn and_close(self) -> Self {
        Self { keeps: false, ..self }
    }

    /// Of a request.
    pub(super) fn by(request: &Parts) -> Self {
        let says = |name: &[u8], value: &[u8]| {
            request.fields.first(name).is_some_and(|said| said.eq_ignore_ascii_case(value))
        };
        let connection = request.fields.all(b"connection");
        Self {
            version: request.version,
            is_head: request.method == Method::HEAD,
            keeps: is_persistent(request.version, connection),
            takes_trailers: says(b"te", b"trailers"),
            waits: request.version == Version::HTTP_11 && says(b"expect", b"100-continue"),
        }
    }
}

/// How an answer is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Framed {
    pub(super) encoder: Encoder,
    /// Another request may follow on the connection.
    pub(super) keeps: bool,
}

/// Appends the head of an answer. With `last`, no request follows it.
pub(super) fn put(
    out: &mut Vec<u8>,
    answer: &Head,
    asked: Asked,
    body: &SizeHint,
    last: bool,
    now: impl FnOnce() -> UnixTime,
) -> Framed {
    put_status_line(out, answer, asked.version);
    let sayable = Sayable::of(answer.status, asked, body);
    let said = put_fields(out, &answer.fields, sayable, now);
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        for value in answer.fields.all(b"connection") {
            put_line(out, b"connection", value);
        }
        out.extend_from_slice(b"\r\n");
        return Framed { encoder: Encoder::NONE, keeps: false };
    }
    let encoder = put_framing(out, answer, asked, body, &said);
    let says_close = said.connection && !is_persistent(Version::HTTP_11, answer.fields.all(b"connection"));
    let keeps = asked.keeps && !last && encoder != Encoder::UntilClose && !says_close;
    match (keeps, asked.version) {
        (false, Version::HTTP_11) => out.extend_from_slice(b"connection: close\r\n"),
        (true, Version::HTTP_10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    Framed { encoder, keeps }
}

/// Which length the head of an answer may say (RFC 9110 §8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sayable {
    /// None.
    Nothing,
    /// That of the body, or the one that the answer to a `GET` would have: what the service says.
    Anything,
    /// So many bytes are sent.
    Exactly(u64),
}

impl Sayable {
    fn of(status: StatusCode, asked: Asked, body: &SizeHint) -> Self {
        match body.exact() {
            _ if status == StatusCode::NO_CONTENT || status.is_informational() => Self::Nothing,
            _ if asked.is_head || status == StatusCode::NOT_MODIFIED => Self::Anything,
            Some(length) => Self::Exactly(length),
            None => Self::Anything,
        }
    }

    /// Whether a field may stand as it came. `007` is a number to us, and another to somebody.
    fn allows(self, length: u64, text: &[u8]) -> bool {
        let is_plain = matches!(text, b"0" | [b'1'..=b'9', .., b'0'..=b'9'] | [b'1'..=b'9']);
        is_plain
            && match self {
                Self::Nothing => false,
                Self::Anything => true,
                Self::Exactly(exact) => length == exact,
            }
    }
}

/// What an answer's own fields say of its framing.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    /// The length is in the head already.
    stands: bool,
    connection: bool,
    date: bool,
}

/// All fields but those that frame the message, which are the connection's to say; with a date (RFC 9110 §6.6.1). The
/// length the service says stays where it may.
fn put_fields(out: &mut Vec<u8>, fields: &Fields, sayable: Sayable, now: impl FnOnce() -> UnixTime) -> Said {
    let mut said = Said::default();
    fields.put(out, |name, value| match name {
        b"content-length" => {
            let first = said.length.is_none();
            said.length = said.length.or_else(|| length(value));
            said.stands |= first && said.length.is_some_and(|length| sayable.allows(length, value));
            first && said.stands
        }
        b"transfer-encoding" => false,
        b"connection" => {
            said.connection = true;
            false
        }
        _ => {
            said.date |= name == b"date";
            true
        }
    });
    if !said.date {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now().as_secs());
        let _ = write!(out, "date: {}\r\n", httpdate::HttpDate::from(now));
    }
    said
}

fn put_status_line(out: &mut Vec<u8>, answer: &Head, version: Version) {
    out.extend_from_slice(if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(answer.status.as_str().as_bytes());
    out.push(b' ');
    match &answer.reason {
        Some(reason) => out.extend_from_slice(reason),
        None => out.extend_from_slice(answer.status.canonical_reason().unwrap_or_default().as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
}

/// How long the body is, and the fields that say so (RFC 9110 §8.6, RFC 9112 §6).
fn put_framing(out: &mut Vec<u8>, answer: &Head, asked: Asked, body: &SizeHint, said: &Said) -> Encoder {
    let status = answer.status;
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        return Encoder::NONE;
    }
    let is_bare = asked.is_head || status == StatusCode::NOT_MODIFIED;
    let length = if is_bare { said.length } else { body.exact().or(said.length) };
    if let Some(length) = length.filter(|_| !said.stands) {
        // Writing to memory cannot fail.
        let _ = write!(out, "content-length: {length}\r\n");
    }
    match length {
        _ if is_bare => Encoder::NONE,
        Some(length) => Encoder::Length(length),
        None if asked.version == Version::HTTP_10 => Encoder::UntilClose,
        None => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            // Who has not asked for trailers may not know what to do with them (RFC 9110 §6.5.1).
            if asked.takes_trailers {
                Encoder::chunked(answer.fields.all(b"trailer"))
            } else {
                Encoder::Chunked(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;
    use http::Response;
    use http_body::SizeHint;

    use super::{super::reader::RequestReader, Asked, Encoder, put};
    use crate::{
        config::resolved::Limits,
        http::{Answer, Head, Parts},
    };

    fn asked(head: &'static str) -> Asked {
        let mut reader = RequestReader::new(&Limits::DEFAULT);
        reader.buffer().extend_from_slice(head.as_bytes());
        let mut parts = Parts::default();
        assert!(reader.next_head(&mut parts).unwrap());
        Asked::by(&parts)
    }

    /// The head of an answer without its date, and whether the connection is kept.
    fn answer(
        head: &'static str,
        status: u16,
        fields: &[(&str, &str)],
        length: Option<u64>,
    ) -> (String, Encoder, bool) {
        let builder = Response::builder().status(status).header("date", "now");
        let builder = fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        let Answer { head: parts, .. } = Answer::from(builder.body(()).unwrap());
        let mut out = Vec::new();
        let hint = length.map_or_else(SizeHint::new, SizeHint::with_exact);
        let sending = put(&mut out, &parts, asked(head), &hint, false, || UnixTime::from_secs(0));
        (String::from_utf8(out).unwrap().replace("date: now\r\n", ""), sending.encoder, sending.keeps)
    }

    const NEW: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const OLD: &str = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    const OLD_KEPT: &str = "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
    const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    const CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    #[test]
    fn an_answer_says_once_how_long_it_is() {
        let (none, chunked) = (Encoder::NONE, Encoder::Chunked(None));
        for (head, status, fields, length, expected) in [
            (
                NEW,
                200,
                &[("x", "y")][..],
                Some(3),
                ("1.1 200 OK\r\nx: y\r\ncontent-length: 3\r\n", Encoder::Length(3), true),
            ),
            (
                NEW,
                200,
                &[("content-length", "3")],
                Some(3),
                ("1.1 200 OK\r\ncontent-length: 3\r\n", Encoder::Length(3), true),
            ),
            (
                NEW,
                200,
                &[("content-length", "3")],
                None,
                ("1.1 200 OK\r\ncontent-length: 3\r\n", Encoder::Length(3), true),
            ),
            (NEW, 200, &[], Some(0), ("1.1 200 OK\r\ncontent-length: 0\r\n", none.clone(), true)),
            (NEW, 200, &[], None, ("1.1 200 OK\r\ntransfer-encoding: chunked\r\n", chunked.clone(), true)),
            (
                NEW,
                200,
                &[("connection", "close")],
                Some(0),
                ("1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n", none.clone(), false),
            ),
            (
                CLOSE,
                200,
                &[],
                Some(0),
                ("1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n", none.clone(), false),
            ),
            (OLD, 200, &[], None, ("1.0 200 OK\r\n", Encoder::UntilClose, false)),
            (
                OLD_KEPT,
                200,
                &[],
                Some(1),
                ("1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n", Encoder::Length(1), true),
            ),
            (OLD_KEPT, 200, &[], None, ("1.0 200 OK\r\n", Encoder::UntilClose, false)),
            (
                HEAD,
                200,
                &[("content-length", "7")],
                Some(0),
                ("1.1 200 OK\r\ncontent-length: 7\r\n", none.clone(), true),
            ),
            (HEAD, 200, &[], Some(0), ("1.1 200 OK\r\n", none.clone(), true)),
            (NEW, 204, &[("content-length", "7")], Some(0), ("1.1 204 No Content\r\n", none.clone(), true)),
            (
                NEW,
                304,
                &[("content-length", "7")],
                Some(0),
                ("1.1 304 Not Modified\r\ncontent-length: 7\r\n", none.clone(), true),
            ),
            (NEW, 299, &[], Some(0), ("1.1 299 \r\ncontent-length: 0\r\n", none.clone(), true)),
            (
                NEW,
                101,
                &[("connection", "upgrade"), ("upgrade", "echo")],
                Some(0),
                ("1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n", none, false),
            ),
        ] {
            let (text, encoder, keeps) = answer(head, status, fields, length);
            let expected_text = format!("HTTP/{}\r\n", expected.0);
            assert_eq!((text, encoder, keeps), (expected_text, expected.1, expected.2), "{head} {status}");
        }
    }

    #[test]
    fn trailers_are_for_who_asked_for_them() {
        let te = "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n";
        let fields = [("trailer", "checksum")];
        assert!(matches!(answer(te, 200, &fields, None).1, Encoder::Chunked(Some(_))));
        assert_eq!(answer(NEW, 200, &fields, None).1, Encoder::Chunked(None));
    }

    #[test]
    fn an_answer_has_a_date() {
        let mut out = Vec::new();
        put(&mut out, &Head::default(), asked(NEW), &SizeHint::with_exact(0), true, || {
            UnixTime::from_secs(784_111_777)
        });
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{text}");
        assert!(text.ends_with("connection: close\r\n\r\n"), "{text}");
    }
}
