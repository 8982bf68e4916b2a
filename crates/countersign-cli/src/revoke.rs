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
    fetch, running,
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
        (None, Some(file)) => configuration::load(file, screen).map_err(running::keeps_its_own)?.state_dir,
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
        screen::complain("countersign revoke: say `--yes` to revoke this\n");
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
    let counted = if *sessions == 1 { "1 session".to_owned() } else { format!("{sessions} sessions") };
    if arguments.lift {
        return match (cursor, was_revoked) {
            (Some(cursor), _) => format!("{name}: no longer revoked (event {cursor})\n"),
            (None, true) => format!("{name}: still revoked\n"),
            (None, false) => format!("{name}: was not revoked\n"),
        };
    }
    let Some(cursor) = cursor else {
        let already = if *was_revoked { " It is revoked already." } else { "" };
        return format!("{name}: nothing was changed. {counted} would end.{already}\n");
    };
    let mut text = format!("{name}: revoked (event {cursor})\n");
    text.push_str(&match (*sessions, &arguments.target.session) {
        (0, Some(_)) => "this gateway knows no such session; recorded all the same\n".to_owned(),
        (_, _) if arguments.target.token.is_some() => String::new(),
        (_, _) => format!("{counted} ended that this gateway knows\n"),
    });
    // A session and a token have a name of their own: nothing later has it.
    let is_of_many = arguments.target.session.is_none() && arguments.target.token.is_none();
    if is_of_many && *unproven > 0 {
        text.push_str(&format!(
            "of {unproven} of them the authorization server does not tell when they began: such sessions, later ones \
             too, are refused until `--lift`\n"
        ));
    }
    text
}

fn fail(problem: &str) -> Exit {
    screen::complain(&format!("countersign revoke: {problem}\n"));
    Exit::Failed
}
