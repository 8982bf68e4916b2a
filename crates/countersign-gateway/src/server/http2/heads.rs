//! How long a client's header section takes to come.
//!
//! 1. hyper and h2 tell of a section when it is complete. So the frames are divided on their way to h2, to see where
//!    each section begins and ends. Whether they are good is for h2 to say.
//! 2. A section is bounded by `header_timeout`, trailers too, whatever else the connection is at: from HEADERS to
//!    END_HEADERS nothing else may come by it (RFC 9113 §6.10), so that one that drips holds up all other streams.
//! 3. While the client does not take what it is sent, h2 may not read on: then only what bounds that counts, and that
//!    time is none of the section's.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{
    server::{connection::PREFACE, io::Io},
    upstream::Deadline,
};

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// What each frame begins with (RFC 9113 §4.1).
const FRAME_HEAD: u8 = 9;
/// Of that: length, type and flags.
const LENGTH_TO_FLAGS: u8 = 5;

/// Which section is under way. An odd number is one that has begun, the next one says that it has ended.
#[derive(Debug, Default)]
pub(super) struct Heads(AtomicUsize);

impl Heads {
    /// A number for the section that is under way, another one for each.
    pub(super) fn under_way(&self) -> Option<usize> {
        let number = self.0.load(Ordering::Relaxed);
        (number % 2 == 1).then_some(number)
    }

    fn turn(&self, under_way: bool) {
        if self.under_way().is_some() != under_way {
            // Only the connection's task writes.
            self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }
}

/// Where the frames of a client are.
#[derive(Debug)]
struct Frames {
    /// Bytes until the next frame.
    left: usize,
    /// Bytes of that frame's head that have come, and the first of them.
    come: u8,
    head: u64,
    /// With the frame under way a section ends.
    ends: bool,
}

impl Frames {
    const fn new() -> Self {
        Self { left: PREFACE.len(), come: 0, head: 0, ends: false }
    }

    fn follow(&mut self, mut bytes: &[u8], heads: &Heads) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let of_frame = self.left.min(bytes.len());
                self.left = self.left.saturating_sub(of_frame);
                bytes = bytes.get(of_frame..).unwrap_or_default();
            } else {
                if self.come < LENGTH_TO_FLAGS {
                    self.head = self.head << 8 | u64::from(*first);
                }
                self.come = self.come.saturating_add(1);
                bytes = rest;
                if self.come < FRAME_HEAD {
                    continue;
                }
                self.begin_frame(heads);
            }
            if self.left == 0 && std::mem::take(&mut self.ends) {
                heads.turn(false);
            }
        }
    }

    fn begin_frame(&mut self, heads: &Heads) {
        let [.., a, b, c, kind, flags] = self.head.to_be_bytes();
        self.left = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        self.ends = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0;
        (self.come, self.head) = (0, 0);
        if kind == HEADERS {
            heads.turn(true);
        }
    }
}

/// A client's bytes, with an eye on its header sections.
#[derive(Debug)]
pub(super) struct Watched {
    io: Io,
    frames: Frames,
    heads: Arc<Heads>,
}

impl Watched {
    pub(super) const fn new(io: Io, heads: Arc<Heads>) -> Self {
        Self { io, frames: Frames::new(), heads }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { io, frames, heads } = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(io).poll_read(cx, buf))?;
        frames.follow(buf.filled().get(before..).unwrap_or_default(), heads);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }
}

/// Since when the section under way comes.
#[derive(Debug)]
pub(super) struct HeadClock {
    limit: Duration,
    since: Option<(usize, Instant)>,
    /// The last look, if the client took nothing then.
    blocked: Option<Instant>,
}

impl HeadClock {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, since: None, blocked: None }
    }

    /// Ready when a section takes too long. Called after every poll of the connection.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        heads: &Heads,
        deadline: &Deadline,
        is_blocked: bool,
    ) -> Poll<()> {
        let Some(section) = heads.under_way() else { return Poll::Pending };
        let now = Instant::now();
        let blocked = self.blocked.take().map(|look| now.saturating_duration_since(look));
        let since = match self.since {
            Some((same, since)) if same == section => since + blocked.unwrap_or_default(),
            _ => now,
        };
        self.since = Some((section, since));
        self.blocked = is_blocked.then_some(now);
        if is_blocked { Poll::Pending } else { deadline.poll(cx, now, since + self.limit) }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll, time::Duration};

    use tokio::time::{Instant, advance};

    use super::{CONTINUATION, END_HEADERS, Frames, HEADERS, HeadClock, Heads};
    use crate::{server::connection::PREFACE, upstream::Deadline};

    const DATA: u8 = 0;
    const END_STREAM: u8 = 1;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        // What a frame holds says nothing.
        bytes.resize(9 + usize::from(length), HEADERS);
        bytes
    }

    /// Frames, and whether a section is under way behind each.
    fn frames() -> Vec<(Vec<u8>, bool)> {
        vec![
            (PREFACE.to_vec(), false),
            (frame(4, 0, 0), false),
            (frame(HEADERS, END_HEADERS | END_STREAM, 40), false),
            (frame(HEADERS, END_STREAM, 3), true),
            (frame(CONTINUATION, 0, 0), true),
            (frame(CONTINUATION, 0, 1), true),
            (frame(CONTINUATION, END_HEADERS, 1), false),
            (frame(DATA, END_HEADERS, 200), false),
            (frame(HEADERS, 0, 0), true),
            (frame(CONTINUATION, END_HEADERS, 0), false),
            (frame(HEADERS, END_HEADERS, 0), false),
        ]
    }

    #[test]
    fn a_section_goes_from_its_first_frame_to_the_end_of_its_last_however_it_is_divided() {
        for most in [1, 2, 7, 9, 10, 1_000] {
            let (mut following, heads) = (Frames::new(), Heads::default());
            let sections = frames().into_iter().map(|(frame, is_under_way)| {
                frame.chunks(most).for_each(|piece| following.follow(piece, &heads));
                assert_eq!(heads.under_way().is_some(), is_under_way, "{frame:?} in pieces of {most}");
                heads.under_way()
            });
            let sections: Vec<_> = sections.flatten().collect();
            assert_eq!(sections, [3, 3, 3, 5], "another number for each");
        }
        let whole: Vec<u8> = frames().into_iter().flat_map(|(frame, _)| frame).collect();
        for at in 0..whole.len() {
            let (mut following, heads) = (Frames::new(), Heads::default());
            following.follow(&whole[..at], &heads);
            following.follow(&whole[at..], &heads);
            assert_eq!((heads.under_way(), heads.0.into_inner()), (None, 8), "divided at {at}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_section_has_its_own_time_and_bytes_that_drip_do_not_prolong_it() {
        let (heads, deadline) = (Heads::default(), Deadline::default());
        let mut clock = HeadClock::new(Duration::from_secs(10));
        let begin = Instant::now();
        let mut is_late = async |is_blocked| {
            poll_fn(|cx| Poll::Ready(clock.poll(cx, &heads, &deadline, is_blocked).is_ready())).await
        };
        assert!(!is_late(false).await);
        for _ in 0..5 {
            heads.turn(true);
            assert!(!is_late(false).await);
            advance(Duration::from_secs(9)).await;
            assert!(!is_late(false).await);
            // The next one begins before anybody looks.
            heads.turn(false);
        }
        heads.turn(true);
        while !is_late(false).await {
            advance(Duration::from_secs(3)).await;
        }
        assert_eq!(begin.elapsed(), Duration::from_secs(45 + 12), "the first look after 10 s");
        assert!(!is_late(true).await, "it may not have been read");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_the_client_takes_nothing_is_none_of_the_section() {
        let (heads, deadline) = (Heads::default(), Deadline::default());
        let mut clock = HeadClock::new(Duration::from_secs(10));
        let mut is_late_after = async |seconds, is_blocked| {
            advance(Duration::from_secs(seconds)).await;
            poll_fn(|cx| Poll::Ready(clock.poll(cx, &heads, &deadline, is_blocked).is_ready())).await
        };
        heads.turn(true);
        for (seconds, is_blocked) in [(0, false), (6, true), (60, true), (60, false), (1, true), (9, false)] {
            assert!(!is_late_after(seconds, is_blocked).await, "{seconds}");
        }
        assert!(!is_late_after(2, false).await, "nine seconds");
        assert!(is_late_after(1, false).await, "ten");
    }
}
