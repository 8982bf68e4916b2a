//! HTTP/2 written by hand, so that nothing is corrected on the way to the gateway.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A gateway that has not answered by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A field of a header section, as it is sent.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// `name: value`, whatever bytes they have.
pub(crate) fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Field {
    (name.as_ref().to_vec(), value.as_ref().to_vec())
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The gateway ended the connection, with or without a last word.
    Connection,
    /// The gateway reset the stream.
    Reset,
    /// It answered with this status.
    Status(u16),
}

/// One frame as it came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection to the gateway. What it sends may be refused at any time, which is no error of the test.
pub(crate) struct Raw(TcpStream);

impl Raw {
    /// Connects and says what HTTP/2 begins with (RFC 9113 §3.4).
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut raw = Self(socket);
        assert!(raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await);
        assert!(raw.frame(SETTINGS, 0, 0, &[]).await);
        raw
    }

    /// Sends one frame; false when the gateway takes no more.
    pub(crate) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&frame(kind, flags, stream, payload)).await
    }

    /// Sends a header section in one frame.
    pub(crate) async fn headers(&mut self, stream: u32, flags: u8, fields: &[Field]) -> bool {
        self.frame(HEADERS, END_HEADERS | flags, stream, &section(fields)).await
    }

    /// Sends bytes as they are; false when the gateway takes no more.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.0.write_all(bytes)).await.expect("the gateway reads or closes").is_ok()
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read()).await.expect("the gateway sends or closes")
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, _, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, stream: u32::from_be_bytes(stream), payload })
    }

    /// How `stream` ends.
    pub(crate) async fn end(&mut self, stream: u32) -> End {
        loop {
            match self.next().await {
                None => return End::Connection,
                Some(frame) if frame.kind == GOAWAY && frame.payload[4..8] != [0; 4] => {
                    return End::Connection;
                }
                Some(frame) if frame.stream != stream => {}
                Some(frame) if frame.kind == RST_STREAM => return End::Reset,
                Some(frame) if frame.kind == HEADERS => return End::Status(status(&frame.payload)),
                Some(_) => {}
            }
        }
    }
}

/// One frame as bytes (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header section of literal fields, not indexed and not compressed (RFC 7541 §6.2.2).
pub(crate) fn section(fields: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        text(&mut bytes, name);
        text(&mut bytes, value);
    }
    bytes
}

/// A string with its length (RFC 7541 §5.1 and §5.2).
fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 127 {
        bytes.push(u8::try_from(text.len()).unwrap());
    } else {
        bytes.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).unwrap());
    }
    bytes.extend_from_slice(text);
}

/// The status, which stands first: from the static table, or three digits in Huffman's code (RFC 7541 §B).
fn status(section: &[u8]) -> u16 {
    match section {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8A, ..] => 206,
        [0x8B, ..] => 304,
        [0x8C, ..] => 400,
        [0x8D, ..] => 404,
        [0x8E, ..] => 500,
        [first, length, rest @ ..] if first & 0x0F == 8 && length & 0x80 != 0 => {
            digits(&rest[..usize::from(length & 0x7F)])
        }
        _ => panic!("no status begins {section:02x?}"),
    }
}

fn digits(coded: &[u8]) -> u16 {
    let mut bits = coded.iter().flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1)));
    (0..3).fold(0, |number, _| {
        let five = (0..5).fold(0, |code, _| code << 1 | bits.next().unwrap());
        // Three digits have five bits, the others six.
        let digit = if five < 3 { five } else { (five << 1 | bits.next().unwrap()) - 0x19 + 3 };
        number * 10 + digit
    })
}

#[test]
fn a_status_is_read_from_huffman_code() {
    // 403 is 011010 00000 011001, then ones.
    assert_eq!(digits(&[0b0110_1000, 0b0000_1100, 0b1111_1111]), 403);
}
