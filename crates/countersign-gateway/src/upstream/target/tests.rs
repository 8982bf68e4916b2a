use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Origin, Registry, Target};
use crate::{
    config::resolved::{Limits, UpstreamOrigin, UpstreamProtocol},
    upstream::{EJECT_FAILURES, EJECT_TIME},
};

fn two() -> (Registry, Arc<Target>) {
    let registry = Registry::new(NonZeroUsize::MIN);
    let origin = |port| UpstreamOrigin { protocol: UpstreamProtocol::Http1, host: "a".into(), port };
    let target = registry.target(&[origin(1), origin(2)], &Limits::DEFAULT);
    (registry, target)
}

fn eject(origin: &Origin, now: Instant) {
    let pool = origin.pool(0).unwrap();
    assert!((0..EJECT_FAILURES).any(|_| pool.note_failure(now)));
}

/// The ports of the next four requests.
fn next(target: &Target, now: Instant) -> Vec<u16> {
    let mut ports: Vec<u16> = (0..4).map(|_| target.choose(0, now, None).unwrap().key.port).collect();
    ports.sort_unstable();
    ports
}

#[tokio::test(start_paused = true)]
async fn one_that_is_out_gets_requests_again_after_its_time() {
    let (_registry, target) = two();
    let now = Instant::now();
    assert_eq!(next(&target, now), [1, 1, 2, 2]);
    eject(&target.origins[0], now);
    assert_eq!(next(&target, now), [2, 2, 2, 2]);
    assert_eq!(next(&target, now + EJECT_TIME - Duration::from_millis(1)), [2, 2, 2, 2]);
    assert_eq!(next(&target, now + EJECT_TIME), [1, 1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_out_the_one_that_comes_back_first_is_tried() {
    let (_registry, target) = two();
    let now = Instant::now();
    eject(&target.origins[1], now);
    eject(&target.origins[0], now + Duration::from_secs(1));
    assert_eq!(next(&target, now + Duration::from_secs(2)), [2, 2, 2, 2]);
    let again = target.choose(0, now + Duration::from_secs(2), Some(&target.origins[1])).unwrap();
    assert_eq!(again.key.port, 1, "but not twice for one request");
}
