use std::{fs, sync::Arc, time::Duration};

use countersign::SystemClock;
use countersign_gateway::{
    config::resolved::RingAlgorithm,
    keyring::PhaseWatch,
    observe::{
        Observer,
        audit::{AuditLimits, AuditLog},
    },
};
use serde_json::Value;

use super::{START, keeper, memory, settings};

#[test]
fn each_change_of_a_phase_is_told_once() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("audit.jsonl");
    let keeper = keeper(memory());
    keeper.open(&settings(RingAlgorithm::Es256), START).unwrap();
    let ring = keeper.open(&settings(RingAlgorithm::Ed25519), START).unwrap();
    let kids: Vec<_> = ring.keys(START).map(|key| key.scheduled.kid.to_string()).collect();
    // Told from the start; told only after a day; told when all of the old algorithm is gone.
    for (skipped, expected) in [
        (
            0,
            vec![
                (0, "signing"),
                (1, "published"),
                (2, "published"),
                (3, "published"),
                (0, "verifying_only"),
                (1, "verifying_only"),
                (2, "signing"),
                (0, "gone"),
                (1, "gone"),
            ],
        ),
        (
            24,
            vec![
                (0, "verifying_only"),
                (1, "verifying_only"),
                (2, "signing"),
                (3, "published"),
                (0, "gone"),
                (1, "gone"),
            ],
        ),
        (48, vec![(2, "signing"), (3, "published")]),
    ] {
        let _ = fs::remove_file(&path);
        let (audit, guard) = AuditLog::open(path.clone(), AuditLimits::DEFAULT).unwrap();
        let observer = Observer::new(Arc::default(), audit, None, Arc::new(SystemClock));
        let mut watch = PhaseWatch::default();
        for hour in skipped..60 {
            watch.tell(&ring, START.saturating_add(Duration::from_secs(hour * 3600)), &observer);
        }
        drop(guard);
        let told: Vec<(usize, String)> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| {
                let place = kids.iter().position(|kid| line["kid"] == kid.as_str()).unwrap();
                (place, line["phase"].as_str().unwrap().to_owned())
            })
            .collect();
        let expected: Vec<_> =
            expected.into_iter().map(|(place, phase): (usize, &str)| (place, phase.to_owned())).collect();
        assert_eq!(told, expected);
    }
}
