//! The snapshot that is served: made beside the thread that serves, signed once, shared, and let go.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use countersign::{
    KeyId, UnixTime,
    revocation::{Cursor, SnapshotPage, Stamp},
};
use tokio::{sync, task::spawn_blocking, time::sleep};

use super::{Feed, Unsignable, locked};
use crate::revocation::Snapshot;

/// A snapshot serves so long after it was made, or after one of its further pages was taken.
pub const SNAPSHOT_KEPT: Duration = Duration::from_secs(10);
/// A snapshot serves no longer, whoever takes its pages: services believe it for a minute.
pub const SNAPSHOT_KEPT_AT_MOST: Duration = Duration::from_secs(40);

/// The newest snapshot, and whose turn it is to make another.
#[derive(Default)]
pub(super) struct Snapshots {
    kept: Mutex<Option<Arc<Pages>>>,
    turn: Arc<sync::Mutex<()>>,
}

/// A signed snapshot.
struct Pages {
    /// When the first of its pages was signed.
    begun: UnixTime,
    /// When one of its pages but the first was taken last, or it was made, which can take long.
    taken: AtomicU64,
    cursor: Cursor,
    kid: Option<KeyId>,
    pages: Vec<Bytes>,
}

impl Pages {
    /// Whether somebody may still be taking its pages.
    fn is_in_use(&self, now: UnixTime) -> bool {
        let taken = UnixTime::from_secs(self.taken.load(Ordering::Relaxed));
        self.begun <= now
            && now.saturating_since(taken) < SNAPSHOT_KEPT
            && now.saturating_since(self.begun) < SNAPSHOT_KEPT_AT_MOST
    }
}

impl Feed {
    /// One page. The first may begin another snapshot, which is made once for all who want it meanwhile.
    pub(super) async fn page(self: &Arc<Self>, number: usize) -> Result<Option<Bytes>, Unsignable> {
        if number > 0 {
            return Ok(self.further_page(number));
        }
        if let Some(page) = self.first_page()? {
            return Ok(Some(page));
        }
        let turn = Arc::clone(&self.snapshots.turn).lock_owned().await;
        if let Some(page) = self.first_page()? {
            return Ok(Some(page));
        }
        let feed = Arc::clone(self);
        // Who goes away meanwhile has begun it for whoever comes next, and it is still the only one.
        let making = tokio::spawn(async move {
            let of = Arc::clone(&feed);
            let made = spawn_blocking(move || of.make_snapshot()).await.map_err(|_| Unsignable)?;
            drop(turn);
            let pages = made?;
            tokio::spawn(let_go(Arc::downgrade(&feed), Arc::downgrade(&pages)));
            Ok(pages.pages.first().cloned())
        });
        making.await.map_err(|_| Unsignable)?
    }

    fn further_page(&self, number: usize) -> Option<Bytes> {
        let kept = locked(&self.snapshots.kept);
        let pages = kept.as_ref()?;
        pages.taken.store(self.clock.now().as_secs(), Ordering::Relaxed);
        pages.pages.get(number).cloned()
    }

    /// The first page of the kept snapshot, if that is good still.
    fn first_page(&self) -> Result<Option<Bytes>, Unsignable> {
        let now = self.clock.now();
        let key = self.signer(now)?;
        let kept = locked(&self.snapshots.kept);
        let good = kept.as_ref().filter(|pages| {
            pages.is_in_use(now)
                && pages.kid.as_ref() == key.key_id()
                && self.ledger.can_go_on_from(&pages.cursor)
        });
        Ok(good.and_then(|pages| pages.pages.first().cloned()))
    }

    /// Takes and signs another snapshot, which takes seconds where a great deal is revoked.
    fn make_snapshot(&self) -> Result<Arc<Pages>, Unsignable> {
        let Snapshot { cursor, entries } = self.ledger.snapshot(self.clock.now());
        let begun = self.clock.now();
        let key = self.signer(begun)?;
        let mut pages = Vec::new();
        for page in SnapshotPage::pages(&cursor, entries) {
            let token_id = self.token_id()?;
            let stamp = Stamp { issued_at: self.clock.now(), token_id: &token_id, reason: None };
            pages.push(self.writer.page(&page, &stamp, &key).map_err(|_| Unsignable)?.into());
        }
        let taken = AtomicU64::new(self.clock.now().as_secs());
        let pages = Arc::new(Pages { begun, taken, cursor, kid: key.key_id().cloned(), pages });
        *locked(&self.snapshots.kept) = Some(Arc::clone(&pages));
        Ok(pages)
    }
}

/// Lets go of a snapshot that nobody takes pages of any more.
async fn let_go(feed: Weak<Feed>, pages: Weak<Pages>) {
    loop {
        sleep(SNAPSHOT_KEPT).await;
        let (Some(feed), Some(pages)) = (feed.upgrade(), pages.upgrade()) else { return };
        if !pages.is_in_use(feed.clock.now()) {
            let mut kept = locked(&feed.snapshots.kept);
            if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &pages)) {
                *kept = None;
            }
            return;
        }
    }
}
