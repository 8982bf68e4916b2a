//! The structured log: observations as `tracing` events, written by a thread of its own.
//!
//! Events go to standard error, one line each. A line per forwarded request is not among them
//! ([`requests`](super::requests)). Default level is `info`; look-ups that simply worked are `debug`. Whatever
//! the level, other crates are heard from `warn` on only: what a protocol library prints for its own developers
//! may hold header values.

use std::{
    io::{self, Write},
    net::IpAddr,
    sync::Arc,
};

use tracing::Level;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

use super::{
    GuardSeen, LookedUp, Observation,
    labels::{
        BreakerEvent, ConnectionEvent, GuardEvent, LookupOutcome, ReloadOutcome, RevocationEvent,
        SessionEvent, UpstreamEvent,
    },
    lines::{Lines, LinesGuard, Losses, Sink},
};

/// Sends events to the log until it is dropped.
#[derive(Debug)]
pub struct LogGuard {
    losses: Arc<Losses>,
    _lines: LinesGuard,
}

impl LogGuard {
    /// What the log lost.
    #[must_use]
    pub fn losses(&self) -> Arc<Losses> {
        Arc::clone(&self.losses)
    }
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The writing thread could not be started.
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[from] io::Error),
    /// This process has a log already.
    #[error("this process has a log already")]
    Twice,
}

/// Starts the log of this process on standard error: JSON lines, or text for people.
///
/// # Errors
/// [`LogError`] when there is one already or its thread cannot be started.
pub fn install(json: bool, level: Level) -> Result<LogGuard, LogError> {
    let (dispatch, guard) = dispatch(json, level, io::stderr())?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| LogError::Twice)?;
    Ok(guard)
}

/// A log that is not the process's own: for tests, with `tracing::dispatcher::with_default`.
///
/// # Errors
/// [`LogError::Thread`].
pub fn dispatch(
    json: bool,
    level: Level,
    sink: impl Write + Send + 'static,
) -> Result<(tracing::Dispatch, LogGuard), LogError> {
    let (lines, guard) = Lines::start("log", Stream { stream: sink, json })?;
    let losses = lines.losses();
    let filter = Targets::new()
        .with_target("countersign", LevelFilter::from_level(level))
        .with_default(LevelFilter::from_level(level).min(LevelFilter::WARN));
    let layer = fmt::layer().with_writer(LineMaker(lines));
    let dispatch = if json {
        let layer = layer.json().flatten_event(true).with_current_span(false);
        tracing::Dispatch::new(Registry::default().with(layer.with_filter(filter)))
    } else {
        let layer = layer.with_ansi(false);
        tracing::Dispatch::new(Registry::default().with(layer.with_filter(filter)))
    };
    Ok((dispatch, LogGuard { losses, _lines: guard }))
}

/// The stream that log lines end up in.
struct Stream<W> {
    stream: W,
    json: bool,
}

impl<W: Write + Send + 'static> Sink for Stream<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.stream.write_all(lines)?;
        self.stream.flush()
    }

    fn lost(&self, count: u64) -> Vec<u8> {
        if self.json {
            format!("{{\"level\":\"WARN\",\"message\":\"log lines lost\",\"count\":{count}}}\n").into_bytes()
        } else {
            format!("WARN log lines lost count={count}\n").into_bytes()
        }
    }

    // The log has nowhere else to tell of itself: the count is in the metrics.
    fn failing(&self, _: &io::Error) {}

    fn recovered(&self) {}
}

struct LineMaker(Lines);

impl<'a> MakeWriter<'a> for LineMaker {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &LineMaker {
    // The formatter hands over each event in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes an event whose level is known only when it happens.
macro_rules! event {
    ($level:expr, $($rest:tt)+) => {
        match $level {
            Level::ERROR => tracing::error!($($rest)+),
            Level::WARN => tracing::warn!($($rest)+),
            Level::INFO => tracing::info!($($rest)+),
            _ => tracing::debug!($($rest)+),
        }
    };
}

/// Writes a line. A failure that is known already is for those who ask for more.
pub(super) fn read(observation: &Observation<'_>, is_known: bool) {
    match observation {
        Observation::Breaker { source, event, pause } => event!(
            if *event == BreakerEvent::Opened { Level::ERROR } else { Level::WARN },
            source = source.label(),
            event = event.label(),
            pause_millis = pause.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
            "breaker"
        ),
        Observation::Connection { event, client, detail } => read_connection(*event, *client, *detail),
        Observation::Guard(seen) => read_guard(seen),
        Observation::Key { kid, phase, signs_from } => tracing::info!(
            kid = kid.as_str(),
            phase = phase.label(),
            signs_from = signs_from.map(|at| display(super::timestamp::Timestamp(at))),
            "key"
        ),
        Observation::LookedUp(looked_up) => read_looked_up(looked_up),
        Observation::Mended { code, detail } => tracing::warn!(code, detail, "store"),
        Observation::Refused(refused) => event!(
            if refused.refusal.row().status.is_server_error() { Level::WARN } else { Level::INFO },
            code = refused.refusal.code(),
            decision = refused.decision,
            route = refused.route,
            session = refused.session.map(AsRef::<str>::as_ref),
            client = refused.client.map(display),
            detail = refused.detail,
            "refused"
        ),
        Observation::Reloaded { outcome, detail } => event!(
            if *outcome == ReloadOutcome::Refused { Level::ERROR } else { Level::INFO },
            outcome = outcome.label(),
            detail,
            "reload"
        ),
        Observation::Revoking(revoking) => event!(
            match revoking.event {
                RevocationEvent::Unenforced | RevocationEvent::Unrecorded => Level::ERROR,
                RevocationEvent::Lifted | RevocationEvent::Recorded => Level::INFO,
            },
            event = revoking.event.label(),
            kind = revoking.target.kind(),
            reason = revoking.reason,
            "revocation"
        ),
        Observation::Session(seen) => event!(
            if seen.event == SessionEvent::Began { Level::DEBUG } else { Level::INFO },
            event = seen.event.label(),
            session = seen.session.as_str(),
            reason = seen.reason,
            "session"
        ),
        Observation::Store { failure, detail } => event!(
            match failure {
                Some(_) if is_known => Level::DEBUG,
                Some(_) => Level::ERROR,
                None => Level::INFO,
            },
            code = failure,
            detail,
            "store"
        ),
        Observation::TokenSigned(signed) => tracing::debug!(
            jti = signed.jti.as_str(),
            kid = signed.kid.map(AsRef::<str>::as_ref),
            session = signed.session.map(AsRef::<str>::as_ref),
            audience = signed.audience.as_str(),
            bytes = signed.bytes,
            "token signed"
        ),
        Observation::Upstream { event, origin, detail } => event!(
            match event {
                UpstreamEvent::Connected | UpstreamEvent::Retried => Level::DEBUG,
                UpstreamEvent::Recovered => Level::INFO,
                _ => Level::WARN,
            },
            event = event.label(),
            origin,
            detail,
            "upstream"
        ),
    }
}

fn read_connection(event: ConnectionEvent, client: Option<IpAddr>, detail: Option<&str>) {
    event!(
        match event {
            ConnectionEvent::AcceptFailed => Level::ERROR,
            ConnectionEvent::OverLimit => Level::WARN,
            _ => Level::INFO,
        },
        event = event.label(),
        client = client.map(display),
        detail,
        "connection"
    );
}

fn read_guard(seen: &GuardSeen<'_>) {
    event!(
        match seen.event {
            GuardEvent::KeysEnded | GuardEvent::KeysMissing => Level::ERROR,
            GuardEvent::FeedLost | GuardEvent::KeysStale => Level::WARN,
            GuardEvent::FeedCurrent | GuardEvent::KeysFetched => Level::INFO,
        },
        event = seen.event.label(),
        issuer = seen.issuer.as_str(),
        age_seconds = seen.age.map(|age| age.as_secs()),
        "guard"
    );
}

fn read_looked_up(looked_up: &LookedUp<'_>) {
    let level = match (looked_up.outcome, looked_up.detail) {
        (LookupOutcome::Live | LookupOutcome::No, None) => Level::DEBUG,
        // Which of two said so, or what it is instead of a session: whoever was refused for it will ask why.
        (LookupOutcome::No, Some(_)) => Level::INFO,
        // Of a session that lives and is of no use: only the operator can mend that, and this line says what is wrong.
        _ => Level::WARN,
    };
    let millis = u64::try_from(looked_up.duration.as_millis()).unwrap_or(u64::MAX);
    event!(
        level,
        source = looked_up.source.label(),
        outcome = looked_up.outcome.label(),
        millis,
        coalesced = looked_up.coalesced,
        detail = looked_up.detail,
        "look-up"
    );
}
