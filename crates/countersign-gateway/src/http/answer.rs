//! An answer on its way to a client.

use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::Fields;

/// An answer, with a body in some form.
#[derive(Debug)]
pub struct Answer<B> {
    /// What comes before the body.
    pub head: Head,
    /// The body.
    pub body: B,
}

/// What comes before the body of an answer.
#[derive(Clone, Default)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase, where it is not the usual one.
    pub reason: Option<Bytes>,
    /// The fields.
    pub fields: Fields,
}

impl fmt::Debug for Head {
    /// Without the reason, in which a service may say anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, fields, .. } = self;
        f.debug_struct("Head").field("status", status).field("fields", fields).finish_non_exhaustive()
    }
}

impl<B> Answer<B> {
    /// Another body to the same head.
    pub fn map<C>(self, with: impl FnOnce(B) -> C) -> Answer<C> {
        Answer { head: self.head, body: with(self.body) }
    }
}

impl<B> From<Response<B>> for Answer<B> {
    fn from(response: Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        Self { head: Head { status: parts.status, reason: None, fields: parts.headers.into() }, body }
    }
}

impl<B> From<Answer<B>> for Response<B> {
    /// Without the reason phrase, which HTTP/2 does not have.
    fn from(answer: Answer<B>) -> Self {
        let mut response = Self::new(answer.body);
        *response.status_mut() = answer.head.status;
        *response.headers_mut() = answer.head.fields.into();
        response
    }
}
