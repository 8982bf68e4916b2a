//! What users may do: it changes, and what says more than is so must be found and revoked.

use countersign::{
    SessionId, Standing, TokenId, UnixTime,
    revocation::{Revocation, Target, What},
};
use tokio::time::Instant;

use super::{
    SPREAD,
    judge::{Issued, LogOut, SKEW},
    replica::BEGIN,
    server::ROLES,
    world::{GATEWAYS, Waiting, World},
};
use crate::{clock::Clock, revocation::Concerned};

/// A gateway has learned that a session has less power than a token says that it handed out.
pub(super) struct Owed {
    gateway: usize,
    process: u64,
    since: Instant,
    sid: SessionId,
    token: TokenId,
    issued_at: UnixTime,
    expires: UnixTime,
    user: String,
}

impl World {
    /// The server gives a user a role or takes it away.
    pub(super) fn change_a_power(&mut self) {
        let cookie = self.any_cookie();
        self.change_the_power_of(&cookie);
    }

    pub(super) fn change_the_power_of(&mut self, cookie: &str) {
        let now = Instant::now();
        let power = self.random.below(ROLES.len() + 1);
        let before = self.server.session(cookie).unwrap().power();
        self.server.change(cookie, |session| session.powers.push((now, power)));
        self.tell(format!("{cookie} has {power} roles instead of {before}"));
        self.count(if power < before { "roles taken away" } else { "roles given or left" });
    }

    /// Notes what gateways tell services of sessions that have changed.
    pub(super) fn note_changes(&mut self) {
        for gateway in 0..GATEWAYS {
            let machine = &mut self.machines[gateway];
            let Some(process) = &machine.process else { continue };
            let ledger = process.ledger.clone();
            let mut told = Vec::new();
            while machine.changes_seen.as_ref() != Some(&ledger.cursor()) {
                match machine.changes_seen.as_ref().map(|seen| ledger.after(seen)) {
                    Some(Ok(events)) => {
                        for published in &events {
                            machine.changes_seen = Some(published.event.cursor.clone());
                            if let What::Revoked(revocation) = &published.event.what {
                                told.push(revocation.clone());
                            }
                        }
                    }
                    Some(Err(_)) | None => {
                        let snapshot = ledger.snapshot(process.clock.now().wall);
                        machine.changes_seen = Some(snapshot.cursor);
                        told.extend(snapshot.entries);
                    }
                }
            }
            told.into_iter().for_each(|revocation| self.note_change(revocation));
        }
    }

    fn note_change(&mut self, Revocation { target, at, .. }: Revocation) {
        match &target {
            Target::IssuedTo(session) => {
                let latest = self.changed.entry(session.to_string()).or_default();
                if *latest < at.as_secs() {
                    *latest = at.as_secs();
                    self.tell(format!("what was issued to {session} until {at} is revoked"));
                    self.count("sessions found to have changed");
                }
                if self.log_outs.iter().all(|known| known.target != target) {
                    let mut log_out = LogOut::new(target, false);
                    log_out.issued_until = at.as_secs();
                    self.log_outs.push(log_out);
                }
            }
            Target::Token(token) => drop(self.named.insert(token.to_string())),
            _ => {}
        }
    }

    /// No token says more than the server did a while ago, nor than it did when a change was learned of.
    pub(super) fn judge_power(&mut self, request: &Waiting, issued: &Issued) {
        let session = self.server.session(&request.cookie).unwrap();
        let long_ago = issued.at.checked_sub(self.longest_served()).unwrap_or(self.began);
        if issued.power > session.most_power(long_ago) {
            self.break_rule(format!("a token of {} says more than its user may for long", request.cookie));
        }
        let stale = self.log_outs.iter().any(|log_out| {
            // The clock that said when it changed may be ahead.
            let secs = (log_out.issued_until).saturating_sub(BEGIN + SKEW);
            let changed = self.began + std::time::Duration::from_secs(secs);
            matches!(&log_out.target, Target::IssuedTo(name) if name.as_str() == issued.sid)
                && log_out.known_since[request.gateway].is_some_and(|since| since < request.began)
                && issued.power > session.most_power(changed)
        });
        if stale {
            let (gateway, cookie) = (request.gateway, &request.cookie);
            self.break_rule(format!("gateway {gateway} gives {cookie} power it knows to be taken away"));
        }
        self.owe(request, issued);
    }

    /// If this process has said more of the session before, it has to revoke that.
    fn owe(&mut self, request: &Waiting, issued: &Issued) {
        if self.server.has_replaced(&request.cookie) {
            return;
        }
        let is_before = |before: &&Issued| {
            (&before.cookie, before.process, &before.sid) == (&issued.cookie, issued.process, &issued.sid)
        };
        let more = self.issued.iter().rev().find(is_before).filter(|before| before.power > issued.power);
        let Some(before) = more else { return };
        self.owed.push(Owed {
            gateway: request.gateway,
            process: issued.process,
            since: Instant::now(),
            sid: before.sid.as_str().into(),
            token: before.jti.as_str().into(),
            issued_at: UnixTime::from_secs(before.iat),
            expires: UnixTime::from_secs(before.exp),
            user: before.user.clone(),
        });
        self.count("tokens with less power than before");
    }

    /// What is owed has been done, or cannot be any more.
    pub(super) fn judge_owed(&mut self) {
        let (wall, machines) = (self.wall(), &self.machines);
        let mut broken = None;
        self.owed.retain(|owed| {
            let process = machines[owed.gateway].process.as_ref();
            let Some(process) = process.filter(|process| process.number == owed.process) else {
                return false;
            };
            if owed.since.elapsed() < SPREAD {
                return true;
            }
            let subject = owed.user.as_str().into();
            let concerned = Concerned {
                session: &owed.sid,
                others: &[],
                subject: &subject,
                organisation: None,
                began: None,
            };
            let standing = process.ledger.standing_of_token(&concerned, Some(&owed.token), owed.issued_at);
            if standing == Standing::Good && owed.expires.as_secs() > wall + SKEW {
                broken = Some(format!("gateway {} revokes nothing of {}", owed.gateway, owed.sid));
            }
            false
        });
        if let Some(broken) = broken {
            self.break_rule(broken);
        }
    }
}
