//! The time-outs of a connection as a whole. The waits of a request belong to the request.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::handler::Activity;
use crate::{config::resolved::Limits, upstream::Deadline};

/// After the drain has begun, a connection without a request gets so long to send its first one: the client may
/// have sent it before it could know.
pub(super) const LAST_CHANCE: Duration = Duration::from_secs(1);

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// The client does not take the answer.
    Answer,
    /// A header section is not complete in time.
    Head,
    /// No request for too long.
    Idle,
}

/// What the activity alone does not tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Part of a header section has arrived.
    pub(super) head_begun: bool,
    /// The drain has begun.
    pub(super) draining: bool,
    /// How often something came of a request that may go on while the client takes nothing.
    pub(super) received: usize,
}

/// Follows what the connection waits for, and since when.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    waiting: Waiting,
    since: Option<Instant>,
    /// Requests begun, pieces of answers taken, and while they are not, what came of an upload at the last look: more of
    /// any is another wait.
    progress: (usize, usize, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Answer,
    First,
    Head,
    LastChance,
    Next,
    Request,
}

impl Watch {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self { limits: *limits, waiting: Waiting::First, since: None, progress: (0, 0, 0) }
    }

    /// Ready when the connection waits for too long. Called after every poll of the connection.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        activity: &Activity,
        deadline: &Deadline,
        situation: Situation,
    ) -> Poll<Late> {
        let waiting = waiting(activity, situation);
        let uploaded = if waiting == Waiting::Answer { situation.received } else { 0 };
        let progress = (activity.begun(), activity.taken(), uploaded);
        if waiting != self.waiting || progress != self.progress {
            self.waiting = waiting;
            self.progress = progress;
            self.since = None;
        }
        let (limit, late) = match waiting {
            Waiting::Request => return Poll::Pending,
            Waiting::Answer => (self.limits.body_timeout, Late::Answer),
            Waiting::First | Waiting::Head => (self.limits.header_timeout, Late::Head),
            Waiting::LastChance => (LAST_CHANCE.min(self.limits.header_timeout), Late::Idle),
            Waiting::Next => (self.limits.idle_timeout, Late::Idle),
        };
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        deadline.poll(cx, now, since + limit).map(|()| late)
    }
}

fn waiting(activity: &Activity, situation: Situation) -> Waiting {
    if activity.is_blocked() {
        Waiting::Answer
    } else if activity.open() > 0 {
        Waiting::Request
    } else if situation.head_begun {
        Waiting::Head
    } else if activity.begun() > 0 {
        Waiting::Next
    } else if situation.draining {
        Waiting::LastChance
    } else {
        Waiting::First
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll, time::Duration};

    use tokio::time::{Instant, advance};

    use super::{Late, Situation, Watch};
    use crate::{config::resolved::Limits, server::handler::Activity, upstream::Deadline};

    const QUIET: Situation = Situation { head_begun: false, draining: false, received: 0 };
    const HEAD: Situation = Situation { head_begun: true, draining: false, received: 0 };

    async fn outcome(activity: &Activity, situation: Situation) -> (Late, Duration) {
        let (start, deadline, mut watch) =
            (Instant::now(), Deadline::default(), Watch::new(&Limits::DEFAULT));
        let late = poll_fn(|cx| watch.poll(cx, activity, &deadline, situation)).await;
        (late, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_limit() {
        let activity = Activity::default();
        let seconds = Duration::from_secs;
        assert_eq!(outcome(&activity, QUIET).await, (Late::Head, seconds(10)));
        let draining = Situation { draining: true, ..QUIET };
        assert_eq!(outcome(&activity, draining).await, (Late::Idle, seconds(1)));
        activity.begin();
        activity.end();
        assert_eq!(outcome(&activity, QUIET).await, (Late::Idle, seconds(60)));
        assert_eq!(outcome(&activity, HEAD).await, (Late::Head, seconds(10)));
        activity.begin();
        activity.wrote(&Poll::<()>::Pending);
        assert_eq!(outcome(&activity, QUIET).await, (Late::Answer, seconds(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_slowly_is_not_one_that_takes_nothing() {
        let (activity, deadline) = (Activity::default(), Deadline::default());
        let mut watch = Watch::new(&Limits::DEFAULT);
        activity.begin();
        let mut late =
            async || poll_fn(|cx| Poll::Ready(watch.poll(cx, &activity, &deadline, QUIET).is_ready())).await;
        for _ in 0..10 {
            activity.wrote(&Poll::Ready(()));
            activity.wrote(&Poll::<()>::Pending);
            assert!(!late().await);
            advance(Duration::from_secs(25)).await;
        }
        assert!(!late().await);
        advance(Duration::from_secs(5)).await;
        assert!(late().await, "nothing taken for 30 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_may_go_on_sending() {
        let (activity, deadline) = (Activity::default(), Deadline::default());
        let mut watch = Watch::new(&Limits::DEFAULT);
        activity.begin();
        activity.wrote(&Poll::<()>::Pending);
        let mut late = async |received| {
            let situation = Situation { received, ..QUIET };
            poll_fn(|cx| Poll::Ready(watch.poll(cx, &activity, &deadline, situation).is_ready())).await
        };
        for received in 1..10 {
            assert!(!late(received).await);
            advance(Duration::from_secs(29)).await;
        }
        assert!(!late(9).await);
        advance(Duration::from_secs(1)).await;
        assert!(late(9).await, "nothing came or went for 30 s");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_drip_do_not_prolong_a_head() {
        let (activity, deadline) = (Activity::default(), Deadline::default());
        let mut watch = Watch::new(&Limits::DEFAULT);
        let start = Instant::now();
        while !poll_fn(|cx| Poll::Ready(watch.poll(cx, &activity, &deadline, HEAD).is_ready())).await {
            advance(Duration::from_secs(3)).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(12), "the first look after 10 s");
    }
}
