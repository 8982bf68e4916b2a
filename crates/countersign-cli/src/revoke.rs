//! `countersign revoke`: tells the running gateway what is revoked.

use std::path::PathBuf;

use countersign_gateway::admin::client::call;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    arguments::{RevokeArguments, RevokeTarget},
    configuration,
    exit::Exit,
    fetch,
    screen::{self, Screen},
};

/// What `POST /revoke` answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    sessions: u64,
    unproven: u64,
    was_revoked: bool,
    cursor: Option<String>,
    error: Option<String>,
}

/// `countersign revoke`.
pub(crate) fn run(arguments: &RevokeArguments, screen: &Screen) -> Exit {
    match try_run(arguments, screen) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_run(arguments: &RevokeArguments, screen: &Screen) -> Result<Exit, Exit> {
    let state_dir = match (&arguments.gateway.state_dir, &arguments.gateway.config) {
        (Some(directory), _) => directory.clone(),
        (None, Some(file)) => configuration::load(file, screen)?.state_dir,
        (None, None) => PathBuf::new(),
    };
    let (mut body, name, is_large) = target(&arguments.target);
    if let Some(members) = body.as_object_mut() {
        members.insert("lift".to_owned(), json!(arguments.lift));
        let dry_run = arguments.dry_run || (is_large && !arguments.lift && !arguments.yes);
        members.insert("dry_run".to_owned(), json!(dry_run));
    }
    let answer = ask(&state_dir, &body)?;
    if arguments.json {
        screen::print_json(&json!({
            "sessions": answer.sessions,
            "unproven": answer.unproven,
            "was_revoked": answer.was_revoked,
            "cursor": answer.cursor,
        }));
        return Ok(if answer.cursor.is_none() && !arguments.dry_run && !arguments.lift {
            Exit::Failed
        } else {
            Exit::Good
        });
    }
    screen::print(&told(arguments, &name, &answer));
    if answer.cursor.is_none() && !arguments.dry_run && !arguments.lift {
        screen::complain("countersign revoke: nothing was revoked; say `--yes` to revoke this\n");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Good)
}

/// The body, what it is called, and whether many could be concerned.
fn target(target: &RevokeTarget) -> (Value, String, bool) {
    let RevokeTarget { session, subject, organisation, token, all } = target;
    for (kind, id, is_large) in [
        ("session", session, false),
        ("token", token, false),
        ("subject", subject, false),
        ("organisation", organisation, true),
    ] {
        if let Some(id) = id {
            return (json!({ kind: id }), format!("{kind} `{id}`"), is_large);
        }
    }
    (json!({ "all": all }), "everything".to_owned(), true)
}

fn ask(state_dir: &std::path::Path, body: &Value) -> Result<Answer, Exit> {
    let reply = match fetch::wait(call(state_dir, Method::POST, "/revoke", body.to_string())) {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => return Err(fail(&error.to_string())),
        Err(error) => return Err(fail(&error.to_string())),
    };
    let answer: Answer = serde_json::from_slice(&reply.body)
        .map_err(|error| fail(&format!("the gateway's answer is not understood: {error}")))?;
    match (&answer.error, reply.status.is_success()) {
        (None, true) => Ok(answer),
        (Some(error), _) => Err(fail(error)),
        (None, false) => Err(fail(&format!("the gateway answers {}", reply.status))),
    }
}

fn told(arguments: &RevokeArguments, name: &str, answer: &Answer) -> String {
    let Answer { sessions, unproven, was_revoked, cursor, .. } = answer;
    let mut text = format!("{name}: {sessions} sessions are concerned that this gateway knows now\n");
    if *unproven > 0 && !arguments.lift {
        text.push_str(&format!(
            "of {unproven} of them the authorization server does not tell when they began: such sessions, later ones \
             too, are refused until `--lift`\n"
        ));
    }
    text.push_str(&match (cursor, arguments.lift, was_revoked) {
        (Some(cursor), false, _) => format!("revoked (event {cursor})\n"),
        (Some(cursor), true, _) => format!("no longer revoked (event {cursor})\n"),
        (None, true, false) => "it was not revoked\n".to_owned(),
        (None, _, true) => "it is revoked already\n".to_owned(),
        (None, false, false) => "it is not revoked\n".to_owned(),
    });
    text
}

fn fail(problem: &str) -> Exit {
    screen::complain(&format!("countersign revoke: {problem}\n"));
    Exit::Failed
}
