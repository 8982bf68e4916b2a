//! What is asked of the running gateway over its socket; `countersign reload` and `countersign status`.

use std::path::PathBuf;

use countersign_gateway::{
    admin::client::{Reply, call},
    observe::faults,
};
use http::Method;
use serde_json::{Map, Value};

use crate::{
    arguments::{ReloadArguments, RunningGateway, StatusArguments},
    configuration,
    exit::Exit,
    fetch,
    screen::{self, Mark, Screen, wrapped},
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
        (None, Some(file)) => configuration::load(file, screen).map_err(keeps_its_own)?.state_dir,
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

/// Says what becomes of a gateway that runs where its file was not understood.
pub(crate) fn keeps_its_own(exit: Exit) -> Exit {
    screen::complain(
        "The running gateway keeps the configuration it has. `--state-dir DIRECTORY` needs no file.\n",
    );
    exit
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
            screen::print(&format!("{:<24} {}\n", name.replace('_', " "), said(value)));
        }
        let codes = status.get("faults").and_then(Value::as_array).into_iter().flatten();
        for fault in codes.filter_map(Value::as_str).filter_map(faults::find) {
            let end = if fault.passes { " (passes by itself)" } else { "" };
            let text = format!("{}: {}{end}; {}", fault.code, fault.meaning, fault.remedy);
            screen::print(&screen.item(Mark::Warning, &wrapped(&text, 100)));
        }
    }
    Exit::Good
}

/// One value of the status for a person.
fn said(value: &Value) -> String {
    match value {
        Value::Array(values) => values.iter().map(said).collect::<Vec<_>>().join(", "),
        Value::Object(place) => leans_on(place),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Where something is that the gateway leans on, and since when it is away.
fn leans_on(place: &Map<String, Value>) -> String {
    let member = |name| place.get(name).and_then(Value::as_str);
    let at = member("at").unwrap_or_default();
    match (member("away_since"), member("reason")) {
        (None, _) => at.to_owned(),
        (Some(since), None) => format!("{at}: away since {since}"),
        (Some(since), Some(reason)) => format!("{at}: no usable answer since {since} ({reason})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::said;

    #[test]
    fn an_outage_is_one_line() {
        for (value, text) in [
            (json!({ "at": "whoami https://sso.example/me" }), "whoami https://sso.example/me"),
            (
                json!({ "at": "redis.internal:6379", "away_since": "2026-11-30T00:17:21Z" }),
                "redis.internal:6379: away since 2026-11-30T00:17:21Z",
            ),
            (
                json!({
                    "at": "whoami https://sso.example/me",
                    "away_since": "2026-11-30T00:16:44Z",
                    "reason": "connection refused",
                }),
                "whoami https://sso.example/me: no usable answer since 2026-11-30T00:16:44Z (connection refused)",
            ),
            (json!(["source_unavailable", "store_unavailable"]), "source_unavailable, store_unavailable"),
            (json!(2), "2"),
        ] {
            assert_eq!(said(&value), text);
        }
    }
}
