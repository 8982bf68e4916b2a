//! What a client sends, divided into requests, without I/O.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Method, Uri, Version};
use http_body::Frame;
use httparse::Status;

use super::super::head_guard::{Follow, HeadParts, Piece};
use crate::{
    config::resolved::Limits,
    error::Refusal,
    http::{Lines, Parts},
    http1::{MAX_FIELDS, MAX_NAME_BYTES, parsed, read_fields, take},
};

/// Divides the bytes of one connection into heads and bodies, as [`Follow`] says where they end.
pub struct RequestReader {
    read: BytesMut,
    follow: Follow,
}

impl RequestReader {
    /// At the start of a connection. Of the limits `header_bytes` and `header_count` are used.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { read: BytesMut::new(), follow: Follow::new(limits) }
    }

    /// What was read and is in no request yet: append to it.
    pub const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.read
    }

    /// The head of the next request, once the body of the last is over, in the place of the last; false before more was
    /// read.
    ///
    /// # Errors
    /// What the head is refused for. Nothing after it is a request.
    pub fn next_head(&mut self, place: &mut Parts) -> Result<bool, Refusal> {
        if self.read.is_empty() {
            return Ok(false);
        }
        match self.follow.step(&self.read)? {
            Piece::Head(length) => {
                let head = take(&mut self.read, length);
                read_request(head, self.follow.head(), place)?;
                Ok(true)
            }
            Piece::Wait => Ok(false),
            Piece::Data(_) | Piece::Framing(_) | Piece::Trailers(_) => Err(Refusal::Bug),
        }
    }

    /// The next piece of the body, or its trailers; `None` before more was read, or when it is over.
    ///
    /// # Errors
    /// What the body is refused for. Nothing after it is a request.
    pub fn next_of_body(&mut self) -> Result<Option<Frame<Bytes>>, Refusal> {
        while !self.is_body_over() {
            match self.follow.step(&self.read)? {
                Piece::Data(length) => return Ok(Some(Frame::data(take(&mut self.read, length).freeze()))),
                Piece::Framing(length) => self.read.advance(length),
                Piece::Trailers(length) => return trailers(&self.read.split_to(length).freeze()),
                Piece::Wait => return Ok(None),
                Piece::Head(_) => return Err(Refusal::Bug),
            }
        }
        Ok(None)
    }

    /// Keeps nothing of the last head while the next one is waited for.
    pub(crate) fn forget(&mut self) {
        self.follow.forget();
    }

    /// Whether the body of the last request is over.
    #[must_use]
    pub const fn is_body_over(&self) -> bool {
        self.follow.is_in_head()
    }

    /// How long the rest of the body is, if the head has said so.
    #[must_use]
    pub const fn body_left(&self) -> Option<u64> {
        self.follow.body_left()
    }

    /// Whether part of a head was read.
    #[must_use]
    pub fn has_begun_head(&self) -> bool {
        self.follow.is_in_head() && !self.read.is_empty()
    }

    /// Whether the last request asked to leave HTTP: what follows it may be another protocol.
    #[must_use]
    pub const fn may_leave_http(&self) -> bool {
        self.follow.may_have_left_http()
    }
}

impl fmt::Debug for RequestReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestReader").field("follow", &self.follow).finish_non_exhaustive()
    }
}

/// The request of a head whose parts are known.
fn read_request(mut head: BytesMut, at: &HeadParts, into: &mut Parts) -> Result<(), Refusal> {
    let method = head.get(at.method.clone()).unwrap_or_default();
    into.method = Method::from_bytes(method).map_err(|_| Refusal::RequestLineMalformed)?;
    let target = head.get(at.target.clone()).unwrap_or_default();
    into.uri = Uri::try_from(target).map_err(|_| Refusal::RequestLineMalformed)?;
    into.version = if at.is_old { Version::HTTP_10 } else { Version::HTTP_11 };
    into.extensions.clear();
    let mut lines = Lines::in_place_of(&mut into.fields);
    for (name, value) in &at.fields {
        if name.len() > MAX_NAME_BYTES {
            return Err(Refusal::HeaderMalformed);
        }
        lines.push(&mut head, name.clone(), value.clone());
    }
    into.fields = lines.within(head);
    Ok(())
}

fn trailers(section: &Bytes) -> Result<Option<Frame<Bytes>>, Refusal> {
    let mut space = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(Status::Complete((_, fields))) = httparse::parse_headers(section, &mut space) else {
        return Err(Refusal::HeaderMalformed);
    };
    if fields.is_empty() {
        return Ok(None);
    }
    let mut trailers = HeaderMap::new();
    read_fields(parsed(fields), section, &mut trailers).map_err(|_| Refusal::HeaderMalformed)?;
    Ok(Some(Frame::trailers(trailers)))
}
