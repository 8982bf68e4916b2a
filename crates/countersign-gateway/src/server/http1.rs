//! HTTP/1.1 towards clients.
//!
//! 1. One request after the other: the next is looked at when the answer to the last is written.
//! 2. A client that closes its sending side while it waits is taken as gone, as almost always it is; the request
//!    upstream is then ended too.
//! 3. Where messages end, [`super::head_guard`] decides. A bad head is answered in its turn, and is the last.
//! 4. Time-outs are ours ([`Watch`] and the bodies'), on one timer for each connection.
//! 5. After the last answer, what the client still sends is read away for [`LINGER`], until it closes.
//! 6. A header section that is late is answered by the handler, as every refusal is. A connection on which nothing
//!    came is closed without a word: an answer would be taken for that to a request yet to be sent.

mod head;
mod reader;
mod wire;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::timeout;

pub use self::reader::RequestReader;
pub(crate) use self::wire::RequestBody;
use self::wire::Wire;
use self::{
    head::{Asked, Framed},
    wire::{Begun, NoRequest},
};
use super::{
    Handler, Outbound,
    answer::Open,
    connection::Scope,
    io::Io,
    upgrading::{ClientStream, Handover, Upgrading},
    watch::{Late, Situation, Watch},
};
use crate::{
    error::Refusal,
    http::{Answer, Head, Parts},
    http1::Outgoing,
    upstream::{BodyError, Deadline, Inbound},
};

/// For the last words to a client that was too slow.
const GOODBYE: Duration = Duration::from_secs(1);
/// After the last answer, what the client still sends is read away for so long, until it closes too. Bytes that meet a
/// closed socket would reset the connection, and the client might never see its answer (RFC 9112 §9.6).
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As it should: nothing more is to come.
    Good,
    /// As it should, with an answer after which nothing that the client still sends is looked at.
    Answered,
    /// It has left HTTP.
    Left,
    /// The client went away in the middle of a message.
    Gone,
    /// An answer could not be completed.
    CutOff,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Going,
    Done,
    /// Its body has failed: what came before is still sent.
    CutOff,
}

/// An answer on its way to the client.
struct Transfer {
    asked: Asked,
    /// Once its head is written.
    framed: Option<Framed>,
    progress: Progress,
    /// More may be put behind what is to be written.
    has_room: bool,
}

impl Transfer {
    fn begin(&mut self, framed: Framed) {
        // What is no answer to a HEAD, or of a status that has none, is not read.
        if framed.encoder.is_over() {
            self.progress = Progress::Done;
        }
        self.framed = Some(framed);
    }

    /// Puts what came of the body, perhaps its end, behind what is to be written, where there is room.
    fn take(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>, is_last: bool, out: &mut Outgoing) {
        let (Progress::Going, Some(Framed { encoder, .. })) = (self.progress, &mut self.framed) else {
            return;
        };
        let (data, trailers) = match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Err(_)) => return self.progress = Progress::CutOff,
            Some(Ok(Ok(data))) => (Some(data), None),
            Some(Ok(Err(frame))) => (None, frame.into_trailers().ok()),
            None => (None, None),
        };
        let is_last = is_last || data.is_none();
        if data.is_some_and(|data| encoder.push(data, out).is_err()) {
            self.progress = Progress::CutOff;
        } else if is_last && (out.has_room() || encoder.is_over() || trailers.is_some()) {
            let finished = encoder.finish(trailers.as_ref(), out);
            self.progress = if finished.is_ok() { Progress::Done } else { Progress::CutOff };
        }
    }
}

/// One connection on its way through its requests.
struct Serving<'a, H> {
    wire: Wire,
    scope: &'a Scope<H>,
    deadline: &'a Arc<Deadline>,
    /// The request under way.
    request: Parts,
}

pub(super) async fn serve<H: Handler>(io: Io, scope: Arc<Scope<H>>) {
    let wire = Wire::new(io, &scope.limits);
    let deadline = Arc::new(Deadline::default());
    let served = run(&wire, &scope, &deadline).await;
    let mut lingers = matches!(served, Ok(End::Answered));
    match served {
        Ok(End::Good | End::Answered) => {}
        Ok(End::Left) => return,
        Ok(end) => scope.note_broken(match end {
            End::Gone => "the client went away in the middle of a message",
            _ => "an answer was cut off",
        }),
        Err(late) => {
            scope.note_late(late);
            if late == Late::Head && wire.lock().has_begun_head() {
                let mut last = Serving::new(&wire, &scope, &deadline);
                lingers = timeout(GOODBYE, last.refuse(Refusal::HeaderTimeout)).await == Ok(End::Answered);
            }
        }
    }
    let _ = timeout(GOODBYE, poll_fn(|cx| wire.lock().poll_shutdown(cx))).await;
    if lingers {
        wire.lock().note_answered();
        let _ = timeout(LINGER, poll_fn(|cx| wire.lock().poll_discard(cx))).await;
    } else {
        wire.lock().discard_read();
    }
    wire.lock().close();
}

/// Serves requests until the connection ends, or is late with something.
async fn run<H: Handler>(wire: &Wire, scope: &Scope<H>, deadline: &Arc<Deadline>) -> Result<End, Late> {
    let mut serving = Serving::new(wire, scope, deadline);
    let mut requests = pin!(serving.requests());
    let drain = &scope.shared.drain;
    let mut notified = pin!(drain.notified());
    let mut enabled = false;
    let mut watch = Watch::new(&scope.limits);
    poll_fn(|cx| {
        if !enabled {
            enabled = true;
            let _ = notified.as_mut().poll(cx);
        }
        if let Poll::Ready(end) = requests.as_mut().poll(cx) {
            return Poll::Ready(Ok(end));
        }
        let activity = &scope.connection.activity;
        let head_begun = activity.open() == 0 && activity.has_begun_head();
        let received = activity.received();
        let situation = Situation { head_begun, draining: drain.has_begun(), received };
        watch.poll(cx, activity, deadline, situation).map(Err)
    })
    .await
}

impl<'a, H: Handler> Serving<'a, H> {
    fn new(wire: &Wire, scope: &'a Scope<H>, deadline: &'a Arc<Deadline>) -> Self {
        Self { wire: wire.clone(), scope, deadline, request: Parts::default() }
    }

    async fn requests(&mut self) -> End {
        loop {
            match poll_fn(|cx| self.poll_request(cx)).await {
                Ok(begun) => match self.answer(begun).await {
                    Ok(true) => {}
                    Ok(false) => return End::Answered,
                    Err(end) => return end,
                },
                Err(NoRequest::End) => return End::Good,
                Err(NoRequest::Gone) => return End::Gone,
                Err(NoRequest::Refused(refusal)) => return self.refuse(refusal).await,
            }
        }
    }

    /// The next request. After the drain has begun there is none behind the first, unless it was on its way already.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<Begun, NoRequest>> {
        let mut messages = self.wire.lock();
        let activity = &self.scope.connection.activity;
        if activity.begun() > 0 && self.scope.shared.drain.has_begun() && !messages.has_begun_head() {
            return Poll::Ready(Err(NoRequest::End));
        }
        let head = messages.poll_head(cx, &mut self.request);
        activity.note_head(head.is_pending() && messages.has_begun_head());
        head
    }

    /// Answers a request. Whether another may follow.
    async fn answer(&mut self, begun: Begun) -> Result<bool, End> {
        let Begun { asked, body, asks_to_leave } = begun;
        let open = Open::begin(&*self.scope.connection);
        let handover = asks_to_leave.then(|| Upgrading::offer(&mut self.request.extensions));
        let answer = self.wait_for_answer(body).await?;
        let is_switch = answer.head.status == StatusCode::SWITCHING_PROTOCOLS;
        // Nobody reads the rest of a request whose whole answer is here: it says so if it is the last.
        let at_next = body.is_none()
            || match &answer.body {
                Outbound::Upstream(answer) if !answer.is_end_stream() => {
                    !answer.has_come() || !self.wire.lock().is_body_open()
                }
                Outbound::Upstream(_) | Outbound::Empty | Outbound::Full(_) => {
                    self.wire.lock().give_up_unasked_body()
                }
            };
        let asked = if at_next { asked } else { asked.and_close() };
        let keeps = self.send(answer, asked).await?;
        drop(open);
        match handover {
            Some(handover) if is_switch => {
                self.hand_over(handover);
                Err(End::Left)
            }
            _ => {
                let is_at_next = body.is_none() || self.wire.lock().give_up_body();
                Ok(keeps && is_at_next)
            }
        }
    }

    /// Has the handler answer a request with the body of this number, as long as the client is there.
    async fn wait_for_answer(&mut self, body: Option<u64>) -> Result<Answer<Outbound>, End> {
        let Scope { shared, connection, limits, .. } = self.scope;
        let body = body.map(|number| self.wire.body(number));
        let deadline = Arc::clone(self.deadline);
        let mut body = Inbound::over_http1(body, limits.body_bytes, limits.body_timeout, deadline);
        let answer = shared.handler.handle(&mut self.request, &mut body, connection, &shared.worker);
        let mut answering = pin!(answer);
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            let mut messages = self.wire.lock();
            let is_broken =
                !messages.out.is_empty() && matches!(messages.poll_write(cx), Poll::Ready(Err(_)));
            if is_broken || messages.poll_gone(cx).is_ready() {
                Poll::Ready(Err(End::Gone))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Answers a bad head, after which nothing is looked at.
    async fn refuse(&mut self, refusal: Refusal) -> End {
        let open = Open::begin(&*self.scope.connection);
        let Scope { shared, connection, .. } = self.scope;
        let answer = shared.handler.refuse(refusal, connection, &shared.worker);
        let sent = self.send(answer, Asked::REFUSED).await;
        drop(open);
        sent.map_or_else(|end| end, |_| End::Answered)
    }

    /// Sends an answer. Whether the connection is kept after it.
    async fn send(&mut self, Answer { head, mut body }: Answer<Outbound>, asked: Asked) -> Result<bool, End> {
        let mut transfer = Transfer { asked, framed: None, progress: Progress::Going, has_room: true };
        poll_fn(|cx| self.poll_send(cx, &head, &mut body, &mut transfer)).await?;
        self.forget();
        Ok(transfer.framed.is_some_and(|framed| framed.keeps))
    }

    /// Keeps no byte of a request while the client thinks, but the list of its lines.
    fn forget(&mut self) {
        self.request.fields.clear();
        self.request.uri = Uri::default();
        self.request.extensions.clear();
    }

    /// Passes on what there is of an answer, and writes.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        head: &Head,
        body: &mut Outbound,
        transfer: &mut Transfer,
    ) -> Poll<Result<(), End>> {
        loop {
            // Not while the wire is locked: the body of the request may be read on the way.
            let hint = transfer.framed.is_none().then(|| length_of(body));
            let mut waits = false;
            let frame = match transfer.progress {
                Progress::Going if !transfer.has_room => None,
                Progress::Going if body.is_end_stream() => Some(None),
                Progress::Going => match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(frame) => Some(frame),
                    Poll::Pending => {
                        waits = true;
                        None
                    }
                },
                Progress::Done | Progress::CutOff => None,
            };
            let mut messages = self.wire.lock();
            if let Some(hint) = hint {
                let last = self.scope.shared.drain.has_begun();
                let now = || self.scope.shared.handler.now();
                transfer.begin(messages.begin_answer(head, transfer.asked, &hint, last, now));
            }
            if let Some(frame) = frame {
                transfer.take(frame, body.is_end_stream(), &mut messages.out);
            }
            transfer.has_room = messages.out.has_room();
            if transfer.progress == Progress::Going && !waits && transfer.has_room {
                continue;
            }
            if !messages.out.is_empty() {
                let Poll::Ready(written) = messages.poll_write(cx) else {
                    drop(messages);
                    return body.poll_unread(cx).map(|()| Err(End::CutOff));
                };
                written.map_err(|_| End::Gone)?;
                transfer.has_room = true;
            }
            match transfer.progress {
                Progress::CutOff => return Poll::Ready(Err(End::CutOff)),
                Progress::Done => return Poll::Ready(Ok(())),
                Progress::Going if waits => return messages.poll_gone(cx).map(|()| Err(End::Gone)),
                Progress::Going => {}
            }
        }
    }

    fn hand_over(&self, handover: Handover) {
        if let Some((io, read)) = self.wire.lock().leave() {
            // Whoever asked for it may have given up.
            let _ = handover.send((ClientStream(io), read));
        }
    }
}

/// How long a body is, if that is known: HTTP/2 knows a length for an answer to HEAD, too.
fn length_of(body: &Outbound) -> SizeHint {
    if body.is_end_stream() { SizeHint::with_exact(0) } else { body.size_hint() }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Asked, Frame, Framed, Outgoing, Progress, Transfer};
    use crate::http1::Encoder;

    #[test]
    fn trailers_behind_a_head_that_leaves_no_room_are_sent() {
        let mut out = Outgoing::default();
        out.buffer().extend_from_slice(&vec![b'x'; 20_000]);
        assert!(!out.has_room());
        let encoder = Encoder::chunked(std::iter::once(&b"checksum"[..]));
        let framed = Some(Framed { encoder, keeps: true });
        let mut transfer =
            Transfer { asked: Asked::REFUSED, framed, progress: Progress::Going, has_room: false };
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", HeaderValue::from_static("7"));
        transfer.take(Some(Ok(Frame::trailers(trailers))), false, &mut out);
        assert_eq!(transfer.progress, Progress::Done);
        assert!(out.buffer().ends_with(b"x0\r\nchecksum: 7\r\n\r\n"));
    }
}
