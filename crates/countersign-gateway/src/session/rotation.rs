//! A session cookie that the authorization server replaces while it is asked about it.
//!
//! 1. The new cookie goes to the browser as the server sent it, in an answer that no cache may store.
//! 2. The session moves along: under the new cookie it has the same `sid`, answer and tokens, and the server is not
//!    asked anew. A revocation of that `sid` concerns both cookies, also where a gateway names the session by the new
//!    one because it has never seen, or has forgotten, the old: such names are kept with it, and revoked with it.
//! 3. The old cookie stays good for as long as its last answer is fresh (`recheck`), for the requests a browser had
//!    under way already. Then the server is asked about it as about any other, and its "no" ends nothing else.
//! 4. The new cookie is given only to requests with the old one *that come from the client address whose request led
//!    to the exchange* (an IPv6 /64 counts as one), until the old cookie's answer is stale: to that request itself if
//!    it waited, else to the next one. Somebody else who holds the old cookie, and waits for the same look-up, gets
//!    their answer without it.
//! 5. Once a server has replaced a cookie, no look-up is made beside a request any more: the request waits for it, so
//!    that its answer can carry the cookie.
//!
//! This is the one place where the gateway keeps a credential: for no longer than `recheck`, then it is dropped.
//!
//! What an attacker could do if this were wrong: who stole a cookie would be handed its successor.

use std::{net::IpAddr, sync::Arc};

use http::HeaderValue;

use super::{Sessions, cache::Entry, flight::Outcome, key::SessionKey, source::NewCookie};
use crate::{
    client_network::network_of,
    clock::Now,
    observe::{RevocationReason, SessionEvent},
};

/// A cookie on its way to the browser.
#[derive(Debug)]
pub struct Rotation {
    set_cookie: HeaderValue,
    /// Whose request led to it.
    to: IpAddr,
}

impl Rotation {
    /// The field, if this is the client it is for.
    fn for_client(&self, client: IpAddr) -> Option<HeaderValue> {
        (network_of(client) == self.to).then(|| self.set_cookie.clone())
    }
}

impl Entry {
    /// The cookie that this client is to have instead of the one it came with. Every answer to it carries it: a
    /// service's and our own.
    #[must_use]
    pub fn new_cookie(&self, client: IpAddr) -> Option<HeaderValue> {
        self.rotation.as_ref()?.for_client(client)
    }
}

impl Sessions {
    /// Lets a session follow its cookie. Answers what requests with the old cookie get.
    pub(super) fn rotate(
        self: &Arc<Self>,
        key: &SessionKey,
        entry: &Arc<Entry>,
        new: &NewCookie,
        client: IpAddr,
        now: Now,
    ) -> Outcome {
        let new_key = self.keyer.key(&new.credential().as_credential());
        let rotation = Arc::new(Rotation { set_cookie: new.field.clone(), to: network_of(client) });
        let moves = new_key != *key;
        let mut old = entry.with_rotation(Some(rotation), entry.is_superseded || moves);
        if moves {
            self.memory.note_rotation();
            old.also_named(self.own_name(&entry.identity, &new_key));
            self.follow(&new_key, entry, now);
        }
        let old = Arc::new(old);
        self.memory.cache.writer(key).put(Arc::clone(&old));
        self.forget_later(*key, Arc::clone(&old));
        Ok(old)
    }

    /// Puts a session under its new cookie, unless that is somebody else's already.
    fn follow(&self, new_key: &SessionKey, entry: &Arc<Entry>, now: Now) {
        let writer = self.memory.cache.writer(new_key);
        match writer.current() {
            Some(other) if other.identity.subject != entry.identity.subject => {
                // The server contradicts itself: whose it is, it is asked anew.
                writer.forget();
                self.observe_session(
                    &other,
                    SessionEvent::Ended,
                    Some("its cookie was given to another subject"),
                );
            }
            Some(other) if other.asked_at >= entry.asked_at && other.ends > now.wall => {}
            older => {
                let mut moved = entry.with_rotation(None, false);
                moved.also_named(self.own_name(&entry.identity, new_key));
                // It was known under its new cookie already, and its tokens may say more than its user can do now.
                if let Some(older) = older.filter(|older| entry.identity.has_less_than(&older.identity)) {
                    self.revoke_tokens(&older, RevocationReason::Changed, now);
                    moved.changed_at = Some(now.wall);
                }
                writer.put(Arc::new(moved));
                self.observe_session(entry, SessionEvent::Moved, None);
            }
        }
    }

    /// Drops the new cookie, which is kept beside the old one, when the old one's answer is no longer fresh.
    fn forget_later(self: &Arc<Self>, key: SessionKey, old: Arc<Entry>) {
        let sessions = Arc::clone(self);
        self.memory.tasks.spawn(async move {
            tokio::time::sleep(sessions.rules.recheck).await;
            let writer = sessions.memory.cache.writer(&key);
            let Some(current) = writer.current() else { return };
            let is_same = match (&current.rotation, &old.rotation) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                _ => false,
            };
            if !is_same {
                return;
            }
            if current.is_superseded {
                writer.forget();
            } else {
                writer.put(Arc::new(current.with_rotation(None, false)));
            }
        });
    }
}
