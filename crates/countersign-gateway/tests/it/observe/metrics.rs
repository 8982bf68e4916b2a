use std::{collections::BTreeMap, time::Duration};

use countersign_gateway::{
    error::Refusal,
    observe::{
        CacheResult, ConnectionEvent, Gauges, LookedUp, LookupOutcome, Metrics, Observation, Observer,
        RouteLabel, SourceLabel, UpstreamEvent, audit::AuditLog,
    },
};
use http::StatusCode;

use super::{Fixed, refused, signed};

/// Reads the text exposition format strictly enough to find a sample that is doubled, untyped or misnamed.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut typed = BTreeMap::new();
    let mut samples = BTreeMap::new();
    let mut helped = None;
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(text.ends_with('.'), "{line}");
            helped = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(helped.as_deref(), Some(name));
            assert!(typed.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let base = name.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| base.strip_suffix(end));
            let family = family.filter(|family| typed.get(*family).is_some_and(|kind| kind == "histogram"));
            let kind = typed.get(family.unwrap_or(base)).unwrap_or_else(|| panic!("no type: {line}"));
            assert_eq!(kind == "counter", base.ends_with("_total"), "{line}");
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} twice");
        }
    }
    samples
}

#[test]
fn every_family_is_typed_and_every_refusal_has_a_counter() {
    let text = Metrics::new(2).text(&Gauges::default());
    let samples = samples(&text);
    for refusal in Refusal::ALL {
        let name = format!("countersign_refusals_total{{code=\"{}\"}}", refusal.code());
        assert_eq!(samples.get(&name), Some(&0.0), "{name}");
    }
    assert!(samples.len() < 250, "{} series before any traffic", samples.len());
}

#[test]
fn workers_are_added_up() {
    let metrics = Metrics::new(2);
    for worker in [0, 0, 1] {
        let worker = metrics.worker(worker);
        worker.request(RouteLabel::Translate);
        worker.answered(RouteLabel::Translate, StatusCode::NOT_FOUND);
        worker.cache(CacheResult::Hit);
        worker.upstream(UpstreamEvent::Connected);
        worker.connection_opened();
    }
    metrics.worker(0).connection_closed();
    metrics.worker(1).request(RouteLabel::Public);
    // A worker that was not reckoned with is counted with the control thread.
    metrics.worker(9).connection(ConnectionEvent::OverLimit);
    assert_eq!(metrics.open_connections(), 2);
    assert_eq!(metrics.requests_in_flight(), 1);
    let samples = samples(&metrics.text(&Gauges { keys: [1, 2, 3], ready: true, ..Gauges::default() }));
    for (name, value) in [
        ("countersign_requests_total{route=\"translate\",status=\"4xx\"}", 3.0),
        ("countersign_session_cache_total{result=\"hit\"}", 3.0),
        ("countersign_upstream_events_total{event=\"connected\"}", 3.0),
        ("countersign_connection_events_total{event=\"accepted\"}", 3.0),
        ("countersign_connection_events_total{event=\"over_limit\"}", 1.0),
        ("countersign_connections_open", 2.0),
        ("countersign_requests_in_flight", 1.0),
        ("countersign_keys{phase=\"verifying_only\"}", 3.0),
        ("countersign_ready", 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}");
    }
}

#[test]
fn observations_are_counted_and_durations_sorted() {
    let metrics = Metrics::new(1);
    let observer = Observer::new(metrics.worker(0), AuditLog::none(), None, std::sync::Arc::new(Fixed));
    let session = "s-1".into();
    for millis in [1, 30, 30, 9_000] {
        observer.observe(Observation::LookedUp(LookedUp {
            source: SourceLabel::Whoami,
            outcome: LookupOutcome::Live,
            duration: Duration::from_millis(millis),
            coalesced: 5,
            detail: None,
        }));
    }
    signed(&session, |observation| observer.observe(observation));
    observer.observe(refused(Refusal::Csrf, &session));
    observer.observe(Observation::Store { failure: Some("store_database"), detail: "disk full" });
    observer.observe(Observation::Store { failure: None, detail: "works again" });
    let samples = samples(&metrics.text(&Gauges::default()));
    for (name, value) in [
        ("countersign_lookups_total{source=\"whoami\",outcome=\"live\"}", 4.0),
        ("countersign_lookup_duration_seconds_bucket{le=\"0.001\"}", 1.0),
        ("countersign_lookup_duration_seconds_bucket{le=\"0.025\"}", 1.0),
        ("countersign_lookup_duration_seconds_bucket{le=\"0.05\"}", 3.0),
        ("countersign_lookup_duration_seconds_bucket{le=\"2.5\"}", 3.0),
        ("countersign_lookup_duration_seconds_bucket{le=\"+Inf\"}", 4.0),
        ("countersign_lookup_duration_seconds_count", 4.0),
        ("countersign_lookup_duration_seconds_sum", 9.061),
        ("countersign_session_cache_total{result=\"coalesced\"}", 20.0),
        ("countersign_token_bytes_bucket{le=\"768\"}", 0.0),
        ("countersign_token_bytes_bucket{le=\"1024\"}", 1.0),
        ("countersign_token_bytes_sum", 812.0),
        ("countersign_refusals_total{code=\"csrf\"}", 1.0),
        ("countersign_store_failures_total", 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}");
    }
}
