//! What is known of one session.

use std::{sync::Arc, time::Duration};

use countersign::{SessionId, Standing, TokenId, UnixTime};
use smallvec::SmallVec;

use super::super::rotation::Rotation;
use crate::{
    clock::{Moment, Now},
    identity::Identity,
    issue::{PolicyId, TokenPolicy},
    keyring::SignedToken,
    revocation::{Concern, Concerned, FoundGood, Ledger},
    store::RingVersion,
};

/// The most other names of a session; the oldest leave first.
const MAX_OTHER_NAMES: usize = 4;

/// One live session.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who.
    pub identity: Arc<Identity>,
    /// Our name for the session.
    pub sid: SessionId,
    /// When the session was seen for the first time.
    pub first_seen: UnixTime,
    /// When the server was asked for this answer.
    pub asked_at: Moment,
    /// From here on it is no session, whatever else is known.
    pub ends: UnixTime,
    /// The last recheck found no answer; the next one that does makes this false.
    pub recheck_failed: bool,
    /// How much earlier than at four fifths of `recheck` it is asked about, in 1/1280 of `recheck`.
    pub spread: u8,
    /// A new cookie that is on its way to the browser.
    pub rotation: Option<Arc<Rotation>>,
    /// The session goes on under another cookie: what happens to this one does not concern it.
    pub is_superseded: bool,
    /// What a gateway calls the session that saw it first under a newer cookie: this one after a restart, another at
    /// any time. At most 4.
    pub other_names: Vec<SessionId>,
    /// Since when it is known that the session is another than this answer says, as another gateway or another
    /// credential has found: it is asked about before anything else is signed for it.
    pub outdated: Option<Moment>,
    /// What was issued to the session until then was revoked because of what this answer says.
    pub changed_at: Option<UnixTime>,
    /// When the session began, if the server says so.
    pub began: Option<UnixTime>,
    /// That it is not revoked.
    pub(crate) found_good: FoundGood,
    tokens: Tokens,
    /// Tokens that are not handed out any more and live still.
    older_tokens: Vec<OlderToken>,
}

/// Most sessions have one: it lies with them.
type Tokens = SmallVec<[KeptToken; 1]>;

/// A token that was handed out and lives, by its name.
#[derive(Debug, Clone)]
struct OlderToken {
    token: TokenId,
    exp: UnixTime,
}

/// A token that is handed out while it may be.
#[derive(Debug, Clone)]
pub struct KeptToken {
    /// The token.
    pub signed: Arc<SignedToken>,
    /// That it is not revoked, of this session.
    pub(crate) found_good: FoundGood,
    policy: Arc<TokenPolicy>,
    ring: RingVersion,
}

/// How old an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Serve it.
    Fresh,
    /// Serve it, and ask again meanwhile.
    Aging,
    /// Ask again first.
    Stale,
}

impl Entry {
    /// A session without tokens yet.
    #[must_use]
    pub const fn new(identity: Arc<Identity>, sid: SessionId, asked_at: Now, ends: UnixTime) -> Self {
        Self {
            identity,
            sid,
            first_seen: asked_at.wall,
            asked_at: asked_at.monotonic,
            ends,
            recheck_failed: false,
            spread: 0,
            rotation: None,
            is_superseded: false,
            other_names: Vec::new(),
            outdated: None,
            changed_at: None,
            began: None,
            found_good: FoundGood::never(),
            tokens: Tokens::new_const(),
            older_tokens: Vec::new(),
        }
    }

    /// What a revocation can name. That we saw it before a revocation disproves that it began after it.
    #[must_use]
    pub fn concerned(&self) -> Concerned<'_> {
        Concerned {
            session: &self.sid,
            others: &self.other_names,
            subject: &self.identity.subject,
            organisation: self.identity.organisation.as_ref(),
            began: self.began.map(|began| began.min(self.first_seen)),
        }
    }

    /// All names of the session.
    pub fn names(&self) -> impl Iterator<Item = &SessionId> {
        std::iter::once(&self.sid).chain(&self.other_names)
    }

    /// Notes one more name, unless it is known.
    pub fn also_named(&mut self, name: SessionId) {
        if self.names().all(|known| *known != name) {
            if self.other_names.len() >= MAX_OTHER_NAMES {
                self.other_names.remove(0);
            }
            self.other_names.push(name);
        }
    }

    /// The names of all tokens of this session that still live, whether they are handed out or not.
    pub fn living_tokens(&self, now: UnixTime) -> impl Iterator<Item = &TokenId> {
        let kept = self.tokens.iter().map(|token| (token.signed.jti(), token.signed.exp()));
        let older = self.older_tokens.iter().map(|old| (&old.token, old.exp));
        kept.chain(older).filter_map(move |(token, exp)| (exp > now).then_some(token))
    }

    /// Names of tokens that live and are not among `kept`.
    fn older_tokens_but(&self, kept: &[KeptToken], now: UnixTime) -> Vec<OlderToken> {
        let is_kept = |token: &TokenId| kept.iter().any(|other| other.signed.jti() == token);
        let named =
            |token: &KeptToken| OlderToken { token: token.signed.jti().clone(), exp: token.signed.exp() };
        let dropped = self.tokens.iter().filter(|token| !is_kept(token.signed.jti())).map(named);
        let all = self.older_tokens.iter().cloned().chain(dropped);
        all.filter(|old| old.exp > now).collect()
    }

    /// How old the answer is: aging from some time between three and four fifths of `recheck` (by [`Self::spread`]),
    /// stale from `recheck` or the session's end on, and when it is outdated.
    #[must_use]
    pub fn freshness(&self, recheck: Duration, now: Now) -> Freshness {
        // In milliseconds: durations divide.
        let age = now.monotonic.as_millis().saturating_sub(self.asked_at.as_millis());
        let recheck = u64::try_from(recheck.as_millis()).unwrap_or(u64::MAX);
        if age >= recheck || self.ends <= now.wall || self.outdated.is_some() {
            Freshness::Stale
        } else if age.saturating_mul(1280) >= recheck.saturating_mul(1024 - u64::from(self.spread)) {
            Freshness::Aging
        } else {
            Freshness::Fresh
        }
    }

    /// The token signed under a policy, if it may still be handed out. Whenever the ring changes, every token is
    /// signed anew.
    #[must_use]
    pub fn token(&self, policy: &TokenPolicy, ring: RingVersion, now: UnixTime) -> Option<&KeptToken> {
        self.token_if(policy.id, ring, |exp| policy.may_serve(exp, self.ends, now))
    }

    /// The token of that name, if its end is good enough.
    #[must_use]
    pub fn token_if(
        &self,
        id: PolicyId,
        ring: RingVersion,
        is_good_enough: impl FnOnce(UnixTime) -> bool,
    ) -> Option<&KeptToken> {
        let token = self.tokens.iter().find(|token| token.policy.id == id)?;
        (token.ring == ring && is_good_enough(token.signed.exp())).then_some(token)
    }

    /// The same session with one more token; those that can no longer be served are left behind.
    #[must_use]
    pub fn with_token(
        &self,
        policy: &Arc<TokenPolicy>,
        ring: RingVersion,
        signed: Arc<SignedToken>,
        now: UnixTime,
    ) -> Self {
        let mut tokens = Tokens::with_capacity(self.tokens.len() + 1);
        let kept = |token: &&KeptToken| token.policy.id != policy.id && token.signed.exp() > now;
        tokens.extend(self.tokens.iter().filter(kept).cloned());
        tokens.push(KeptToken { signed, found_good: FoundGood::never(), policy: Arc::clone(policy), ring });
        Self {
            identity: Arc::clone(&self.identity),
            sid: self.sid.clone(),
            first_seen: self.first_seen,
            asked_at: self.asked_at,
            ends: self.ends,
            recheck_failed: self.recheck_failed,
            spread: self.spread,
            rotation: self.rotation.clone(),
            is_superseded: self.is_superseded,
            other_names: self.other_names.clone(),
            outdated: self.outdated,
            changed_at: self.changed_at,
            began: self.began,
            found_good: FoundGood::never(),
            older_tokens: self.older_tokens_but(&tokens, now),
            tokens,
        }
    }

    /// The same session while a new cookie is on its way, or no longer.
    #[must_use]
    pub fn with_rotation(&self, rotation: Option<Arc<Rotation>>, is_superseded: bool) -> Self {
        Self { rotation, is_superseded, ..self.clone() }
    }

    /// The same session when it is known to be another than this answer says. Its tokens are not handed out any more.
    #[must_use]
    pub fn outdated(&self, learned: Moment) -> Self {
        let older_tokens = self.older_tokens_but(&[], UnixTime::from_secs(0));
        Self { outdated: Some(learned), tokens: Tokens::new(), older_tokens, ..self.clone() }
    }

    /// The same session after a recheck that found no answer.
    #[must_use]
    pub fn after_failed_recheck(&self) -> Self {
        Self { recheck_failed: true, ..self.clone() }
    }

    /// The same session after a recheck. Its tokens stay only if they would say the same.
    #[must_use]
    pub fn rechecked(&self, identity: Identity, asked_at: Moment, ends: UnixTime) -> Self {
        let unchanged = *self.identity == identity;
        let tokens = if unchanged { self.tokens.clone() } else { Tokens::new() };
        Self {
            identity: if unchanged { Arc::clone(&self.identity) } else { Arc::new(identity) },
            sid: self.sid.clone(),
            first_seen: self.first_seen,
            asked_at,
            ends,
            recheck_failed: false,
            spread: self.spread,
            rotation: None,
            is_superseded: self.is_superseded,
            other_names: self.other_names.clone(),
            outdated: None,
            changed_at: self.changed_at,
            began: self.began,
            found_good: FoundGood::never(),
            older_tokens: self.older_tokens_but(&tokens, UnixTime::from_secs(0)),
            tokens,
        }
    }
}

impl Concern for Entry {
    fn session(&self) -> &SessionId {
        &self.sid
    }

    fn is_revoked(&self, ledger: Option<&Ledger>, token: Option<&SignedToken>) -> bool {
        let concerned = self.concerned();
        ledger.is_some_and(|ledger| {
            ledger.check(&concerned) == Standing::Revoked
                || token.is_some_and(|token| ledger.refuses_used_token(&concerned, token.jti(), token.iat()))
        })
    }
}
