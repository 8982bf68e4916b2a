use std::time::Duration;

use countersign_demo::{Demo, DemoOptions, Report, RunningDemo, script};

use crate::{
    port::Port,
    stand_in::{self, Fault},
};

/// What a stand-in cannot do: it tells the services of no log-out.
const COPIED_TOKEN: usize = 12;

/// The demo, with the stand-in.
async fn start(fault: Fault) -> RunningDemo {
    let ports = [Port::reserved(), Port::reserved(), Port::reserved()];
    let [gateway, admin, internal] = ports.each_ref().map(|port| port.address);
    let options = DemoOptions { gateway, admin, internal, ..DemoOptions::default() };
    let demo = Demo::start(options).await.unwrap();
    stand_in::start(&demo, fault).await;
    assert!(demo.has_keys(Duration::from_secs(60)).await);
    demo
}

async fn told(fault: Fault) -> Report {
    let demo = start(fault).await;
    script(&demo, demo.gateway_url(), |step| println!("{step}")).await
}

fn failed(report: &Report) -> Vec<usize> {
    report.steps.iter().enumerate().filter(|(_, step)| !step.is_ok()).map(|(at, _)| at).collect()
}

#[tokio::test]
async fn the_story_comes_to_its_end() {
    let report = told(Fault::None).await;
    assert_eq!(failed(&report), [COPIED_TOKEN]);
    assert_eq!(report.to_string(), "13 steps, 1 NOT as expected");
}

#[tokio::test]
async fn each_fault_of_a_gateway_is_noticed() {
    for (fault, step) in [
        (Fault::AnyPage, 8),
        (Fault::AsksEachTime, 10),
        (Fault::NeverAsksAgain, 11),
        (Fault::PassesHeaders, 7),
    ] {
        assert_eq!(failed(&told(fault).await), [step, COPIED_TOKEN], "{fault:?}");
    }
    for fault in [Fault::LetsNobodyIn, Fault::ShowsToken] {
        let report = told(fault).await;
        assert!(failed(&report).len() > 5, "{fault:?}: {report}");
    }
}

#[tokio::test]
async fn without_a_gateway_the_story_ends_early() {
    let demo = Demo::start(DemoOptions { gateway: ([127, 0, 0, 1], 1).into(), ..DemoOptions::default() });
    let demo = demo.await.unwrap();
    assert!(!demo.ready(Duration::from_millis(50)).await);
    let report = script(&demo, demo.gateway_url(), |_| {}).await;
    assert!(!report.is_ok());
    assert_eq!(report.steps.len(), 2, "it ends where nobody can log in");
}

#[tokio::test]
async fn the_introduction_says_what_to_open_and_how_to_begin() {
    let demo = Demo::start(DemoOptions::default()).await.unwrap();
    let text = demo.introduction();
    assert!(text.starts_with("Open http://127.0.0.1:8080/\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("curl ")).count(), 3);
    let secret = std::fs::read_to_string(demo.folder().join("gateway.secret")).unwrap();
    assert!(!text.contains(&secret) && !demo.config().contains(&secret));
}

#[tokio::test]
async fn nothing_stays_behind() {
    let demo = Demo::start(DemoOptions::default()).await.unwrap();
    let folder = demo.folder().to_owned();
    assert!(folder.join("orders.db").exists());
    drop(demo);
    assert!(!folder.exists());
}
