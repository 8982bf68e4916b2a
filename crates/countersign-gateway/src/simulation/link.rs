//! The way from a gateway to a service that follows its feed: everything on it takes time, may get lost, and may break.

use std::{collections::VecDeque, time::Duration};

use countersign::{
    UnixTime,
    remote::{FeedError, MAX_HEARTBEAT_AGE, Needed, SteppedFeed},
    revocation::{Cursor, Event, Received, SnapshotPage, Target, What},
};
use tokio::time::Instant;

use super::{mutation::Mutation, random::Random, replica::Replica};
use crate::{clock::Clock, revocation::Snapshot};

/// So long the library waits for an answer.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// So long something is under way at most, on a quick link.
const QUICK: u64 = 400;
/// And on a slow one.
const SLOW: u64 = 2_000;
pub(super) const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// As few, so that snapshots have pages.
const ENTRIES_OF_A_PAGE: usize = 3;

/// A heartbeat that agreed with what the service knew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed {
    /// Of which gateway.
    pub(super) gateway: usize,
    /// How long it was under way.
    pub(super) delay: Duration,
}

/// What became of a link since it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) lost: u64,
    /// Something was in the way that the service has to get over.
    pub(super) is_disturbed: bool,
    /// When a heartbeat of this time has come last, whatever it said.
    pub(super) heard: Option<Instant>,
}

pub(super) struct Link {
    gateway: usize,
    asked: Option<Asked>,
    stream: Option<Stream>,
    /// The one whose pages are asked for.
    snapshot: Option<Snapshot>,
    /// How long messages of the newest stream are under way.
    pub(super) delay: Duration,
    /// The last that agreed.
    pub(super) agreed: Option<Agreed>,
    /// The place of the newest event that came.
    seen: Option<Cursor>,
    random: Random,
    mutation: Option<Mutation>,
}

/// A request, and what comes of it when.
struct Asked {
    due: Instant,
    answer: Option<Answer>,
}

enum Answer {
    Page(Received<SnapshotPage>),
    Stream(Stream),
}

struct Stream {
    /// Of which process it is; of none any more where nobody knows that it is no more.
    process: u64,
    /// Up to where it was sent.
    sent: Cursor,
    next_beat: Instant,
    under_way: VecDeque<(Instant, Message)>,
    loses: bool,
}

enum Message {
    Event(Received<Event>),
    Reset,
}

impl Link {
    pub(super) const fn new(gateway: usize, random: Random, mutation: Option<Mutation>) -> Self {
        Self {
            gateway,
            asked: None,
            stream: None,
            snapshot: None,
            delay: Duration::ZERO,
            agreed: None,
            seen: None,
            random,
            mutation,
        }
    }

    /// It leads to that gateway from now on. What was open is broken, and what was under way is lost: half of the time
    /// without a sign.
    pub(super) fn lead_to(&mut self, gateway: usize, feed: &mut SteppedFeed, now: Instant) {
        self.gateway = gateway;
        self.snapshot = None;
        if let Some(asked) = &mut self.asked {
            *asked = Asked { due: now + REQUEST_TIMEOUT, answer: None };
        }
        if self.stream.take().is_some() && self.random.once_in(2) {
            feed.handle_closed(now);
        }
    }

    /// Does what the feed needs, as far as the gateway can be reached, and hands in what has come.
    pub(super) fn follow(
        &mut self,
        feed: &mut SteppedFeed,
        gateway: Option<&Replica>,
        (wall, now): (UnixTime, Instant),
        traffic: &mut Traffic,
    ) {
        loop {
            let needed = feed.poll(now);
            let goes_on = match &needed {
                Needed::Nothing(_) => {
                    (self.asked, self.stream) = (None, None);
                    false
                }
                Needed::Page(_) | Needed::Stream(_) => match self.asked.take() {
                    None => {
                        self.asked = Some(self.ask(&needed, gateway, now, traffic));
                        true
                    }
                    Some(asked) if asked.due > now => {
                        self.asked = Some(asked);
                        false
                    }
                    Some(asked) => {
                        self.take_answer(feed, asked.answer, (wall, now));
                        true
                    }
                },
                Needed::Message(_) => {
                    self.send(gateway, now, traffic);
                    self.deliver(feed, (wall, now), traffic)
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    fn ask(
        &mut self,
        needed: &Needed,
        gateway: Option<&Replica>,
        now: Instant,
        traffic: &mut Traffic,
    ) -> Asked {
        let is_lost = self.random.once_in(30);
        let Some(gateway) = gateway.filter(|_| !is_lost) else {
            traffic.is_disturbed = true;
            // Refused at once, or never heard of again.
            let takes = if self.random.once_in(2) { Duration::ZERO } else { REQUEST_TIMEOUT };
            return Asked { due: now + takes, answer: None };
        };
        let issued_at = gateway.clock.now().wall;
        let answer = match needed {
            Needed::Stream(after) => Some(Answer::Stream(self.open(gateway, after, now))),
            Needed::Page(number) => {
                if *number == 0 {
                    self.snapshot = Some(gateway.ledger.snapshot(issued_at));
                }
                let page = self.snapshot.as_ref().map(|snapshot| page(snapshot, *number));
                page.map(|page| Answer::Page(received(page, issued_at)))
            }
            Needed::Message(_) | Needed::Nothing(_) => None,
        };
        Asked { due: now + self.random.millis(0..QUICK), answer }
    }

    fn open(&mut self, gateway: &Replica, after: &Cursor, now: Instant) -> Stream {
        let kind = self.random.below(8);
        self.delay = self.random.millis(if kind == 0 { QUICK..SLOW } else { 0..QUICK });
        Stream {
            process: gateway.number,
            sent: after.clone(),
            next_beat: now,
            under_way: VecDeque::new(),
            loses: kind < 3,
        }
    }

    fn take_answer(
        &mut self,
        feed: &mut SteppedFeed,
        answer: Option<Answer>,
        (wall, now): (UnixTime, Instant),
    ) {
        match answer {
            None => feed.handle_failure(&FeedError::Silent, now),
            Some(Answer::Page(page)) => feed.handle_page(page, wall, now),
            Some(Answer::Stream(stream)) => {
                self.seen = Some(stream.sent.clone());
                self.stream = Some(stream);
                feed.handle_opened(now);
            }
        }
    }

    /// What the gateway sends: everything after what it has sent, and a heartbeat each second.
    fn send(&mut self, gateway: Option<&Replica>, now: Instant, traffic: &mut Traffic) {
        let due = now + self.delay;
        let Some(stream) = &mut self.stream else { return };
        let Some(gateway) = gateway.filter(|gateway| gateway.number == stream.process) else { return };
        let issued_at = gateway.clock.now().wall;
        loop {
            let Ok(events) = gateway.ledger.after(&stream.sent) else {
                stream.under_way.push_back((due, Message::Reset));
                stream.process = 0;
                traffic.is_disturbed = true;
                return;
            };
            if events.is_empty() {
                break;
            }
            for published in events {
                stream.sent = published.event.cursor.clone();
                let event = received(published.event.clone(), issued_at);
                traffic.lost += u64::from(!stream.send(event, due, &self.random));
            }
        }
        if now >= stream.next_beat {
            stream.next_beat = now + HEARTBEAT_EVERY;
            let beat = Event { cursor: stream.sent.clone(), what: What::Heartbeat };
            traffic.lost += u64::from(!stream.send(received(beat, issued_at), due, &self.random));
        }
        traffic.is_disturbed |= traffic.lost > 0;
    }

    /// True if something came.
    fn deliver(
        &mut self,
        feed: &mut SteppedFeed,
        (wall, now): (UnixTime, Instant),
        traffic: &mut Traffic,
    ) -> bool {
        if self.mutation == Some(Mutation::ImaginesHeartbeats)
            && let Some(seen) = self.seen.clone()
        {
            feed.handle_event(received(Event { cursor: seen, what: What::Heartbeat }, wall), wall, now);
        }
        let Some(stream) = &mut self.stream else { return false };
        match stream.under_way.pop_front_if(|(due, _)| *due <= now) {
            None => false,
            Some((_, Message::Reset)) => {
                feed.handle_reset(now);
                true
            }
            Some((_, Message::Event(event))) => {
                self.deliver_event(feed, event, (wall, now), traffic);
                true
            }
        }
    }

    fn deliver_event(
        &mut self,
        feed: &mut SteppedFeed,
        mut event: Received<Event>,
        (wall, now): (UnixTime, Instant),
        traffic: &mut Traffic,
    ) {
        let is_heartbeat = event.content.what == What::Heartbeat;
        if is_heartbeat && wall.saturating_since(event.issued_at) <= MAX_HEARTBEAT_AGE {
            traffic.heard = Some(now);
        }
        traffic.is_disturbed |= !self.goes_on(&event.content);
        match (self.mutation, &mut self.seen) {
            (Some(Mutation::IgnoresHeartbeats), _) if is_heartbeat => return,
            (Some(Mutation::IgnoresLessPower), _) if says_less_power(&event.content) => {
                event.content.what = What::KeysChanged;
            }
            (Some(Mutation::PassesOverGaps), Some(seen)) => {
                seen.seq += u64::from(!is_heartbeat);
                event.content.cursor = seen.clone();
            }
            (_, Some(seen)) => seen.clone_from(&event.content.cursor),
            (_, None) => {}
        }
        let before = feed.feed().counters().heartbeats;
        feed.handle_event(event, wall, now);
        if feed.feed().counters().heartbeats > before {
            self.agreed = Some(Agreed { gateway: self.gateway, delay: self.delay });
        }
    }

    /// Whether nothing is missing before it. What another has taken the place of is not sent.
    fn goes_on(&self, event: &Event) -> bool {
        let next = u64::from(event.what != What::Heartbeat);
        self.seen
            .as_ref()
            .is_some_and(|seen| seen.epoch == event.cursor.epoch && seen.seq + next == event.cursor.seq)
    }
}

impl Stream {
    /// False if it gets lost.
    fn send(&mut self, event: Received<Event>, due: Instant, random: &Random) -> bool {
        let is_lost = self.loses && random.once_in(8);
        if !is_lost {
            self.under_way.push_back((due, Message::Event(event)));
        }
        !is_lost
    }
}

fn says_less_power(event: &Event) -> bool {
    matches!(&event.what, What::Revoked(one) if matches!(one.target, Target::IssuedTo(_)))
}

fn received<T>(content: T, issued_at: UnixTime) -> Received<T> {
    Received { issued_at, token_id: "m".into(), content }
}

fn page(snapshot: &Snapshot, number: u32) -> SnapshotPage {
    let mut chunks = snapshot.entries.chunks(ENTRIES_OF_A_PAGE).skip(number as usize);
    SnapshotPage {
        cursor: snapshot.cursor.clone(),
        page: number,
        entries: chunks.next().unwrap_or_default().to_vec(),
        last: chunks.next().is_none(),
    }
}
