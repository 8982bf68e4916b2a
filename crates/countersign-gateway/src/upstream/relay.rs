//! The waker of an upstream connection that is driven by whichever task uses it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Passes wake-ups of one connection on to the task that uses it now.
///
/// A connection registers one waker for its whole life, so handing it to another task costs nothing. While it is
/// *quiet* (idle in a pool, or being polled) wake-ups are only noted: the holder polls it anyway.
pub(super) struct Relay {
    target: Mutex<Waker>,
    quiet: AtomicBool,
    woken: AtomicBool,
}

impl Relay {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            target: Mutex::new(Waker::noop().clone()),
            quiet: AtomicBool::new(true),
            woken: AtomicBool::new(false),
        })
    }

    /// From now on wake-ups are only noted.
    pub(super) fn hush(&self) {
        self.quiet.store(true, Ordering::Relaxed);
    }

    /// Whether something happened while quiet; forgets it.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst) && self.woken.swap(false, Ordering::AcqRel)
    }

    /// From now on wake-ups go to the task of `cx`. What was noted meanwhile wakes it at once.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        {
            let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            if !target.will_wake(cx.waker()) {
                target.clone_from(cx.waker());
            }
        }
        self.quiet.store(false, Ordering::SeqCst);
        if self.take_woken() {
            cx.waker().wake_by_ref();
        }
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.quiet.load(Ordering::SeqCst) && self.woken.swap(false, Ordering::AcqRel) {
            self.target.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

/// Polls what can become ready only by polling the connection in the same breath: no wake-up is needed.
pub(super) fn poll_unwoken<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}
