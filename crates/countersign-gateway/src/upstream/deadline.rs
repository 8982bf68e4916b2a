//! One lazily armed timer for everything a task waits for.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::BodyError;

/// The timer of one task: a connection (HTTP/1.1) or a stream (HTTP/2).
///
/// Whoever waits names the moment it waits for at every poll; the timer below is armed for the earliest moment
/// that was ever named and armed again only when it fires early. A request that does not wait long touches no
/// timer wheel.
///
/// All waits of one `Deadline` must be polled by the same task.
#[derive(Default)]
pub struct Deadline {
    state: Mutex<State>,
    /// What `state` knows of a body is of the one under way. Most requests have none, and then it is not looked at.
    has_noted: AtomicBool,
    is_body_over: AtomicBool,
}

#[derive(Default)]
struct State {
    armed: Option<Armed>,
    progress: Option<Instant>,
    failure: Option<BodyError>,
}

struct Armed {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
    waker: Waker,
}

impl Deadline {
    /// Ready once `at` is past; otherwise the task is woken no later than `at`.
    pub fn poll(&self, cx: &mut Context<'_>, now: Instant, at: Instant) -> Poll<()> {
        if now >= at {
            return Poll::Ready(());
        }
        let mut state = self.state();
        let armed = state.armed.get_or_insert_with(|| Armed {
            sleep: Box::pin(sleep_until(at)),
            at: now,
            waker: Waker::noop().clone(),
        });
        if now < armed.at && armed.at <= at && armed.waker.will_wake(cx.waker()) {
            return Poll::Pending;
        }
        if armed.at <= now || armed.at > at {
            armed.sleep.as_mut().reset(at);
            armed.at = at;
        }
        armed.waker.clone_from(cx.waker());
        armed.sleep.as_mut().poll(cx)
    }

    /// Another request body begins; one that is none is over.
    pub(super) fn begin_body(&self, is_none: bool) {
        self.has_noted.store(false, Ordering::Release);
        self.is_body_over.store(is_none, Ordering::Release);
    }

    /// Notes that a piece of the request body arrived at `now`, perhaps the last.
    pub(super) fn touch_body(&self, now: Instant, is_last: bool) {
        self.note(|state| state.progress = Some(now));
        if is_last {
            self.end_body();
        }
    }

    /// Notes that the request body has come to its end.
    pub(super) fn end_body(&self) {
        self.is_body_over.store(true, Ordering::Release);
    }

    /// Whether all of the request body was passed on.
    pub(super) fn is_body_over(&self) -> bool {
        self.is_body_over.load(Ordering::Acquire)
    }

    /// When a piece of the request body last arrived, or `since` if that is later.
    pub(super) fn body_progress_since(&self, since: Instant) -> Instant {
        let progress = self.noted().and_then(|state| state.progress);
        progress.map_or(since, |progress| progress.max(since))
    }

    /// Notes why the request body ended before its end.
    pub(super) fn fail_body(&self, error: BodyError) {
        self.note(|state| state.failure = Some(error));
    }

    /// Why the request body ended before its end, if it did.
    pub(super) fn body_failure(&self) -> Option<BodyError> {
        self.noted().and_then(|state| state.failure)
    }

    fn noted(&self) -> Option<MutexGuard<'_, State>> {
        self.has_noted.load(Ordering::Acquire).then(|| self.state())
    }

    fn note(&self, what: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if !self.has_noted.load(Ordering::Acquire) {
            (state.progress, state.failure) = (None, None);
        }
        what(&mut state);
        self.has_noted.store(true, Ordering::Release);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll, time::Duration};

    use tokio::time::{Instant, advance};

    use super::Deadline;

    #[tokio::test(start_paused = true)]
    async fn a_later_moment_arms_nothing_and_is_still_met() {
        let deadline = Deadline::default();
        let start = Instant::now();
        let (soon, late) = (start + Duration::from_secs(1), start + Duration::from_secs(5));
        poll_fn(|cx| {
            assert!(deadline.poll(cx, start, soon).is_pending());
            assert!(deadline.poll(cx, start, late).is_pending());
            Poll::Ready(())
        })
        .await;
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            deadline.poll(cx, Instant::now(), late)
        })
        .await;
        assert_eq!(Instant::now(), late);
        assert_eq!(polls, 3, "first, early firing, the end");
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_moment_is_met() {
        let deadline = Deadline::default();
        let start = Instant::now();
        poll_fn(|cx| {
            assert!(deadline.poll(cx, start, start + Duration::from_secs(60)).is_pending());
            Poll::Ready(())
        })
        .await;
        let soon = start + Duration::from_secs(2);
        poll_fn(|cx| deadline.poll(cx, Instant::now(), soon)).await;
        assert_eq!(Instant::now(), soon);
    }

    #[tokio::test(start_paused = true)]
    async fn another_task_that_polls_is_the_one_woken() {
        let deadline = std::sync::Arc::new(Deadline::default());
        let at = Instant::now() + Duration::from_secs(3);
        poll_fn(|cx| {
            assert!(deadline.poll(cx, Instant::now(), at).is_pending());
            Poll::Ready(())
        })
        .await;
        let other = std::sync::Arc::clone(&deadline);
        let task = tokio::spawn(async move { poll_fn(|cx| other.poll(cx, Instant::now(), at)).await });
        task.await.unwrap();
        assert_eq!(Instant::now(), at);
        advance(Duration::ZERO).await;
    }
}
