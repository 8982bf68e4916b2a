//! The story through the gateway itself.

use std::{net::TcpListener, num::NonZeroUsize, sync::Arc, time::Duration};

use countersign_demo::{Demo, DemoOptions, RunningDemo, script};
use countersign_gateway::{
    clock::SystemClock,
    config::{Config, SystemEnvironment},
    entropy::SystemEntropy,
    gateway::{Gateway, Surroundings},
};

use crate::port::Port;

/// The demo and its gateway, ready.
pub(crate) async fn start() -> (RunningDemo, Gateway) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The services have to know it before the gateway listens there.
    let internal = Port::reserved();
    let options = DemoOptions {
        gateway: listener.local_addr().unwrap(),
        admin: ([127, 0, 0, 1], 0).into(),
        internal: internal.address,
        ..DemoOptions::default()
    };
    let demo = Demo::start(options).await.unwrap();
    let file = demo.folder().join("gateway.toml");
    let config = Config::from_file(&file, &SystemEnvironment, NonZeroUsize::MIN).unwrap();
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock::start()),
        entropy: Arc::new(SystemEntropy),
        listeners: vec![listener],
        reload: None,
        signals: false,
        log_losses: None,
    };
    let gateway = Gateway::start(&config, surroundings).unwrap();
    assert!(
        demo.ready(Duration::from_secs(60)).await,
        "the services have the gateway's keys and follow its feed"
    );
    (demo, gateway)
}

#[tokio::test]
async fn the_gateway_does_the_job() {
    let (demo, gateway) = start().await;
    let report = script(&demo, demo.gateway_url(), |step| println!("{step}")).await;
    gateway.drain();
    assert!(report.is_ok(), "{report}");
}
