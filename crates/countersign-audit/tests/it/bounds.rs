//! What an audit may do to its target.

use std::time::Duration;

use countersign_audit::{Keys, Quiet, run};
use tokio::time::Instant;

use crate::service::{Fault, options, start};

#[tokio::test]
async fn requests_are_bounded_in_rate_and_number_and_what_was_not_asked_is_not_decided() {
    let keys = Keys::generate().unwrap();
    let address = start(Fault::None, &keys).await;
    let mut few = options(address, keys);
    (few.max_requests, few.rate) = (60, Some(100));
    let began = Instant::now();
    let report = run(few, &mut Quiet).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(590), "{:?}", began.elapsed());
    assert!((1..=60).contains(&report.requests), "{}", report.requests);
    assert!(report.coverage.decided < report.coverage.cells, "{:?}", report.coverage);
}

#[tokio::test]
async fn only_this_machine_is_asked_unless_a_host_is_named_as_ones_own() {
    let keys = Keys::generate().unwrap();
    let address = start(Fault::None, &keys).await;
    for elsewhere in ["http://192.0.2.7:9001", "http://localhost.example:9001", "https://orders.example"] {
        let mut wrong = options(address, Keys::generate().unwrap());
        wrong.target = elsewhere.to_owned();
        let error = run(wrong, &mut Quiet).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{elsewhere}: {error}");
        assert!(error.to_string().contains("loopback"), "{error}");
    }
}
