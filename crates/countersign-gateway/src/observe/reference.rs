//! The pages of codes and metrics, made from the tables and the exposition themselves.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, time::Duration};

use super::{FeedGauges, Gauges, GuardGauges, Metrics, faults::FAULTS};
use crate::http::headers::{Disposition, Pattern, REMOVED};

/// The most values of a label that are listed.
const MAX_VALUES: usize = 16;

fn faults() -> String {
    let mut page = String::from(
        "# Faults\n\n\
         <!-- Made from the table in the source; UPDATE_REFERENCE=1 cargo test writes it. -->\n\n\
         What a gateway tells of itself by a code: in its log (`store`), in `faults` of `/readyz` and\n\
         `countersign status`, or when it does not start. Requests have [codes of their own](refusals.md).\n\n\
         None of these makes a running gateway unready: it goes on with what it has in memory. While one goes on, the\n\
         log says so every five minutes, and each time with `--verbose`.\n\n\
         | code | meaning | what to do | passes by itself |\n|---|---|---|---|\n",
    );
    for fault in FAULTS {
        let passes = if fault.passes { "yes" } else { "no" };
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{}` | {} | {} | {passes} |", fault.code, fault.meaning, fault.remedy);
    }
    page
}

/// What a client cannot tell a service.
fn headers() -> String {
    let mut page = String::from(
        "# Header fields that do not pass\n\n\
         <!-- Made from the table in the source; UPDATE_REFERENCE=1 cargo test writes it. -->\n\n\
         What a client writes into these request header fields, and into trailers of these names, reaches no service, in\n\
         whatever case, and with whatever stands for `-`: some services take `X_User` for `X-User`. `…` is any ending.\n\
         `remove_headers` of a route adds more: whatever your services believe of whom, such as `X-Tenant`.\n\n\
         | name | why not |\n|---|---|\n",
    );
    for pattern in REMOVED {
        let (name, ending, disposition) = match *pattern {
            Pattern::Exact(name, disposition) => (name, "", disposition),
            Pattern::Prefix(name, disposition) => (name, "…", disposition),
        };
        let why = match (name, disposition) {
            ("authorization", _) => "it is the credential; passes on `legacy` routes alone",
            ("te", _) => "between two neighbours; `trailers` passes",
            (_, Disposition::HopByHop) => "between two neighbours (RFC 9110 §7.6.1)",
            (_, Disposition::MethodOverride) => {
                "another method than the one that was judged; passes on `legacy` routes alone"
            }
            _ => "who the caller is, or by which way the request came",
        };
        let _ = writeln!(page, "| `{name}{ending}` | {why} |");
    }
    page
}

/// What is read from the exposition, so that no metric is forgotten.
fn metrics() -> String {
    let guard = GuardGauges {
        keys_age: Some(Duration::ZERO),
        feed: Some(FeedGauges { age: Some(Duration::ZERO), ..FeedGauges::default() }),
        ..GuardGauges::default()
    };
    let text = Metrics::new(1).text(&Gauges { guard: Some(guard), ..Gauges::default() });
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- Made from the exposition itself; UPDATE_REFERENCE=1 cargo test writes it. -->\n\n\
         What `/metrics` on `admin_listen` has, in the text format of Prometheus. Those of the guard are there\n\
         where `[guard]` is. No label holds anything of a request.\n\n\
         | metric | kind | meaning | labels |\n|---|---|---|---|\n",
    );
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, labels) in text.lines().filter_map(|line| line.split_once('{')) {
        values.entry(name).or_default().push(labels.split('}').next().unwrap());
    }
    let mut help = ("", "");
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# HELP ") {
            help = said.split_once(' ').unwrap();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            let labels = labels(name, values.get(name).map_or(&[][..], Vec::as_slice));
            let _ = writeln!(page, "| `{name}` | {kind} | {} | {labels} |", help.1);
        }
    }
    page
}

fn labels(name: &str, pairs: &[&str]) -> String {
    // Pairs that were never counted are left out of the exposition.
    match name {
        "countersign_build_info" => return "`version`".to_owned(),
        "countersign_lookups_total" => return "`source`, `outcome`".to_owned(),
        "countersign_refusals_total" => return "`code`: [refusals](refusals.md)".to_owned(),
        "countersign_requests_total" => return "`route`, `status`".to_owned(),
        _ => {}
    }
    let Some((label, _)) = pairs.first().and_then(|pair| pair.split_once('=')) else { return String::new() };
    let values: Vec<String> = pairs
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .take(MAX_VALUES)
        .map(|(_, value)| format!("`{}`", value.trim_matches('"')))
        .collect();
    format!("`{label}`: {}", values.join(", "))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that writes the pages when it is told to")]
fn the_pages_are_those_of_the_tables() {
    for (name, page) in [("faults.md", faults()), ("headers.md", headers()), ("metrics.md", metrics())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
        if std::env::var("UPDATE_REFERENCE").is_ok() {
            fs::write(&path, &page).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == page, "{} is old: run the tests with UPDATE_REFERENCE=1", path.display());
    }
}
