//! The audit log: who was let in, who was refused, what was ended. Append-only JSON lines.
//!
//! 1. `state_dir/audit.jsonl`, mode 0600. At 64 MiB it becomes `audit.jsonl.1`, that one `.2`, and so on up to
//!    `.10`; the oldest is deleted. Whoever must keep more copies them away.
//! 2. A line says when (RFC 3339, UTC), what, our name for the session (a keyed hash), the token's `jti`, route
//!    and reason. Never a token, a credential, a key, or a value of a claim besides subject and organisation.
//! 3. A refusal is in it when it is about the caller: 401 and 403 and refused credentials. A request without any
//!    credential, malformed HTTP and outages are nobody's: they are in the log and the metrics.
//! 4. A full queue (4,096 lines) or disk loses lines and never stops a request. The loss is counted, is in the
//!    metrics, the log and `/status`, and the next line that can be written says how many are missing.

mod file;

use std::{io, net::IpAddr, path::PathBuf, sync::Arc};

use countersign::{Audience, Issuer, KeyId, OrganisationId, SessionId, Subject, TokenId, UnixTime};
use serde::Serialize;

use super::{
    Observation,
    labels::{ReloadOutcome, SessionEvent},
    lines::{Lines, LinesGuard, Losses},
    timestamp::Timestamp,
};
use crate::error::Refusal;

/// Name in `state_dir`.
pub const FILE: &str = "audit.jsonl";

/// How large the audit log grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditLimits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Older files that are kept.
    pub kept_files: u32,
}

impl AuditLimits {
    /// 64 MiB, and ten older files.
    pub const DEFAULT: Self = Self { file_bytes: 64 * 1024 * 1024, kept_files: 10 };
}

/// Where audit lines go; cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditLog(Option<Lines>);

impl AuditLog {
    /// Opens the file, or makes it, and starts its writing thread.
    ///
    /// The log ends, with what is queued, when the guard is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be started.
    pub fn open(path: PathBuf, limits: AuditLimits) -> io::Result<(Self, LinesGuard)> {
        let (lines, guard) = Lines::start("audit", file::AuditFile::open(path, limits)?)?;
        Ok((Self(Some(lines)), guard))
    }

    /// No audit log.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// What was lost; `None` without an audit log.
    #[must_use]
    pub fn losses(&self) -> Option<Arc<Losses>> {
        self.0.as_ref().map(Lines::losses)
    }

    pub(super) fn read(&self, observation: &Observation<'_>, now: UnixTime) {
        let Some(lines) = &self.0 else { return };
        let Some(event) = Event::from_observation(observation) else { return };
        lines.send(line(&event, now));
    }
}

/// What is written, in the order it is written.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Guard {
        outcome: &'static str,
        issuer: &'a Issuer,
    },
    KeyChanged {
        kid: &'a KeyId,
        phase: &'static str,
    },
    LinesLost {
        count: u64,
    },
    Refused {
        code: &'static str,
        decision: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        route: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a SessionId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<IpAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    Reloaded {
        outcome: &'static str,
    },
    Revocation {
        outcome: &'static str,
        kind: &'static str,
        target: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    SessionBegan(SessionLine<'a>),
    SessionChanged(SessionLine<'a>),
    SessionEnded(SessionLine<'a>),
    SessionMoved(SessionLine<'a>),
    TokenSigned {
        jti: &'a TokenId,
        #[serde(skip_serializing_if = "Option::is_none")]
        kid: Option<&'a KeyId>,
        subject: &'a Subject,
        #[serde(skip_serializing_if = "Option::is_none")]
        organisation: Option<&'a OrganisationId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a SessionId>,
        audience: &'a Audience,
        route: &'a str,
        expires: UnixTime,
    },
}

#[derive(Serialize)]
struct SessionLine<'a> {
    session: &'a SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<&'a OrganisationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn from_observation(observation: &Observation<'a>) -> Option<Self> {
        match *observation {
            Observation::Breaker { .. }
            | Observation::Connection { .. }
            | Observation::LookedUp(_)
            | Observation::Mended { .. }
            | Observation::Store { .. }
            | Observation::Upstream { .. }
            | Observation::Reloaded { outcome: ReloadOutcome::Unchanged, .. } => None,
            Observation::Guard(seen) => {
                Some(Self::Guard { outcome: seen.event.label(), issuer: seen.issuer })
            }
            Observation::Key { kid, phase, .. } => Some(Self::KeyChanged { kid, phase: phase.label() }),
            Observation::Refused(refused) => concerns_a_caller(refused.refusal).then(|| Self::Refused {
                code: refused.refusal.code(),
                decision: refused.decision,
                route: refused.route,
                session: refused.session,
                client: refused.client,
                reason: refused.detail,
            }),
            Observation::Reloaded { outcome, .. } => Some(Self::Reloaded { outcome: outcome.label() }),
            Observation::Revoking(revoking) => Some(Self::Revocation {
                outcome: revoking.event.label(),
                kind: revoking.target.kind(),
                target: revoking.target.id(),
                reason: revoking.reason,
            }),
            Observation::Session(seen) => {
                let line = SessionLine {
                    session: seen.session,
                    subject: seen.subject,
                    organisation: seen.organisation,
                    reason: seen.reason,
                };
                Some(match seen.event {
                    SessionEvent::Began => Self::SessionBegan(line),
                    SessionEvent::Changed => Self::SessionChanged(line),
                    SessionEvent::Ended => Self::SessionEnded(line),
                    SessionEvent::Moved => Self::SessionMoved(line),
                })
            }
            Observation::TokenSigned(signed) => Some(Self::TokenSigned {
                jti: signed.jti,
                kid: signed.kid,
                subject: signed.subject,
                organisation: signed.organisation,
                session: signed.session,
                audience: signed.audience,
                route: signed.route,
                expires: signed.expires,
            }),
        }
    }
}

/// Whether a refusal is a judgement on a caller.
fn concerns_a_caller(refusal: Refusal) -> bool {
    match refusal {
        Refusal::AmbiguousCredential | Refusal::CredentialMalformed | Refusal::CredentialTooLarge => true,
        Refusal::CredentialMissing => false,
        other => matches!(other.row().status.as_u16(), 401 | 403),
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

fn line(event: &Event<'_>, now: UnixTime) -> Vec<u8> {
    // Strings and numbers only: this cannot fail.
    let mut line = serde_json::to_vec(&Line { time: Timestamp(now).to_string(), event }).unwrap_or_default();
    line.push(b'\n');
    line
}
