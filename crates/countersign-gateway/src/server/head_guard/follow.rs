//! Follows the framing of a stream of requests, without I/O.

use std::ops::Range;

use memchr::memchr;
use smallvec::SmallVec;

use super::{
    chunked::{MAX_EXTENSIONS_BYTES, MAX_LINE_BYTES, MAX_TRAILER_BYTES, parse_size},
    field::{Body, Fields, take_trailer},
    request_line::{self, Minor, RequestLine},
};
use crate::{
    config::resolved::Limits,
    error::Refusal,
    http1::{is_token_byte, place_of},
};

/// Knows at every byte of a connection whether it belongs to a head or a body, and whether it may pass.
///
/// However the stream is cut into pieces, the same bytes are released and the outcome is the same.
#[derive(Debug)]
pub struct Follow {
    max_head_bytes: usize,
    max_fields: usize,
    state: State,
    /// Where the line under way begins, counted from the first byte that is not released.
    line: usize,
    /// Up to here there is no line end after `line`.
    searched: usize,
    upgrade: bool,
    head: HeadParts,
}

/// Where the parts of a head are, counted from its first byte.
#[derive(Debug, Clone, Default)]
pub struct HeadParts {
    /// The method.
    pub method: Range<usize>,
    /// The request target.
    pub target: Range<usize>,
    /// Name and value of each field; of the value without the white space around it.
    pub fields: SmallVec<[(Range<usize>, Range<usize>); 8]>,
    /// The version is HTTP/1.0.
    pub is_old: bool,
}

/// What became of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// So many of them may pass; give the others again, with what follows them.
    pub released: usize,
    /// What comes after those.
    pub outcome: Outcome,
}

/// What comes after the released bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// More bytes are needed.
    More,
    /// A head that is refused. Nothing after it is looked at.
    Refused(Refusal),
    /// A body that is refused. Nothing after it is looked at.
    Violated(Refusal),
}

#[derive(Debug, Clone, Copy)]
enum State {
    RequestLine,
    Fields(Minor, Fields),
    /// So many bytes of `Content-Length` are left.
    Length(u64),
    /// So many bytes are left for chunk extensions.
    ChunkSize(usize),
    /// Bytes left of the chunk, and for chunk extensions.
    Chunk(u64, usize),
    ChunkEnd(usize),
    /// So many fields so far.
    Trailers(usize),
}

/// A part of a message that is complete enough to be looked at: so many bytes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A whole head.
    Head(usize),
    /// Of a body.
    Data(usize),
    /// What only frames a body.
    Framing(usize),
    /// A whole trailer section with the empty line at its end.
    Trailers(usize),
    /// None before more has come.
    Wait,
}

/// What one state makes of the bytes before it.
enum Move {
    /// So many bytes may pass, and the next state has its turn.
    Release(usize),
    /// Nothing passes before more has come.
    Wait,
}

impl Follow {
    /// At the start of a connection. Of the limits `header_bytes` and `header_count` are used.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            max_head_bytes: limits.header_bytes,
            max_fields: limits.header_count,
            state: State::RequestLine,
            line: 0,
            searched: 0,
            upgrade: false,
            head: HeadParts::default(),
        }
    }

    /// The next part of a message, from the first byte that is in none yet. After a refusal it must not be called
    /// again.
    ///
    /// # Errors
    /// The refusal of a head, or of a body, that breaks its framing.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Piece, Refusal> {
        let before = self.state;
        let Move::Release(length) = self.advance_state(bytes)? else { return Ok(Piece::Wait) };
        self.line = 0;
        self.searched = 0;
        Ok(match before {
            State::RequestLine | State::Fields(..) => Piece::Head(length),
            State::Length(_) | State::Chunk(..) => Piece::Data(length),
            State::ChunkSize(_) | State::ChunkEnd(_) => Piece::Framing(length),
            State::Trailers(_) => Piece::Trailers(length),
        })
    }

    /// Takes all bytes that are in no part yet. After a refusal it must not be called again.
    pub fn advance(&mut self, bytes: &[u8]) -> Step {
        let mut released = 0;
        loop {
            let is_head = self.is_in_head();
            match self.step(bytes.get(released..).unwrap_or_default()) {
                Ok(
                    Piece::Head(length)
                    | Piece::Data(length)
                    | Piece::Framing(length)
                    | Piece::Trailers(length),
                ) => {
                    released += length;
                }
                Ok(Piece::Wait) => return Step { released, outcome: Outcome::More },
                Err(refusal) if is_head => return Step { released, outcome: Outcome::Refused(refusal) },
                Err(refusal) => return Step { released, outcome: Outcome::Violated(refusal) },
            }
        }
    }

    /// Keeps no memory for the parts of a head of many fields.
    pub fn forget(&mut self) {
        if self.head.fields.spilled() {
            self.head = HeadParts::default();
        }
    }

    /// Where the parts of the last complete head are.
    #[must_use]
    pub const fn head(&self) -> &HeadParts {
        &self.head
    }

    /// Whether the last message is complete and nothing of the next has been looked at.
    #[must_use]
    pub const fn is_between_messages(&self) -> bool {
        matches!(self.state, State::RequestLine)
    }

    /// Whether the next byte belongs to a head.
    #[must_use]
    pub const fn is_in_head(&self) -> bool {
        matches!(self.state, State::RequestLine | State::Fields(..))
    }

    /// How much of the body is left, where its head has said how long it is.
    #[must_use]
    pub const fn body_left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::RequestLine | State::Fields(..) => Some(0),
            State::ChunkSize(_) | State::Chunk(..) | State::ChunkEnd(_) | State::Trailers(_) => None,
        }
    }

    /// Whether the last complete request asked to leave HTTP, so that what follows it may be another protocol.
    #[must_use]
    pub const fn may_have_left_http(&self) -> bool {
        self.upgrade
    }

    fn advance_state(&mut self, bytes: &[u8]) -> Result<Move, Refusal> {
        match self.state {
            State::RequestLine | State::Fields(..) => self.advance_head(bytes),
            State::Length(left) => Ok(self.count(bytes, left, State::Length, State::RequestLine)),
            State::ChunkSize(extensions) => self.advance_chunk_size(bytes, extensions),
            State::Chunk(left, extensions) => {
                let more = |left| State::Chunk(left, extensions);
                Ok(self.count(bytes, left, more, State::ChunkEnd(extensions)))
            }
            State::ChunkEnd(extensions) => match bytes {
                [b'\r', b'\n', ..] => {
                    self.state = State::ChunkSize(extensions);
                    Ok(Move::Release(2))
                }
                [] | [b'\r'] => Ok(Move::Wait),
                _ => Err(Refusal::Framing),
            },
            State::Trailers(_) => self.advance_trailers(bytes),
        }
    }

    /// Lets `left` bytes pass, then goes on to `after`.
    fn count(&mut self, bytes: &[u8], left: u64, more: impl Fn(u64) -> State, after: State) -> Move {
        let length = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left.saturating_sub(length as u64);
        self.state = if left == 0 { after } else { more(left) };
        if length == 0 && left > 0 { Move::Wait } else { Move::Release(length) }
    }

    fn advance_head(&mut self, bytes: &[u8]) -> Result<Move, Refusal> {
        loop {
            let is_request_line = matches!(self.state, State::RequestLine);
            if is_request_line && bytes.get(self.line).is_some_and(|first| !self.may_begin_line(*first)) {
                return Err(Refusal::RequestLineMalformed);
            }
            let (bad_line, too_long) = if is_request_line {
                (Refusal::RequestLineMalformed, Refusal::UriTooLong)
            } else {
                (Refusal::HeaderMalformed, Refusal::HeaderTooLarge)
            };
            let Some(line) = self.next_line(bytes, self.max_head_bytes, bad_line, too_long)? else {
                return Ok(Move::Wait);
            };
            match &mut self.state {
                State::Fields(minor, fields) if line.is_empty() => {
                    let body = fields.finish(*minor)?;
                    self.upgrade = fields.has_upgrade();
                    self.state = match body {
                        Body::Chunked => State::ChunkSize(MAX_EXTENSIONS_BYTES),
                        Body::Length(0) => State::RequestLine,
                        Body::Length(length) => State::Length(length),
                    };
                    return Ok(Move::Release(self.line));
                }
                State::Fields(_, fields) => {
                    let (name, value) = fields.take(line, self.max_fields)?;
                    self.head.fields.push((place_of(name, bytes), place_of(value, bytes)));
                }
                _ if line.is_empty() => {}
                _ => {
                    let RequestLine { method, target, minor } = request_line::parse(line)?;
                    self.head.fields.clear();
                    self.head.method = place_of(method, bytes);
                    self.head.target = place_of(target, bytes);
                    self.head.is_old = minor == Minor::Zero;
                    self.state = State::Fields(minor, Fields::default());
                }
            }
        }
    }

    /// TLS or another protocol need not send a line end for us to notice it. One empty line before the request is
    /// ignored (RFC 9112 §2.2).
    fn may_begin_line(&self, first: u8) -> bool {
        is_token_byte(first) || (first == b'\r' && self.line == 0)
    }

    fn advance_chunk_size(&mut self, bytes: &[u8], mut extensions: usize) -> Result<Move, Refusal> {
        let Some(line) = self.next_line(bytes, MAX_LINE_BYTES, Refusal::Framing, Refusal::Framing)? else {
            return Ok(Move::Wait);
        };
        self.state = match parse_size(line, &mut extensions)? {
            0 => State::Trailers(0),
            size => State::Chunk(size, extensions),
        };
        Ok(Move::Release(self.line))
    }

    fn advance_trailers(&mut self, bytes: &[u8]) -> Result<Move, Refusal> {
        loop {
            let (bad_line, too_long) = (Refusal::HeaderMalformed, Refusal::HeaderTooLarge);
            let Some(line) = self.next_line(bytes, MAX_TRAILER_BYTES, bad_line, too_long)? else {
                return Ok(Move::Wait);
            };
            if line.is_empty() {
                self.state = State::RequestLine;
                return Ok(Move::Release(self.line));
            }
            take_trailer(line)?;
            if let State::Trailers(count) = &mut self.state {
                *count += 1;
                if *count > self.max_fields {
                    return Err(Refusal::HeaderTooLarge);
                }
            }
        }
    }

    /// The next complete line without its CRLF, which must be one; steps over it. A line that ends behind `limit` is
    /// `too_long`, whether or not its end is here already.
    fn next_line<'a>(
        &mut self,
        bytes: &'a [u8],
        limit: usize,
        bad_line: Refusal,
        too_long: Refusal,
    ) -> Result<Option<&'a [u8]>, Refusal> {
        let unsearched = bytes.get(self.searched..).unwrap_or_default();
        let end = memchr(b'\n', unsearched).map(|at| self.searched + at + 1);
        if end.unwrap_or(bytes.len()) > limit {
            return Err(too_long);
        }
        let Some(end) = end else {
            self.searched = bytes.len();
            return Ok(None);
        };
        let line = bytes.get(self.line..end).and_then(|line| line.strip_suffix(b"\r\n")).ok_or(bad_line)?;
        self.line = end;
        self.searched = end;
        Ok(Some(line))
    }
}
