//! The body of an HTTP/2 request, which ends with its stream.

use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::BodyError;

/// What a client sends over HTTP/2, as long as its stream is not over.
///
/// Another task may read it, and h2 tells a client nothing while anybody holds it: it is taken from whoever does.
#[derive(Debug)]
pub struct Received(Mutex<State>);

#[derive(Debug)]
struct State {
    incoming: Option<Incoming>,
    reader: Option<Waker>,
}

impl Received {
    pub(crate) const fn new(incoming: Incoming) -> Self {
        Self(Mutex::new(State { incoming: Some(incoming), reader: None }))
    }

    /// Its stream is over: nothing more of it is read.
    pub(crate) fn cut(&self) {
        let mut state = self.state();
        state.incoming = None;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Whether it has come to its end as it should.
    pub(crate) fn is_over(&self) -> bool {
        self.state().incoming.as_ref().is_some_and(Incoming::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.state().incoming.as_ref().map_or_else(SizeHint::new, Incoming::size_hint)
    }

    pub(super) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.state();
        let State { incoming, reader } = &mut *state;
        let Some(incoming) = incoming else { return Poll::Ready(Some(Err(BodyError::Gone))) };
        let frame = Pin::new(incoming).poll_frame(cx);
        if frame.is_pending() {
            match reader {
                Some(reader) => reader.clone_from(cx.waker()),
                None => *reader = Some(cx.waker().clone()),
            }
        }
        Poll::Ready(ready!(frame).map(|frame| frame.map_err(|error| BodyError::from_hyper(&error))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
