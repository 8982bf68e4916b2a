//! Counters as text, in the [Prometheus exposition format] 0.0.4.
//!
//! [Prometheus exposition format]: https://prometheus.io/docs/instrumenting/exposition_formats/

use std::{fmt::Write, sync::atomic::Ordering::Relaxed, time::Duration};

use super::{
    labels::Label,
    metrics::{Counters, Histogram, Metrics, Pairs, WorkerMetrics},
};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is known only at the moment of reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Sessions in the cache.
    pub cached_sessions: u64,
    /// What is revoked and who follows it.
    pub revocations: RevocationGauges,
    /// Keys and revocations of the issuer that guarded routes trust, if there is one.
    pub guard: Option<GuardGauges>,
    /// Keys in the key set that do not sign yet, sign, and only verify.
    pub keys: [u64; 3],
    /// Log lines lost because the queue was full.
    pub log_lines_lost: u64,
    /// Request lines lost because the queue was full.
    pub request_lines_lost: u64,
    /// Audit lines lost because the queue or the disk was full.
    pub audit_lines_lost: u64,
    /// The audit log cannot be written.
    pub audit_failing: bool,
    /// The authorization server is taken for failed.
    pub breaker_open: bool,
    /// The gateway serves and is not draining.
    pub ready: bool,
}

/// What is known of revocations at the moment of reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RevocationGauges {
    /// Targets that are revoked.
    pub held: u64,
    /// The number of the newest event.
    pub newest: u64,
    /// Open streams of the feed.
    pub streams: u64,
    /// By how many events the slowest stream is behind.
    pub lag: u64,
    /// Streams that were cut because they were too slow.
    pub cut: u64,
    /// Records of the store's log that cannot be read.
    pub unreadable: u64,
    /// Revocations that hold here and could not be written yet.
    pub pending: u64,
}

/// What is known of the issuer that guarded routes trust.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuardGauges {
    /// Keys that tokens can be verified with.
    pub keys: u64,
    /// Since they were last fetched; `None`: never.
    pub keys_age: Option<Duration>,
    /// Fetches that failed.
    pub key_fetch_failures: u64,
    /// Its feed of revocations, if it is followed.
    pub feed: Option<FeedGauges>,
}

/// What is known of the feed of the issuer that guarded routes trust.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedGauges {
    /// New revocations are known within a second.
    pub current: bool,
    /// Since it was last heard of; `None`: never.
    pub age: Option<Duration>,
    /// Times at which it was lost.
    pub losses: u64,
    /// Messages that were not believed.
    pub refused: u64,
    /// Targets that are revoked.
    pub held: u64,
}

impl Metrics {
    /// All counters of all workers, added up, as text.
    #[must_use]
    pub fn text(&self, gauges: &Gauges) -> String {
        let mut text = Text { text: String::with_capacity(16 * 1024), metrics: self };
        text.traffic();
        text.sessions();
        text.gauges(gauges);
        text.text
    }
}

struct Text<'a> {
    text: String,
    metrics: &'a Metrics,
}

impl Text<'_> {
    fn traffic(&mut self) {
        self.pairs("requests_total", "Answered requests.", ["route", "status"], |w| &w.answers);
        self.counters("refusals_total", "Requests that were turned away.", "code", |w| &w.refusals);
        self.head("requests_in_flight", "gauge", "Requests that are not answered yet.");
        self.line("requests_in_flight", "", self.metrics.requests_in_flight());
        self.head("requests_given_up_total", "counter", "Requests whose client left before an answer.");
        let given_up = self.metrics.workers.iter().map(|w| w.given_up.load(Relaxed)).sum();
        self.line("requests_given_up_total", "", given_up);
        self.head("connections_open", "gauge", "Open connections from clients.");
        self.line("connections_open", "", self.metrics.open_connections());
        self.counters("connection_events_total", "What happened to connections.", "event", |w| {
            &w.connections
        });
        self.counters("upstream_events_total", "What happened to upstreams.", "event", |w| &w.upstream);
    }

    fn sessions(&mut self) {
        self.counters("session_cache_total", "What requests met in the cache.", "result", |w| &w.cache);
        self.counters("keep_alives_total", "Times the old application was told of a user.", "result", |w| {
            &w.keep_alives
        });
        self.counters(
            "breaker_events_total",
            "What happened to the breaker before the server.",
            "event",
            |w| &w.breaker,
        );
        self.pairs("lookups_total", "Look-ups that ended.", ["source", "outcome"], |w| &w.lookups);
        self.histogram("lookup_duration_seconds", "Duration of look-ups.", seconds, |w| &w.lookup_micros);
        self.counters("session_events_total", "What happened to sessions.", "event", |w| &w.sessions);
        self.counters("revocation_events_total", "What happened to revocations.", "event", |w| {
            &w.revocations
        });
        self.counters("revocations_total", "Revocations that were recorded.", "reason", |w| {
            &w.revocation_reasons
        });
        self.histogram("token_bytes", "Length of signed `Authorization` values.", plain, |w| &w.token_bytes);
        self.counters("reloads_total", "Reloads of the configuration.", "outcome", |w| &w.reloads);
        self.head("store_failures_total", "counter", "Calls of the store that failed.");
        let failures = self.metrics.workers.iter().map(|w| w.store_failures.load(Relaxed)).sum();
        self.line("store_failures_total", "", failures);
    }

    fn gauges(&mut self, gauges: &Gauges) {
        self.head("sessions_cached", "gauge", "Sessions in the cache.");
        self.line("sessions_cached", "", gauges.cached_sessions);
        let revocations = gauges.revocations;
        for (name, kind, help, value) in [
            ("revocations_held", "gauge", "Targets that are revoked.", revocations.held),
            ("revocation_newest", "gauge", "Number of the newest event of the feed.", revocations.newest),
            ("feed_streams", "gauge", "Open streams of the revocation feed.", revocations.streams),
            ("feed_lag_events", "gauge", "Events by which the slowest stream is behind.", revocations.lag),
            ("feed_streams_cut_total", "counter", "Streams cut for being too slow.", revocations.cut),
            (
                "revocations_pending",
                "gauge",
                "Revocations that hold at this gateway alone: the store could not write them yet.",
                revocations.pending,
            ),
            (
                "revocations_unreadable",
                "gauge",
                "Records of the store's log that cannot be read.",
                revocations.unreadable,
            ),
        ] {
            self.head(name, kind, help);
            self.line(name, "", value);
        }
        if let Some(guard) = &gauges.guard {
            self.guard(guard);
        }
        self.head("keys", "gauge", "Keys in the key set by phase.");
        for (phase, count) in ["published", "signing", "verifying_only"].into_iter().zip(gauges.keys) {
            self.line("keys", &format!("{{phase=\"{phase}\"}}"), count);
        }
        self.head("lost_lines_total", "counter", "Lines lost to a full queue or disk.");
        let lost = [
            ("audit", gauges.audit_lines_lost),
            ("log", gauges.log_lines_lost),
            ("requests", gauges.request_lines_lost),
        ];
        for (log, count) in lost {
            self.line("lost_lines_total", &format!("{{log=\"{log}\"}}"), count);
        }
        self.head("audit_failing", "gauge", "1 while the audit log cannot be written.");
        self.line("audit_failing", "", u64::from(gauges.audit_failing));
        self.head("breaker_open", "gauge", "1 while the authorization server is asked by probes alone.");
        self.line("breaker_open", "", u64::from(gauges.breaker_open));
        self.head("ready", "gauge", "1 while the gateway serves and is not draining.");
        self.line("ready", "", u64::from(gauges.ready));
        self.head("build_info", "gauge", "Always 1; the release is the label.");
        self.line("build_info", concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
    }

    fn guard(&mut self, guard: &GuardGauges) {
        self.counters("guard_events_total", "What happened to the guard's keys and feed.", "event", |w| {
            &w.guard
        });
        let feed = guard.feed.as_ref();
        let rows = [
            ("keys", "gauge", "Keys of the guard's issuer; 0: guarded routes answer 503.", Some(guard.keys)),
            (
                "keys_age_seconds",
                "gauge",
                "Since the keys of the guard's issuer were fetched.",
                guard.keys_age.map(|age| age.as_secs()),
            ),
            (
                "key_fetch_failures_total",
                "counter",
                "Fetches of these keys that failed.",
                Some(guard.key_fetch_failures),
            ),
            (
                "feed_current",
                "gauge",
                "1 while the issuer's revocations are known.",
                feed.map(|feed| u64::from(feed.current)),
            ),
            (
                "feed_age_seconds",
                "gauge",
                "Since the issuer's feed was heard of.",
                feed.and_then(|feed| feed.age).map(|age| age.as_secs()),
            ),
            ("feed_losses_total", "counter", "Times the feed was lost.", feed.map(|feed| feed.losses)),
            (
                "feed_refused_total",
                "counter",
                "Messages of the feed that were not believed.",
                feed.map(|feed| feed.refused),
            ),
            ("revocations_held", "gauge", "Targets that the issuer revoked.", feed.map(|feed| feed.held)),
        ];
        for (name, kind, help, value) in rows {
            let name = format!("guard_{name}");
            if let Some(value) = value {
                self.head(&name, kind, help);
                self.line(&name, "", value);
            }
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP countersign_{name} {help}\n# TYPE countersign_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.text, "countersign_{name}{labels} {value}");
    }

    fn counters<L: Label>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        of: fn(&WorkerMetrics) -> &Counters<L>,
    ) {
        self.head(name, "counter", help);
        for value in L::ALL {
            let sum = self.metrics.workers.iter().map(|worker| of(worker).count(*value)).sum();
            self.line(name, &format!("{{{label}=\"{}\"}}", value.label()), sum);
        }
    }

    /// Pairs that were never counted are left out: most of them cannot happen.
    fn pairs<A: Label, B: Label>(
        &mut self,
        name: &str,
        help: &str,
        [first, second]: [&str; 2],
        of: fn(&WorkerMetrics) -> &Pairs<A, B>,
    ) {
        self.head(name, "counter", help);
        for a in A::ALL {
            for b in B::ALL {
                let sum: u64 = self.metrics.workers.iter().map(|worker| of(worker).count(*a, *b)).sum();
                if sum > 0 {
                    let labels = format!("{{{first}=\"{}\",{second}=\"{}\"}}", a.label(), b.label());
                    self.line(name, &labels, sum);
                }
            }
        }
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: fn(u64) -> String,
        of: fn(&WorkerMetrics) -> &Histogram,
    ) {
        self.head(name, "histogram", help);
        let Some(first) = self.metrics.workers.first() else { return };
        let bounds = of(first).bounds.iter().map(|bound| unit(*bound)).chain(["+Inf".to_owned()]);
        let mut counts = vec![0_u64; of(first).bounds.len().saturating_add(1)];
        let mut sum = 0_u64;
        for worker in self.metrics.workers.iter() {
            for (count, more) in counts.iter_mut().zip(of(worker).buckets()) {
                *count = count.saturating_add(more);
            }
            sum = sum.saturating_add(of(worker).sum());
        }
        let mut below = 0_u64;
        for (bound, count) in bounds.zip(counts) {
            below = below.saturating_add(count);
            self.line(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), below);
        }
        let _ = writeln!(self.text, "countersign_{name}_sum {}", unit(sum));
        self.line(&format!("{name}_count"), "", below);
    }
}

/// Microseconds as seconds, without a rounding error.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn plain(number: u64) -> String {
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn microseconds_are_written_as_seconds() {
        for (micros, text) in
            [(0, "0"), (1, "0.000001"), (2_500, "0.0025"), (1_000_000, "1"), (2_500_000, "2.5")]
        {
            assert_eq!(seconds(micros), text);
        }
    }
}
