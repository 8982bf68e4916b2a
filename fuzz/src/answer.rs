//! What the gateway's reader takes for an answer, hyper takes for the same one, however it comes in pieces.
//!
//! The input is a service's byte stream; its first byte decides how it is cut and whether it answers a `HEAD`. hyper
//! accepts more (codings besides chunks, for one): what the reader refuses is not compared.

use std::time::Duration;

use bytes::Bytes;
use countersign_gateway::upstream::{AnswerReader, UpstreamError};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An answer as somebody understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The status.
    pub status: u16,
    /// The fields, but those that say how long the body is, and how often, sorted.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// How many trailers it had.
    pub trailers: usize,
    /// The body came to its end.
    pub complete: bool,
}

/// Compares both readers' ideas of the input.
pub fn run(input: &[u8]) {
    let Some((choice, stream)) = input.split_first() else { return };
    let to_head = choice & 0x80 != 0;
    let whole = through_reader(stream, stream.len().max(1), to_head);
    let pieces = through_reader(stream, usize::from(choice & 0x3f) + 1, to_head);
    assert_eq!(pieces, whole, "it depends on how it is cut: {:?}", stream.escape_ascii().to_string());
    // A switch of protocols is no answer to hyper.
    if let Ok(Some(read)) = whole
        && read.status != 101
    {
        let other = through_hyper(stream, to_head);
        assert_eq!(other.as_ref(), Some(&read), "{:?}", stream.escape_ascii().to_string());
    }
}

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != "content-length" && *name != "transfer-encoding")
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    fields.sort();
    fields
}

/// What the gateway's reader makes of a stream that comes in pieces of this length, and then ends. `None`: no head.
///
/// # Errors
/// The reader's.
pub fn through_reader(stream: &[u8], piece: usize, to_head: bool) -> Result<Option<Read>, UpstreamError> {
    let mut reader = AnswerReader::default();
    let mut read: Option<Read> = None;
    for part in stream.chunks(piece) {
        reader.buffer().extend_from_slice(part);
        while read.is_none()
            && let Some(head) = reader.next_head(to_head)?
        {
            let status = head.head.status;
            // Those only announce the answer.
            if !status.is_informational() || status.as_u16() == 101 {
                let sent = head.head.fields.len();
                let map = HeaderMap::from(head.head.fields);
                assert_eq!(map.len(), sent, "a field that no map takes");
                let fields = fields(&map);
                let (body, trailers) = (Vec::new(), 0);
                read = Some(Read { status: status.as_u16(), fields, body, trailers, complete: false });
            }
        }
        let Some(read) = &mut read else { continue };
        while let Some(frame) = reader.next_of_body()? {
            match frame.into_data() {
                Ok(data) => read.body.extend_from_slice(&data),
                Err(frame) => read.trailers = frame.into_trailers().map_or(0, |trailers| trailers.len()),
            }
        }
        if reader.is_over() {
            read.complete = true;
            break;
        }
    }
    if let Some(read) = &mut read {
        read.complete = reader.end();
    }
    Ok(read)
}

/// What hyper makes of it. `None`: no answer.
#[must_use]
pub fn through_hyper(stream: &[u8], to_head: bool) -> Option<Read> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(ask(stream, to_head))
}

async fn ask(stream: &[u8], to_head: bool) -> Option<Read> {
    let (client, mut service) = tokio::io::duplex(1 << 16);
    let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.expect("a connection");
    let method = if to_head { Method::HEAD } else { Method::GET };
    let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).expect("a request");
    let exchange = async {
        let mut response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let fields = fields(response.headers());
        let (mut body, mut trailers) = (Vec::new(), 0);
        loop {
            match response.body_mut().frame().await {
                None => return Some(Read { status, fields, body, trailers, complete: true }),
                Some(Err(_)) => return Some(Read { status, fields, body, trailers, complete: false }),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => body.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().map_or(0, |trailers| trailers.len()),
                },
            }
        }
    };
    let answering = async {
        // As a service does, it reads the request before it answers.
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(service.read_u8().await.ok()?);
        }
        service.write_all(stream).await.ok()?;
        service.shutdown().await.ok()
    };
    let connection = async {
        let _ = connection.await;
    };
    let all = async { tokio::join!(exchange, answering, connection).0 };
    tokio::time::timeout(Duration::from_secs(5), all).await.expect("an end")
}
