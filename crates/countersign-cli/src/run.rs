//! `countersign run`: the gateway, until it is told to end.

use std::{io, io::IsTerminal as _, path::PathBuf, sync::Arc};

use countersign_gateway::{
    clock::SystemClock,
    config::Config,
    entropy::SystemEntropy,
    gateway::{Gateway, ReadConfig, StartError, Surroundings},
    observe::log,
    server::activated,
};
use listenfd::ListenFd;
use serde_json::json;
use tracing::Level;

use crate::{
    arguments::RunArguments,
    configuration,
    exit::Exit,
    screen::{self, Screen},
};

/// The configuration in its file, for reloads.
#[derive(Debug)]
struct ConfigInFile(PathBuf);

impl ReadConfig for ConfigInFile {
    fn read(&self) -> Result<Config, String> {
        configuration::read(&self.0).map_err(|errors| errors.to_string())
    }
}

/// `countersign run`.
pub(crate) fn run(arguments: &RunArguments, screen: &Screen) -> Exit {
    let file = &arguments.file.config;
    let config = match configuration::load(file, screen) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let level = if arguments.verbose { Level::DEBUG } else { Level::INFO };
    let log = match log::install(config.log.json, level) {
        Ok(log) => log,
        Err(error) => return fail(&error.to_string()),
    };
    let listeners = match activated(&mut ListenFd::from_env()) {
        Ok(listeners) => listeners,
        Err(error) => return fail(&format!("the sockets that were handed over cannot be used: {error}")),
    };
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock::start()),
        entropy: Arc::new(SystemEntropy),
        listeners,
        reload: Some(Arc::new(ConfigInFile(file.clone()))),
        signals: true,
        log_losses: Some(log.losses()),
    };
    let gateway = match Gateway::start(&config, surroundings) {
        Ok(gateway) => gateway,
        Err(error) => return fail(&cause(&error)),
    };
    announce(&config, &gateway);
    // Without a service manager there is nobody to tell, and one that went away needs no telling.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    match gateway.wait() {
        Ok(_) => Exit::Good,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(problem: &str) -> Exit {
    screen::complain(&format!("countersign run: {problem}\n"));
    Exit::Failed
}

/// The error, and what lies under it unless that was said already.
fn cause(error: &StartError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let under = error.to_string();
        if !text.contains(&under) {
            text.push_str(": ");
            text.push_str(&under);
        }
        source = error.source();
    }
    text
}

/// One line: for a person on a terminal, else one JSON object.
fn announce(config: &Config, gateway: &Gateway) {
    let listening: Vec<String> = gateway.addresses().iter().map(ToString::to_string).collect();
    let (first, admin) = (listening.first().cloned().unwrap_or_default(), gateway.admin_address());
    if io::stdout().is_terminal() {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        screen::print(&format!(
            "countersign signs as {}, listens on {scheme}://{first}, admin pages on http://{admin}\n",
            config.issuer
        ));
        return;
    }
    let line = json!({
        "listening": first,
        "all_listening": listening,
        "admin_listening": admin.to_string(),
        "issuer": config.issuer,
        "version": env!("CARGO_PKG_VERSION"),
    });
    screen::print(&format!("{line}\n"));
}
