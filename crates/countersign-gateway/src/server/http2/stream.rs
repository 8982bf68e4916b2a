//! The time-outs of one HTTP/2 stream as a whole.
//!
//! hyper asks an answer for more only while the client has opened a window for it. The answer to a client that opens
//! none is not polled, so that none of its own time-outs fires: the task around it counts the time.
//!
//! 1. An answer notes in its connection's [`Turn`] whom it waits for. A worker has one thread: what was noted while a
//!    stream was polled is about that stream.
//! 2. Nor would the rest of its request be passed on, which may be what the client waits for: the task does that, as long
//!    as the answer may go on.
//! 3. Its request is over with it, whoever reads that: else the client would not even be told.
//! 4. It is given out in pieces that fit one frame, so that a client that takes slowly takes one often enough.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use crate::{
    server::answer::Counted,
    upstream::{BodyError, Received},
};

/// The smallest that a frame may be limited to (RFC 9113 §4.2).
const PIECE: usize = 16 * 1024;

/// Whom the stream that is polled now waits for, and its answer and the body of its request, if they have just begun.
#[derive(Default)]
pub(super) struct Turn {
    said: AtomicU8,
    begun: Mutex<Option<Answer>>,
    received: Mutex<Option<Arc<Received>>>,
}

/// The body of a stream's request, which ends with the stream.
#[derive(Default)]
struct Request(Option<Arc<Received>>);

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(received) = &self.0 {
            received.cut();
        }
    }
}

/// An answer that hyper asks for more, and the stream's task passes the request on for.
#[derive(Clone)]
struct Answer(Arc<Mutex<Counted>>);

impl Answer {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    const UNSAID: u8 = 0;
    const CLIENT: u8 = 1;
    const SERVICE: u8 = 2;

    fn say(&self, whom: u8) {
        self.said.store(whom, Ordering::Relaxed);
    }

    fn said(&self) -> u8 {
        self.said.load(Ordering::Relaxed)
    }

    fn begin(&self, answer: Answer) {
        *self.begun() = Some(answer);
    }

    /// The answer that has begun while a stream was polled.
    fn take_begun(&self) -> Option<Answer> {
        self.begun().take()
    }

    /// The stream that is polled has a request with a body.
    pub(super) fn receive(&self, received: &Arc<Received>) {
        *self.received() = Some(Arc::clone(received));
    }

    fn received(&self) -> MutexGuard<'_, Option<Arc<Received>>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> MutexGuard<'_, Option<Answer>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an answer that tells whom it waits for.
pub(super) struct Pieces {
    answer: Answer,
    rest: Bytes,
    turn: Arc<Turn>,
}

impl Pieces {
    pub(super) fn new(answer: Counted, turn: Arc<Turn>) -> Self {
        turn.say(Turn::CLIENT);
        let answer = Answer(Arc::new(Mutex::new(answer)));
        turn.begin(answer.clone());
        Self { answer, rest: Bytes::new(), turn }
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut *this.answer.lock()).poll_frame(cx) else {
                this.turn.say(Turn::SERVICE);
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                other => {
                    this.turn.say(Turn::CLIENT);
                    let other = other.map(|frame| frame.map(|frame| frame.map_or_else(|f| f, Frame::data)));
                    return Poll::Ready(other);
                }
            }
        }
        this.turn.say(Turn::CLIENT);
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.answer.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, answer) =
            (u64::try_from(self.rest.len()).unwrap_or(u64::MAX), self.answer.lock().size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(answer.lower().saturating_add(rest));
        if let Some(upper) = answer.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// Bounds of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Between two pieces that the client takes.
    pub(super) piece: Duration,
    /// From its first byte to its last.
    pub(super) whole: Duration,
}

/// How a stream came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself.
    Complete,
    /// It lasted too long.
    Over,
    /// The client took nothing of the answer for too long.
    Untaken,
}

/// Runs a stream until it ends or breaks its bounds. Dropping it then resets it.
pub(super) async fn run<F: Future>(stream: F, turn: Arc<Turn>, bounds: Bounds) -> Ended {
    let over = Instant::now() + bounds.whole;
    let mut stream = pin!(stream);
    // Armed for the earliest moment that was ever waited for.
    let mut alarm = pin!(sleep_until(over));
    let mut untaken_since = None;
    let mut answer = None;
    let mut request = Request::default();
    poll_fn(|cx| {
        turn.say(Turn::UNSAID);
        let is_over = stream.as_mut().poll(cx).is_ready();
        if let Some(received) = turn.received().take() {
            request.0 = Some(received);
        }
        answer = turn.take_begun().or_else(|| answer.take());
        if is_over {
            return Poll::Ready(Ended::Complete);
        }
        if turn.said() != Turn::SERVICE
            && let Some(answer) = &answer
            && answer.lock().poll_unread(cx).is_ready()
        {
            return Poll::Ready(Ended::Over);
        }
        let now = Instant::now();
        match turn.said() {
            Turn::CLIENT => untaken_since = Some(now),
            Turn::SERVICE => untaken_since = None,
            _ => {}
        }
        let untaken = untaken_since.map(|since| since + bounds.piece);
        let last = untaken.map_or(over, |untaken| untaken.min(over));
        if now >= last {
            return Poll::Ready(if now >= over { Ended::Over } else { Ended::Untaken });
        }
        let armed = alarm.deadline();
        if armed <= now || armed > last {
            alarm.as_mut().reset(last);
        }
        if alarm.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn},
        sync::Arc,
        task::Poll,
        time::Duration,
    };

    use tokio::time::{Instant, interval};

    use super::{Bounds, Ended, Turn, run};

    const BOUNDS: Bounds = Bounds { piece: Duration::from_secs(30), whole: Duration::from_secs(3_600) };

    /// A stream that says this at every poll, and is polled every ten seconds.
    async fn saying(says: impl Fn(u32) -> u8) -> (Ended, Duration) {
        let (start, turn) = (Instant::now(), Arc::new(Turn::default()));
        let (mut ticks, mut polls) = (interval(Duration::from_secs(10)), 0);
        let said = Arc::clone(&turn);
        let stream = poll_fn(move |cx| {
            while ticks.poll_tick(cx).is_ready() {
                polls += 1;
                said.say(says(polls));
            }
            Poll::<()>::Pending
        });
        (run(stream, turn, BOUNDS).await, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_a_client_does_not_take_is_hurried() {
        let seconds = Duration::from_secs;
        let nothing = saying(|_| Turn::UNSAID).await;
        assert_eq!(nothing, (Ended::Over, seconds(3_600)), "no answer yet");
        assert_eq!(saying(|_| Turn::SERVICE).await, (Ended::Over, seconds(3_600)), "the service is silent");
        assert_eq!(saying(|_| Turn::CLIENT).await, (Ended::Over, seconds(3_600)), "a piece each ten seconds");
        let once = saying(|poll| if poll == 1 { Turn::CLIENT } else { Turn::UNSAID }).await;
        assert_eq!(once, (Ended::Untaken, seconds(30)));
        let late = saying(|poll| match poll {
            1..5 => Turn::CLIENT,
            5..20 => Turn::SERVICE,
            20 => Turn::CLIENT,
            _ => Turn::UNSAID,
        });
        assert_eq!(late.await, (Ended::Untaken, seconds(190 + 30)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_an_end() {
        let turn = Arc::new(Turn::default());
        assert_eq!(run(async {}, Arc::clone(&turn), BOUNDS).await, Ended::Complete);
        assert_eq!(run(pending::<()>(), turn, BOUNDS).await, Ended::Over);
    }
}
