//! `countersign demo`: an old server, two services and a page, and the gateway in front of them, in one process.

mod legacy;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use countersign_demo::{Demo, DemoOptions, RunningDemo, Step, browser_script, script};
use countersign_gateway::{
    clock::SystemClock,
    config::Config,
    entropy::SystemEntropy,
    gateway::{Gateway, Surroundings},
    observe::log::{self, LogGuard},
    server::bind,
};
use tracing::Level;

use crate::{
    arguments::DemoArguments,
    configuration,
    exit::Exit,
    fetch,
    screen::{self, Screen},
};

/// Longest wait until both services have the gateway's keys and follow its revocations.
const PATIENCE: Duration = Duration::from_secs(120);

/// `countersign demo`.
pub(crate) fn run(arguments: &DemoArguments, screen: &Screen) -> Exit {
    if arguments.legacy {
        return legacy::run(arguments);
    }
    if let Some(browser) = &arguments.browser
        && !browser.exists()
    {
        return fail(&format!("--browser `{}`: there is no such file", browser.display()));
    }
    if !arguments.listen.ip().is_loopback() {
        return fail(
            "--listen must be on loopback: everything of the demo is in clear, and its passwords are known",
        );
    }
    let log = if arguments.verbose { log::install(false, Level::DEBUG).map(Some) } else { Ok(None) };
    let log = match log {
        Ok(log) => log,
        Err(error) => return fail(&error.to_string()),
    };
    match fetch::wait(show(arguments, *screen, log.as_ref())) {
        Ok(Ok(exit)) => exit,
        Ok(Err(problem)) => fail(&problem),
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(problem: &str) -> Exit {
    screen::complain(&format!("countersign demo: {problem}\n"));
    Exit::Failed
}

async fn show(arguments: &DemoArguments, screen: Screen, log: Option<&LogGuard>) -> Result<Exit, String> {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // The script needs no address that a person can remember, and must not be in the way of one.
    let (listen, admin) = if arguments.script { (free, free) } else { (arguments.listen, free) };
    let listener = bind(listen).map_err(|error| taken(listen, &error))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    // Free now: the services have to know it before the gateway listens there.
    let internal =
        bind(free).and_then(|listener| listener.local_addr()).map_err(|error| taken(free, &error))?;
    let options = DemoOptions { gateway: address, admin, internal, ..DemoOptions::default() };
    let demo = Demo::start(options).await.map_err(|error| with_sources(&error))?;
    let config =
        configuration::read(&demo.folder().join("gateway.toml")).map_err(|errors| errors.to_string())?;
    let gateway = start(&config, listener, log)?;
    if !demo.ready(PATIENCE).await {
        return Err(
            "the services did not get the gateway's keys, or do not follow its revocations".to_owned()
        );
    }
    if arguments.script {
        tell(&demo, screen, gateway, browser(arguments).as_deref()).await
    } else {
        stay(&demo, gateway).await
    }
}

fn taken(listen: SocketAddr, error: &io::Error) -> String {
    format!("cannot listen on {listen} ({}): give another address with `--listen`", error.kind())
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

fn start(config: &Config, listener: TcpListener, log: Option<&LogGuard>) -> Result<Gateway, String> {
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock::start()),
        entropy: Arc::new(SystemEntropy),
        listeners: vec![listener],
        reload: None,
        signals: true,
        log_losses: log.map(LogGuard::losses),
    };
    Gateway::start(config, surroundings).map_err(|error| with_sources(&error))
}

/// The story without a browser, then the page's own steps in one, if there is one.
async fn tell(
    demo: &RunningDemo,
    screen: Screen,
    gateway: Gateway,
    browser: Option<&Path>,
) -> Result<Exit, String> {
    let show = |step: &Step| screen::print(&format!("{step}\n"));
    let mut report = script(demo, demo.gateway_url(), show).await;
    match browser {
        Some(browser) => report.steps.extend(browser_script(demo, browser, show).await?.steps),
        None => screen::print("page steps left out: no Chromium found (`--browser FILE` names one)\n"),
    }
    screen::print(&format!("\n{}\n", screen.verdict(report.is_ok(), &report.to_string())));
    gateway.drain();
    ended(gateway).await?;
    Ok(if report.is_ok() { Exit::Good } else { Exit::Failed })
}

/// Where systems have a Chromium.
const BROWSERS: [&str; 4] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/snap/bin/chromium"];

/// The browser that was named, or one that is there.
fn browser(arguments: &DemoArguments) -> Option<PathBuf> {
    let there = BROWSERS.iter().map(PathBuf::from).find(|file| file.exists());
    arguments.browser.clone().or(there)
}

/// Until somebody ends it.
async fn stay(demo: &RunningDemo, gateway: Gateway) -> Result<Exit, String> {
    screen::print(&format!("{}\nCtrl-C ends it and removes all its files.\n", demo.introduction()));
    ended(gateway).await?;
    Ok(Exit::Good)
}

/// Waits beside the runtime, in which the other parts run.
async fn ended(gateway: Gateway) -> Result<(), String> {
    let waited = tokio::task::spawn_blocking(|| gateway.wait()).await;
    match waited {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
