//! The end of a request's body, said by somebody else than who reads it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Ends the body of a request when its stream is over: another task may read it still, and would go on.
#[derive(Debug, Default)]
pub struct Cut {
    is_cut: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Cut {
    /// Nothing more of it is read.
    pub(crate) fn cut(&self) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_cut.store(true, Ordering::Release);
        if let Some(reader) = reader.take() {
            reader.wake();
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// Ready when it is cut.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_cut() {
            return Poll::Ready(());
        }
        match &mut *reader {
            Some(reader) => reader.clone_from(cx.waker()),
            None => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}
