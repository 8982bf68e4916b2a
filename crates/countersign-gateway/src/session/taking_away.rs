//! A credential that the old application takes away from its user: a log-out there.
//!
//! The session is revoked, whoever knows it. A gateway that has it does so at once. One that has not looks for it behind
//! the answer, in the background: in the answers that gateways share, which say what the others call it; where there is
//! none, it asks the authorization server. A session that lives there still is revoked; of one that does not, the server
//! says so to whoever asks next. At most [`MAX_AT_ONCE`] are looked for at a time; of the others only the shared answer
//! is dropped, so that nobody goes on with it.

use std::{net::IpAddr, sync::Arc};

use countersign::revocation::Target;

use super::{
    Sessions,
    admission::Former,
    key::SessionKey,
    sharing::{Kept, When},
};
use crate::{
    clock::Now,
    credential::OwnedCredential,
    error::Refusal,
    revocation::{Demand, RevocationReason},
};

/// How many sessions are looked for at once that are not known here.
pub(super) const MAX_AT_ONCE: usize = 256;

impl Sessions {
    /// The old application has taken a credential away from its user.
    pub(crate) fn taken_away(self: &Arc<Self>, credential: OwnedCredential, client: IpAddr) {
        let (key, now) = (self.keyer.key(&credential.as_credential()), self.clock.now());
        if let Some(entry) = self.memory.cache.find(&key) {
            self.revoke_session(&entry, RevocationReason::LegacyCookie, now);
            self.end(&key, Refusal::Revoked, now);
            return;
        }
        let Ok(place) = Arc::clone(&self.memory.taking_away).try_acquire_owned() else {
            return self.forget_shared(&key);
        };
        let sessions = Arc::clone(self);
        self.memory.tasks.spawn(async move {
            let _place = place;
            sessions.take_away_unknown(key, credential, client).await;
        });
    }

    async fn take_away_unknown(
        self: &Arc<Self>,
        key: SessionKey,
        credential: OwnedCredential,
        client: IpAddr,
    ) {
        let Kept { former, .. } = self.find_shared(&key, &credential, None).await;
        if let Some(former) = former {
            let now = self.clock.now();
            self.revoke_former(&key, &former, now);
            self.when(When::Durable, move |sessions| sessions.forget_shared(&key));
            self.end_here(&key, Refusal::Revoked, now);
            return;
        }
        // A "no", or the lack of an answer, leaves nothing that could be named.
        if let Ok(entry) = self.resolve_anew(key, credential, client).await {
            let now = self.clock.now();
            self.revoke_session(&entry, RevocationReason::LegacyCookie, now);
            self.end(&key, Refusal::Revoked, now);
        }
    }

    /// Under the name that others know it by, and the one that it would have here.
    fn revoke_former(&self, key: &SessionKey, former: &Former, now: Now) {
        let own = self.own_name(&former.identity, key);
        for name in [Some(&former.sid), Some(&own).filter(|own| **own != former.sid)].into_iter().flatten() {
            let demand = Demand {
                session_ends: former.ends,
                ..Demand::new(Target::Session(name.clone()), RevocationReason::LegacyCookie)
            };
            self.revoke(demand.as_name_of(&former.sid), now);
        }
    }
}
