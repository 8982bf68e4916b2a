//! The tasks that follow a feed: they ask, wait and check signatures; what it means is for [`FeedState`] to say.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use super::{
    FeedError, HEARTBEAT_TIMEOUT, Shared,
    sse::{SseEvent, SseReader},
    state::{FeedState, Needed, Now},
    transport::{Pieces, Transport},
};
use crate::{
    Clock, KeySet, KeySource,
    revocation::{Cursor, Event, FeedReader, Received, SnapshotPage},
};

/// One try at a page, or at opening the stream.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How often keys that have not come yet are asked for.
const KEYS_EACH: Duration = Duration::from_millis(100);

/// Follows until the last handle is dropped.
pub(super) struct Follower<T: Transport> {
    pub(super) shared: Weak<Shared>,
    pub(super) reader: FeedReader,
    pub(super) keys: Arc<dyn KeySource>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) transport: T,
    pub(super) state: FeedState,
    /// When the last heartbeat came; none if what is known is incomplete.
    pub(super) beats: watch::Sender<Option<Instant>>,
    /// The open stream.
    pub(super) stream: Option<(T::Pieces, SseReader)>,
}

/// Says whether the feed is current, from its heartbeats alone: whatever the follower waits for, silence is noticed.
pub(super) async fn watch_over(shared: Weak<Shared>, mut beats: watch::Receiver<Option<Instant>>) {
    let set_current = |current| shared.upgrade().map(|shared| shared.set_current(current));
    loop {
        let beat = *beats.borrow_and_update();
        let heard = match beat {
            None => {
                set_current(false);
                beats.changed().await
            }
            Some(beat) => {
                set_current(true);
                match timeout_at(beat + HEARTBEAT_TIMEOUT, beats.changed()).await {
                    Ok(heard) => heard,
                    Err(_) => {
                        set_current(false);
                        beats.changed().await
                    }
                }
            }
        };
        if heard.is_err() {
            // The follower is no more.
            set_current(false);
            return;
        }
    }
}

impl<T: Transport> Follower<T> {
    pub(super) async fn run(mut self) {
        while let Some(needed) = self.tell(|state, shared, now| state.poll(shared, now.instant)) {
            match needed {
                Needed::Nothing(until) => {
                    self.stream = None;
                    sleep_until(until).await;
                }
                Needed::Page(_) | Needed::Stream(_) if self.current_keys().is_err() => {
                    sleep(KEYS_EACH).await;
                }
                Needed::Page(number) => match self.page(number).await {
                    Ok(page) => drop(self.tell(|state, shared, now| state.handle_page(shared, page, now))),
                    Err(error) => self.fail(&error),
                },
                Needed::Stream(after) => match self.open(&after).await {
                    Ok(pieces) => {
                        self.stream = Some((pieces, SseReader::default()));
                        self.tell(|state, _, now| state.handle_opened(now.instant));
                    }
                    Err(error) => self.fail(&error),
                },
                Needed::Message(until) => self.listen(until).await,
            }
        }
    }

    /// Tells the state, and whoever wants to know what has become of it. None when nobody is left.
    fn tell<R>(&mut self, what: impl FnOnce(&mut FeedState, &Shared, Now) -> R) -> Option<R> {
        let shared = self.shared.upgrade()?;
        let now = Now { wall: self.clock.now(), instant: Instant::now() };
        let told = what(&mut self.state, &shared, now);
        if self.state.take_keys_wanted() {
            self.keys.handle_keys_changed();
        }
        let beat = self.state.beat();
        self.beats.send_if_modified(|known| std::mem::replace(known, beat) != beat);
        Some(told)
    }

    fn fail(&mut self, error: &FeedError) {
        self.tell(|state, shared, now| state.handle_failure(shared, error, now.instant));
    }

    fn current_keys(&self) -> Result<Arc<KeySet>, FeedError> {
        self.keys.published().current(self.clock.now()).ok_or(FeedError::NoKeys)
    }

    async fn page(&mut self, number: u32) -> Result<Received<SnapshotPage>, FeedError> {
        let page = timeout(REQUEST_TIMEOUT, self.transport.page(number)).await;
        let page = page.map_err(|_| FeedError::Silent)??;
        Ok(self.reader.read_page(&page, self.current_keys()?.as_ref())?)
    }

    async fn open(&mut self, after: &Cursor) -> Result<T::Pieces, FeedError> {
        let opened = timeout(REQUEST_TIMEOUT, self.transport.stream(after)).await;
        opened.map_err(|_| FeedError::Silent)?
    }

    /// Waits for the next piece, and hands on what ends in it.
    async fn listen(&mut self, until: Instant) {
        let piece = match &mut self.stream {
            Some((pieces, _)) => timeout_at(until, pieces.next()).await,
            None => Ok(None),
        };
        let piece = match piece {
            // That it is silent is noticed by the next look.
            Err(_) => return,
            Ok(None) => {
                self.tell(|state, shared, now| state.handle_closed(shared, now.instant));
                return;
            }
            Ok(Some(piece)) => piece,
        };
        let Some((_, reader)) = &mut self.stream else { return };
        let events = piece.and_then(|piece| reader.push(&piece).map_err(|_| FeedError::TooLong));
        match events {
            Ok(events) => {
                for event in events {
                    self.hand_on(&event);
                    if !self.state.is_listening() {
                        return;
                    }
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    fn hand_on(&mut self, event: &SseEvent) {
        match event.name.as_str() {
            "reset" => drop(self.tell(|state, shared, now| state.handle_reset(shared, now.instant))),
            "heartbeat" | "revocation" => match self.read(event) {
                Ok(event) => drop(self.tell(|state, shared, now| state.handle_event(shared, event, now))),
                Err(error) => self.fail(&error),
            },
            _ => {}
        }
    }

    fn read(&self, event: &SseEvent) -> Result<Received<Event>, FeedError> {
        Ok(self.reader.read_event(&event.data, self.current_keys()?.as_ref())?)
    }
}
