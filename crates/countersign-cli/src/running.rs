//! What is asked of the running gateway over its socket; `countersign reload` and `countersign status`.

use std::path::PathBuf;

use countersign_gateway::admin::client::{Reply, call};
use http::Method;
use serde_json::Value;

use crate::{
    arguments::{ReloadArguments, RunningGateway, StatusArguments},
    configuration,
    exit::Exit,
    fetch,
    screen::{self, Screen},
};

/// Asks the gateway. An answer that says "no" is complained about with the reason it gives.
pub(crate) fn ask(
    command: &str,
    gateway: &RunningGateway,
    method: Method,
    path: &str,
    body: Vec<u8>,
    screen: &Screen,
) -> Result<Reply, Exit> {
    let state_dir = match (&gateway.state_dir, &gateway.config) {
        (Some(directory), _) => directory.clone(),
        (None, Some(file)) => configuration::load(file, screen)?.state_dir,
        (None, None) => PathBuf::new(),
    };
    let problem = match fetch::wait(call(&state_dir, method, path, body)) {
        Ok(Ok(reply)) if reply.status.is_success() => return Ok(reply),
        Ok(Ok(reply)) => reason(&reply),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(fail(command, &problem))
}

/// Says that a command failed, and why.
pub(crate) fn fail(command: &str, problem: &str) -> Exit {
    screen::complain(&format!("countersign {command}: {problem}\n"));
    Exit::Failed
}

/// Why the gateway did not do it.
fn reason(reply: &Reply) -> String {
    let said: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let error = said.as_ref().and_then(|said| said.get("error")).and_then(Value::as_str);
    error.map_or_else(|| format!("the gateway answers {}", reply.status), ToOwned::to_owned)
}

/// `countersign reload`.
pub(crate) fn reload(arguments: &ReloadArguments, screen: &Screen) -> Exit {
    match ask("reload", &arguments.gateway, Method::POST, "/reload", Vec::new(), screen) {
        Ok(_) => {
            screen::print("the configuration is in force\n");
            Exit::Good
        }
        Err(exit) => exit,
    }
}

/// `countersign status`.
pub(crate) fn status(arguments: &StatusArguments, screen: &Screen) -> Exit {
    let reply = match ask("status", &arguments.gateway, Method::GET, "/status", Vec::new(), screen) {
        Ok(reply) => reply,
        Err(exit) => return exit,
    };
    let Ok(Value::Object(status)) = serde_json::from_slice(&reply.body) else {
        return fail("status", "the gateway's answer is not understood");
    };
    if arguments.json {
        screen::print_json(&Value::Object(status));
    } else {
        for (name, value) in &status {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            screen::print(&format!("{:<24} {text}\n", name.replace('_', " ")));
        }
    }
    Exit::Good
}
