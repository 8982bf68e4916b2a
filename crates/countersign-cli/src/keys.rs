//! `countersign keys`: asks the running gateway over its socket.

use std::path::Path;

use countersign::Secret;
use countersign_gateway::{
    admin::client::Reply,
    config::{Environment as _, SystemEnvironment, unreadable},
};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    arguments::KeysWhat,
    exit::Exit,
    running::{ask, fail},
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
    done(what, screen).unwrap_or_else(|exit| exit)
}

fn done(what: &KeysWhat, screen: &Screen) -> Result<Exit, Exit> {
    let get = |gateway, path| ask("keys", gateway, Method::GET, path, Vec::new(), screen);
    let change = |gateway, path, body: &Value| {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        ask("keys", gateway, Method::POST, path, body, screen)
    };
    let reply = match what {
        KeysWhat::ExportPublic { gateway } => return print_json(&get(gateway, "/keys/public")?),
        KeysWhat::List { gateway, json: true } => return print_json(&get(gateway, "/keys")?),
        KeysWhat::List { gateway, json: false } => get(gateway, "/keys")?,
        KeysWhat::Import { gateway, file } => {
            let key = read(file).map_err(|problem| fail("keys", &problem))?;
            change(gateway, "/keys/import", &json!({ "key": key.expose() }))?
        }
        KeysWhat::Retire { gateway, kid, .. } => change(gateway, "/keys/retire", &json!({ "kid": kid }))?,
        KeysWhat::Rotate { gateway } => change(gateway, "/keys/rotate", &Value::Null)?,
    };
    match serde_json::from_slice(&reply.body) {
        Ok(keys) => screen::print(&table(*screen, &keys)),
        Err(error) => return Err(fail("keys", &format!("the gateway's answer is not understood: {error}"))),
    }
    Ok(Exit::Good)
}

fn print_json(reply: &Reply) -> Result<Exit, Exit> {
    match serde_json::from_slice::<Value>(&reply.body) {
        Ok(value) => screen::print_json(&value),
        Err(error) => return Err(fail("keys", &format!("the gateway's answer is not JSON: {error}"))),
    }
    Ok(Exit::Good)
}

/// The text of a key file.
fn read(file: &Path) -> Result<Secret<String>, String> {
    let problem = |what: &str| format!("`{}`: {what}", file.display());
    let content = SystemEnvironment.read_file(file).map_err(|error| problem(&unreadable(&error)))?;
    let text = std::str::from_utf8(content.bytes.expose()).map_err(|_| problem("is not text"))?;
    Ok(Secret::new(text.to_owned()))
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
