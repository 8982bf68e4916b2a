//! `countersign keys`: asks the running gateway over its socket.

use std::path::PathBuf;

use countersign_gateway::admin::client::{Reply, call};
use http::Method;
use serde::Deserialize;

use crate::{
    arguments::{KeysWhat, RunningGateway},
    configuration,
    exit::Exit,
    fetch,
    screen::{self, Screen},
};

/// What `GET /keys` answers.
#[derive(Debug, Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Key {
    kid: String,
    algorithm: String,
    phase: String,
    signs_from: Option<String>,
    signs_until: Option<String>,
}

/// `countersign keys`.
pub(crate) fn run(what: &KeysWhat, screen: &Screen) -> Exit {
    let (gateway, path) = match what {
        KeysWhat::List { gateway, .. } => (gateway, "/keys"),
        KeysWhat::ExportPublic { gateway } => (gateway, "/keys/public"),
    };
    let reply = match ask(gateway, path, screen) {
        Ok(reply) => reply,
        Err(exit) => return exit,
    };
    match what {
        KeysWhat::List { json: false, .. } => match serde_json::from_slice(&reply.body) {
            Ok(keys) => screen::print(&table(*screen, &keys)),
            Err(error) => return fail(&format!("the gateway's answer is not understood: {error}")),
        },
        KeysWhat::List { json: true, .. } | KeysWhat::ExportPublic { .. } => {
            match serde_json::from_slice::<serde_json::Value>(&reply.body) {
                Ok(value) => screen::print_json(&value),
                Err(error) => return fail(&format!("the gateway's answer is not JSON: {error}")),
            }
        }
    }
    Exit::Good
}

fn ask(gateway: &RunningGateway, path: &str, screen: &Screen) -> Result<Reply, Exit> {
    let state_dir = match (&gateway.state_dir, &gateway.config) {
        (Some(directory), _) => directory.clone(),
        (None, Some(file)) => configuration::load(file, screen)?.state_dir,
        (None, None) => PathBuf::new(),
    };
    match fetch::wait(call(&state_dir, Method::GET, path, "")) {
        Ok(Ok(reply)) if reply.status.is_success() => Ok(reply),
        Ok(Ok(reply)) => Err(fail(&format!("the gateway answers {}", reply.status))),
        Ok(Err(error)) => Err(fail(&error.to_string())),
        Err(error) => Err(fail(&error.to_string())),
    }
}

fn fail(problem: &str) -> Exit {
    screen::complain(&format!("countersign keys: {problem}\n"));
    Exit::Failed
}

/// One line for each key, in columns.
fn table(screen: Screen, keys: &Keys) -> String {
    let rows: Vec<[&str; 5]> = keys
        .keys
        .iter()
        .map(|key| {
            let from = key.signs_from.as_deref().unwrap_or("-");
            let until = key.signs_until.as_deref().unwrap_or("-");
            [key.kid.as_str(), &key.algorithm, &key.phase, from, until]
        })
        .collect();
    screen.columns(["kid", "algorithm", "phase", "signs from", "signs until"], &rows)
}
