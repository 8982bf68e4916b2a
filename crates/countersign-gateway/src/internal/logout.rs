//! `POST /backchannel-logout`: the authorization server tells of a log-out (OpenID Connect Back-Channel Logout 1.0).
//!
//! 1. What the token must say: [`back_channel`](crate::revocation::judge_logout). 400 for one that is not believed, and
//!    no session ends.
//! 2. With `sid`: the session of that name. Ours is a keyed hash of it, so that it is found, and its tokens refused by the
//!    services, even where no gateway knows the session. If the user of that name has left the session to another, whom a
//!    gateway knows, what was issued to it until now is revoked, and the other goes on.
//! 3. Without `sid`, and where the server's answers have none by which a session could be found: every session of the
//!    user that is not proven to have begun later. `sub` must then be what tokens call the user; without `sub`, and where
//!    `claims.subject` says otherwise, 400.
//! 4. A gateway that has seen no answer yet cannot know whether they have: it revokes the session of that name, and
//!    every session of the user.
//! 5. A token is used once, by one of the gateways that share a store, also after a restart: 400 for one that was used, 503
//!    for one that another gateway is about to obey.
//! 6. 200 when everything is durable, 503 when it is not: the token is believed when it comes again. Where the store cannot
//!    be asked whether it was used, it is obeyed here if this process has not used it: a log-out that the server does not
//!    send again would be lost otherwise.

use std::{collections::BTreeSet, fmt, sync::Arc};

use arc_swap::ArcSwap;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use countersign::{
    KeyId, KeySource as _, SessionId, Subject, UnixTime,
    jws::{MAX_BYTES, Unverified},
    remote::RemoteKeys,
    revocation::Target,
};
use http::{HeaderValue, StatusCode, header};

use super::{Internal, proven::Timely, refuse};
use crate::{
    entry::proxy::Snapshot,
    http::form,
    revocation::{
        Demand, ExpectedLogout, LoggedOut, LogoutRefused, RevocationReason, SeenLogouts, judge_logout,
    },
    session::cache::Entry,
    store::{LogoutName, LogoutStanding},
};

/// Believes log-out tokens of one server.
pub struct LogoutReceiver {
    /// What tokens must say.
    pub expected: ExpectedLogout,
    /// The server's keys.
    pub keys: RemoteKeys,
    /// Tokens that this process has used.
    pub seen: SeenLogouts,
    /// How sessions are named.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
}

impl fmt::Debug for LogoutReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutReceiver").field("expected", &self.expected).finish_non_exhaustive()
    }
}

pub(super) async fn log_out(State(internal): State<Internal>, Timely(form): Timely) -> Response {
    let Some(receiver) = internal.logout.get() else {
        return refuse(StatusCode::NOT_FOUND, "not_configured");
    };
    let now = internal.clock.now();
    let Some(token) = one_token(&form) else { return refuse(StatusCode::BAD_REQUEST, "invalid_request") };
    if let Some(kid) = key_of(&token) {
        receiver.keys.look_for(&kid).await;
    }
    let Some(keys) = receiver.keys.published().current(now) else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    };
    let outcome = judge_logout(&token, &keys, &receiver.expected, &receiver.seen, now);
    let logged_out = match outcome {
        Ok(logged_out) => logged_out,
        Err(refused) => return not_believed(&refused),
    };
    let name = logged_out.name;
    let using = receiver.seen.using(name);
    let Some(targets) = receiver.targets(logged_out) else {
        return not_believed(&"neither its `sub` nor its `sid` names what is known here");
    };
    match obey(&internal, name, targets, now).await {
        Obeyed::Recorded => {
            using.is_used();
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::OK, no_store).into_response()
        }
        Obeyed::Used => {
            using.is_used();
            not_believed(&LogoutRefused::Replayed)
        }
        // The server is asked to send it again, and must be believed then.
        Obeyed::Unrecorded => refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
    }
}

fn not_believed(refused: &dyn fmt::Display) -> Response {
    tracing::warn!(%refused, "log-out token");
    refuse(StatusCode::BAD_REQUEST, "invalid_request")
}

/// What became of a token that was believed.
enum Obeyed {
    Recorded,
    Unrecorded,
    Used,
}

async fn obey(internal: &Internal, name: LogoutName, demands: Vec<Demand>, now: UnixTime) -> Obeyed {
    match internal.ledger.hold_logout(name).await {
        Some(LogoutStanding::Used) => return Obeyed::Used,
        Some(LogoutStanding::Held) => return Obeyed::Unrecorded,
        Some(LogoutStanding::Fresh) | None => {}
    }
    for demand in demands {
        if internal.ledger.revoke(demand, now).await.is_err() {
            internal.ledger.free_logout(name);
            return Obeyed::Unrecorded;
        }
    }
    internal.ledger.used_logout(name).await;
    Obeyed::Recorded
}

/// The only `logout_token` of a form.
fn one_token(form: &[u8]) -> Option<String> {
    let mut tokens = form::pairs(form)?.into_iter().filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Some(token),
        _ => None,
    }
}

/// The key that a token names.
fn key_of(token: &str) -> Option<KeyId> {
    let unverified = Unverified::parse(token.as_bytes(), MAX_BYTES).ok()?;
    unverified.header().key_id().map(|kid| KeyId::from(kid.as_str()))
}

impl LogoutReceiver {
    /// What is revoked; `None` if neither session nor user can be found by the server's names for them.
    fn targets(&self, logged_out: LoggedOut) -> Option<Vec<Demand>> {
        let snapshot = self.snapshot.load();
        let sessions = &snapshot.translation.sessions;
        let subject = logged_out.subject.filter(|_| sessions.mapping().subject_is_sub()).map(Subject::from);
        let of_user = |subject| Demand::new(Target::Subject(subject), RevocationReason::BackChannel);
        let names_sessions = sessions.server_names_sessions();
        let Some(name) = logged_out.session.filter(|_| names_sessions != Some(false)) else {
            return Some(vec![of_user(subject?)]);
        };
        let session = sessions.keyer.named_session_id(&name);
        let known: Vec<_> =
            sessions.cache().find_named(&session).into_iter().map(|(_, entry)| entry).collect();
        let is_theirs =
            |entry: &&Arc<Entry>| subject.as_ref().is_none_or(|subject| *subject == entry.identity.subject);
        let theirs: Vec<_> = known.iter().filter(is_theirs).collect();
        if theirs.is_empty() && !known.is_empty() {
            return Some(vec![Demand::new(Target::IssuedTo(session), RevocationReason::BackChannel)]);
        }
        let ends = theirs.iter().map(|entry| entry.ends).max();
        let others: BTreeSet<_> = theirs.iter().flat_map(|entry| entry.names()).collect();
        let names = others.into_iter().filter(|other| **other != session).chain([&session]);
        let demand = |name: &SessionId| {
            let target = Target::Session(name.clone());
            let demand = Demand::new(target, RevocationReason::BackChannel).as_name_of(&session);
            Demand { session_ends: ends, ..demand }
        };
        let by_name = names.map(demand);
        let by_user = subject.clone().filter(|_| names_sessions.is_none()).map(of_user);
        Some(by_name.chain(by_user).collect())
    }
}
