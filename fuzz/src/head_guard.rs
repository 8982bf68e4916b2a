//! What the guard lets through, every reader reads as the same requests with the same bodies.
//!
//! The input is a client's byte stream. A plain reader that knows only strict framing divides what the guard released.
//! The gateway's reader must come to the same requests and to the guard's refusal; hyper, which has another idea of what
//! may be tolerated, to the same requests.

use std::{cell::RefCell, convert::Infallible, rc::Rc, time::Duration};

use bytes::Bytes;
use countersign_gateway::{
    config::resolved::Limits,
    error::Refusal,
    http::Parts,
    server::{
        RequestReader,
        head_guard::{Follow, Outcome},
    },
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One request as somebody understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Method and target.
    pub start: String,
    /// The body, as far as it came; or the refusal of its framing.
    pub body: Result<Vec<u8>, Refusal>,
    /// The body came to its end.
    pub complete: bool,
}

/// Gives the input to the readers at once, and in pieces whose lengths its first byte decides.
pub fn run(input: &[u8]) {
    let Some((piece, stream)) = input.split_first() else { return };
    let step = Follow::new(&Limits::DEFAULT).advance(stream);
    let released = &stream[..step.released];
    let mut expected = divide(released);
    assert!(
        expected.iter().rev().skip(1).all(|read| read.complete),
        "a request in the middle has no end: {expected:?}"
    );
    let lengths = [stream.len().max(1), usize::from(*piece) % 64 + 1];
    for length in lengths {
        let read = through_hyper(released, length);
        // hyper stops where a request says `Connection: close`.
        assert_eq!(read.requests, expected[..read.requests.len().min(expected.len())]);
        assert!(
            read.requests.len() == expected.len() || read.closes,
            "hyper lost a request: {expected:?} {read:?}"
        );
        assert_eq!(read.own_errors, 0, "hyper itself refused something: {expected:?} {read:?}");
        assert!(read.ends, "the connection hangs: {expected:?} {read:?}");
    }
    match step.outcome {
        Outcome::More => {}
        Outcome::Refused(refusal) => {
            let start = format!("refused {}", refusal.code());
            expected.push(Read { start, body: Ok(Vec::new()), complete: true });
        }
        Outcome::Violated(refusal) => {
            let last = expected.last_mut().expect("a bad body belongs to a request");
            assert!(!last.complete, "the body of {last:?} had ended");
            last.body = Err(refusal);
        }
    }
    for length in lengths {
        assert_eq!(through_reader(stream, length), expected);
    }
}

/// What the gateway's own reader makes of a stream that comes in pieces of this length.
#[must_use]
pub fn through_reader(stream: &[u8], piece: usize) -> Vec<Read> {
    let mut reader = RequestReader::new(&Limits::DEFAULT);
    let mut reads: Vec<Read> = Vec::new();
    let mut head = Parts::default();
    for part in stream.chunks(piece) {
        reader.buffer().extend_from_slice(part);
        loop {
            if let Some(last) = reads.last_mut().filter(|last| !last.complete) {
                match reader.next_of_body() {
                    Ok(Some(frame)) => {
                        let body = last.body.as_mut().expect("no piece after a refusal");
                        body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                        continue;
                    }
                    Ok(None) if reader.is_body_over() => last.complete = true,
                    Ok(None) => break,
                    Err(refusal) => {
                        last.body = Err(refusal);
                        return reads;
                    }
                }
            }
            match reader.next_head(&mut head) {
                Ok(true) => {
                    let start = format!("{} {}", head.method, head.uri);
                    reads.push(Read { start, body: Ok(Vec::new()), complete: false });
                }
                Ok(false) => break,
                Err(refusal) => {
                    let start = format!("refused {}", refusal.code());
                    reads.push(Read { start, body: Ok(Vec::new()), complete: true });
                    return reads;
                }
            }
        }
    }
    reads
}

/// Divides a stream that is known to be strict.
fn divide(mut stream: &[u8]) -> Vec<Read> {
    let mut reads = Vec::new();
    while !stream.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut head = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(length) = head.parse(stream).expect("a valid head") else {
            panic!("half a head was released: {:?}", stream.escape_ascii().to_string());
        };
        let values = |name: &str| -> Vec<&[u8]> {
            head.headers
                .iter()
                .filter(|field| field.name.eq_ignore_ascii_case(name))
                .map(|field| field.value)
                .collect()
        };
        let target: http::Uri = head.path.expect("a target").parse().expect("a target hyper takes");
        let start = format!("{} {target}", head.method.expect("a method"));
        let lengths = values("content-length");
        let codings = values("transfer-encoding");
        assert_eq!(values("host").len(), 1, "{start}");
        assert!(lengths.len() + codings.len() <= 1, "{start}");
        stream = &stream[length..];
        let (body, complete) = if let Some(coding) = codings.first() {
            assert_eq!(*coding, b"chunked");
            unchunk(&mut stream)
        } else {
            let length = lengths.first().map_or(0, |length| {
                std::str::from_utf8(length).expect("digits").parse::<u64>().expect("digits")
            });
            let here = usize::try_from(length).unwrap_or(usize::MAX).min(stream.len());
            let (body, rest) = stream.split_at(here);
            stream = rest;
            (body.to_vec(), here as u64 == length)
        };
        reads.push(Read { start, body: Ok(body), complete });
    }
    reads
}

/// The bytes of the chunks, and whether the last one and its trailers are there.
fn unchunk(stream: &mut &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line) = take_line(stream) {
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = u64::from_str_radix(std::str::from_utf8(size).expect("a size"), 16).expect("a size");
        if size == 0 {
            while let Some(line) = take_line(stream) {
                if line.is_empty() {
                    return (body, true);
                }
            }
            return (body, false);
        }
        let here = usize::try_from(size).unwrap_or(usize::MAX).min(stream.len());
        let (chunk, rest) = stream.split_at(here);
        body.extend_from_slice(chunk);
        *stream = rest;
        if (here as u64) < size || take_line(stream).is_none() {
            break;
        }
    }
    assert!(stream.is_empty(), "half a line was released");
    (body, false)
}

fn take_line<'a>(stream: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = stream.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &stream[..end];
    *stream = &stream[end + 2..];
    Some(line)
}

/// What hyper made of a stream.
#[derive(Debug)]
pub struct Through {
    /// The requests in order.
    pub requests: Vec<Read>,
    /// Answers hyper gave by itself.
    pub own_errors: usize,
    /// One of the requests asked for the end of the connection.
    pub closes: bool,
    /// The connection ended by itself.
    pub ends: bool,
}

/// Serves the stream, sent in pieces of this length, until the connection ends or hangs.
#[must_use]
pub fn through_hyper(stream: &[u8], piece: usize) -> Through {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(serve(stream, piece))
}

async fn serve(stream: &[u8], piece: usize) -> Through {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let requests = Rc::new(RefCell::new(Vec::new()));
    let closes = Rc::new(RefCell::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        let (requests, closes) = (Rc::clone(&requests), Rc::clone(&closes));
        async move {
            let read = read(request, &closes).await;
            requests.borrow_mut().push(read);
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let connection = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service);
    let exchange = async {
        for part in stream.chunks(piece) {
            // An error is the other end's right: it may have closed.
            if client.write_all(part).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let mut answers = Vec::new();
        let _ = client.read_to_end(&mut answers).await;
        answers
    };
    // The clock stands still until nothing else can happen.
    let both = async { tokio::join!(connection, exchange).1 };
    let answers = tokio::time::timeout(Duration::from_secs(5), both).await;
    let ends = answers.is_ok();
    let own_errors = answers.map_or(0, |answers| {
        let statuses = answers.windows(12).filter(|part| part.starts_with(b"HTTP/1."));
        statuses.filter(|part| !part.ends_with(b" 200") && !part.ends_with(b" 100")).count()
    });
    let (requests, closes) = (requests.take(), *closes.borrow());
    Through { requests, own_errors, closes, ends }
}

async fn read(request: Request<Incoming>, closes: &RefCell<bool>) -> Read {
    let (head, mut body) = request.into_parts();
    *closes.borrow_mut() |=
        head.version == http::Version::HTTP_10
            || head.headers.get_all("connection").iter().any(|value| {
                value.as_bytes().to_ascii_lowercase().windows(5).any(|option| option == b"close")
            });
    let start = format!("{} {}", head.method, head.uri);
    let mut bytes = Vec::new();
    loop {
        match body.frame().await {
            None => return Read { start, body: Ok(bytes), complete: true },
            Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            Some(Err(_)) => return Read { start, body: Ok(bytes), complete: false },
        }
    }
}
